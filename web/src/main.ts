import './style.css';
import { byId, setAttr, setText, show, Sign } from './dom';
import { EventList } from './events';
import { FlowView } from './flow-view';
import { ago, count, cut, day, duration, moment, rate, reasons, size, visible, whole } from './format';
import { Graph, restyleGraphs } from './graph';
import { History, type Span } from './history';
import { Figures, SourceCards } from './sources';
import { fetchHistory, Stream, type Link } from './stream';
import { type Column, Table } from './table';
import type { Client, Outlet, Source, Status } from './types';

// Asked for before anything else: both answers are on their way while the page is put together.
const firstHistory = fetchHistory('10m');
const stream = new Stream({ frame: onFrame, event: (event) => events.add(event), link: onLink });
const events = new EventList();

const staleAfter = 3000; // ms
const restAfter = 60000; // ms out of sight
const refetchEvery: Record<Span, number> = { '10m': 120000, '2h': 10000, '24h': 60000 };

const history = new History();
let status: Status | null = null;
let link: Link = { state: 'connecting' };
let lastFrame = 0; // performance.now()
let lastFrameDate: Date | null = null;
let behind = false; // there is more history than we have
let restTimer: ReturnType<typeof setTimeout> | undefined;
let hiddenFrame: string | null = null;
let wanted: Span = '10m';
let nextFetch = Infinity;
let fetching = false;
let marked = false;

const sign = new Sign();
byId('verdict-sign').append(sign.root);
const facts = new Figures();
facts.root.className = 'facts';
byId('facts').replaceWith(facts.root);
const flow = new FlowView();
const cards = new SourceCards(byId('sources'));

const reserveGraph = new Graph({
  title: 'Full-entropy bytes in reserve',
  name: 'Reserve',
  unit: 'bytes',
  eager: true,
  lines: [{ label: 'reserve', kind: 'reserve', colour: '--accent', fill: '--accent-fill' }],
  level: { label: 'target', value: () => status?.reserve.target ?? 0 },
});
const ratesGraph = new Graph({
  title: 'Rates',
  name: 'Rates of grade full',
  unit: 'bytes/s',
  lines: [
    { label: 'credited', kind: 'credited', colour: '--accent', fill: '--accent-fill' },
    { label: 'delivered', kind: 'delivered', colour: '--line-2' },
    { label: 'reseed', kind: 'reseed', colour: '--muted', dash: [4, 3] },
  ],
});
const reserveFigures = new Figures();
const ratesFigures = new Figures();
byId('reserve-card').append(reserveGraph.root, reserveFigures.root);
byId('rates-card').append(ratesGraph.root, ratesFigures.root);
const books = new Figures();
books.root.className = 'sum';
byId('books').append(books.root);

let now = 0; // seconds since 1970, by the node's clock
let mostDrawn = 1;

const clientState = (c: Client) =>
  c.suspended ? 'guarantee suspended' : c.rate > 0 ? 'guarantee kept' : 'no guarantee';
const clients = new Table<Client>(
  'Clients: what each was promised, and what it draws',
  [
    { key: 'name', label: 'Client', value: (c) => c.name, text: (c) => c.name },
    {
      key: 'state',
      label: 'State',
      value: clientState,
      text: clientState,
      title: (c) => (c.suspended ? 'The sources do not prove enough now; it still has its fair share' : ''),
      warn: (c) => c.suspended,
    },
    { key: 'rate', label: 'Guarantee', number: true, value: (c) => c.rate, text: (c) => (c.rate > 0 ? rate(c.rate) : 'none') },
    {
      key: 'share',
      label: 'Draws, last minute',
      number: true,
      value: (c) => c.minute_bytes,
      text: (c) => rate(c.minute_bytes / 60),
      bar: (c) => c.minute_bytes / mostDrawn,
    },
    { key: 'full', label: 'Full, in all', number: true, value: (c) => c.full_bytes, text: (c) => size(c.full_bytes) },
    { key: 'drbg', label: 'Drbg, in all', number: true, value: (c) => c.drbg_bytes, text: (c) => size(c.drbg_bytes) },
    {
      key: 'waiting',
      label: 'Waiting',
      number: true,
      value: (c) => c.waiting_bytes,
      text: (c) => (c.waiting_requests > 0 ? `${count(c.waiting_requests, 'request')}, ${size(c.waiting_bytes)}` : 'none'),
    },
    {
      key: 'refused',
      label: 'Refused',
      number: true,
      value: (c) => c.refused,
      text: (c) => count(c.refused, 'request'),
    },
    { key: 'seen', label: 'Last seen', number: true, value: (c) => c.last_seen, text: (c) => ago(c.last_seen, now) },
  ],
  'share',
  true,
);
byId('clients').append(clients.root);

