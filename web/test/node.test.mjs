// The page as a real node serves it. QANAT names the binary; QANAT_SHOTS a folder for screenshots.
import assert from 'node:assert/strict';
import { execFile, execFileSync, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { createWriteStream, mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { promisify } from 'node:util';
import { findings, launch, open, schemes, shoot, sideways, until, widths } from './browser.mjs';

const qanat = process.env.QANAT;
const skip = qanat ? false : 'QANAT names no binary: NOTHING of this file was tested';
if (skip) console.error(`node.test.mjs: ${skip}`);

const run = promisify(execFile);
const pause = (ms) => new Promise((done) => setTimeout(done, ms));
let browser;
let folder;
const endings = [];

before(async () => {
  if (skip) return;
  folder = mkdtempSync(join(tmpdir(), 'qanat-web-'));
  browser = await launch();
});
after(async () => {
  if (skip) return;
  for (const end of endings.reverse()) await end();
  await browser.close();
  rmSync(folder, { recursive: true, force: true });
});

function freePort() {
  return new Promise((done) => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const { port } = server.address();
      server.close(() => done(port));
    });
  });
}

/** `qanat serve` on a port of this machine, once it answers. */
async function serve(name, sources, port) {
  const url = `http://127.0.0.1:${port}/`;
  const state = join(folder, name);
  const child = spawn(
    qanat,
    ['serve', '--outlet', url.slice(0, -1), '--state', state, ...sources.flatMap((source) => ['--source', source])],
    { stdio: ['ignore', 'ignore', 'pipe'] },
  );
  let log = '';
  child.stderr.on('data', (data) => (log += data));
  const ended = new Promise((done) => child.once('exit', done));
  const node = {
    url,
    state,
    status: async () => (await fetch(`${url}v1/status`)).json(),
    stop: async () => {
      if (child.exitCode === null && child.signalCode === null) child.kill('SIGTERM');
      await ended;
    },
  };
  endings.push(node.stop);
  await until('the node answers', async () => {
    assert.equal(child.exitCode, null, `the node ended:\n${log}`);
    return fetch(`${url}readyz`).then((answer) => answer.ok, () => false);
  }, 15000);
  return node;
}

/** A FIFO with noise in it, as a device would give, until it is unplugged. */
function device(name) {
  const path = join(folder, name);
  execFileSync('mkfifo', [path]);
  const stream = createWriteStream(path);
  stream.on('error', () => {});
  const timer = setInterval(() => {
    if (!stream.writableNeedDrain) stream.write(randomBytes(4096));
  }, 50);
  const unplug = async () => {
    clearInterval(timer);
    stream.destroy();
  };
  endings.push(unplug);
  return { source: `file:${path}`, unplug };
}

/** Somebody who draws, so that the sources are read: a full reserve lets them sleep. */
function drawer(url) {
  let going = true;
  const loop = (async () => {
    while (going) {
      await fetch(`${url}v1/random?bytes=8KiB&grade=full&wait=1s`).then((answer) => answer.arrayBuffer(), () => {});
      await pause(100);
    }
  })();
  const stop = async () => {
    going = false;
    await loop;
  };
  endings.push(stop);
  return stop;
}

const text = (page, selector) => page.locator(selector).innerText();
const card = (page, name) => page.locator('#sources article', { hasText: name });

test('the node serves the page, its files for ever, and lets nothing else in', { skip }, async () => {
  const node = await serve('files', ['jitter'], await freePort());
  const answer = await fetch(node.url, { headers: { Accept: 'text/html' } });
  assert.equal(answer.status, 200);
  assert.match(answer.headers.get('content-type'), /^text\/html/);
  const policy = answer.headers.get('content-security-policy') ?? '';
  for (const part of ["default-src 'none'", "script-src 'self'", "frame-ancestors 'none'"]) assert.ok(policy.includes(part), policy);
  assert.ok(!/immutable/.test(answer.headers.get('cache-control') ?? ''));
  const html = await answer.text();
  const paths = [...html.matchAll(/(?:src|href)="(\/assets\/[^"]+)"/g)].map((match) => match[1]);
  assert.equal(paths.length, 2);
  for (const path of paths) {
    const file = await fetch(new URL(path, node.url));
    assert.equal(file.status, 200, path);
    assert.match(file.headers.get('cache-control') ?? '', /immutable/, path);
  }
  await node.stop();
});

