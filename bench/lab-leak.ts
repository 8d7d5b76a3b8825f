/**
 * Does the lab leak when it is left to train, and does its page stay responsive?
 *
 *   node --import ./scripts/ts.mjs bench/lab-leak.ts --minutes 10
 *
 * Builds a page with nothing but `<sae-training-lab>` from the sources, opens it in Chromium and
 * lets two runs train for so many minutes with all views on; every --every seconds the slider is
 * moved over all frames, and samples of the heaps of page and workers are taken after a
 * collection. Ended runs begin again, every third time as a rewind and a branch. Prints JSON: the samples, tasks
 * over 50 ms on the page's own thread (those of the samples' collections left out), and growth
 * by least squares over the last half, MB a minute. --preset NAME chooses the experiment,
 * --views cloud,timelapse the views; --screenshot FOLDER leaves pictures of the page there.
 */
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { build, type Plugin } from 'esbuild';
import type { CDPSession, Page } from 'puppeteer-core';
import type { SaeTrainingLab } from '../components/training-lab/training-lab.js';
import { PRESETS } from '../components/training-lab/presets.js';
import { DEFAULTS, VIEW_NAMES } from '../components/training-lab/settings.js';
import { assetModule } from '../scripts/asset-loader.mjs';
import { openBrowser, openPage } from '../test/support/browser-pages.js';

const { values } = parseArgs({ options: { minutes: { type: 'string', default: '10' }, every: { type: 'string', default: '10' }, preset: { type: 'string', default: 'centring' }, views: { type: 'string', default: VIEW_NAMES.join(',') }, screenshot: { type: 'string' } } });
const minutes = Number(values.minutes);
const every = Number(values.every);
const preset = PRESETS.find(({ id }) => id === values.preset);
if (!(minutes > 0 && every > 0)) throw new Error('--minutes and --every (seconds between samples) are numbers above 0');
if (preset === undefined) throw new Error(`--preset is one of ${PRESETS.map(({ id }) => id).join(', ')}`);

const MB = 1e6;
const longTasks = (page: Page): Promise<number[]> => page.evaluate(() => (globalThis as unknown as { longTasks: number[] }).longTasks.splice(0));
const wait = (seconds: number): Promise<void> => new Promise((done) => setTimeout(done, seconds * 1000));

const assets: Plugin = {
  name: 'assets',
  setup({ onLoad, onResolve }) {
    onLoad({ filter: /\.(wgsl|wasm)$/ }, async ({ path }) => ({ contents: assetModule(path, await readFile(path), { minify: true }) ?? '', loader: 'js' }));
    onResolve({ filter: /-node\.js$/ }, () => ({ path: 'nothing', namespace: 'nothing' }));
    onLoad({ filter: /.*/, namespace: 'nothing' }, () => ({ contents: 'export {}' }));
  },
};

/** A page with the lab, as a static host would have it. */
async function site(): Promise<{ path: string; remove(): Promise<void> }> {
  const path = await mkdtemp(join(tmpdir(), 'saekit-lab-'));
  await build({
    entryPoints: { lab: resolve('components/training-lab/define.ts'), 'live-worker': resolve('engine/train/live-worker.ts') },
    outdir: path, bundle: true, splitting: true, format: 'esm', target: 'es2022', minify: true, conditions: ['browser'], external: ['node:*'], plugins: [assets], logLevel: 'error',
  });
  const settings = { ...DEFAULTS, ...preset?.settings, views: values.views.split(',').filter((view) => view !== '') };
  await writeFile(join(path, 'index.html'), `<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1"><meta name="color-scheme" content="light dark"><title>lab</title><link rel="icon" href="data:,"><style>body { font: 15px/1.5 system-ui, sans-serif; margin: 1.5rem; }</style><script type="module" src="lab.js"></script><h1>The lab</h1><sae-training-lab settings='${JSON.stringify(settings)}'></sae-training-lab></html>`);
  return { path, remove: () => rm(path, { recursive: true }) };
}

interface Sample {
  readonly seconds: number;
  readonly step: number;
  readonly begun: number;
  /** MB of JavaScript objects in the page and in all workers, and of array buffers in both. */
  readonly page: number;
  readonly worker: number;
  readonly backing: number;
  readonly nodes: number;
  readonly workers: number;
}

async function heap(session: Pick<CDPSession, 'send'>): Promise<{ used: number; backing: number }> {
  await session.send('HeapProfiler.collectGarbage');
  const usage = (await session.send('Runtime.getHeapUsage')) as { usedSize: number; backingStorageSize?: number };
  return { used: usage.usedSize / MB, backing: (usage.backingStorageSize ?? 0) / MB };
}

