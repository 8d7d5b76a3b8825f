/**
 * Does a page that trains leak, and does it stay responsive?
 *
 *   node --import ./scripts/ts.mjs bench/live-leak.ts --minutes 10
 *
 * Opens examples/training.html as a static host serves it, from dist/, trains there
 * for so many minutes with the monitor on, restarts the run whenever it has ended,
 * and samples the heaps of page and worker after a collection, the memory of the
 * page's process where the system tells it (Linux), and tasks over 50 ms on the
 * page's own thread. Prints JSON: the samples, and growth by least squares over
 * the last half, MB a minute.
 */
import { readFile } from 'node:fs/promises';
import { parseArgs } from 'node:util';
import type { CDPSession, Page } from 'puppeteer-core';
import { openBrowser, openPage, siteFolder } from '../test/support/browser-pages.js';

const { values } = parseArgs({ options: { minutes: { type: 'string', default: '10' }, every: { type: 'string', default: '10' } } });
const minutes = Number(values.minutes);
const every = Number(values.every);
if (!(minutes > 0 && every > 0)) throw new Error('--minutes and --every (seconds between samples) are numbers above 0');

interface Sample {
  readonly seconds: number;
  readonly step: number;
  readonly runs: number;
  /** MB of JavaScript objects, of array buffers and WASM memories (backing stores), and of the process. */
  readonly page: number;
  readonly worker: number | null;
  readonly backing: number;
  readonly resident: number | null;
  readonly nodes: number;
  readonly workers: number;
}

const MB = 1e6;

async function heap(session: Pick<CDPSession, 'send'>): Promise<{ used: number; backing: number }> {
  await session.send('HeapProfiler.collectGarbage');
  const usage = (await session.send('Runtime.getHeapUsage')) as { usedSize: number; backingStorageSize?: number };
  return { used: usage.usedSize / MB, backing: (usage.backingStorageSize ?? 0) / MB };
}

/** What renderer processes hold, MB. */
async function resident(pids: readonly number[]): Promise<number | null> {
  try {
    let sum = 0;
    for (const pid of pids) sum += (Number(/VmRSS:\s+(\d+)/.exec(await readFile(`/proc/${pid}/status`, 'utf8'))?.[1] ?? 0) * 1024) / MB;
    return sum;
  } catch {
    return null;
  }
}

/** Least squares, a minute. */
function slope(samples: readonly Sample[], of: (sample: Sample) => number | null): number | null {
  const points = samples.flatMap((sample) => (of(sample) === null ? [] : [[sample.seconds / 60, of(sample) as number] as const]));
  if (points.length < 3) return null;
  const mean = (pick: 0 | 1): number => points.reduce((sum, point) => sum + point[pick], 0) / points.length;
  const [mx, my] = [mean(0), mean(1)];
  return points.reduce((sum, [x, y]) => sum + (x - mx) * (y - my), 0) / points.reduce((sum, [x]) => sum + (x - mx) ** 2, 0);
}

async function train(page: Page): Promise<void> {
  await page.evaluate(() => (document.getElementById('setup') as HTMLFormElement).requestSubmit());
  await page.waitForFunction(() => ((document.getElementById('monitor') as unknown as { live: { status: { step: number } } | null }).live?.status.step ?? 0) > 0);
}

const site = await siteFolder();
const browser = await openBrowser();
const { page, problems, close } = await openPage(browser, site.path, 'examples/training.html', null);
const samples: Sample[] = [];
try {
  await page.evaluate(() => {
    const tasks: number[] = [];
    Object.assign(globalThis, { longTasks: tasks });
    new PerformanceObserver((list) => tasks.push(...list.getEntries().map(({ duration }) => duration))).observe({ entryTypes: ['longtask'] });
  });
  const session = await page.createCDPSession();
  const system = await browser.target().createCDPSession();
  const { processInfo } = (await system.send('SystemInfo.getProcessInfo')) as { processInfo: { type: string; id: number }[] };
  const pids = processInfo.filter(({ type }) => type === 'renderer').map(({ id }) => id);
  let runs = 1;
  // Loading and the first run's beginning are not what is asked about.
  await train(page);
  await new Promise((resolve) => setTimeout(resolve, 3000));
  const before = await page.evaluate(() => (globalThis as unknown as { longTasks: number[] }).longTasks.splice(0));
  /** Long tasks that a collection for a sample has made are not the page's. */
  let tasks: number[] = [];
  const started = performance.now();
  while (performance.now() - started < minutes * 60_000) {
    await new Promise((resolve) => setTimeout(resolve, every * 1000));
    tasks.push(...(await page.evaluate(() => (globalThis as unknown as { longTasks: number[] }).longTasks.splice(0))));
    const { state, step } = await page.evaluate(() => (document.getElementById('monitor') as unknown as { live: { status: { state: string; step: number } } }).live.status);
    const own = await heap(session);
    const workers = page.workers();
    const other = workers[0] === undefined ? null : await heap(workers[0].client as unknown as CDPSession);
    const { nodes } = (await session.send('Memory.getDOMCounters')) as { nodes: number };
    samples.push({ seconds: (performance.now() - started) / 1000, step, runs, page: own.used, worker: other?.used ?? null, backing: own.backing + (other?.backing ?? 0), resident: await resident(pids), nodes, workers: workers.length });
    if (state === 'ended') {
      await train(page);
      runs++;
    }
    await new Promise((resolve) => setTimeout(resolve, 300));
    await page.evaluate(() => (globalThis as unknown as { longTasks: number[] }).longTasks.splice(0));
  }
  tasks = tasks.sort((a, b) => b - a);
  const half = samples.slice(samples.length >> 1);
  console.log(JSON.stringify({
    minutes,
    runs,
    steps: samples.at(-1)?.step,
    problems,
    long_tasks: { count: tasks.length, longest_ms: tasks[0] ?? 0, while_loading: before.length },
    growth_mb_per_minute: { page: slope(half, (s) => s.page), worker: slope(half, (s) => s.worker), backing: slope(half, (s) => s.backing), resident: slope(half, (s) => s.resident) },
    samples,
  }, (_, value: unknown) => (typeof value === 'number' ? Math.round(value * 1000) / 1000 : value), 2));
} finally {
  await close();
  await browser.close();
  await site.remove();
}
