/** `saekit serve` on a pack of `saekit dying`, in Chromium and under its own policy: every instrument's panel is there, draws, and axe finds nothing. */
import assert from 'node:assert/strict';
import type { ChildProcess } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import type { Browser, Page } from 'puppeteer-core';
import { directorySink } from '../../engine/io/sink.js';
import { openRun } from '../../engine/train/run-reader.js';
import { analyze } from '../../plugins/analyze.js';
import { builtins, dyingInstruments } from '../../plugins/builtin/index.js';
import { createRegistry } from '../../plugins/registry.js';
import { axeViolations, openBrowser } from '../support/browser-pages.js';
import { EXAMPLE, startCli, writeTokens } from '../support/cli.js';

const RUN = 'examples/dying/reference-run';
const PANELS = ['sae-verdict', 'sae-dying-cloud', 'sae-density-timelapse', 'sae-hyperplane', 'sae-collapse-plot'];
/** Of 4,064 rows: what fires on up to eight of them is rare here. */
const edge = { edge: 2e-3 };

describe('the dashboard of a pack of dying features', { timeout: 180_000 }, () => {
  let folder = '';
  let browser: Browser;
  let server: ChildProcess;
  let url = '';
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'saekit-dying-dashboard-'));
    await writeTokens(join(folder, 'tokens.npy'), 32);
    const registry = createRegistry();
    for (const plugin of [...builtins.filter(({ id }) => id !== 'sae/logits' && id !== 'sae/inputs'), ...dyingInstruments]) registry.register(plugin);
    const settings = { 'sae/clusters': edge, 'sae/hyperplane': { ...edge, rows: 512, null_rows: 256, replicates: 1, sequence: 2, sample: 256 }, 'sae/rare-directions': edge, 'sae/evolution': { ...edge, slopes: 16 }, 'sae/rare-cofiring': edge, 'sae/conspiracy': edge, 'sae/certificate': edge, 'sae/verdict': edge };
    const sae = await (await openRun(RUN)).sae(12_000);
    const report = await analyze({ sae, run: RUN, registry, settings, model: `${EXAMPLE}/model.onnx`, tokens: join(folder, 'tokens.npy'), tokenizer: `${EXAMPLE}/tokenizer.json`, ignoreTokens: [1], backend: 'wasm', runtime: 'web', out: await directorySink(join(folder, 'pack')) });
    assert.deepEqual(report.plugins.filter(({ status }) => status !== 'done').map(({ id, message }) => `${id}: ${message}`), []);
    const child = startCli(['serve', join(folder, 'pack'), '--no-open', '--port', '0']);
    server = child;
    url = await new Promise<string>((done, fail) => {
      let printed = '';
      child.stdout.on('data', (text: Buffer) => {
        const found = /http:\/\/[^\s"]+/.exec((printed += String(text)));
        if (found !== null && printed.includes('\n')) done(found[0]);
      });
      child.on('close', (status) => fail(new Error(`it ended with ${status}: ${printed}`)));
    });
    browser = await openBrowser();
  });
  after(async () => {
    await browser?.close();
    server?.kill('SIGINT');
    await rm(folder, { recursive: true, force: true });
  });

  async function withDashboard(colorScheme: 'light' | 'dark', use: (page: Page) => Promise<void>): Promise<void> {
    const page = await browser.newPage();
    const problems: string[] = [];
    page.on('pageerror', (error) => problems.push(String(error)));
    page.on('console', (message) => void (['error', 'warn'].includes(message.type()) && problems.push(message.text())));
    try {
      await page.setViewport({ width: 1300, height: 900 });
      await page.emulateMediaFeatures([{ name: 'prefers-color-scheme', value: colorScheme }]);
      await page.goto(url);
      await page.waitForFunction(() => (document.querySelector('sae-pack-view')?.shadowRoot?.querySelectorAll('sae-plugin-panel').length ?? 0) > 0, { timeout: 30_000 });
      await use(page);
      assert.deepEqual(problems, []);
    } finally {
      await page.close();
    }
  }

  /** Scrolls to every panel and waits until it has drawn; gives the tags and how much there is in each. */
  const drawn = (page: Page): Promise<{ tag: string; marks: number; width: number; height: number; text: string }[]> =>
    page.evaluate(async (expected) => {
      const root = document.querySelector('sae-pack-view')!.shadowRoot!;
      const found: { tag: string; marks: number; width: number; height: number; text: string }[] = [];
      for (const tag of expected) {
        const place = (): Element | undefined => [...root.querySelectorAll('sae-plugin-panel')].find((panel) => panel.shadowRoot?.querySelector(tag) !== null);
        const inside = (): ShadowRoot | null | undefined => place()?.shadowRoot?.querySelector(tag)?.shadowRoot;
        const marks = (): number => inside()?.querySelectorAll('svg path, svg circle, svg line, canvas, tbody tr').length ?? 0;
        for (let tries = 0; tries < 600 && marks() === 0; tries++) {
          place()?.scrollIntoView({ block: 'center' });
          await new Promise((resolve) => setTimeout(resolve, 50));
        }
        const { width = 0, height = 0 } = inside()?.host.getBoundingClientRect() ?? {};
        found.push({ tag, marks: marks(), width, height, text: (inside()?.textContent ?? '').replace(/\s+/g, ' ') });
      }
      return found;
    }, PANELS);

  for (const colorScheme of ['light', 'dark'] as const) {
    it(`shows the verdict, the cloud, the timelapse, the hyperplane and the collapse plot, ${colorScheme}`, async () => {
      await withDashboard(colorScheme, async (page) => {
        const panels = await drawn(page);
        for (const { tag, marks, width, height } of panels) {
          assert.ok(marks > 0, `${tag} has drawn nothing`);
          assert.ok(width > 400 && height < 6 * width, `${tag} is ${width} wide and ${height} high`);
        }
        const said = (tag: string): string => panels.find((panel) => panel.tag === tag)!.text;
        assert.match(said('sae-verdict'), /\d+ supported, \d+ refuted, \d+ cannot be told/);
        assert.match(said('sae-dying-cloud'), /1\D024 of 1\D024 features at step 12\D000, over 4\D064 rows/);
        assert.match(said('sae-density-timelapse'), /Step 12\D000, 4\D064 rows/);
        assert.match(said('sae-hyperplane'), /along w\*, the direction of least firing/);
        assert.match(said('sae-collapse-plot'), /features with a density below .* Step 12\D000, over 4\D064 rows/);
        // Beside the card, of the feature that is selected.
        await page.waitForFunction(() => [...(document.querySelector('sae-pack-view')?.shadowRoot?.querySelectorAll('sae-plugin-panel') ?? [])].some((panel) => /alive|dead|cannot|cause/i.test(panel.shadowRoot?.querySelector('sae-certificate')?.shadowRoot?.textContent ?? '')), { timeout: 10_000 });
        assert.deepEqual(await axeViolations(page), []);
      });
    });
  }
});
