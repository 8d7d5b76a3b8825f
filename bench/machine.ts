/** What a table was measured on, from what the system says of itself. */
import { arch, availableParallelism, cpus, loadavg, platform, totalmem } from 'node:os';
import { VERSION } from '../engine/version.js';
import type { Machine } from './rows.js';
import { rounded } from './statistics.js';

/** The load before the run; taken first. */
export function startLoad(): number {
  return loadavg()[0] ?? 0;
}

export function describeMachine(runtimes: readonly string[], adapter: string | null, load: number): Machine {
  const model = cpus()[0]?.model.trim().replace(/\s+/g, ' ') || 'unknown CPU';
  const cores = availableParallelism();
  return {
    description: `${model}, ${cores} ${cores === 1 ? 'core' : 'cores'}, ${Math.round(totalmem() / 2 ** 30)} GiB, ${platform()} ${arch()}`,
    runtimes,
    adapter,
    // Windows has no load average.
    load: platform() === 'win32' ? null : [rounded(load, 3), rounded(startLoad(), 3)],
    saekit: VERSION,
    date: new Date().toISOString(),
  };
}
