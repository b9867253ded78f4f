// A node that is none: it speaks docs/http-api.md with made-up figures, for tests of the page and for
// looking at it. `node test/mock.mjs [SCENARIO] [PORT]` serves it until Ctrl-C.
import { createServer } from 'node:http';
import { readFileSync } from 'node:fs';
import { dirname, extname, join, normalize } from 'node:path';
import { fileURLToPath } from 'node:url';

const dist = join(dirname(fileURLToPath(import.meta.url)), '..', 'dist');

export const policy =
  "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; " +
  "base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

const types = { '.html': 'text/html; charset=utf-8', '.js': 'text/javascript; charset=utf-8', '.css': 'text/css; charset=utf-8' };

const KiB = 1024;
const states = ['start-up', 'healthy', 'suspect', 'failed', 'gone', 'refuted'];
const wave = (t, period, phase = 0) => 1 + 0.25 * Math.sin((2 * Math.PI * (t + phase)) / period) + 0.06 * Math.sin(t * 1.7 + phase);

function source(name, rate, h, more = {}) {
  return {
    name,
    state: 'healthy',
    detail: '',
    rate,
    h,
    credit: true,
    bytes: Math.round(rate * 86000),
    alarms: 0,
    failures: 0,
    blocks: Math.round((rate * 86000) / 2500),
    fips_failed: 2,
    weak: 1,
    trickle: {},
    dropped: {},
    ledger: { credited: 8e6, delivered: 6e6, discarded: 0, reseed: 1e6, reserve: 1e6 },
    credited_rate: (rate * h) / 8 / 1.125,
    upstream: false,
    last_window: 0,
    test_failures: { repetition_count: 0, adaptive_proportion: 0, pattern: 0, frequency: 0, replay: 0 },
    estimate: { most_common_value: Math.min(8, h + 0.71), markov: Math.min(8, h + 0.42), samples: 32768 },
    ...more,
  };
}

function outlet(name, more = {}) {
  return {
    name,
    detail: `listening on ${name.replace(/^\w+:(\/\/)?/, '')}`,
    problem: '',
    connections: 3,
    deliveries: 14302,
    full_bytes: 18.2e6,
    drbg_bytes: 412e6,
    refused: {},
    full_rate: 0,
    drbg_rate: 0,
    waiting_requests: 0,
    guests: false,
    ...more,
  };
}

function client(name, rate, minute, more = {}) {
  return {
    name,
    rate,
    burst: rate,
    weight: 1,
    suspended: false,
    waiting_requests: 0,
    waiting_bytes: 0,
    minute_bytes: Math.round(minute * 60),
    connections: 1,
    full_bytes: Math.round(minute * 80000),
    drbg_bytes: Math.round(minute * 9000),
    requests: 4120,
    refused: 0,
    last_seen: 0,
    ...more,
  };
}

const good = { level: 'good', text: 'All is well: 3 sources are healthy, and the reserve is full enough for everybody.', hint: '' };

export const nasty = {
  name: '<img src=x onerror="window.hurt=1">\n"\'\u202egnp.exe\u0007 & </script>',
  long: `exec:${'a-very-long-command-'.repeat(12)}end`,
  arabic: 'عميل-رقم-١',
};

