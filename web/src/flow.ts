// Where the boxes and bands of the flow picture lie. Pure: figures in, coordinates out.

export interface FlowItem {
  key: string;
  title: string;
  lines: string[];
  full: number; // bytes per second of grade full; of a source: what it is credited
  drbg: number; // bytes per second of grade drbg
  state?: string;
}

export interface FlowInput {
  caption: string; // of the sources
  sources: FlowItem[];
  middle: { title: string; lines: string[]; level: number | null }; // level: 0 to 1
  drbg: { lines: string[]; reseed: number } | null;
  outlets: FlowItem[];
  clients: FlowItem[];
}

export interface Box {
  key: string;
  kind: 'source' | 'reserve' | 'drbg' | 'outlet' | 'client';
  x: number;
  y: number;
  w: number;
  h: number;
  title: string;
  lines: string[];
  state?: string;
  level?: number;
}

export interface Band {
  key: string;
  grade: 'full' | 'drbg' | 'both';
  d: string;
  width: number;
  idle: boolean;
}

export interface Caption {
  key: string;
  text: string;
  x: number;
  y: number;
}

export interface Layout {
  width: number;
  height: number;
  boxes: Box[];
  bands: Band[];
  captions: Caption[];
}

export const widest = 44;

/** Bands grow with the logarithm of the rate: a byte a second is seen beside a mebibyte. */
export function bandWidth(rate: number): number {
  if (!(rate > 0)) return 1.5;
  return Math.min(widest, 2 + 1.5 * Math.log2(1 + rate / 8));
}

/** The first items, and the rest as one. */
export function shortened(items: FlowItem[], limit: number, rest: string): FlowItem[] {
  if (items.length <= limit) return items;
  const busiest = [...items].sort((a, b) => b.full + b.drbg - a.full - a.drbg);
  const kept = new Set(busiest.slice(0, limit - 1));
  const others = items.filter((item) => !kept.has(item));
  const sum = (pick: (item: FlowItem) => number) => others.reduce((all, item) => all + pick(item), 0);
  return [
    ...items.filter((item) => kept.has(item)),
    {
      key: 'more',
      title: `${others.length} more ${rest}`,
      lines: [],
      full: sum((item) => item.full),
      drbg: sum((item) => item.drbg),
    },
  ];
}

const round = (n: number) => Math.round(n * 10) / 10;

function curve(x1: number, y1: number, x2: number, y2: number): string {
  const middle = round((x1 + x2) / 2);
  return `M${round(x1)},${round(y1)}C${middle},${round(y1)} ${middle},${round(y2)} ${round(x2)},${round(y2)}`;
}

/** The middles of bands that lie side by side around `centre`. */
export function stacked(widths: number[], centre: number, gap: number): number[] {
  const all = widths.reduce((sum, w) => sum + w, 0) + gap * Math.max(0, widths.length - 1);
  let at = centre - all / 2;
  return widths.map((w) => {
    const middle = at + w / 2;
    at += w + gap;
    return middle;
  });
}

interface Stream {
  grade: 'full' | 'drbg';
  width: number;
  idle: boolean;
}

// What an outlet draws: both grades, or one dashed line when it draws nothing.
function streams(item: FlowItem, drbg: boolean): Stream[] {
  const out: Stream[] = [];
  if (item.full > 0 || !drbg || !(item.drbg > 0)) {
    out.push({ grade: 'full', width: bandWidth(item.full), idle: !(item.full > 0) });
  }
  if (drbg && item.drbg > 0) out.push({ grade: 'drbg', width: bandWidth(item.drbg), idle: false });
  return out;
}

const lineHeight = 16;
const boxHeight = (lines: number, bands: number) => Math.max(34 + lineHeight * lines, bands + 18);
const sumOf = (list: { width: number }[]) => list.reduce((all, s) => all + s.width, 0);

function column(kind: Box['kind'], items: FlowItem[], x: number, w: number, bands: number[]): Box[] {
  let y = 0;
  return items.map((item, i) => {
    const h = boxHeight(item.lines.length, bands[i] ?? 0);
    const box: Box = { key: `${kind}:${i}:${item.key}`, kind, x, y, w, h, title: item.title, lines: item.lines };
    if (item.state !== undefined) box.state = item.state;
    y += h + 12;
    return box;
  });
}

const bottom = (boxes: Box[]) => {
  const last = boxes[boxes.length - 1];
  return last ? last.y + last.h : 0;
};

function shift(boxes: Box[], dy: number): void {
  for (const box of boxes) box.y = round(box.y + dy);
}

const middleOf = (box: Box) => box.y + box.h / 2;

