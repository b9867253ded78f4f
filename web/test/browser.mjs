// What the tests of the page share: a browser, a page that notes all that it says, screenshots, axe.
import { mkdirSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { chromium } from 'playwright-core';

const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

export const widths = [390, 1440, 2560];
export const schemes = ['light', 'dark'];

export function launch() {
  return chromium.launch({
    executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
    args: ['--no-sandbox', '--disable-gpu', '--disable-dev-shm-usage'],
  });
}

/** A page at `url`, when its first figures and graph stand. `page.said` has every console message. */
export async function open(browser, url, { width = 1440, height = 900, scheme = 'light', wait = true } = {}) {
  const context = await browser.newContext({
    viewport: { width, height },
    colorScheme: scheme,
    bypassCSP: false,
    locale: 'en-GB',
  });
  const page = await context.newPage();
  page.said = [];
  page.asked = [];
  page.on('console', (message) => page.said.push(`${message.type()}: ${message.text()}`));
  page.on('pageerror', (error) => page.said.push(`error: ${error.message}`));
  page.on('request', (request) => page.asked.push(request.url()));
  await page.goto(url);
  if (wait) await page.waitForFunction(() => performance.getEntriesByName('qanat-first-data').length > 0, null, { timeout: 15000 });
  return page;
}

/** What axe-core finds, one line each. */
export async function findings(page) {
  // Through the debugger: the page's policy lets no other script in.
  await page.evaluate(axe);
  const result = await page.evaluate(() => globalThis.axe.run(document, { resultTypes: ['violations'] }));
  return result.violations.flatMap((v) => v.nodes.map((n) => `${v.id}: ${n.target.join(' ')}: ${n.failureSummary?.split('\n')[1] ?? ''}`));
}

/** Into the folder that QANAT_SHOTS names, if it does. */
export async function shoot(page, name) {
  const folder = process.env.QANAT_SHOTS;
  if (!folder) return;
  mkdirSync(folder, { recursive: true });
  // Graphs are drawn when they come into sight.
  await page.evaluate(async () => {
    for (let y = 0; y < document.body.scrollHeight; y += 400) {
      scrollTo(0, y);
      await new Promise((done) => setTimeout(done, 30));
    }
    scrollTo(0, 0);
  });
  await page.screenshot({ path: join(folder, `${name}.png`), fullPage: true });
}

export async function sideways(page) {
  return page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
}

export async function until(what, check, ms = 5000) {
  const end = Date.now() + ms;
  let last;
  while (Date.now() < end) {
    last = await check();
    if (last) return last;
    await new Promise((done) => setTimeout(done, 50));
  }
  throw new Error(`not within ${ms} ms: ${what}`);
}