/** Which node it is. `t` is seconds since the mock began: figures move a little with it. */
function scenario(name, t) {
  const hub = {
    role: 'hub',
    verdict: good,
    sources: [
      source('hwrng', 9.8 * KiB * wave(t, 120), 7),
      source('jitter', 3.1 * KiB * wave(t, 60, 20), 1),
      source('device:/dev/ttyUSB0?baud=115200', 1.4 * KiB * wave(t, 90, 40), 4),
    ],
    outlets: [
      outlet('https://*:7749', {
        full_rate: 5.2 * KiB * wave(t, 80),
        drbg_rate: 61 * KiB * wave(t, 45),
        connections: 41,
        waiting_requests: 2,
        refused: { over_share: 31, handshake: 4 },
        tls: { certificate_until: Date.now() / 1000 + 80 * 86400, groups: { X25519MLKEM768: 410 } },
      }),
      outlet('http://127.0.0.1:7748', { drbg_rate: 220, connections: 2, deliveries: 88 }),
      outlet('trickle://*:7749', { full_rate: 410, connections: 0, refused: { cookie: 3, replayed: 1 } }),
      outlet('egd:/run/qanat/egd', { connections: 1, deliveries: 12, full_bytes: 3072, drbg_bytes: 0 }),
      outlet('vmport:/run/qanat/guests/', { guests: true, connections: 12, full_rate: 64, deliveries: 118, detail: '12 guests in /run/qanat/guests/' }),
    ],
    clients: [
      client('router', KiB, 1.1 * KiB * wave(t, 50)),
      client('build-farm', 2 * KiB, 3.6 * KiB * wave(t, 70), { waiting_requests: 2, waiting_bytes: 4096, refused: 12 }),
      client('db-primary', 512, 130),
      client('db-replica', 512, 118),
      client('laptop-of-ines', 0, 14),
      client('spare', 0, 0, { connections: 0, full_bytes: 0, drbg_bytes: 0, requests: 0, last_seen: -1 }),
    ],
    reserve: Math.round(28 * KiB * wave(t, 200) * 0.8),
    waiting: 2,
    supply: { proved: 11.4 * KiB, promised: 4 * KiB, suspended: 0 },
    events: [
      ['qanat', 'started', false, 'note', 86400],
      ['source hwrng', 'healthy: 1,024 samples passed the start-up test', false, 'note', 86390],
      ['https://*:7749', 'a certificate ends in 80 days', false, 'warning', 5000],
      ['client build-farm', 'invited, with a guarantee of 2 KiB/s', false, 'note', 900],
    ],
  };
  switch (name) {
    case 'failed':
      Object.assign(hub.sources[2], {
        state: 'failed',
        detail: 'the same byte 12 times in a row',
        rate: 0,
        credited_rate: 0,
        alarms: 3,
        failures: 2,
        test_failures: { repetition_count: 3, adaptive_proportion: 0, pattern: 0, frequency: 0, replay: 0 },
        estimate: { most_common_value: 1.2, markov: 0.4, samples: 2048 },
      });
      Object.assign(hub.sources[1], { state: 'suspect', detail: 'one value came 412 times in 512', alarms: 1 });
      hub.sources.push(
        source('file:/var/lib/seed', 0, 4, { state: 'gone', detail: 'it has ended', credited_rate: 0 }),
        source('exec:cat text', 0, 4, { state: 'refuted', detail: 'measured 1.40 bits a byte, 4 claimed', credited_rate: 0 }),
        source('rdrand', 2 * KiB, 0, { credit: false, credited_rate: 0, estimate: null }),
      );
      hub.verdict = {
        level: 'warning',
        text: 'The source device:/dev/ttyUSB0 fails its tests, and what it gives is thrown away.',
        hint: 'Unplug it and plug it in again; if that does not help, replace it. 2 other sources keep every guarantee.',
      };
      hub.events.push(
        ['source jitter', 'suspect: one value came 412 times in 512', true, 'warning', 40],
        ['source device:/dev/ttyUSB0?baud=115200', 'failed: the same byte 12 times in a row', true, 'source-failed', 10],
      );
      break;
    case 'suspended':
      Object.assign(hub.sources[0], { state: 'gone', detail: 'No such device', rate: 0, credited_rate: 0 });
      hub.sources.splice(1);
      Object.assign(hub.clients[1], { suspended: true, waiting_requests: 9, waiting_bytes: 36 * KiB });
      Object.assign(hub.clients[0], { suspended: true });
      hub.supply = { proved: 0, promised: 4 * KiB, suspended: 3 * KiB };
      hub.reserve = 0;
      hub.verdict = {
        level: 'bad',
        text: 'No source credits anything: the reserve is empty, and 2 guarantees are suspended.',
        hint: 'Plug the device of hwrng in again, or name another source. qanat sources lists those of this machine.',
      };
      hub.events.push(
        ['source hwrng', 'gone: No such device', true, 'source-gone', 60],
        ['reserve', 'empty', true, 'reserve-empty', 50],
        ['client build-farm', 'its guarantee of 2 KiB/s is suspended', true, 'guarantee-suspended', 30],
      );
      break;
    case 'empty':
      hub.sources = [];
      hub.outlets = [outlet('http://127.0.0.1:7748', { connections: 1, deliveries: 0, full_bytes: 0, drbg_bytes: 0 })];
      hub.clients = [];
      hub.reserve = 0;
      hub.waiting = 0;
      hub.supply = { proved: 0, promised: 0, suspended: 0 };
      hub.events = [];
      hub.verdict = { level: 'bad', text: 'This node has no source, so it can give nothing.', hint: 'Name one: qanat serve --source jitter.' };
      break;
    case 'client':
      hub.outlets = [];
      hub.clients = [hub.clients[0]];
      hub.events.splice(2);
      break;
    case 'nameless':
      hub.outlets = [];
      hub.clients = [];
      hub.events.splice(2);
      break;
    case 'feed':
      hub.role = 'feed';
      hub.sources = [
        source('qanat1 hub.example.com:7749', 64, 8, {
          upstream: true,
          estimate: null,
          credited_rate: 1.07,
          bytes: 9280,
          blocks: 0,
          trickle: { sessions: 1, sent: 146, answered: 145, refused: 0, silent: 1, strays: 0 },
        }),
        source('qanat1 hub-2.example.com:7749', 0, 8, {
          upstream: true,
          estimate: null,
          state: 'gone',
          detail: 'connection refused',
          credited_rate: 0,
          bytes: 64,
          blocks: 0,
          failures: 1,
          trickle: { sessions: 1, sent: 5, answered: 1, refused: 0, silent: 4, strays: 0 },
        }),
      ];
      hub.outlets = [
        outlet('kernel', {
          detail: 'fed 145 times, last 12 s ago',
          connections: 0,
          deliveries: 145,
          full_bytes: 9280,
          drbg_bytes: 0,
          full_rate: 1.07,
          schedule: { last: Math.floor(Date.now() / 1000) - 12, next: Math.floor(Date.now() / 1000) + 48 },
        }),
      ];
      hub.clients = [];
      hub.reserve = 0;
      hub.verdict = { level: 'good', text: 'All is well: the kernel was fed 12 s ago.', hint: '' };
      break;
    case 'nasty':
      hub.sources[0].name = nasty.name;
      hub.sources[0].detail = nasty.name;
      hub.sources[1].name = nasty.long;
      hub.outlets[0].name = nasty.name;
      hub.outlets[0].problem = nasty.name;
      hub.outlets[0].refused = { [nasty.name]: 3 };
      hub.clients[0].name = nasty.name;
      hub.clients[1].name = nasty.long;
      hub.clients[2].name = nasty.arabic;
      hub.clients[3].name = '__proto__';
      hub.verdict = { level: 'warning', text: `Look at ${nasty.name}.`, hint: nasty.name };
      hub.events.push([nasty.name, nasty.name, true, 'source-failed', 5], [nasty.long, nasty.long, false, 'note', 1]);
      break;
    case 'many':
      hub.clients = Array.from({ length: 200 }, (_, i) =>
        client(`client-${String(i).padStart(3, '0')}`, i % 3 ? 0 : 64, (4 * KiB) / (i + 1), { refused: i % 7 }),
      );
      hub.sources = Array.from({ length: 14 }, (_, i) => source(`device:/dev/ttyUSB${i}`, (i + 1) * 300 * wave(t, 40 + i, i), 4));
      hub.outlets.push(...Array.from({ length: 9 }, (_, i) => outlet(`raw://0.0.0.0:${9000 + i}`, { full_rate: i * 20 })));
      break;
    case 'relay':
      hub.sources.push(
        source('https://spring.example.com:7749', 2 * KiB * wave(t, 50), 8, {
          upstream: true,
          estimate: null,
          trickle: { sessions: 3, sent: 1460, answered: 1451, refused: 2, silent: 7, strays: 0 },
          dropped: { outdated: 64 },
        }),
      );
      break;
    default:
      break;
  }
  return hub;
}

