/**
 * The example pages with the built files, in Chromium, as a static host serves
 * them: under strict content security policies, through axe, without scripts,
 * and with the analysis in a worker.
 */
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import type { Browser } from 'puppeteer-core';
import { loadPlugins } from '../../cli/plugin-files.js';
import { directorySink } from '../../engine/io/sink.js';
import { openPack } from '../../engine/pack/reader.js';
import { writePack } from '../../engine/pack/writer.js';
import { analyze } from '../../plugins/analyze.js';
import { makeSae, randomRows } from '../shared/oracle.js';
import { axeViolations, openBrowser, openPage, siteFolder, type WatchedPage } from '../support/browser-pages.js';
import { npy } from '../support/npy.js';
import { syntheticPack } from '../support/synthetic-pack.js';

/** The policy that README and examples name, with Trusted Types on top: no markup from strings but Lit's own templates. */
const STRICT = "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; connect-src 'self'; style-src 'self'; img-src data:; require-trusted-types-for 'script'; trusted-types lit-html";
const WITHOUT_WASM = STRICT.replace(" 'wasm-unsafe-eval'", '');
const WORKER = STRICT.replace("require-trusted-types-for 'script'; trusted-types lit-html", "worker-src 'self'");

describe('example pages', { timeout: 300_000 }, () => {
  let browser: Browser;
  let site: { path: string; remove(): Promise<void> };
  before(async () => {
    assert.ok(existsSync('dist/saekit.js'), 'dist/saekit.js is missing: npm run build');
    site = await siteFolder();
    await writePack({ ...syntheticPack({ features: 512 }), sink: await directorySink(join(site.path, 'packs', 'p')) });
    browser = await openBrowser();
  });
  after(async () => {
    await browser?.close();
    await site?.remove();
  });

  async function withPage(path: string, policy: string | null, options: Parameters<typeof openPage>[4], use: (opened: WatchedPage) => Promise<void>): Promise<void> {
    const opened = await openPage(browser, site.path, path, policy, options);
    try {
      await use(opened);
    } finally {
      await opened.close();
    }
  }

  /** Waits until the cards are there; gives their titles. */
  const cards = async ({ page }: WatchedPage, root: string, count: number): Promise<string[]> => {
    const handle = await page.waitForFunction(
      (selector, wanted) => {
        const view = selector === '' ? document : document.querySelector(selector)?.shadowRoot;
        const found = [...(view?.querySelectorAll('sae-feature-card') ?? [])];
        const titles = found.map((card) => card.shadowRoot?.querySelector('[part~=title]')?.textContent?.trim() ?? '');
        // One at a time comes into view, as for a reader: the others may wait.
        found[titles.indexOf('')]?.scrollIntoView();
        return titles.length === wanted && titles.every((title) => title !== '') ? titles : false;
      },
      { timeout: 30_000, polling: 100 },
      root,
      count,
    );
    return (await handle.jsonValue()) as string[];
  };
  const histogramBars = ({ page }: WatchedPage, root: string): Promise<number> =>
    page.evaluate((selector) => {
      const view = selector === '' ? document : document.querySelector(selector)?.shadowRoot;
      return view?.querySelector('sae-density-histogram')?.shadowRoot?.querySelectorAll('.segment').length ?? 0;
    }, root);

  const pages = [
    { name: 'article', path: 'examples/blog.html?pack=../packs/p/', root: '', titles: [/61/, /217/, /486/] },
    { name: 'dashboard', path: 'examples/dashboard.html?pack=../packs/p/', root: 'sae-pack-view', titles: [/\d/] },
  ];
  for (const { name, path, root, titles } of pages) {
    for (const [what, policy] of [['a strict policy with Trusted Types', STRICT], ['a policy that forbids WebAssembly', WITHOUT_WASM]] as const) {
      it(`${name}: works under ${what}`, async () => {
        await withPage(path, policy, {}, async (opened) => {
          const shown = await cards(opened, root, titles.length);
          titles.forEach((title, i) => assert.match(shown[i] ?? '', title));
          await opened.page.waitForFunction(() => document.readyState === 'complete');
          assert.ok((await histogramBars(opened, root)) > 10);
          assert.deepEqual(opened.problems, []);
          const { length } = opened.server.requests.filter(({ path: file }) => file.endsWith('manifest.json'));
          assert.equal(length, 1, 'one pack, read once, however many elements show it');
        });
      });
    }

    for (const colorScheme of ['light', 'dark'] as const) {
      it(`${name}: axe finds nothing, ${colorScheme}`, async () => {
        await withPage(path, null, { colorScheme }, async (opened) => {
          await cards(opened, root, titles.length);
          assert.deepEqual(await axeViolations(opened.page), []);
        });
      });
    }

    it(`${name}: fits a telephone`, async () => {
      await withPage(path, STRICT, { width: 360 }, async (opened) => {
        await cards(opened, root, titles.length);
        const [content, width] = await opened.page.evaluate(() => [document.documentElement.scrollWidth, innerWidth]);
        assert.ok((content as number) <= (width as number), `${content} px of content in ${width}`);
      });
    });
  }

  it('article: says the same in words without scripts', async () => {
    await withPage('examples/blog.html', STRICT, { scripts: false }, async ({ page, problems }) => {
      const text = await page.$eval('article', (article) => (article as HTMLElement).innerText);
      for (const words of ['Densities of the 512 features', 'Feature 61. Fires on 4.8', 'Feature 217.', 'Feature 486. Dense']) assert.ok(text.replaceAll('\u00a0', ' ').includes(words), words);
      assert.deepEqual(problems, []);
    });
  });

  it('dashboard with a plugin: shows its panel for the feature that is open', async () => {
    const sae = { ...makeSae({ architecture: 'topk', d_in: 6, d_sae: 16, k: 3, seed: 4 }), applyBDecToInput: false };
    const plugins = await loadPlugins(['examples/plugin/plugin.js']);
    await analyze({ sae, acts: npy(randomRows(63, 6, 12), [9, 7, 6]), backend: 'wasm', plugins, out: await directorySink(join(site.path, 'packs', 'plugin')) });
    const { columns } = await (await openPack(join(site.path, 'packs', 'plugin'))).table('example.position-profile.profile');
    await withPage('examples/plugin/dashboard.html?pack=../../packs/plugin/#feature=5', STRICT, {}, async (opened) => {
      await cards(opened, 'sae-pack-view', 1);
      const panel = (): Promise<string[]> =>
        opened.page.evaluate(() => {
          const host = document.querySelector('sae-pack-view')?.shadowRoot?.querySelector('.detail sae-plugin-panel')?.shadowRoot;
          return Array.from(host?.querySelector('example-position-profile')?.shadowRoot?.querySelectorAll('title') ?? [], (title) => title.textContent ?? '');
        });
      const shown = async (feature: number): Promise<void> => {
        const firings = Array.from((columns['firings'] as ArrayLike<Uint32Array>)[feature] as Uint32Array);
        const expected = firings.map((n, position) => `position ${position}: ${n} of 9 tokens`);
        for (let tries = 0; tries < 100; tries++) {
          const found = (await panel()).map((title) => title.replace(/,.*/, ''));
          if (JSON.stringify(found) === JSON.stringify(expected)) return;
          await new Promise((done) => setTimeout(done, 50));
        }
        assert.deepEqual(await panel(), expected);
      };
      await shown(5);
      await opened.page.evaluate(() => void (location.hash = 'feature=6'));
      await shown(6);
      assert.deepEqual(opened.problems, []);
    });
  });

  it('worker: analyses, can be cancelled and started again, and shows its pack', async () => {
    await withPage('examples/worker.html', WORKER, {}, async (opened) => {
      const { page } = opened;
      const status = (): Promise<string> => page.$eval('#status', (element) => element.textContent ?? '');
      const waitFor = async (pattern: RegExp): Promise<string> => {
        await page.waitForFunction((source) => new RegExp(source).test(document.querySelector('#status')?.textContent ?? ''), { timeout: 240_000, polling: 100 }, pattern.source);
        return status();
      };
      await page.select('select[name=backend]', 'wasm');
      await page.click('#start');
      await waitFor(/^Analysing [1-9]/);
      await page.click('#cancel');
      await waitFor(/^Cancelled/);
      assert.equal(await page.$eval('#start', (button) => (button as HTMLButtonElement).disabled), false);
      await page.click('#start');
      const done = await waitFor(/^(Done|It failed)/);
      assert.match(done, /^Done: 406,395 tokens in [\d.]+ s on wasm, L0 16\.00, FVU 0\.0566/);
      await cards(opened, 'sae-pack-view', 1);
      assert.deepEqual(opened.problems, []);
    });
  });
});
