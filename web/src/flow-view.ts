// The flow picture as SVG, and the same in sentences for who does not see it.
import { byId, setAttr, setText, svg } from './dom';
import { bandWidth, layoutFlow, shortened, type Box, type FlowInput, type FlowItem, type Layout } from './flow';
import { ago, count, cut, duration, rate, size, visible } from './format';
import type { Status } from './types';

const shownSources = 8;
const shownOutlets = 8;
const shownClients = 6;

function scheduleLine(schedule: { last: number; next: number }, now: number): string {
  const last = schedule.last ? `fed ${ago(schedule.last, now)}` : 'not fed yet';
  return schedule.next ? `${last}, next in ${duration(schedule.next - now)}` : last;
}

/** `drawn`: what all outlets gave in the last minute, bytes per second. */
export function flowInput(s: Status, now: number, drawn: number): FlowInput {
  const feed = s.node.role === 'feed';
  const sources: FlowItem[] = s.sources.map((source) => {
    const credited = source.credited_rate ?? 0;
    return {
      key: source.name,
      title: visible(source.name),
      lines: [source.state, source.credit ? `${rate(credited)} credited` : `${rate(source.rate)}, credited 0`],
      full: credited,
      drbg: 0,
      state: source.state,
    };
  });
  if (sources.length === 0) {
    sources.push({ key: 'none', title: feed ? 'No upstream' : 'No source', lines: ['nothing comes in'], full: 0, drbg: 0 });
  }
  const outlets: FlowItem[] = s.outlets.map((outlet) => {
    const full = outlet.full_rate ?? 0;
    const drbg = outlet.drbg_rate ?? 0;
    const figures = drbg > 0 ? [`${rate(full)} full`, `${rate(drbg)} drbg`] : [`${rate(full)} full`];
    return {
      key: outlet.name,
      title: visible(outlet.name),
      lines: feed && outlet.schedule ? [scheduleLine(outlet.schedule, now)] : figures,
      full,
      drbg,
      state: outlet.problem ? 'suspect' : 'healthy',
    };
  });
  const rates = s.rates;
  // Who is no operator sees no outlets: all of them as one.
  if (outlets.length === 0 && rates && !feed) {
    outlets.push({
      key: 'all',
      title: 'All outlets',
      lines: [`${rate(rates.delivered)} full`],
      full: rates.delivered,
      drbg: 0,
    });
  }
  const clients: FlowItem[] = s.clients.map((client) => {
    const mean = client.minute_bytes / 60;
    return {
      key: client.name,
      title: visible(client.name),
      lines: [client.suspended ? `${rate(mean)}, suspended` : rate(mean)],
      full: mean,
      drbg: 0,
      state: client.suspended ? 'suspect' : 'healthy',
    };
  });
  const atMost = (items: FlowItem[], limit: number, what: string) => {
    const list = shortened(items, limit, what);
    const more = list.find((item) => item.key === 'more' && item.lines.length === 0);
    if (more) more.lines = [rate(more.full + more.drbg)];
    return list;
  };
  const busiest = atMost(
    [...clients].sort((a, b) => b.full - a.full),
    shownClients,
    'clients',
  );
  // A node tells of its busiest clients alone.
  const untold = (s.clients_total ?? 0) - clients.length;
  const others = busiest.find((item) => item.key === 'more' && item.state === undefined);
  if (untold > 0 && others) {
    others.title = `${clients.length - busiest.length + 1 + untold} more clients`;
    others.lines = [`${rate(others.full)} or more`];
  }
  // Who has no name here, and, for who is no operator, all others.
  const rest = drawn - clients.reduce((all, client) => all + client.full, 0);
  if (clients.length > 0 && untold <= 0 && rest > Math.max(1, drawn * 0.05)) {
    busiest.push({ key: 'rest', title: 'Everybody else', lines: [`about ${rate(rest)}`], full: rest, drbg: 0 });
  }
  const target = s.reserve.target;
  const middle = feed
    ? { title: 'This node', lines: [count(s.sources.length, 'upstream')], level: null }
    : {
        title: 'Reserve',
        lines: [
          `${size(s.reserve.bytes)} of ${size(target)}`,
          ...(s.reserve.waiting_requests > 0 ? [`${count(s.reserve.waiting_requests, 'request')} waiting`] : []),
          ...((rates?.discarded ?? 0) > 0 ? [`${rate(rates?.discarded ?? 0)} discarded`] : []),
        ],
        level: target > 0 ? Math.min(1, s.reserve.bytes / target) : 0,
      };
  return {
    caption: feed ? 'Upstreams' : 'Sources',
    sources: atMost(sources, shownSources, feed ? 'upstreams' : 'sources'),
    middle,
    drbg: feed
      ? null
      : {
          lines: [`${rate(rates?.reseed ?? 0)} in`, `${rate(rates?.drbg ?? 0)} out`],
          reseed: rates?.reseed ?? 0,
        },
    outlets: atMost(outlets, shownOutlets, 'outlets'),
    clients: busiest,
  };
}

