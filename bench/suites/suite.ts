/** What a suite is, and what it is given. */
import type { Host, Runtime } from '../host.js';
import type { Budget } from '../measure.js';
import type { Row } from '../rows.js';

export interface SuiteOptions {
  readonly quick: boolean;
}

export interface Suite {
  readonly name: string;
  readonly title: string;
  /** Where it can run. */
  readonly runtimes: readonly Runtime[];
  /** Where it runs unless told otherwise. */
  readonly byDefault: readonly Runtime[];
  run(host: Host, options: SuiteOptions): Promise<Row[]>;
}

/** Rounds and seconds for a case; a large one takes fewer rounds. */
export function budgetFor({ quick }: SuiteOptions, large = false): Budget {
  if (quick) return { rounds: 3, seconds: 1, warmup: 0.02 };
  return large ? { rounds: 7, seconds: 10, warmup: 0.3 } : { rounds: 15, seconds: 4, warmup: 0.3 };
}

/** `node 256x768x6144` */
export function label(host: Host, ...parts: (string | number)[]): string {
  return `${host.runtime} ${parts.join(' ')}`;
}