export async function startMock(options = {}) {
  const began = Date.now();
  const run = options.run ?? Math.random().toString(16).slice(2, 10);
  const mock = {
    scenario: options.scenario ?? 'healthy',
    paused: false, // connected, and sends nothing
    refuse: 0, // answers this code
    requests: [],
    problems: [],
    history: true,
  };
  const streams = new Set();
  const told = []; // events as they were first told: their ids do not change
  let last = '';

  const seconds = () => (Date.now() - began) / 1000;
  const eventsNow = (hub) => {
    if (last !== mock.scenario) {
      told.length = 0;
      hub.events.forEach(([subject, text, alarm, kind, age], i) =>
        told.push({ id: `${run}-${mock.scenario.length * 1000 + i}`, time: Math.floor(Date.now() / 1000) - age, subject, text, alarm, kind }),
      );
      last = mock.scenario;
    }
    return told;
  };

  function document(limit) {
    const hub = scenario(mock.scenario, seconds());
    const now = Math.floor(Date.now() / 1000);
    const clients = hub.clients.map((c) => ({ ...c, last_seen: c.last_seen < 0 ? 0 : now - 2 }));
    const credited = hub.sources.reduce((all, s) => all + s.credited_rate, 0);
    const delivered = hub.outlets.reduce((all, o) => all + o.full_rate, 0) || (hub.role === 'hub' && hub.sources.length ? 5.5 * KiB : 0);
    return {
      node: { id: '0f1e2d3c4b5a6978', version: '1.4.0', role: hub.role, uptime: 86400 + seconds(), ready: true, pin: '', generation: 0, problem: '', time: Date.now() },
      verdict: hub.verdict,
      ledger: { credited: 9e9, delivered: 8e9, discarded: 0, reseed: 1e9 - hub.reserve * 8, reserve: hub.reserve * 8 },
      reserve: { bytes: hub.reserve, target: 32 * KiB, in_flight: 0, waiting_requests: hub.waiting, waiting_bytes: hub.waiting * 2048 },
      supply: hub.supply,
      drbg: { reseeds: 412, bytes: 1.2e9 },
      rates: { credited, delivered, discarded: 0, reseed: 3.2, drbg: hub.outlets.reduce((all, o) => all + o.drbg_rate, 0) },
      sources: hub.sources.map((s) => ({ ...s, last_window: s.state === 'healthy' ? now - 1 : s.bytes ? now - 61 : 0 })),
      outlets: hub.outlets,
      clients: [...clients].sort((a, b) => b.minute_bytes - a.minute_bytes).slice(0, limit),
      clients_total: clients.length,
      threads: ['io-0', 'io-1', 'source hwrng'].map((name) => ({ name, last_turn: now, still: 0 })),
      events: limit === 50 ? [] : eventsNow(hub),
      events_total: hub.events.length,
    };
  }

  function historyOf(span) {
    const step = { '10m': 1, '2h': 10, '24h': 60 }[span];
    const n = { '10m': 600, '2h': 720, '24h': 1440 }[span];
    const at = (i) => seconds() - (n - 1 - i) * step;
    const values = (pick) => Array.from({ length: n }, (_, i) => (i < n * 0.08 ? null : pick(scenario(mock.scenario, at(i)), i / n)));
    const hub = scenario(mock.scenario, seconds());
    const series = [
      { kind: 'reserve', of: '', unit: 'bytes', values: values((h) => h.reserve) },
      { kind: 'waiting', of: '', unit: 'bytes', values: values((h) => h.waiting * 2048) },
      { kind: 'credited', of: '', unit: 'bytes/s', values: values((h) => h.sources.reduce((a, s) => a + s.credited_rate, 0)) },
      { kind: 'delivered', of: '', unit: 'bytes/s', values: values((h) => h.outlets.reduce((a, o) => a + o.full_rate, 0)) },
      { kind: 'reseed', of: '', unit: 'bytes/s', values: values(() => 3.2) },
      { kind: 'discarded', of: '', unit: 'bytes/s', values: values(() => 0) },
      { kind: 'drbg', of: '', unit: 'bytes/s', values: values((h) => h.outlets.reduce((a, o) => a + o.drbg_rate, 0)) },
    ];
    hub.sources.forEach((s, nth) => {
      const healthy = scenario('healthy', seconds()).sources[nth % 3];
      const before = (part) => part < 0.62;
      series.push(
        { kind: 'source_rate', of: s.name, unit: 'bytes/s', values: values((h, part) => (before(part) ? healthy.rate : h.sources[nth].rate)) },
        { kind: 'source_credited', of: s.name, unit: 'bytes/s', values: values((h, part) => (before(part) ? healthy.credited_rate : h.sources[nth].credited_rate)) },
        { kind: 'source_estimate', of: s.name, unit: 'bits', values: values((h, part) => (s.estimate ? Math.min(s.estimate.markov, 8) + (part % 0.1) : null)) },
        {
          kind: 'source_state',
          of: s.name,
          unit: 'state',
          values: values((h, part) => (part < 0.12 ? 0 : before(part) ? 1 : part < 0.66 && s.state !== 'healthy' ? 2 : states.indexOf(s.state))),
        },
      );
    });
    return { end: Date.now(), step, count: n, series };
  }

  const send = (response, status) => response.write(status);
  const frame = () => `event: status\ndata: ${JSON.stringify(document(50))}\n\n`;
  const tellEvents = (stream, after) => {
    const list = eventsNow(scenario(mock.scenario, seconds()));
    const known = list.findIndex((event) => event.id === after);
    for (const event of list.slice(known + 1)) {
      if (stream.told.has(event.id)) continue;
      stream.told.add(event.id);
      send(stream.response, `id: ${event.id}\ndata: ${JSON.stringify(event)}\n\n`);
    }
  };

  const server = createServer((request, response) => {
    const url = new URL(request.url, 'http://mock');
    mock.requests.push(request.url);
    const headers = { 'Content-Security-Policy': policy, 'X-Content-Type-Options': 'nosniff', 'Cache-Control': 'no-store' };
    if (url.pathname.startsWith('/v1/')) {
      if (mock.refuse) {
        response.writeHead(mock.refuse, { ...headers, 'Content-Type': 'application/json' });
        return response.end('{"error": "no", "hint": "ask"}');
      }
      if (url.pathname === '/v1/events') {
        response.writeHead(200, { ...headers, 'Content-Type': 'text/event-stream' });
        response.write('retry: 1000\n\n');
        const stream = { response, told: new Set() };
        streams.add(stream);
        request.on('close', () => streams.delete(stream));
        tellEvents(stream, request.headers['last-event-id'] ?? '');
        if (!mock.paused) send(response, frame());
        return undefined;
      }
      const known = url.pathname === '/v1/status' ? () => document(1e9) : url.pathname === '/v1/history' && mock.history ? () => historyOf(url.searchParams.get('span')) : null;
      if (!known) {
        response.writeHead(404, headers);
        return response.end();
      }
      response.writeHead(200, { ...headers, 'Content-Type': 'application/json' });
      return response.end(request.method === 'HEAD' ? '' : JSON.stringify(known()));
    }
    const path = normalize(url.pathname === '/' ? '/index.html' : url.pathname);
    try {
      const bytes = readFileSync(join(dist, path));
      response.writeHead(200, { ...headers, 'Content-Type': types[extname(path)] ?? 'application/octet-stream' });
      return response.end(bytes);
    } catch {
      mock.problems.push(`404 ${request.url}`);
      response.writeHead(404, headers);
      return response.end();
    }
  });

  const tick = setInterval(() => {
    if (mock.paused) return;
    for (const stream of streams) {
      tellEvents(stream, '');
      send(stream.response, frame());
    }
  }, 1000);

  await new Promise((done) => server.listen(options.port ?? 0, '127.0.0.1', done));
  mock.port = server.address().port;
  mock.url = `http://127.0.0.1:${mock.port}/`;
  mock.listeners = () => streams.size;
  mock.event = (subject, text, alarm = false, kind = 'note') => {
    eventsNow(scenario(mock.scenario, seconds()));
    told.push({ id: `${run}-${Date.now()}-${told.length}`, time: Math.floor(Date.now() / 1000), subject, text, alarm, kind });
  };
  mock.close = () =>
    new Promise((done) => {
      clearInterval(tick);
      server.close(done);
      server.closeAllConnections();
    });
  return mock;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const mock = await startMock({ scenario: process.argv[2] ?? 'healthy', port: Number(process.argv[3] ?? 0) });
  console.log(`${mock.scenario}: ${mock.url}`);
}
