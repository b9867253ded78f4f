// The built page in a browser, before a node that is made up (mock.mjs). Needs `npm run build` first.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { findings, launch, open, schemes, shoot, sideways, until, widths } from './browser.mjs';
import { nasty, startMock } from './mock.mjs';

let browser;
before(async () => {
  browser = await launch();
});
after(() => browser.close());

async function withPage(scenario, check, options = {}) {
  const mock = await startMock({ scenario });
  const page = await open(browser, mock.url, options);
  try {
    await check(page, mock);
  } finally {
    await page.context().close();
    await mock.close();
  }
}

const text = (page, selector) => page.locator(selector).innerText();
const column = (page, table, nth) => page.locator(`#${table} tbody tr > :nth-child(${nth})`).allInnerTexts();

// node.test.mjs looks at all six with a real node behind; of each made-up one two, or with QANAT_SHOTS all.
const views = new Set(process.env.QANAT_SHOTS ? widths.flatMap((w) => schemes.map((s) => `${w} ${s}`)) : ['390 dark', '1440 light']);

for (const scenario of ['healthy', 'failed', 'suspended', 'empty', 'client', 'feed', 'nasty', 'many']) {
  test(`${scenario}: narrow and wide, light and dark: silent, nothing for axe, nothing sideways`, async () => {
    const mock = await startMock({ scenario });
    for (const width of widths) {
      for (const scheme of schemes) {
        if (!views.has(`${width} ${scheme}`)) continue;
        const page = await open(browser, mock.url, { width, scheme });
        await page.waitForTimeout(300);
        const where = `${scenario} ${width} ${scheme}`;
        assert.deepEqual(page.said, [], where);
        assert.deepEqual(await findings(page), [], where);
        assert.ok((await sideways(page)) <= 0, where);
        assert.ok(page.asked.every((url) => url.startsWith(mock.url) || url.startsWith('data:')), where);
        await shoot(page, `${scenario}-${width}-${scheme}`);
        await page.context().close();
      }
    }
    assert.deepEqual(mock.problems, []);
    await mock.close();
  });
}

test('the first figures are asked for at once, and drawn within a second', async () => {
  await withPage('healthy', async (page) => {
    const mark = await page.evaluate(() => performance.getEntriesByName('qanat-first-data')[0].startTime);
    assert.ok(mark < 1000, `${mark} ms`);
    assert.equal(await text(page, '#verdict-text'), 'All is well: 3 sources are healthy, and the reserve is full enough for everybody.');
    assert.match(await text(page, '.top'), /0f1e2d3c4b5a6978[^]*hub[^]*1\.4\.0[^]*1 d 0 h[^]*live/);
    assert.match(await text(page, '#sources'), /hwrng[^]*healthy[^]*KiB\/s[^]*7 bits per byte/);
    assert.ok((await page.locator('.canvas canvas').count()) >= 3);
  });
});

test('graphs say in words what they show', async () => {
  await withPage('failed', async (page) => {
    const label = await page.locator('#reserve-card [role=img]').getAttribute('aria-label');
    assert.match(label, /^Reserve, last \d+ min \d+ s\. reserve: now [\d.]+ KiB, least [\d.]+ KiB, most [\d.]+ KiB\. target: 32 KiB\.$/);
    await page.locator('#sources article').nth(2).scrollIntoViewIfNeeded();
    const rate = page.locator('#sources article').nth(2).locator('[role=img]').first();
    await until('a label', async () => /healthy \d+ % of the time/.test(await rate.getAttribute('aria-label')));
    const words = await page.locator('#flow-words').textContent();
    assert.match(words, /Sources\. hwrng: healthy, .* KiB\/s credited; jitter: suspect/);
  });
});

test('a source that fails is told in words within two seconds', async () => {
  await withPage('healthy', async (page, mock) => {
    mock.scenario = 'failed';
    await until('failed', async () => /failed[^]*fails its tests[^]*same byte 12 times/.test(await text(page, '#sources article:nth-child(3)')), 2000);
    await until('the alarm', async () => /Alarm source device/.test(await text(page, '#event-list li:first-child')), 2000);
    assert.equal(await page.locator('#verdict').getAttribute('data-level'), 'warning');
    assert.match(await text(page, '#verdict-hint'), /Unplug it/);
    assert.deepEqual(page.said, []);
  });
});

test('a guarantee that is suspended is told in words', async () => {
  await withPage('suspended', async (page) => {
    const states = await column(page, 'clients', 2);
    assert.equal(states.filter((state) => state === 'guarantee suspended').length, 2);
    assert.match(await text(page, '#clients-aside'), /2 guarantees suspended/);
    assert.match(await text(page, '#sources-notice'), /No source credits anything/);
  });
});

