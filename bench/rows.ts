/**
 * What a run of the benchmarks leaves: `{machine, rows}`. One row is one
 * comparison of a way of saekit's with a peer's, over the same arrays.
 */

export interface Machine {
  /** `AMD EPYC, 2 cores, 23 GiB, linux x64` */
  readonly description: string;
  /** The runtimes that rows were measured in. */
  readonly runtimes: readonly string[];
  /** The WebGPU adapter, where one was used. */
  readonly adapter: string | null;
  /** Load average of the last minute at the beginning and at the end, where the system tells: what else ran. */
  readonly load: readonly number[] | null;
  readonly saekit: string;
  /** ISO 8601 */
  readonly date: string;
}

export interface Row {
  readonly suite: string;
  readonly case: string;
  readonly subject: string;
  readonly peer: string;
  readonly subject_median_s: number;
  readonly peer_median_s: number;
  /** peer_median_s / subject_median_s: above 1 means saekit is faster. */
  readonly ratio: number;
  /** Interquartile range of the ratios of single rounds, relative to their median. */
  readonly spread: number;
  /** Rounds that both ran in. */
  readonly runs: number;
  readonly note: string;
}

export interface BenchResult {
  readonly machine: Machine;
  readonly rows: readonly Row[];
}

const ROW_TYPES: Readonly<Record<keyof Row, 'string' | 'number'>> = {
  suite: 'string',
  case: 'string',
  subject: 'string',
  peer: 'string',
  subject_median_s: 'number',
  peer_median_s: 'number',
  ratio: 'number',
  spread: 'number',
  runs: 'number',
  note: 'string',
};

/** What is wrong with something that should be a BenchResult, one line each; none when it is one. */
export function problems(value: unknown): string[] {
  const found: string[] = [];
  const { machine, rows } = (value ?? {}) as Partial<BenchResult>;
  for (const key of ['description', 'saekit', 'date'] as const) {
    if (typeof machine?.[key] !== 'string' || machine[key] === '') found.push(`machine.${key} is no text`);
  }
  if (!Array.isArray(machine?.runtimes) || machine.runtimes.length === 0) found.push('machine.runtimes is empty');
  if (!Array.isArray(rows)) return [...found, 'rows is no list'];
  rows.forEach((row: Row, at) => {
    const keys = Object.keys(row);
    for (const [key, type] of Object.entries(ROW_TYPES)) {
      const entry = (row as unknown as Record<string, unknown>)[key];
      if (typeof entry !== type || (type === 'number' && !Number.isFinite(entry))) found.push(`rows[${at}].${key} is ${String(entry)}, expected a ${type === 'number' ? 'finite number' : 'string'}`);
    }
    for (const key of keys) if (!(key in ROW_TYPES)) found.push(`rows[${at}].${key} is not of the format`);
    if (!(row.subject_median_s > 0 && row.peer_median_s > 0)) found.push(`rows[${at}]: medians must be positive`);
    else if (Math.abs(row.ratio / (row.peer_median_s / row.subject_median_s) - 1) > 0.01) found.push(`rows[${at}].ratio is ${row.ratio}, not peer / subject`);
    if (!(Number.isInteger(row.runs) && row.runs >= 1)) found.push(`rows[${at}].runs is ${row.runs}`);
    if (row.spread < 0) found.push(`rows[${at}].spread is negative`);
  });
  return found;
}