const outletState = (o: Outlet) => {
  if (o.problem) return `Problem: ${visible(o.problem)}`;
  const until = o.tls?.certificate_until;
  return visible(o.detail) + (until ? `; certificate until ${day(new Date(until * 1000))}` : '');
};
const whichOutlet: Column<Outlet>[] = [
  { key: 'name', label: 'Outlet', value: (o) => o.name, text: (o) => o.name },
  {
    key: 'state',
    label: 'State',
    value: outletState,
    text: (o) => cut(outletState(o), 90),
    title: outletState,
    warn: (o) => o.problem !== '',
  },
];
const outlets = new Table<Outlet>(
  'Outlets: what leaves through each, and what was refused',
  [
    ...whichOutlet,
    { key: 'open', label: 'Connections', number: true, value: (o) => o.connections, text: (o) => whole(o.connections) },
    { key: 'deliveries', label: 'Deliveries', number: true, value: (o) => o.deliveries, text: (o) => whole(o.deliveries) },
    { key: 'full', label: 'Full, now', number: true, value: (o) => o.full_rate ?? 0, text: (o) => rate(o.full_rate ?? 0) },
    { key: 'drbg', label: 'Drbg, now', number: true, value: (o) => o.drbg_rate ?? 0, text: (o) => rate(o.drbg_rate ?? 0) },
    {
      key: 'all',
      label: 'In all',
      number: true,
      value: (o) => o.full_bytes + o.drbg_bytes,
      text: (o) => size(o.full_bytes + o.drbg_bytes),
      title: (o) => `${size(o.full_bytes)} full, ${size(o.drbg_bytes)} drbg`,
    },
    {
      key: 'waiting',
      label: 'Waiting',
      number: true,
      value: (o) => o.waiting_requests ?? 0,
      text: (o) => (o.waiting_requests ? count(o.waiting_requests, 'request') : 'none'),
    },
    {
      key: 'refused',
      label: 'Refused, by reason',
      value: (o) => -Object.values(o.refused ?? {}).reduce((all, n) => all + n, 0),
      text: (o) => reasons(o.refused) || 'nothing',
    },
  ],
  'name',
  false,
);
const feeding = new Table<Outlet>(
  'What this node feeds, and when',
  [
    ...whichOutlet,
    { key: 'last', label: 'Last fed', number: true, value: (o) => o.schedule?.last ?? 0, text: (o) => ago(o.schedule?.last ?? 0, now) },
    {
      key: 'next',
      label: 'Next',
      number: true,
      value: (o) => o.schedule?.next ?? 0,
      text: (o) => (o.schedule?.next ? `in ${duration(o.schedule.next - now)}` : 'not planned'),
    },
    { key: 'times', label: 'Fed', number: true, value: (o) => o.deliveries, text: (o) => count(o.deliveries, 'time') },
    { key: 'full', label: 'Full, in all', number: true, value: (o) => o.full_bytes, text: (o) => size(o.full_bytes) },
    { key: 'refused', label: 'Failed', value: (o) => reasons(o.refused), text: (o) => reasons(o.refused) || 'never' },
  ],
  'name',
  false,
);
byId('outlets').append(outlets.root, feeding.root);

