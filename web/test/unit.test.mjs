// The pure parts of the page: figures, names, where the flow lies, the history.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { build } from 'vite';

const root = fileURLToPath(new URL('..', import.meta.url));
const modules = {};
let folder;

before(async () => {
  folder = mkdtempSync(join(tmpdir(), 'qanat-web-unit-'));
  await build({
    root,
    configFile: false,
    logLevel: 'error',
    build: {
      outDir: folder,
      emptyOutDir: true,
      rollupOptions: { output: { entryFileNames: '[name].mjs', chunkFileNames: '[name].mjs' } },
      lib: {
        entry: { format: join(root, 'src/format.ts'), flow: join(root, 'src/flow.ts'), history: join(root, 'src/history.ts') },
        formats: ['es'],
      },
    },
  });
  for (const name of ['format', 'flow', 'history']) {
    modules[name] = await import(pathToFileURL(join(folder, `${name}.mjs`)).href);
  }
});
after(() => rmSync(folder, { recursive: true, force: true }));

test('sizes are written as the program writes them', () => {
  const { size } = modules.format;
  const expected = { 0: '0 B', 1: '1 B', 1023: '1023 B', 1024: '1 KiB', 1536: '1.5 KiB', 102400: '100 KiB', 1048575: '1.0 MiB', 1048576: '1 MiB', 1234567890: '1.1 GiB' };
  for (const [bytes, text] of Object.entries(expected)) assert.equal(size(Number(bytes)), text);
  assert.equal(size(NaN), '0 B');
});

test('slow rates are not written as a standstill', () => {
  const { rate } = modules.format;
  assert.equal(rate(0), '0 B/s');
  assert.equal(rate(64 / 60), '1.1 B/s');
  assert.equal(rate(0.01), 'under 0.1 B/s');
  assert.equal(rate(9.96), '10 B/s');
  assert.equal(rate(300.4), '300 B/s');
  assert.equal(rate(1536), '1.5 KiB/s');
});

test('times', () => {
  const { duration, ago, moment } = modules.format;
  assert.equal(duration(59.9), '59 s');
  assert.equal(duration(61), '1 min 1 s');
  assert.equal(duration(3600 * 25), '1 d 1 h');
  assert.equal(duration(-5), '0 s');
  assert.equal(ago(0, 1000), 'never');
  assert.equal(ago(1001, 1000), 'just now');
  assert.equal(ago(940, 1000), '1 min 0 s ago');
  const noon = new Date(2026, 10, 29, 12, 0, 7);
  assert.equal(moment(noon, new Date(2026, 10, 29, 23, 0)), '12:00:07');
  assert.equal(moment(noon, new Date(2026, 10, 30, 0, 1)), '2026-11-29 12:00:07');
});

test('bits per byte', () => {
  const { bitsPerByte } = modules.format;
  assert.equal(bitsPerByte(1), '1 bit per byte');
  assert.equal(bitsPerByte(7.4), '7.4 bits per byte');
  assert.equal(bitsPerByte(0), '0 bits per byte');
  assert.equal(bitsPerByte(10), '10 bits per byte');
});

test('what cannot be seen is written as its number', () => {
  const { visible } = modules.format;
  assert.equal(visible('a\u202eb'), 'a\\u{202e}b');
  assert.equal(visible('a\nb\u0000\u0085'), 'a\\u{a}b\\u{0}\\u{85}');
  assert.equal(visible('\u2066\u200f\ufeff\u2028\u00ad'), '\\u{2066}\\u{200f}\\u{feff}\\u{2028}\\u{ad}');
  assert.equal(visible('\ud800'), '\\u{d800}');
  assert.equal(visible('<b>"é" عميل 💧'), '<b>"é" عميل 💧');
});

test('long names are cut in the middle, and no letter in two', () => {
  const { cut } = modules.format;
  assert.equal(cut('short', 10), 'short');
  assert.equal(cut('abcdefghij', 5), 'ab…ij');
  assert.equal(Array.from(cut('💧'.repeat(50), 9)).length, 9);
  assert.ok(!cut('💧'.repeat(50), 8).includes('\ufffd'));
});

test('reasons stand by their number', () => {
  const { reasons } = modules.format;
  assert.equal(reasons({ over_share: 2, handshake: 1200, none: 0 }), 'handshake 1,200, over share 2');
  assert.equal(reasons({}), '');
  assert.equal(reasons(undefined), '');
});

const item = (key, full, drbg = 0) => ({ key, title: key, lines: ['a', 'b'], full, drbg });
const input = (sources, outlets, clients, drbg = true) => ({
  caption: 'Sources',
  sources: sources.map((n, i) => item(`s${i}`, n)),
  middle: { title: 'Reserve', lines: ['x'], level: 0.5 },
  drbg: drbg ? { lines: ['y'], reseed: 3 } : null,
  outlets: outlets.map(([full, d], i) => item(`o${i}`, full, d)),
  clients: clients.map((n, i) => item(`c${i}`, n)),
});

test('bands grow with the rate, and stay within bounds', () => {
  const { bandWidth, widest } = modules.flow;
  let last = bandWidth(0);
  for (let rate = 1; rate < 1e12; rate *= 4) {
    assert.ok(bandWidth(rate) >= last, `at ${rate}`);
    last = bandWidth(rate);
  }
  assert.ok(last <= widest);
  assert.ok(bandWidth(1e-9) >= 2);
  assert.equal(bandWidth(NaN), bandWidth(0));
});