test('empty states say what to do next', async () => {
  await withPage('empty', async (page) => {
    assert.match(await text(page, '#clients-notice'), /No client yet: qanat invite NAME/);
    assert.match(await text(page, '#sources-notice'), /qanat serve --source jitter/);
    assert.match(await text(page, '#event-empty'), /No event yet/);
    assert.match(await text(page, '#upstreams-notice'), /JOIN-STRING/);
  });
});

test('who is no operator is told so', async () => {
  await withPage('client', async (page) => {
    assert.match(await text(page, '#clients-notice'), /You see yourself alone: the operator sees all/);
    assert.deepEqual(await column(page, 'clients', 1), ['router']);
    assert.ok(!(await page.locator('#outlets-section').isVisible()));
  });
  await withPage('nameless', async (page) => {
    assert.match(await text(page, '#clients-notice'), /the operator sees all/);
    assert.ok(!/invite/.test(await text(page, 'main')));
  });
});

test('a feed shows what it feeds, and no reserve or clients', async () => {
  await withPage('feed', async (page) => {
    assert.match(await text(page, '#outlets'), /kernel[^]*1[2-9] s ago[^]*in 4\d s[^]*145 times/);
    assert.equal(await text(page, '#sources-title'), 'Upstreams');
    assert.match(await text(page, '#upstreams'), /146[^]*145/);
    for (const id of ['reserve-section', 'clients-section']) assert.ok(!(await page.locator(`#${id}`).isVisible()), id);
  });
});

test('a relay shows its upstreams, and an outlet for guests its guests', async () => {
  await withPage('relay', async (page) => {
    assert.match(await text(page, '#upstreams'), /spring\.example\.com[^]*1,460[^]*1,451/);
    assert.match(await text(page, '#guests'), /12 guests/);
    assert.match(await text(page, '#sources article:last-child'), /outdated 64/);
  });
});

test('names do not act', async () => {
  await withPage('nasty', async (page) => {
    assert.equal(await page.evaluate(() => window.hurt), undefined);
    assert.equal(await page.locator('main img, main script').count(), 0);
    const all = await page.evaluate(() => document.body.textContent + [...document.querySelectorAll('[title],[aria-label]')].map((n) => n.title + n.getAttribute('aria-label')).join(''));
    assert.ok(!/[\u202a-\u202e\u2066-\u2069\u0007]/.test(all));
    assert.ok(all.includes('\\u{202e}gnp.exe\\u{7}'));
    const names = await column(page, 'clients', 1);
    assert.ok(names.some((name) => name.includes('…') && name.endsWith('end')));
    assert.ok(names.includes('__proto__') && names.includes(nasty.arabic));
    assert.deepEqual(page.said, []);
  });
});

test('tables are sorted by their headers, with the keyboard', async () => {
  await withPage('many', async (page) => {
    assert.equal((await column(page, 'clients', 1))[0], 'client-000');
    assert.match(await text(page, '#clients-more'), /^150 more clients are not shown/);
    const header = page.locator('#clients thead th').first();
    await header.locator('button').focus();
    await page.keyboard.press('Enter');
    assert.equal(await header.getAttribute('aria-sort'), 'ascending');
    await page.keyboard.press('Space');
    assert.equal(await header.getAttribute('aria-sort'), 'descending');
    assert.equal((await column(page, 'clients', 1))[0], 'client-049');
    await page.waitForTimeout(1200);
    assert.equal((await column(page, 'clients', 1))[0], 'client-049', 'a frame later');
    assert.equal(await page.evaluate(() => document.activeElement.textContent), 'Client');
  });
});

test('the span of the graphs is chosen with the keyboard', async () => {
  await withPage('healthy', async (page, mock) => {
    await page.locator('#spans input').first().focus();
    await page.keyboard.press('ArrowRight');
    await until('2h', () => mock.requests.includes('/v1/history?span=2h'));
    await page.keyboard.press('ArrowRight');
    await until('24h', () => mock.requests.includes('/v1/history?span=24h'));
    assert.ok(await page.locator('#spans input[value="24h"]').isChecked());
    assert.deepEqual(page.said, []);
  });
});

test('alarms alone', async () => {
  await withPage('failed', async (page) => {
    assert.equal(await page.locator('#event-list li:visible').count(), 6);
    await page.locator('input[name=events][value=alarms]').check();
    assert.equal(await page.locator('#event-list li:visible').count(), 2);
  });
});