const trickled = (what: string, label: string) => ({
  key: what,
  label,
  number: true,
  value: (s: Source) => s.trickle?.[what] ?? 0,
  text: (s: Source) => whole(s.trickle?.[what] ?? 0),
});
const upstreams = new Table<Source>(
  'Upstreams: the nodes that this one draws from, and what went by UDP',
  [
    { key: 'name', label: 'Upstream', value: (s) => s.name, text: (s) => s.name },
    { key: 'state', label: 'State', value: (s) => s.state, text: (s) => s.state, warn: (s) => s.state !== 'healthy' },
    { key: 'bytes', label: 'Read in all', number: true, value: (s) => s.bytes, text: (s) => size(s.bytes) },
    trickled('sessions', 'Sessions'),
    trickled('sent', 'Datagrams sent'),
    trickled('answered', 'Answered'),
    trickled('refused', 'Refused'),
    trickled('silent', 'Silent'),
    trickled('strays', 'Strays'),
  ],
  'name',
  false,
);
byId('upstreams').append(upstreams.root);
const guests = new Table<Outlet>(
  'Guests: the virtual machines that are served, by outlet',
  [
    ...whichOutlet,
    { key: 'open', label: 'Connected', number: true, value: (o) => o.connections, text: (o) => count(o.connections, 'guest') },
    { key: 'seeds', label: 'Seeds given', number: true, value: (o) => o.deliveries, text: (o) => whole(o.deliveries) },
    { key: 'full', label: 'Full, in all', number: true, value: (o) => o.full_bytes, text: (o) => size(o.full_bytes) },
    { key: 'drbg', label: 'Drbg, in all', number: true, value: (o) => o.drbg_bytes, text: (o) => size(o.drbg_bytes) },
    { key: 'refused', label: 'Refused, by reason', value: (o) => reasons(o.refused), text: (o) => reasons(o.refused) || 'nothing' },
  ],
  'name',
  false,
);
byId('guests').append(guests.root);

/** A sentence in place of a table that would be empty; none where there are rows. */
function notice(id: string, text: string): void {
  const node = byId(id);
  setText(node, text);
  show(node, text !== '');
}

function drawVerdict(): void {
  let level = status?.verdict?.level ?? '';
  let text = status ? visible(status.verdict?.text ?? '') : 'Asking the node how it is …';
  let hint = visible(status?.verdict?.hint ?? '');
  const since = lastFrameDate ? moment(lastFrameDate, new Date()) : null;
  const old = status !== null && link.state !== 'resting' && performance.now() - lastFrame > staleAfter;
  let words = 'live';
  let mood: string = 'live';
  if (link.state === 'refused') {
    level = 'bad';
    mood = 'lost';
    words = `refused, ${link.code}`;
    if (link.code === 401) {
      text = since ? `The node shows you nothing any more: the figures are of ${since}.` : 'The node does not know you.';
      hint = 'Ask its operator for a token (qanat invite --observer NAME prints one), load this page again and enter it as the password.';
    } else if (link.code === 403) {
      text = 'The node refuses to show this page to you.';
      hint = 'Open it by the address of the node, not by another name or through another site. If your name was revoked, ask the operator for a new one.';
    } else {
      text = 'What answers here offers no live figures.';
      hint = 'The node may be older than this page: load the page again.';
    }
  } else if (link.state === 'lost') {
    level = 'bad';
    mood = 'lost';
    words = 'connection lost, trying again';
    text = since ? `Connection lost: the figures stand still since ${since}.` : 'The node does not answer.';
    hint = 'The page tries again by itself. If it goes on, see whether the node runs: qanat status on its machine.';
  } else if (old) {
    level = 'warning';
    mood = 'old';
    words = `stands still since ${since}`;
    text = `The figures are old: they stand still since ${since}.`;
    hint = 'The connection is open, but nothing comes. If it goes on, the node or the network is overloaded: qanat status on its machine tells which.';
  } else if (link.state !== 'open' || !status) {
    mood = 'connecting';
    words = 'connecting';
  }
  setAttr(byId('verdict'), 'data-level', level);
  sign.set(level || 'start-up');
  setText(byId('verdict-text'), text);
  setText(byId('verdict-hint'), hint);
  show(byId('verdict-hint'), hint !== '');
  show(byId('retry'), link.state === 'refused');
  setAttr(byId('link'), 'data-link', mood);
  setText(byId('link-text'), words);
  document.body.classList.toggle('old', mood === 'lost' || mood === 'old');
  const short = level === 'good' ? 'all is well' : level === 'bad' || level === 'warning' ? 'look here' : '';
  const name = status ? ` ${visible(status.node.id).slice(0, 8)}` : '';
  const title = mood === 'live' ? `qanat${name}: ${short}` : `qanat${name}: ${link.state === 'resting' ? 'rests' : mood === 'connecting' ? 'connecting' : 'no news'}`;
  if (document.title !== title) document.title = title;
}