/** Least squares, a minute. */
function slope(samples: readonly Sample[], of: (sample: Sample) => number): number | null {
  if (samples.length < 3) return null;
  const points = samples.map((sample) => [sample.seconds / 60, of(sample)] as const);
  const mean = (pick: 0 | 1): number => points.reduce((sum, point) => sum + point[pick], 0) / points.length;
  const [mx, my] = [mean(0), mean(1)];
  return points.reduce((sum, [x, y]) => sum + (x - mx) * (y - my), 0) / points.reduce((sum, [x]) => sum + (x - mx) ** 2, 0);
}

const lab = (page: Page) => page.$('sae-training-lab').then((handle) => handle!);
const folder = await site();
const browser = await openBrowser();
const { page, problems, close } = await openPage(browser, folder.path, 'index.html', null, { width: 1300 });
try {
  await page.waitForFunction(() => customElements.get('sae-training-lab') !== undefined);
  await page.evaluate(() => {
    const tasks: number[] = [];
    Object.assign(globalThis, { longTasks: tasks });
    new PerformanceObserver((list) => tasks.push(...list.getEntries().map(({ duration }) => duration))).observe({ entryTypes: ['longtask'] });
  });
  const session = await page.createCDPSession();
  const element = await lab(page);
  const train = (): Promise<void> => element.evaluate((one) => (one as SaeTrainingLab).train());
  await train();
  await page.waitForFunction(() => ((document.querySelector('sae-training-lab') as unknown as SaeTrainingLab).runs[0]?.steps.length ?? 0) > 2, { timeout: 60_000 });
  await wait(4);
  // Loading the views, and their first drawing, are not what is asked about.
  const before = await longTasks(page);
  const samples: Sample[] = [];
  const tasks: number[] = [];
  let begun = 1;
  const started = performance.now();
  for (let round = 1; performance.now() - started < minutes * 60_000; round++) {
    await wait(every / 2);
    // Over all frames, as a hand would: twenty a second.
    const frames = await element.evaluate((one) => (one as SaeTrainingLab).runs[0]?.steps ?? []);
    for (const step of [...frames, null]) {
      await element.evaluate((one, at) => void ((one as SaeTrainingLab).step = at), step);
      await wait(0.05);
    }
    await wait(every / 2);
    tasks.push(...(await longTasks(page)));
    const status = await element.evaluate((one) => (one as SaeTrainingLab).runs.map(({ live }) => live.status).map(({ state, step }) => ({ state, step })));
    const own = await heap(session);
    const workers = await Promise.all(page.workers().map((worker) => heap(worker.client as unknown as CDPSession)));
    const sum = (of: 'used' | 'backing'): number => workers.reduce((total, one) => total + one[of], 0);
    const { nodes } = (await session.send('Memory.getDOMCounters')) as { nodes: number };
    samples.push({ seconds: (performance.now() - started) / 1000, step: status[0]?.step ?? 0, begun, page: own.used, worker: sum('used'), backing: own.backing + sum('backing'), nodes, workers: workers.length });
    if (values.screenshot !== undefined && round === 2) {
      await page.screenshot({ path: join(values.screenshot, 'lab.png') as `${string}.png`, fullPage: true });
      await page.setViewport({ width: 360, height: 800 });
      await page.emulateMediaFeatures([{ name: 'prefers-color-scheme', value: 'dark' }]);
      await wait(1.5);
      await page.screenshot({ path: join(values.screenshot, 'lab-narrow.png') as `${string}.png`, fullPage: true });
      await page.setViewport({ width: 1300, height: 900 });
      await page.emulateMediaFeatures([{ name: 'prefers-color-scheme', value: 'light' }]);
      await wait(1.5);
    }
    if (status.every(({ state }) => state !== 'running')) {
      begun++;
      if (begun % 3 > 0) await train();
      else {
        await element.evaluate((one) => {
          const shown = one as SaeTrainingLab;
          shown.step = shown.runs[0]!.steps.at(-8) ?? null;
        });
        for (const action of ['rewind', 'branch', 'resume']) {
          await page.waitForFunction((name) => {
            const button = document.querySelector('sae-training-lab')!.shadowRoot!.querySelector<HTMLButtonElement>(`[data-action=${name}]`);
            return button !== null && !button.disabled && (button.click(), true);
          }, {}, action);
          await wait(0.5);
        }
      }
    }
    await wait(0.5);
    // What a sample's collections, and pictures, have stopped is not the page's.
    await longTasks(page);
  }
  tasks.sort((a, b) => b - a);
  const half = samples.slice(samples.length >> 1);
  console.log(JSON.stringify({
    minutes, begun, problems,
    long_tasks: { count: tasks.length, longest_ms: tasks.slice(0, 5), while_loading: before },
    growth_mb_per_minute: { page: slope(half, (one) => one.page), worker: slope(half, (one) => one.worker), backing: slope(half, (one) => one.backing), nodes: slope(half, (one) => one.nodes) },
    samples,
  }, (_, value: unknown) => (typeof value === 'number' ? Math.round(value * 1000) / 1000 : value), 2));
} finally {
  await close();
  await browser.close();
  await folder.remove();
}