/** The picture in sentences. */
export function flowSentences(input: FlowInput): string[] {
  const list = (items: FlowItem[]) => items.map((item) => `${item.title}: ${item.lines.join(', ')}`).join('; ');
  const out = [
    `${input.caption}. ${list(input.sources)}.`,
    `${input.middle.title}. ${input.middle.lines.join(', ')}.`,
  ];
  if (input.drbg) out.push(`DRBG. ${input.drbg.lines.join(', ')}.`);
  if (input.outlets.length) out.push(`Outlets. ${list(input.outlets)}.`);
  if (input.clients.length) out.push(`Clients, mean of the last minute. ${list(input.clients)}.`);
  return out;
}

const pen = document.createElement('canvas').getContext('2d');
const fitted = new Map<string, string>();

/** As much of `text` as `width` has room for, cut in the middle. */
function fit(text: string, font: string, width: number): string {
  const key = `${Math.round(width)} ${font} ${text}`;
  let out = fitted.get(key);
  if (out !== undefined) return out;
  if (fitted.size > 2000) fitted.clear();
  out = text;
  if (pen) {
    pen.font = font;
    for (let n = Math.min(Array.from(text).length, 200); n > 4 && pen.measureText(out).width > width; n -= 1) {
      out = cut(text, n - 1);
    }
  }
  fitted.set(key, out);
  return out;
}

const family = 'system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif';

class BoxView {
  readonly root = svg('g');
  private readonly rect = svg('rect', { rx: 8, class: 'box' });
  private readonly level = svg('rect', { rx: 5, class: 'level' });
  private readonly mark = svg('rect', { rx: 1.5, class: 'mark' });
  private readonly title = svg('text', { class: 'box-title' });
  private readonly whole = svg('title');
  private readonly lines: SVGTextElement[] = [];

  constructor() {
    this.root.append(this.whole, this.rect, this.level, this.mark, this.title);
  }

  set(box: Box): void {
    setAttr(this.root, 'class', `box-${box.kind}`);
    setAttr(this.root, 'data-state', box.state ?? '');
    for (const [name, value] of [['x', box.x], ['y', box.y], ['width', box.w], ['height', box.h]] as const) {
      setAttr(this.rect, name, value);
    }
    const filled = box.level === undefined ? 0 : Math.round((box.h - 6) * box.level * 10) / 10;
    setAttr(this.level, 'x', box.x + 3);
    setAttr(this.level, 'y', Math.round((box.y + box.h - 3 - filled) * 10) / 10);
    setAttr(this.level, 'width', Math.max(0, box.w - 6));
    setAttr(this.level, 'height', filled);
    const marked = box.state !== undefined;
    setAttr(this.mark, 'x', box.x + 6);
    setAttr(this.mark, 'y', box.y + 9);
    setAttr(this.mark, 'width', marked ? 3 : 0);
    setAttr(this.mark, 'height', Math.max(0, box.h - 18));
    const left = box.x + (marked ? 17 : 13);
    const room = box.w - (marked ? 17 : 13) - 9;
    const top = box.y + box.h / 2 - 8 * box.lines.length + 5;
    setText(this.whole, [box.title, ...box.lines].join('\n'));
    setText(this.title, fit(box.title, `600 13px ${family}`, room));
    setAttr(this.title, 'x', left);
    setAttr(this.title, 'y', top);
    box.lines.forEach((line, i) => {
      let node = this.lines[i];
      if (!node) {
        node = svg('text', { class: 'box-line' });
        this.lines[i] = node;
        this.root.append(node);
      }
      setText(node, fit(line, `400 12px ${family}`, room));
      setAttr(node, 'x', left);
      setAttr(node, 'y', top + 16 * (i + 1));
    });
    for (const node of this.lines.splice(box.lines.length)) node.remove();
  }
}