function drawFacts(s: Status): void {
  facts.set('Node', visible(s.node.id));
  facts.set('Role', s.node.role === 'hub' ? 'hub' : s.node.role === 'feed' ? 'feed' : visible(s.node.role));
  facts.set('Version', visible(s.node.version));
  facts.set('Up for', duration(s.node.uptime));
}

function drawSources(s: Status, feed: boolean): void {
  const credited = s.sources.filter((source) => source.credit && source.state === 'healthy');
  setText(byId('sources-title'), feed ? 'Upstreams' : 'Sources');
  let text = '';
  if (s.sources.length === 0) {
    text = feed
      ? 'No upstream: start this node with one, qanat feed JOIN-STRING.'
      : 'No source: name one, such as qanat serve --source jitter. qanat sources lists those of this machine.';
  } else if (!feed && credited.length === 0) {
    text =
      'No source credits anything: only what is in the reserve is left. qanat sources tests each source of this machine; docs/sources.md says what can be credited.';
  }
  notice('sources-notice', text);
  setText(
    byId('sources-aside'),
    s.sources.length ? `${credited.length} of ${count(s.sources.length, feed ? 'upstream' : 'source')} healthy and credited` : '',
  );
  cards.set(s.sources, now, feed);
}

function drawReserve(s: Status): void {
  const r = s.reserve;
  setText(byId('reserve-aside'), `${size(r.bytes)} of ${size(r.target)}`);
  reserveFigures.set('In reserve', size(r.bytes));
  reserveFigures.set('Target (dashed)', size(r.target));
  reserveFigures.set('On its way out', size(r.in_flight));
  reserveFigures.set('Waiting', r.waiting_requests > 0 ? `${count(r.waiting_requests, 'request')}, ${size(r.waiting_bytes)}` : 'nobody');
  ratesFigures.set('Proved supply', rate(s.supply.proved));
  ratesFigures.set('Promised', rate(s.supply.promised));
  ratesFigures.set('Suspended', s.supply.suspended > 0 ? rate(s.supply.suspended) : 'nothing');
  ratesFigures.set('Discarded', rate(s.rates?.discarded ?? 0));
}

