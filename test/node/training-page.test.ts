/** examples/training.html with the built files, as a static host serves it: it trains, is held, and shows what a folder has. */
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { after, before, describe, it } from 'node:test';
import type { Browser } from 'puppeteer-core';
import { axeViolations, openBrowser, openPage, siteFolder, type WatchedPage } from '../support/browser-pages.js';

const POLICY = "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; connect-src 'self'; style-src 'self'; img-src data:; worker-src 'self'";

describe('the page that trains', { timeout: 180_000 }, () => {
  let browser: Browser;
  let site: { path: string; remove(): Promise<void> };
  before(async () => {
    assert.ok(existsSync('dist/browser/training.js'), 'dist/browser/training.js is missing: npm run build');
    site = await siteFolder();
    browser = await openBrowser();
  });
  after(async () => {
    await browser?.close();
    await site?.remove();
  });

  const train = async ({ page }: WatchedPage, steps: number): Promise<void> => {
    await page.click('#start');
    await page.waitForFunction((least) => ((document.querySelector('#monitor') as unknown as { live: { status: { step: number } } | null }).live?.status.step ?? 0) >= least, { timeout: 60_000, polling: 100 }, steps);
    await page.evaluate(() => (document.querySelector('#monitor') as unknown as { live: { pause(): Promise<void> } }).live.pause());
    await page.waitForFunction(() => (document.querySelector('#monitor')?.shadowRoot?.querySelectorAll('svg[role=img]').length ?? 0) >= 5, { timeout: 20_000, polling: 100 });
  };

  for (const colorScheme of ['light', 'dark'] as const) {
    it(`trains in a worker under a strict policy, and axe finds nothing, ${colorScheme}`, async () => {
      const opened = await openPage(browser, site.path, 'examples/training.html', POLICY, { colorScheme });
      try {
        await train(opened, 60);
        assert.equal(opened.page.workers().length, 1);
        assert.match(await opened.page.$eval('#recovered', (element) => element.textContent ?? ''), /^At step \d+, \d+ of the 96 true directions are found/);
        assert.deepEqual(await axeViolations(opened.page), []);
        assert.deepEqual(opened.problems, []);
        // Another run: the first one's worker goes.
        await train(opened, 5);
        assert.equal(opened.page.workers().length, 1);
      } finally {
        await opened.close();
      }
    });
  }

  it('fits a telephone', async () => {
    const opened = await openPage(browser, site.path, 'examples/training.html', POLICY, { width: 360 });
    try {
      await train(opened, 20);
      const [content, width] = await opened.page.evaluate(() => [document.documentElement.scrollWidth, innerWidth]);
      assert.ok((content as number) <= (width as number), `${content} px of content in ${width}`);
    } finally {
      await opened.close();
    }
  });
});