function wide(input: FlowInput, width: number): Layout {
  const top = 26;
  const columns = input.clients.length > 0 ? 4 : 3;
  const w = Math.min(270, Math.max(150, width * (columns === 4 ? 0.165 : 0.22)));
  const middleW = Math.min(240, Math.max(150, width * 0.15));
  const gap = (width - w * (columns - 1) - middleW) / (columns - 1);
  const x = { source: 0, middle: w + gap, outlet: w + middleW + gap * 2, client: width - w };

  const drawn = input.outlets.map((item) => streams(item, input.drbg !== null));
  const sources = column('source', input.sources, x.source, w, input.sources.map((s) => bandWidth(s.full)));
  const outlets = column('outlet', input.outlets, x.outlet, w, drawn.map(sumOf));
  const clients = column('client', input.clients, x.client, w, input.clients.map((c) => bandWidth(c.full + c.drbg)));

  const inWidths = input.sources.map((s) => bandWidth(s.full));
  const fullOut = drawn.flatMap((list) => list.filter((s) => s.grade === 'full').map((s) => s.width));
  const total = (list: number[]) => list.reduce((all, n) => all + n + 3, 0);
  const reserveH = Math.max(132, total(inWidths) + 40, total(fullOut) + 40);
  const reserve: Box = {
    key: 'reserve',
    kind: 'reserve',
    x: x.middle,
    y: 0,
    w: middleW,
    h: reserveH,
    title: input.middle.title,
    lines: input.middle.lines,
  };
  if (input.middle.level !== null) reserve.level = input.middle.level;
  const middle = [reserve];
  if (input.drbg) {
    const drbgOut = drawn.flatMap((list) => list.filter((s) => s.grade === 'drbg').map((s) => s.width));
    middle.push({
      key: 'drbg',
      kind: 'drbg',
      x: x.middle,
      y: reserveH + 34,
      w: middleW,
      h: boxHeight(input.drbg.lines.length, total(drbgOut)),
      title: 'DRBG',
      lines: input.drbg.lines,
    });
  }

  const height = top + Math.max(bottom(sources), bottom(outlets), bottom(clients), bottom(middle)) + 4;
  for (const boxes of [sources, middle, outlets, clients]) {
    shift(boxes, top + (height - top - 4 - bottom(boxes)) / 2);
  }

  const bands: Band[] = [];
  const inAt = stacked(inWidths, middleOf(reserve), 3);
  sources.forEach((box, i) => {
    const flow = input.sources[i]?.full ?? 0;
    bands.push({
      key: `in:${box.key}`,
      grade: 'full',
      d: curve(box.x + w, middleOf(box), reserve.x, inAt[i] ?? 0),
      width: bandWidth(flow),
      idle: !(flow > 0),
    });
  });

  const drbg = middle[1];
  if (drbg && input.drbg) {
    const at = round(reserve.x + middleW / 2);
    bands.push({
      key: 'reseed',
      grade: 'full',
      d: `M${at},${round(reserve.y + reserve.h)}V${round(drbg.y)}`,
      width: bandWidth(input.drbg.reseed),
      idle: !(input.drbg.reseed > 0),
    });
  }
  const from = {
    full: stacked(fullOut, middleOf(reserve), 3),
    drbg: drbg
      ? stacked(
          drawn.flatMap((list) => list.filter((s) => s.grade === 'drbg').map((s) => s.width)),
          middleOf(drbg),
          3,
        )
      : [],
  };
  const used = { full: 0, drbg: 0 };
  outlets.forEach((box, i) => {
    const list = drawn[i] ?? [];
    const to = stacked(list.map((s) => s.width), middleOf(box), 2);
    list.forEach((s, n) => {
      const start = from[s.grade][used[s.grade]++] ?? 0;
      bands.push({
        key: `${s.grade}:${box.key}`,
        grade: s.grade,
        d: curve(reserve.x + middleW, start, box.x, to[n] ?? 0),
        width: s.width,
        idle: s.idle,
      });
    });
  });

  if (columns === 4) {
    // Which client draws through which outlet is not told: the bands meet half-way.
    const knot = round((x.outlet + w + x.client) / 2);
    const centre = top + (height - top - 4) / 2;
    const outs = input.outlets.map((item) => bandWidth(item.full + item.drbg));
    const ins = input.clients.map((item) => bandWidth(item.full + item.drbg));
    const left = stacked(outs, centre, 1);
    const right = stacked(ins, centre, 1);
    outlets.forEach((box, i) => {
      const flow = (input.outlets[i]?.full ?? 0) + (input.outlets[i]?.drbg ?? 0);
      bands.push({
        key: `out:${box.key}`,
        grade: 'both',
        d: curve(box.x + w, middleOf(box), knot, left[i] ?? 0),
        width: outs[i] ?? 1,
        idle: !(flow > 0),
      });
    });
    clients.forEach((box, i) => {
      const flow = (input.clients[i]?.full ?? 0) + (input.clients[i]?.drbg ?? 0);
      bands.push({
        key: `to:${box.key}`,
        grade: 'both',
        d: curve(knot, right[i] ?? 0, box.x, middleOf(box)),
        width: ins[i] ?? 1,
        idle: !(flow > 0),
      });
    });
  }

  const captions: Caption[] = [
    { key: 'sources', text: input.caption, x: x.source, y: 12 },
    { key: 'outlets', text: 'Outlets', x: x.outlet, y: 12 },
  ];
  if (columns === 4) captions.push({ key: 'clients', text: 'Clients, last minute', x: x.client, y: 12 });
  return { width, height, boxes: [...sources, ...middle, ...outlets, ...clients], bands, captions };
}

