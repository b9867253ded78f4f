// A graph over time: uPlot on a canvas, the value under the pointer in words beside its title, and
// the same in a label for who does not see it.
import uPlot from 'uplot';
import { el, setAttr, setText } from './dom';
import { bitsPerByte, clock, duration, rate, size, stateNames } from './format';
import type { History, Values } from './history';

export type Unit = 'bytes' | 'bytes/s' | 'bits';

export interface Line {
  label: string;
  kind: string;
  of?: string;
  colour: string; // a CSS variable
  fill?: string;
  dash?: number[];
}

export interface GraphOptions {
  title: string;
  name: string; // for its label: "Rate of jitter"
  unit: Unit;
  lines: Line[];
  level?: { label: string; value: () => number }; // a dashed line across
  statesOf?: string; // shade by the states of this source
  eager?: boolean; // draw it even out of sight
}

const formats: Record<Unit, (value: number) => string> = {
  bytes: size,
  'bytes/s': rate,
  bits: bitsPerByte,
};

const powersOfTwo = Array.from({ length: 52 }, (_, i) => 2 ** (i - 2));
const times = [5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 14400, 21600, 43200];

let colours = new Map<string, string>();
let rem = 16;

function colour(name: string): string {
  let value = colours.get(name);
  if (value === undefined) {
    value = getComputedStyle(document.documentElement).getPropertyValue(name).trim();
    colours.set(name, value);
  }
  return value;
}

const stateColours: (string | null)[] = ['--state-start', '--state-good', '--state-warn', '--state-bad', '--state-gone', '--state-bad'];

const all = new Set<Graph>();

/** After light became dark, or letters larger. */
export function restyleGraphs(): void {
  colours = new Map();
  rem = parseFloat(getComputedStyle(document.documentElement).fontSize) || 16;
  for (const graph of all) graph.rebuild();
}

const visibility = new IntersectionObserver(
  (entries) => {
    for (const entry of entries) {
      for (const graph of all) {
        if (graph.root === entry.target) graph.seen(entry.isIntersecting);
      }
    }
  },
  { rootMargin: '600px' },
);

export class Graph {
  readonly root = el('figure', 'graph');
  private readonly readout = el('span', 'readout');
  private readonly canvas = el('div', 'canvas');
  private readonly resize: ResizeObserver;
  private plot: uPlot | null = null;
  private data: uPlot.AlignedData | null = null;
  private states: Values | undefined;
  private inSight: boolean;
  private behind = false;
  private span = 600;
  private labelled = -Infinity;
  private labelFor = '';

  constructor(private readonly options: GraphOptions) {
    this.inSight = options.eager ?? false;
    const caption = el('figcaption');
    caption.append(el('span', 'graph-title', options.title), this.readout);
    this.canvas.setAttribute('role', 'img');
    this.canvas.setAttribute('aria-label', `${options.name}: nothing measured yet`);
    this.root.append(caption, this.canvas);
    this.resize = new ResizeObserver(() => this.fit());
    this.resize.observe(this.canvas);
    all.add(this);
    visibility.observe(this.root);
    if (rem === 16) rem = parseFloat(getComputedStyle(document.documentElement).fontSize) || 16;
  }

  destroy(): void {
    this.resize.disconnect();
    visibility.unobserve(this.root);
    all.delete(this);
    this.plot?.destroy();
  }

  seen(inSight: boolean): void {
    this.inSight = inSight || (this.options.eager ?? false);
    if (this.inSight && this.behind) this.draw();
  }

  set(history: History, times: number[]): void {
    const none: Values = new Array<null>(times.length).fill(null);
    const series = this.options.lines.map((line) => history.get(line.kind, line.of ?? '') ?? none);
    if (this.options.level) {
      const value = this.options.level.value();
      series.push(new Array<number>(times.length).fill(value));
    }
    this.data = [times, ...series] as uPlot.AlignedData;
    this.states = this.options.statesOf === undefined ? undefined : history.get('source_state', this.options.statesOf);
    this.span = history.shown();
    // Its label changes now and then, and at once when there is another history or level.
    const labelFor = `${history.loads} ${this.options.level?.value() ?? 0}`;
    if (labelFor !== this.labelFor) this.labelled = -Infinity;
    this.labelFor = labelFor;
    this.behind = true;
    if (this.inSight) this.draw();
  }

  rebuild(): void {
    this.plot?.destroy();
    this.plot = null;
    this.behind = true;
    if (this.inSight) this.draw();
  }

  private draw(): void {
    if (!this.data || document.hidden) return;
    this.behind = false;
    if (!this.plot) this.build();
    else this.plot.setData(this.data);
    this.tell(this.plot?.cursor.idx ?? null);
    this.label();
  }

  private fit(): void {
    const [width, height] = [this.canvas.clientWidth, this.canvas.clientHeight];
    if (!this.plot || width === 0 || (this.plot.width === width && this.plot.height === height)) return;
    this.plot.setSize({ width, height });
  }

