/** examples/how-features-die.html with the built files, as a static host serves it: its figures draw and follow each other, its numbers are the packs'. */
import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { after, before, describe, it } from 'node:test';
import type { Browser } from 'puppeteer-core';
import { axeViolations, openBrowser, openPage, siteFolder, type WatchedPage } from '../support/browser-pages.js';

const POLICY = "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; connect-src 'self'; style-src 'self'; img-src data:; worker-src 'self'";
const PAGE = 'examples/how-features-die.html';
/** Each number of the text as it was written: [place, what a reader without scripts sees]. */
const NUMBER = /<data (data-pack="[\w-]+" data-plugin="[\w/-]+" data-path="[\w.+-]+"(?: data-digits="\d")?)>([^<]+)<\/data>/g;

interface View extends Element {
  step: number | null;
  features: readonly number[] | null;
  readonly updateComplete: Promise<unknown>;
}

/** Every view of a pack has drawn it; those that wait until they are near the window are scrolled to. */
async function drawn({ page }: WatchedPage): Promise<void> {
  await page.evaluate(async () => {
    for (const view of document.querySelectorAll('[src^="dying/"]')) {
      view.scrollIntoView({ block: 'center' });
      for (let tries = 0; tries < 400 && !(view.shadowRoot?.querySelector('svg, canvas, table') ?? null); tries++) await new Promise((resolve) => setTimeout(resolve, 50));
      if (!(view.shadowRoot?.querySelector('svg, canvas, table') ?? null)) throw new Error(`<${view.localName} src="${view.getAttribute('src') ?? ''}"> has drawn nothing: ${view.shadowRoot?.textContent ?? ''}`);
    }
    scrollTo(0, 0);
  });
}

describe('the article on how features die', { timeout: 300_000 }, () => {
  let browser: Browser;
  let site: { path: string; remove(): Promise<void> };
  before(async () => {
    assert.ok(existsSync('dist/browser/dying.js'), 'dist/browser/dying.js is missing: npm run build');
    site = await siteFolder();
    browser = await openBrowser();
  });
  after(async () => {
    await browser?.close();
    await site?.remove();
  });

  for (const colorScheme of ['light', 'dark'] as const) {
    it(`draws every figure under a strict policy, and axe finds nothing, ${colorScheme}`, async () => {
      const opened = await openPage(browser, site.path, PAGE, POLICY, { colorScheme });
      try {
        await drawn(opened);
        assert.deepEqual(await axeViolations(opened.page), []);
        assert.deepEqual(opened.problems, []);
      } finally {
        await opened.close();
      }
    });
  }

  it('its text has the numbers of the packs, with scripts and without', async () => {
    const written = [...readFileSync(PAGE, 'utf8').matchAll(NUMBER)].map(([, place, text]) => [place, text]);
    assert.ok(written.length >= 20, `${written.length} numbers`);
    const opened = await openPage(browser, site.path, PAGE, POLICY);
    try {
      await opened.page.waitForFunction(() => [...document.querySelectorAll('data[data-pack]')].every((place) => place.hasAttribute('value')), { timeout: 20_000 });
      const shown = await opened.page.$$eval('data[data-pack]', (places) => places.map((place) => [[...place.attributes].filter(({ name }) => name.startsWith('data-')).map(({ name, value }) => `${name}="${value}"`).join(' '), place.textContent]));
      assert.deepEqual(shown, written);
    } finally {
      await opened.close();
    }
  });

  it('figures of one run share the step and the features', async () => {
    const opened = await openPage(browser, site.path, PAGE, POLICY);
    try {
      await drawn(opened);
      const views = await opened.page.evaluate(async () => {
        const view = (id: string): View => document.querySelector(`#${id}`) as View;
        const timelapse = view('timelapse');
        timelapse.shadowRoot!.querySelector<HTMLElement>('input[type=range]')!.focus();
        const range = timelapse.shadowRoot!.querySelector<HTMLInputElement>('input[type=range]')!;
        range.value = '3';
        range.dispatchEvent(new Event('input', { bubbles: true, composed: true }));
        await timelapse.updateComplete;
        const steps = ['timelapse', 'cloud', 'hyperplane', 'collapse'].map((id) => view(id).step);
        const other = document.querySelector<View>('sae-density-timelapse[src="dying/mean/"]')!.step;
        const chosen = new Event('sae-select', { bubbles: true, composed: true });
        Object.assign(chosen, { features: [1, 2, 3] });
        view('cloud').dispatchEvent(chosen);
        return { steps, other, features: ['timelapse', 'hyperplane', 'collapse'].map((id) => view(id).features) };
      });
      assert.ok(typeof views.steps[0] === 'number' && views.steps[0] > 0, String(views.steps[0]));
      assert.deepEqual(views.steps, views.steps.map(() => views.steps[0]));
      assert.equal(views.other, null, 'another run stays where it is');
      assert.deepEqual(views.features, [[1, 2, 3], [1, 2, 3], [1, 2, 3]]);
    } finally {
      await opened.close();
    }
  });

  it('the lab trains in the page, in a worker', async () => {
    const opened = await openPage(browser, site.path, PAGE, POLICY);
    try {
      await opened.page.evaluate(async () => {
        const lab = document.querySelector('sae-training-lab') as Element & { train(): Promise<void> };
        lab.scrollIntoView();
        await lab.train();
      });
      await opened.page.waitForFunction(() => ((document.querySelector('sae-training-lab') as unknown as { runs: readonly { record: { frames: unknown[] } | null }[] }).runs[0]?.record?.frames.length ?? 0) >= 2, { timeout: 60_000, polling: 100 });
      assert.ok(opened.page.workers().length >= 1);
      await opened.page.evaluate(() => (document.querySelector('sae-training-lab') as unknown as { dispose(): Promise<void> }).dispose());
      assert.deepEqual(opened.problems, []);
    } finally {
      await opened.close();
    }
  });

  it('fits a telephone', async () => {
    const opened = await openPage(browser, site.path, PAGE, POLICY, { width: 360 });
    try {
      await drawn(opened);
      const [content, width] = await opened.page.evaluate(() => [document.documentElement.scrollWidth, innerWidth]);
      assert.ok((content as number) <= (width as number), `${content} px of content in ${width}`);
    } finally {
      await opened.close();
    }
  });

  it('is an article without scripts, too', async () => {
    const opened = await openPage(browser, site.path, PAGE, POLICY, { scripts: false });
    try {
      const html = await opened.page.content();
      assert.match(html, /How features die/);
      assert.doesNotMatch(html, /<tbody>\s*<\/tbody>/);
    } finally {
      await opened.close();
    }
  });
});