// On a telephone: one column, and a channel along its right side.
function narrow(input: FlowInput, width: number): Layout {
  const w = width - 62;
  const channel = width - 24;
  const boxes: Box[] = [];
  const bands: Band[] = [];
  const captions: Caption[] = [];
  let y = 0;

  const rows = (kind: Box['kind'], items: FlowItem[], caption: string): Box[] => {
    if (items.length === 0) return [];
    captions.push({ key: kind, text: caption, x: 0, y: y + 12 });
    const list = column(kind, items, 0, w, items.map((item) => bandWidth(item.full + item.drbg)));
    shift(list, y + 26);
    boxes.push(...list);
    y = bottom(list) + 16;
    return list;
  };
  const trunk = (key: string, items: FlowItem[], from: number, to: number) => {
    const flow = items.reduce((all, item) => all + item.full + item.drbg, 0);
    bands.push({
      key,
      grade: 'both',
      d: `M${channel},${round(from)}V${round(to)}`,
      width: Math.min(26, bandWidth(flow)),
      idle: !(flow > 0),
    });
  };
  // Half a branch: so far the channel goes on beyond its middle, for a whole corner.
  const halfOf = (item: FlowItem | undefined) =>
    item ? Math.min(26, bandWidth(item.full + item.drbg)) / 2 : 0;
  const branches = (prefix: string, list: Box[], items: FlowItem[]) => {
    list.forEach((box, i) => {
      const flow = (items[i]?.full ?? 0) + (items[i]?.drbg ?? 0);
      bands.push({
        key: `${prefix}:${box.key}`,
        grade: 'both',
        d: `M${w},${round(middleOf(box))}H${channel}`,
        width: Math.min(26, bandWidth(flow)),
        idle: !(flow > 0),
      });
    });
  };

  const sources = rows('source', input.sources, input.caption);
  const lines = [...input.middle.lines, ...(input.drbg ? input.drbg.lines.map((line) => `DRBG: ${line}`) : [])];
  const reserve: Box = {
    key: 'reserve',
    kind: 'reserve',
    x: 0,
    y,
    w: width,
    h: Math.max(80, 48 + lineHeight * lines.length),
    title: input.middle.title,
    lines,
  };
  if (input.middle.level !== null) reserve.level = input.middle.level;
  boxes.push(reserve);
  const first = sources[0];
  if (first) {
    branches('in', sources, input.sources);
    trunk('in', input.sources, middleOf(first) - halfOf(input.sources[0]), reserve.y);
  }
  y = reserve.y + reserve.h + 14;
  const outlets = rows('outlet', input.outlets, 'Outlets');
  const lastOutlet = outlets[outlets.length - 1];
  if (lastOutlet) {
    branches('out', outlets, input.outlets);
    trunk('out', input.outlets, reserve.y + reserve.h, middleOf(lastOutlet) + halfOf(input.outlets[outlets.length - 1]));
  }
  const clients = rows('client', input.clients, 'Clients, mean of the last minute');
  const lastClient = clients[clients.length - 1];
  if (lastClient) {
    branches('to', clients, input.clients);
    trunk('to', input.clients, lastOutlet ? middleOf(lastOutlet) : reserve.y + reserve.h, middleOf(lastClient) + halfOf(input.clients[clients.length - 1]));
  }
  return { width, height: y, boxes, bands, captions };
}

export function layoutFlow(input: FlowInput, width: number): Layout {
  return width < 720 ? narrow(input, Math.max(240, width)) : wide(input, width);
}
