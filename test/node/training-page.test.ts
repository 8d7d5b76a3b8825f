/** examples/training.html with the built files, as a static host serves it: it trains, is held, and shows what a folder has. */
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import type { Browser } from 'puppeteer-core';
import { train } from '../../engine/train/train.js';
import { createWasmTrainBackend } from '../../engine/wasm/train/backend.js';
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

  const trainHere = async ({ page }: WatchedPage, steps: number): Promise<void> => {
    await page.click('#start');
    await page.waitForFunction((least) => ((document.querySelector('#monitor') as unknown as { live: { status: { step: number } } | null }).live?.status.step ?? 0) >= least, { timeout: 60_000, polling: 100 }, steps);
    await page.evaluate(() => (document.querySelector('#monitor') as unknown as { live: { pause(): Promise<void> } }).live.pause());
    await page.waitForFunction(() => (document.querySelector('#monitor')?.shadowRoot?.querySelectorAll('svg[role=img]').length ?? 0) >= 5, { timeout: 20_000, polling: 100 });
  };

  for (const colorScheme of ['light', 'dark'] as const) {
    it(`trains in a worker under a strict policy, and axe finds nothing, ${colorScheme}`, async () => {
      const opened = await openPage(browser, site.path, 'examples/training.html', POLICY, { colorScheme });
      try {
        await trainHere(opened, 60);
        assert.equal(opened.page.workers().length, 1);
        assert.match(await opened.page.$eval('#recovered', (element) => element.textContent ?? ''), /^At step \d+, \d+ of the 96 true directions are found/);
        assert.deepEqual(await axeViolations(opened.page), []);
        assert.deepEqual(opened.problems, []);
        // Another run: the first one's worker goes.
        await trainHere(opened, 5);
        assert.equal(opened.page.workers().length, 1);
      } finally {
        await opened.close();
      }
    });
  }

  it('shows the folder of a finished run', async () => {
    const backend = await createWasmTrainBackend();
    try {
      const generate = { kind: 'superposition', d: 12, features: 24, p_high: 0.3 };
      await train({ recipe: { arch: 'topk', d_sae: 32, k: 4, steps: 60, batch: 32, log_every: 1, checkpoints: '0,20,60' }, generate, out: join(site.path, 'packs', 'run'), backend, evaluateRows: 2048 });
    } finally {
      await backend.dispose();
    }
    const opened = await openPage(browser, site.path, 'examples/training.html?run=../packs/run/', POLICY);
    try {
      const text = await opened.page.waitForFunction(() => {
        const root = document.querySelector('#folder')?.shadowRoot;
        const charts = [...(root?.querySelectorAll('svg[role=img]') ?? [])].map((chart) => chart.getAttribute('aria-label'));
        return charts.length >= 6 ? [root?.querySelector('.where')?.textContent, root?.querySelector('input')?.max, ...charts].join('\n') : false;
      }, { timeout: 20_000, polling: 100 });
      const shown = String(await text.jsonValue());
      assert.match(shown, /^done · step 60 of 60 · topk, 32 features\n3\n/);
      assert.match(shown, /run: L0 4\.00, FVU 0\.\d+/);
      assert.deepEqual(opened.problems, []);
    } finally {
      await opened.close();
    }
  });

  it('fits a telephone', async () => {
    const opened = await openPage(browser, site.path, 'examples/training.html', POLICY, { width: 360 });
    try {
      await trainHere(opened, 20);
      const [content, width] = await opened.page.evaluate(() => [document.documentElement.scrollWidth, innerWidth]);
      assert.ok((content as number) <= (width as number), `${content} px of content in ${width}`);
    } finally {
      await opened.close();
    }
  });
});