test('at every width, light and dark: first figures soon, silent, nothing for axe, nothing sideways', { skip }, async () => {
  const stick = device('stick');
  const node = await serve('looks', ['jitter', stick.source], await freePort());
  await run(qanat, ['invite', 'router', '--rate', '64B/s', '--address', '127.0.0.1:7749', '--state', node.state]);
  const stop = drawer(node.url);
  for (const width of widths) {
    for (const scheme of schemes) {
      const where = `${width} ${scheme}`;
      const page = await open(browser, node.url, { width, scheme });
      // Frames come each second.
      await pause(1200);
      const mark = await page.evaluate(() => performance.getEntriesByName('qanat-first-data')[0].startTime);
      console.log(`# ${where}: first figures and graph after ${Math.round(mark)} ms`);
      assert.notEqual(await text(page, '#verdict-text'), '');
      assert.equal(await text(page, '#link-text'), 'live');
      assert.match(await text(page, '#sources'), /jitter[^]*stick/);
      assert.match(await text(page, '#clients'), /router[^]*guarantee kept/);
      assert.deepEqual(page.said, [], where);
      assert.deepEqual(await findings(page), [], where);
      assert.ok((await sideways(page)) <= 0, where);
      assert.ok(page.asked.every((url) => url.startsWith(node.url) || url.startsWith('data:')), where);
      await shoot(page, `node-${width}-${scheme}`);
      await page.context().close();
    }
  }
  await stop();
  await node.stop();
});

test('a source that is pulled out is told in words within two seconds', { skip }, async () => {
  const stick = device('pulled');
  const node = await serve('pulled-node', ['jitter', stick.source], await freePort());
  const stop = drawer(node.url);
  const page = await open(browser, node.url);
  await until('healthy', async () => /healthy/.test(await card(page, 'pulled').innerText()), 10000);
  const began = Date.now();
  await stick.unplug();
  await until('gone', async () => /gone[^]*It is not there/.test(await card(page, 'pulled').innerText()), 2000);
  console.log(`# told after ${Date.now() - began} ms`);
  await until('the event', async () => /pulled/.test(await text(page, '#event-list li:first-child')), 2000);
  assert.match(await card(page, 'jitter').innerText(), /healthy/);
  assert.deepEqual(page.said, []);
  await shoot(page, 'node-pulled');
  await page.context().close();
  await stop();
  await node.stop();
});

test('the page comes back by itself after the node was restarted', { skip }, async () => {
  const port = await freePort();
  let node = await serve('restarted', ['jitter'], port);
  const page = await open(browser, node.url);
  await until('an event', async () => (await page.locator('#event-list li').count()) > 0);
  await node.stop();
  await until('lost', async () => /connection lost, trying again/.test(await text(page, '#link-text')));
  await shoot(page, 'node-lost');
  const asked = page.asked.filter((url) => url.includes('/v1/history')).length;
  node = await serve('restarted', ['jitter'], port);
  await until('live', async () => (await text(page, '#link-text')) === 'live', 10000);
  await until('its history', () => page.asked.filter((url) => url.includes('/v1/history')).length > asked);
  await until('its uptime', async () => /Up for\s+\d+ s/.test(await text(page, '.top')));
  // The browser itself notes each attempt that nobody answered; the page says nothing.
  assert.deepEqual(page.said.filter((line) => !line.includes('net::ERR_')), []);
  await page.context().close();
  await node.stop();
});

test('a guarantee that is suspended is told in words', { skip }, async () => {
  const stick = device('only');
  const node = await serve('suspended', [stick.source], await freePort());
  await run(qanat, ['invite', 'alice', '--rate', '256B/s', '--address', '127.0.0.1:7749', '--state', node.state]);
  const stop = drawer(node.url);
  const page = await open(browser, node.url);
  await until('kept', async () => /alice[^]*guarantee kept/.test(await text(page, '#clients')), 10000);
  await stick.unplug();
  await until('suspended', async () => /alice[^]*guarantee suspended/.test(await text(page, '#clients')), 15000);
  await until('the notice', async () => /No source credits anything/.test(await text(page, '#sources-notice')));
  assert.notEqual(await page.locator('#verdict').getAttribute('data-level'), 'good');
  assert.notEqual(await text(page, '#verdict-hint'), '');
  assert.deepEqual(page.said, []);
  assert.deepEqual(await findings(page), []);
  await shoot(page, 'node-suspended');
  await page.context().close();
  await stop();
  await node.stop();
});
