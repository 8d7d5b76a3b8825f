/**
 * Firefox looks for finished GPU work from a timer of 100 ms, so that every
 * mapping takes that long (Mozilla's bug 1870699); but it also looks when work is
 * submitted. While a mapping is waited for there, empty submissions are made: the
 * gaps grow from 1 to 16 ms, so that a long kernel is not disturbed, and they end
 * after a second, since a lost device never answers. To be deleted when the bug is
 * closed.
 */

const FIRST_GAP = 1;
const LONGEST_GAP = 16;
const PATIENCE = 1000;

/** Whether this is Firefox. Pure. */
export function needsNudge(userAgent: string | undefined): boolean {
  return userAgent !== undefined && /\bFirefox\//.test(userAgent) && !/\bSeamonkey\//.test(userAgent);
}

const nudged = needsNudge((globalThis as { navigator?: { userAgent?: string } }).navigator?.userAgent);

/** The same promise; in Firefox it settles when the work is done, and not up to 100 ms later. */
export function waitForMap(gpu: GPUDevice, mapped: Promise<undefined | void>, firefox: boolean = nudged): Promise<void> {
  if (firefox) void nudge(gpu, mapped);
  return mapped as Promise<void>;
}

async function nudge(gpu: GPUDevice, mapped: Promise<unknown>): Promise<void> {
  let settled = false;
  const settle = (): void => void (settled = true);
  mapped.then(settle, settle);
  const started = performance.now();
  for (let gap = FIRST_GAP; ; gap = Math.min(2 * gap, LONGEST_GAP)) {
    await new Promise((resolve) => setTimeout(resolve, gap));
    if (settled || performance.now() - started > PATIENCE) return;
    gpu.queue.submit([]);
  }
}