function drawClients(s: Status, operator: boolean): void {
  let text = '';
  if (!operator) {
    text =
      s.clients.length > 0
        ? 'You see yourself alone: the operator sees all clients and outlets.'
        : 'You see no client, as you have no name here: the operator sees all clients and outlets.';
  } else if (s.clients.length === 0) {
    text = 'No client yet: qanat invite NAME makes one, and prints its join string.';
  }
  notice('clients-notice', text);
  show(byId('clients'), s.clients.length > 0);
  mostDrawn = Math.max(1, ...s.clients.map((c) => c.minute_bytes));
  clients.set(s.clients);
  const all = s.clients_total ?? s.clients.length;
  const more = operator ? all - s.clients.length : 0;
  setText(byId('clients-more'), `${count(more, 'more client')} ${more === 1 ? 'is' : 'are'} not shown: these are the busiest. qanat clients lists all.`);
  show(byId('clients-more'), more > 0);
  const suspended = s.clients.filter((c) => c.suspended).length;
  setText(
    byId('clients-aside'),
    operator && all > 0 ? `${count(all, 'client')}${suspended ? `, ${count(suspended, 'guarantee')} suspended` : ''}` : '',
  );
}

function drawOutlets(s: Status, feed: boolean): void {
  setText(byId('outlets-title'), feed ? 'Feeding' : 'Outlets');
  show(outlets.root, !feed);
  show(feeding.root, feed);
  show(byId('outlets'), s.outlets.length > 0);
  (feed ? feeding : outlets).set(s.outlets);
  notice(
    'outlets-notice',
    s.outlets.length > 0 ? '' : 'This node feeds nothing: name an outlet, such as qanat feed JOIN-STRING --outlet kernel.',
  );
  const open = s.outlets.reduce((all, o) => all + o.connections, 0);
  setText(byId('outlets-aside'), feed ? '' : `${count(s.outlets.length, 'outlet')}, ${count(open, 'open connection')}`);
}

function drawRelays(s: Status, operator: boolean, feed: boolean): void {
  setText(byId('relays-title'), feed ? 'Seeds by UDP' : 'Upstreams and guests');
  const up = s.sources.filter((source) => source.upstream);
  const virtual = s.outlets.filter((outlet) => outlet.guests);
  upstreams.set(up);
  guests.set(virtual);
  show(byId('upstreams'), up.length > 0);
  show(byId('guests'), virtual.length > 0);
  notice('upstreams-notice', up.length ? '' : 'No upstream: this node draws from no other. Give it a join string to make it a relay: qanat serve --source JOIN-STRING.');
  notice('guests-notice', virtual.length || !operator || feed ? '' : 'No guests: to serve virtual machines, add an outlet for them: --outlet vmport:DIR/.');
}

function drawBooks(s: Status, feed: boolean): void {
  const l = s.ledger;
  const bytes = (bits: number) => size(bits / 8);
  books.set('Credited', bytes(l.credited));
  books.set('= delivered', bytes(l.delivered));
  books.set('+ discarded', bytes(l.discarded));
  books.set('+ reseed', bytes(l.reseed));
  books.set('+ reserve', bytes(l.reserve));
  const rest = l.credited - l.delivered - l.discarded - l.reseed - l.reserve;
  books.set('Balance', rest === 0 ? 'even, to the bit' : `off by ${whole(Math.abs(rest))} bits: report this`);
  books.set('DRBG', s.drbg.reseeds === 0 && feed ? null : `${count(s.drbg.reseeds, 'reseed')}, ${size(s.drbg.bytes)} given`);
  const threads = s.threads ?? [];
  const still = threads.filter((thread) => thread.still > 0);
  books.set(
    'Threads',
    threads.length === 0
      ? null
      : still.length === 0
        ? `${whole(threads.length)}, all turn`
        : still.map((t) => `${visible(t.name)} stands still for ${duration(t.still)}`).join(', '),
  );
  const problem = visible(s.node.problem ?? '');
  books.set('Problem', problem || null);
}

function render(s: Status): void {
  const feed = s.node.role === 'feed';
  const operator = feed || s.outlets.length > 0;
  drawFacts(s);
  flow.set(s, now, s.outlets.length > 0 ? history.lastMinute('outlet_full', 'outlet_drbg') : history.lastMinute('delivered'));
  drawSources(s, feed);
  show(byId('reserve-section'), !feed);
  show(byId('clients-section'), !feed);
  show(byId('outlets-section'), operator);
  if (!feed) {
    drawReserve(s);
    drawClients(s, operator);
  }
  drawOutlets(s, feed);
  drawRelays(s, operator, feed);
  drawBooks(s, feed);
}