test('no box lies over another or outside, at any width', () => {
  const { layoutFlow } = modules.flow;
  const pictures = [
    input([10, 0, 1e6], [[5, 100], [0, 0], [0, 7]], [1, 2, 3, 4, 5, 6]),
    input([], [], []),
    input([1], [[1, 0]], [], false),
    input(Array(8).fill(1e9), Array(8).fill([1e9, 1e9]), Array(6).fill(1e9)),
  ];
  for (const picture of pictures) {
    for (const width of [300, 358, 719, 720, 900, 1340, 2400]) {
      const { boxes, bands, height, width: w } = layoutFlow(picture, width);
      const count = picture.sources.length + picture.outlets.length + picture.clients.length + 1;
      assert.ok(boxes.length >= count);
      for (const a of boxes) {
        assert.ok(a.x >= 0 && a.x + a.w <= w + 0.1 && a.y >= 0 && a.y + a.h <= height + 0.1, `${a.key} at ${width}`);
        for (const b of boxes) {
          if (a === b) continue;
          const apart = a.x + a.w <= b.x || b.x + b.w <= a.x || a.y + a.h <= b.y + 0.2 || b.y + b.h <= a.y + 0.2;
          assert.ok(apart, `${a.key} and ${b.key} at ${width}`);
        }
      }
      for (const band of bands) assert.ok(!/NaN|undefined/.test(band.d) && band.width > 0, band.key);
      assert.equal(new Set(bands.map((band) => band.key)).size, bands.length);
    }
  }
});

test('a standstill is a dashed line', () => {
  const { layoutFlow } = modules.flow;
  const { bands } = layoutFlow(input([0, 5], [[0, 0]], [0]), 1200);
  const idle = bands.filter((band) => band.idle).map((band) => band.key);
  assert.deepEqual(idle.sort(), ['full:outlet:0:o0', 'in:source:0:s0', 'out:outlet:0:o0', 'to:client:0:c0']);
});

test('the busiest are shown, and the rest as one', () => {
  const { shortened } = modules.flow;
  const items = [5, 1, 9, 2].map((n, i) => item(`k${i}`, n));
  const list = shortened(items, 3, 'clients');
  assert.deepEqual(list.map((one) => one.title), ['k0', 'k2', '2 more clients']);
  assert.equal(list[2].full, 3);
  assert.equal(shortened(items, 4, 'clients'), items);
});

const status = (bytes) => ({
  node: { role: 'hub' },
  reserve: { bytes, waiting_bytes: 0 },
  rates: { credited: 1, delivered: 2, discarded: 0, reseed: 0, drbg: 0 },
  sources: [{ name: 'a', state: 'failed', rate: 3, credited_rate: 1, estimate: { most_common_value: 4, markov: 2 } }],
  outlets: [],
});

test('the history goes on by one step a frame', () => {
  const { History } = modules.history;
  const history = new History();
  history.load('10m', { end: 1_000_000, step: 1, count: 3, series: [{ kind: 'reserve', of: '', unit: 'bytes', values: [1, 2, null] }] });
  assert.deepEqual(history.get('reserve').slice(-3), [1, 2, null]);
  history.append(status(7), 1_001_100);
  assert.equal(history.end, 1_001_000);
  assert.deepEqual(history.get('reserve').slice(-3), [2, null, 7]);
  assert.equal(history.get('source_state', 'a').at(-1), 3);
  assert.equal(history.get('source_estimate', 'a').at(-1), 2);
  assert.equal(history.get('source_rate', 'a').length, history.length);
});

test('a clock that jumps moves the whole, and the order stays', () => {
  const { History } = modules.history;
  const history = new History();
  history.load('10m', { end: 2e12, step: 1, count: 0, series: [] });
  for (const now of [2e12 + 1000, 5e11, 5e11 + 1000, 9e12]) {
    history.append(status(1), now);
    const times = history.times();
    assert.equal(times.at(-1), history.end / 1000);
    assert.ok(times.every((time, i) => i === 0 || time > times[i - 1]));
  }
  assert.equal(history.end, 9e12);
});

test('what is shown begins where something is known, and is a minute at least', () => {
  const { History } = modules.history;
  const history = new History();
  const load = (values) => history.load('10m', { end: 1e12, step: 1, count: 600, series: [{ kind: 'outlet_full', of: 'a', unit: 'bytes/s', values }] });
  load([1, 2, 3]);
  assert.equal(history.shown(), 60);
  assert.equal(history.lastMinute('outlet_full', 'outlet_drbg'), 0.1);
  load(Array(600).fill(2));
  assert.equal(history.shown(), 600);
  assert.equal(history.lastMinute('outlet_full'), 2);
  history.append(status(1), 1e12 + 1000);
  assert.equal(history.shown(), 600);
});

test('two sources of one name, and names that objects have, do no harm', () => {
  const { History } = modules.history;
  const history = new History();
  history.load('10m', { end: 1e12, step: 1, count: 0, series: [] });
  const s = status(1);
  s.sources = ['__proto__', 'constructor', 'a', 'a'].map((name) => ({ ...s.sources[0], name }));
  history.append(s, 1e12 + 1000);
  assert.equal(history.get('source_rate', '__proto__').at(-1), 3);
  assert.equal(history.get('source_rate', 'a').length, history.length);
});