/** Elements by key: made, changed in place, removed. */
function sync<T extends { key: string }, V>(
  views: Map<string, V>,
  items: T[],
  make: () => V,
  set: (view: V, item: T) => void,
  drop: (view: V) => void,
): void {
  const kept = new Set<string>();
  for (const item of items) {
    kept.add(item.key);
    let view = views.get(item.key);
    if (!view) {
      view = make();
      views.set(item.key, view);
    }
    set(view, item);
  }
  for (const [key, view] of views) {
    if (kept.has(key)) continue;
    drop(view);
    views.delete(key);
  }
}

export class FlowView {
  private readonly host = byId('flow-picture');
  private readonly root = svg('svg', { role: 'img', 'aria-labelledby': 'flow-title', 'aria-describedby': 'flow-words' });
  private readonly bandLayer = svg('g');
  private readonly boxLayer = svg('g');
  private readonly captionLayer = svg('g');
  private readonly bands = new Map<string, SVGPathElement>();
  private readonly boxes = new Map<string, BoxView>();
  private readonly captions = new Map<string, SVGTextElement>();
  private readonly sentences = byId('flow-words');
  private input: FlowInput | null = null;
  private width = 0;
  private told = 0;

  constructor() {
    this.root.append(this.captionLayer, this.bandLayer, this.boxLayer);
    this.host.append(this.root);
    new ResizeObserver(([entry]) => {
      const rem = parseFloat(getComputedStyle(document.documentElement).fontSize) / 16 || 1;
      this.width = Math.floor((entry?.contentRect.width ?? 0) / rem);
      this.draw();
    }).observe(this.host);
    for (const sample of document.querySelectorAll<SVGPathElement>('[data-sample]')) {
      sample.setAttribute('stroke-width', String(bandWidth(Number(sample.dataset['sample']))));
    }
  }

  set(status: Status, now: number, drawn: number): void {
    this.input = flowInput(status, now, drawn);
    this.draw();
    // Now and then: who reads it should not have it change under them every second.
    if (this.told === 0 || performance.now() - this.told > 5000) {
      this.told = performance.now();
      setText(this.sentences, flowSentences(this.input).join(' '));
    }
  }

  private draw(): void {
    if (this.input && this.width > 0) this.apply(layoutFlow(this.input, this.width - 2));
  }

  private apply(layout: Layout): void {
    setAttr(this.root, 'viewBox', `-1 0 ${layout.width + 2} ${Math.ceil(layout.height)}`);
    sync(
      this.bands,
      layout.bands,
      () => this.bandLayer.appendChild(svg('path')),
      (path, band) => {
        setAttr(path, 'd', band.d);
        setAttr(path, 'stroke-width', Math.round(band.width * 10) / 10);
        setAttr(path, 'class', `band ${band.grade}${band.idle ? ' idle' : ''}`);
      },
      (path) => path.remove(),
    );
    sync(
      this.boxes,
      layout.boxes,
      () => {
        const view = new BoxView();
        this.boxLayer.append(view.root);
        return view;
      },
      (view, box) => view.set(box),
      (view) => view.root.remove(),
    );
    sync(
      this.captions,
      layout.captions,
      () => this.captionLayer.appendChild(svg('text', { class: 'flow-caption' })),
      (text, caption) => {
        setAttr(text, 'x', caption.x);
        setAttr(text, 'y', caption.y);
        setText(text, caption.text);
      },
      (text) => text.remove(),
    );
  }
}