function drawGraphs(): void {
  if (document.hidden || history.length === 0) return;
  const times = history.times();
  if (status?.node.role !== 'feed') {
    reserveGraph.set(history, times);
    ratesGraph.set(history, times);
  }
  cards.draw(history, times);
  if (!marked && status && history.loaded) {
    marked = true;
    // uPlot draws in a microtask of its own, which comes before this one.
    queueMicrotask(() => queueMicrotask(() => performance.mark('qanat-first-data')));
  }
}

async function refetch(given?: ReturnType<typeof fetchHistory>): Promise<void> {
  if (fetching) return;
  fetching = true;
  const span = wanted;
  const document = await (given ?? fetchHistory(span));
  fetching = false;
  if (span !== wanted) return void refetch();
  // By chance, so that a hundred pages do not ask together.
  nextFetch = performance.now() + (document ? refetchEvery[span] : 5000) * (0.8 + 0.4 * Math.random());
  if (!document) {
    // Without a history the graphs begin now.
    if (history.span !== span) history.load(span, { end: Date.now(), step: 0, count: 0, series: [] });
    history.loaded = true;
  } else {
    history.load(span, document);
  }
  drawGraphs();
}

function onFrame(text: string): void {
  const first = status === null;
  lastFrame = performance.now();
  lastFrameDate = new Date();
  if (link.state !== 'open' && link.state !== 'resting') onLink({ state: 'open' });
  if (document.hidden && !first) {
    hiddenFrame = text;
    return;
  }
  let next: Status;
  try {
    next = JSON.parse(text) as Status;
  } catch {
    return;
  }
  status = next;
  now = next.node.time ? next.node.time / 1000 : Date.now() / 1000;
  history.append(next, now * 1000);
  render(next);
  drawVerdict();
  if (history.span === '10m' || first) drawGraphs();
}

function onLink(next: Link): void {
  const before = link.state;
  link = next;
  if (next.state === 'open' && behind) {
    behind = false;
    void refetch();
  } else if (next.state !== 'open' && next.state !== 'connecting') {
    behind = true;
  }
  if (before !== next.state || next.state === 'refused') drawVerdict();
}

function restSoon(): void {
  clearTimeout(restTimer);
  if (document.hidden) restTimer = setTimeout(() => stream.rest(), restAfter);
}

document.addEventListener('visibilitychange', () => {
  restSoon();
  if (document.hidden) return;
  if (link.state === 'resting') {
    hiddenFrame = null;
    lastFrame = performance.now();
    stream.retry();
  }
  if (hiddenFrame !== null) {
    const text = hiddenFrame;
    hiddenFrame = null;
    const seen = [lastFrame, lastFrameDate] as const;
    onFrame(text);
    [lastFrame, lastFrameDate] = seen;
    void refetch();
  }
  drawVerdict();
  drawGraphs();
});

for (const input of byId('spans').querySelectorAll('input')) {
  input.checked = input.value === wanted;
  input.addEventListener('change', () => {
    wanted = input.value as Span;
    void refetch();
  });
}
byId('retry').addEventListener('click', () => stream.retry());
const dark = matchMedia('(prefers-color-scheme: dark)');
dark.addEventListener('change', restyleGraphs);
// Letters grow with the window: then the axes' do.
const letters = () => getComputedStyle(document.documentElement).fontSize;
let drawnLetters = letters();
addEventListener('resize', () => {
  if (letters() === drawnLetters) return;
  drawnLetters = letters();
  restyleGraphs();
});

setInterval(() => {
  drawVerdict();
  events.tick(new Date());
  if (!document.hidden && link.state === 'open' && performance.now() > nextFetch) void refetch();
}, 1000);

restSoon();
drawVerdict();
void refetch(firstHistory);

