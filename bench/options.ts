/** The command line of `npm run bench`. */
import { parseArgs } from 'node:util';
import type { Runtime } from './host.js';
import { ANALYZE, suites } from './suites/index.js';

export const RUNTIMES: readonly Runtime[] = ['node', 'deno', 'chromium'];

export interface BenchOptions {
  readonly suites: readonly string[];
  /** Null: wherever a suite can run. */
  readonly runtime: Runtime | null;
  readonly quick: boolean;
  readonly json: string | null;
  readonly markdown: boolean;
}

const all = [...suites, ANALYZE];

export const LIST = all.map(({ name, title, runtimes }) => `${name.padEnd(8)}  ${title} (${runtimes.join(', ')})`).join('\n');

export const HELP = `npm run bench -- [--suite NAME]... [--runtime NAME] [--quick] [--json FILE]

Times saekit against other libraries: in one process, on the same arrays, in
rounds in which each takes its turn, after a check that all of them computed the
same. Prints medians, ratios (peer / saekit: above 1, saekit is faster) and the
spread of the ratio over the rounds.

  --suite NAME     only this suite; may be repeated, or a list with commas
  --runtime NAME   only in node, deno or chromium; without it encode runs in all three,
                   webgpu in chromium and deno, the others in node
  --quick          small shapes and few rounds: does it work at all
  --json FILE      write {machine, rows} there
  --markdown       print tables for a page
  --list           the suites
  --help           this

The peers that saekit itself does not need are in bench/package.json, and are
installed by the first run.

${LIST}`;

/** Wrong use: the message says what would be right. */
export class Usage extends Error {}

/** @returns options, or the text to print instead of a run */
export function readOptions(argv: readonly string[]): BenchOptions | string {
  let values;
  try {
    ({ values } = parseArgs({
      args: [...argv],
      options: {
        suite: { type: 'string', multiple: true },
        runtime: { type: 'string' },
        quick: { type: 'boolean', default: false },
        json: { type: 'string' },
        markdown: { type: 'boolean', default: false },
        list: { type: 'boolean', default: false },
        help: { type: 'boolean', short: 'h', default: false },
      },
    }));
  } catch (error) {
    throw new Usage(error instanceof Error ? error.message : String(error));
  }
  if (values.help) return HELP;
  if (values.list) return LIST;
  const names = (values.suite ?? []).flatMap((list) => list.split(',')).map((name) => name.trim());
  const known = all.map(({ name }) => name);
  for (const name of names) if (!known.includes(name)) throw new Usage(`--suite takes ${known.join(', ')}, not ${name}`);
  const { runtime } = values;
  if (runtime !== undefined && !RUNTIMES.includes(runtime as Runtime)) throw new Usage(`--runtime takes ${RUNTIMES.join(', ')}, not ${runtime}`);
  const chosen = names.length === 0 ? known : known.filter((name) => names.includes(name));
  const possible = chosen.filter((name) => runtime === undefined || all.some((suite) => suite.name === name && (suite.runtimes as readonly string[]).includes(runtime)));
  if (possible.length === 0) throw new Usage(`${chosen.join(', ')} cannot run in ${runtime}; --list says what can run where`);
  return { suites: possible, runtime: (runtime as Runtime | undefined) ?? null, quick: values.quick, json: values.json ?? null, markdown: values.markdown };
}