test('a new event comes first, and is told once', async () => {
  await withPage('healthy', async (page, mock) => {
    mock.event('client late', 'invited');
    await until('the event', async () => /client late invited/.test(await text(page, '#event-list li:first-child')));
    await page.waitForTimeout(1500);
    assert.equal(await page.locator('#event-list li', { hasText: 'client late' }).count(), 1);
  });
});

test('figures that stand still are said to be old', async () => {
  await withPage('healthy', async (page, mock) => {
    mock.paused = true;
    await until('old', async () => /stand still since \d\d:\d\d:\d\d/.test(await text(page, '#verdict-text')), 6000);
    mock.paused = false;
    await until('well again', async () => /^All is well/.test(await text(page, '#verdict-text')), 3000);
    assert.deepEqual(page.said, []);
  });
});

test('after a restart of the node the page comes back by itself, with its history and events', async () => {
  const first = await startMock({ scenario: 'healthy', run: 'a' });
  const page = await open(browser, first.url);
  await first.close();
  await until('lost', async () => /connection lost, trying again/.test(await text(page, '#link-text')));
  assert.match(await text(page, '#verdict-text'), /Connection lost: the figures stand still since/);
  const second = await startMock({ scenario: 'failed', run: 'b', port: first.port });
  await until('live', async () => (await text(page, '#link-text')) === 'live', 8000);
  await until('history', () => second.requests.includes('/v1/history?span=10m'));
  await until('its figures', async () => /failed/.test(await text(page, '#sources article:nth-child(3)')));
  // The browser itself notes each attempt that nobody answered; the page says nothing.
  assert.deepEqual(page.said.filter((line) => !line.includes('net::ERR_')), []);
  await page.context().close();
  await second.close();
});

test('who is refused is told what to do', async () => {
  for (const [code, said] of [[401, /qanat invite --observer NAME/], [403, /Open it by the address of the node/]]) {
    const mock = await startMock({ scenario: 'healthy' });
    mock.refuse = code;
    const page = await open(browser, mock.url, { wait: false });
    await until(`${code}`, async () => said.test(await page.locator('#verdict-hint').textContent()));
    mock.refuse = 0;
    await page.locator('#retry').click();
    await until('live', async () => (await text(page, '#link-text')) === 'live');
    await page.context().close();
    await mock.close();
  }
});

test('a page that nobody looks at rests, and is live again when somebody does', async () => {
  const mock = await startMock({ scenario: 'healthy' });
  const context = await browser.newContext();
  const page = await context.newPage();
  await page.clock.install();
  await page.goto(mock.url);
  const look = (hidden) =>
    page.evaluate((value) => {
      Object.defineProperty(document, 'hidden', { value, configurable: true });
      document.dispatchEvent(new Event('visibilitychange'));
    }, hidden);
  await until('live', async () => (await text(page, '#link-text')) === 'live');
  assert.equal(mock.listeners(), 1);
  await look(true);
  await page.clock.fastForward(61000);
  await until('rest', () => mock.listeners() === 0);
  assert.match(await page.title(), /rests$/);
  mock.scenario = 'failed';
  await look(false);
  await until('live again', async () => /failed/.test(await text(page, '#sources article:nth-child(3)')));
  assert.equal(await text(page, '#link-text'), 'live');
  await context.close();
  await mock.close();
});

test('without a history the graphs begin now', async () => {
  const mock = await startMock({ scenario: 'healthy' });
  mock.history = false;
  const page = await open(browser, mock.url);
  await until('a graph', async () => /now [\d.]+ KiB/.test(await page.locator('#reserve-card [role=img]').getAttribute('aria-label')));
  await page.context().close();
  await mock.close();
});

test('keyboard: the skip link comes first, and what has the focus is seen', async () => {
  await withPage('healthy', async (page) => {
    await page.keyboard.press('Tab');
    assert.equal(await page.evaluate(() => document.activeElement.className), 'skip');
    await page.keyboard.press('Enter');
    assert.equal(await page.evaluate(() => document.activeElement.id), 'main');
    await page.keyboard.press('Tab');
    assert.equal(await page.evaluate(() => getComputedStyle(document.activeElement.nextElementSibling ?? document.activeElement).outlineStyle), 'solid');
  });
});

test('a frame costs little, however many clients there are', async () => {
  await withPage('many', async (page) => {
    const session = await page.context().newCDPSession(page);
    await session.send('Performance.enable');
    const busy = async () => (await session.send('Performance.getMetrics')).metrics.find((m) => m.name === 'TaskDuration').value;
    const before = await busy();
    await page.waitForTimeout(5000);
    const share = (await busy()) - before;
    assert.ok(share < 1, `${share} s of work in 5 s`);
    console.log(`# ${Math.round(share * 200)} ms of work a second with 50 clients and 14 sources in sight`);
  });
});