  // The figures beside the title: those at `index`, or the newest.
  private tell(index: number | null): void {
    if (!this.data) return;
    const times = this.data[0];
    const at = index ?? times.length - 1;
    const format = formats[this.options.unit];
    const parts = this.options.lines.map((line, i) => {
      const value = this.data?.[i + 1]?.[at];
      const text = value === null || value === undefined ? 'not measured' : format(value);
      return this.options.lines.length > 1 ? `${line.label} ${text}` : text;
    });
    if (index !== null) {
      const time = times[at];
      if (time !== undefined) parts.unshift(clock(new Date(time * 1000)));
      const state = this.states?.[at];
      if (state !== null && state !== undefined) parts.push(stateNames[state] ?? '');
    }
    setText(this.readout, parts.join(' · '));
  }

  private label(): void {
    const now = performance.now();
    if (now - this.labelled < 5000) return;
    this.labelled = now;
    const format = formats[this.options.unit];
    const told = this.options.lines.map((line, i) => {
      const values = (this.data?.[i + 1] ?? []) as Values;
      let [least, most] = [Infinity, -Infinity];
      for (const value of values) {
        if (value === null) continue;
        least = Math.min(least, value);
        most = Math.max(most, value);
      }
      if (least > most) return `${line.label}: nothing measured yet`;
      const last = values[values.length - 1];
      return (
        `${line.label}: now ${last === null || last === undefined ? 'unknown' : format(last)}, ` +
        `least ${format(least)}, most ${format(most)}`
      );
    });
    if (this.options.level) told.push(`${this.options.level.label}: ${format(this.options.level.value())}`);
    const known = (this.states ?? []).filter((state) => state !== null);
    if (known.length > 0) {
      const healthy = known.filter((state) => state === 1).length;
      told.push(`healthy ${Math.floor((100 * healthy) / known.length)} % of the time`);
    }
    setAttr(this.canvas, 'aria-label', `${this.options.name}, last ${duration(this.span)}. ${told.join('. ')}.`);
  }

  private build(): void {
    const [width, height] = [this.canvas.clientWidth, this.canvas.clientHeight];
    if (width === 0 || height === 0 || !this.data) {
      this.behind = true;
      return;
    }
    const { unit, lines, level } = this.options;
    const format = formats[unit];
    const font = `${0.6875 * rem}px system-ui, sans-serif`;
    const axis = {
      stroke: () => colour('--muted'),
      grid: { stroke: () => colour('--grid'), width: 1 },
      ticks: { show: false },
      font,
      gap: 0.375 * rem,
    };
    this.plot = new uPlot(
      {
        width,
        height,
        padding: [0.5 * rem, 0.75 * rem, 0, 0],
        legend: { show: false },
        cursor: {
          y: false,
          drag: { x: false, y: false, setScale: false },
          sync: { key: 'qanat' },
          points: { size: 6 },
        },
        scales: {
          x: { time: true, range: (_plot, _min, max) => [max - this.span, max] },
          y: {
            range: (_plot, _min, max) =>
              unit === 'bits' ? [0, 8] : [0, max > 0 ? max * 1.12 : unit === 'bytes' ? 1024 : 16],
          },
        },
        series: [
          {},
          ...lines.map((line) => ({
            label: line.label,
            stroke: () => colour(line.colour),
            width: 1.5,
            points: { show: false },
            ...(line.fill ? { fill: () => colour(line.fill ?? '') } : {}),
            ...(line.dash ? { dash: line.dash } : {}),
          })),
          ...(level
            ? [{ label: level.label, stroke: () => colour('--muted'), width: 1, dash: [4, 4], points: { show: false } }]
            : []),
        ],
        axes: [
          {
            ...axis,
            size: 1.5 * rem,
            space: 5 * rem,
            incrs: times,
            values: (_plot, splits, _axis, _space, step) => splits.map((s) => clock(new Date(s * 1000), step < 60)),
          },
          {
            ...axis,
            size: 4.75 * rem,
            space: 1.6 * rem,
            incrs: unit === 'bits' ? [2, 4] : powersOfTwo,
            values: (_plot, splits) => splits.map((s) => (unit === 'bits' ? `${s} bits` : format(s))),
          },
        ],
        hooks: {
          drawClear: [(plot) => this.shade(plot)],
          setCursor: [(plot) => this.tell(plot.cursor.idx ?? null)],
        },
      },
      this.data,
      this.canvas,
    );
  }

  // States behind the line: a thin strip below while all is well, the whole height otherwise.
  private shade(plot: uPlot): void {
    const states = this.states;
    const times = this.data?.[0];
    if (!states || !times) return;
    const { ctx, bbox } = plot;
    const strip = Math.round(0.25 * rem * devicePixelRatio);
    ctx.save();
    ctx.beginPath();
    ctx.rect(bbox.left, bbox.top, bbox.width, bbox.height);
    ctx.clip();
    for (let from = 0; from < states.length; ) {
      const state = states[from];
      let to = from + 1;
      while (to < states.length && states[to] === state) to += 1;
      const name = state === null || state === undefined ? null : stateColours[state];
      if (name) {
        const left = plot.valToPos(times[from] ?? 0, 'x', true);
        const right = plot.valToPos(times[Math.min(to, states.length - 1)] ?? 0, 'x', true);
        const wide = Math.max(right - left, devicePixelRatio);
        ctx.fillStyle = colour(name);
        ctx.fillRect(left, bbox.top + bbox.height - strip, wide, strip);
        if (state !== 1) {
          ctx.globalAlpha = 0.16;
          ctx.fillRect(left, bbox.top, wide, bbox.height - strip);
          ctx.globalAlpha = 1;
        }
      }
      from = to;
    }
    ctx.restore();
  }
}
