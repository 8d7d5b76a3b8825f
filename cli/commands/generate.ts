/** `saekit generate`: rows with known answers, and the answers. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Command, InvalidArgumentError } from 'commander';
import { UsageError } from '../../engine/errors.js';
import { aboutKind, GENERATOR_KINDS } from '../../engine/generate/generators.js';
import { PRESETS } from '../../engine/generate/presets.js';
import { saveGenerated } from '../../engine/generate/save.js';
import { openFileOut } from '../../engine/io/file-out-node.js';
import { whole } from '../options.js';
import { print, printJson, stopSignal } from '../output.js';
import { progressDisplay } from '../progress.js';
import { duration, figure, plural, thousands } from '../text.js';

interface GenerateFlags {
  readonly out: string;
  readonly rows: number;
  readonly d?: number;
  readonly seed?: number;
  readonly preset?: string;
  readonly spec?: string;
  readonly set: readonly (readonly [string, unknown])[];
  readonly heldOut?: boolean;
  readonly json?: boolean;
  readonly quiet?: boolean;
}

/** Gathers `rho=0.3`, `base.features=512`: JSON where it is JSON, else the text itself. */
function field(text: string, before: readonly (readonly [string, unknown])[] = []): (readonly [string, unknown])[] {
  const match = /^((?:\w+\.)*\w+)=(.*)$/s.exec(text);
  if (match === null) throw new InvalidArgumentError('Expected FIELD=VALUE, for example rho=0.3 or base.features=512.');
  const [, name = '', value = ''] = match;
  try {
    return [...before, [name, JSON.parse(value)]];
  } catch {
    return [...before, [name, value]];
  }
}

export function generateCommand(): Command {
  return new Command('generate')
    .description('Write activations whose answers are known, and the answers.')
    .argument('[kind]', GENERATOR_KINDS.join(', '))
    .requiredOption('--out <dir>', 'folder for activations.safetensors, truth.safetensors and spec.json')
    .option('--rows <n>', 'how many rows', whole(1), 16384)
    .option('--d <n>', 'width of a row', whole(1))
    .option('--seed <n>', 'seed (default: 0)', whole(0, 2 ** 32 - 1))
    .option('--preset <name>', `a published world: ${Object.keys(PRESETS).join(', ')}`)
    .option('--spec <file>', 'JSON with the fields; what is given by flags wins')
    .option('--set <field=value>', 'one field of the kind; may be given again; fields of a base are base.FIELD', field, [])
    .option('--held-out', 'rows of the held-out stream: the same world, other rows')
    .option('--json', 'print one JSON object on stdout and nothing else')
    .option('--quiet', 'no progress and no notes')
    .addHelpText(
      'after',
      `
Kinds:
${GENERATOR_KINDS.map((kind) => `  ${kind.padEnd(17)} ${aboutKind(kind)}`).join('\n')}

Examples:
  saekit generate gaussian --d 64 --set gamma=3 --set decay=1 --out data/
  saekit generate spiked --d 256 --set rho=0.3 --rows 100000 --out data/ --json
  saekit generate --preset synthsaebench-small --seed 1 --out data/
  saekit generate rare --d 128 --set probabilities=[1e-3,1e-5] --set base.features=512 --out data/
  saekit train --acts data/activations.safetensors#activations ...

The fields of each kind, with their defaults: docs/generators.md; spec.json holds all that were used.
With --json: {kind, rows, d, seed, features, l0, gamma, seconds, rows_per_second, out}`,
    )
    .action(async (kind: string | undefined, flags: GenerateFlags) => {
      const spec = await describe(kind, flags);
      const signal = stopSignal();
      const display = progressDisplay(flags.quiet ?? false);
      const began = performance.now();
      const seconds = (): number => (performance.now() - began) / 1000;
      let shown = 0;
      try {
        const report = await saveGenerated(spec, flags.rows, (name) => openFileOut(join(flags.out, name)), {
          heldOut: flags.heldOut ?? false,
          signal,
          onProgress(rows) {
            if (seconds() - shown < 0.25) return;
            shown = seconds();
            const rate = rows / shown;
            display.update({ phase: 'generating', tokens: rows, contexts: rows, totalContexts: flags.rows, seconds: shown, tokensPerSecond: rate, etaSeconds: (flags.rows - rows) / rate });
          },
        });
        display.stop();
        const took = seconds();
        if (flags.json === true) {
          const { spec: used, rows, d, features, l0, gamma } = report;
          return printJson({ kind: used.kind, rows, d, seed: used.seed, features, l0, gamma, seconds: took, rows_per_second: rows / took, out: flags.out });
        }
        const { features, l0, gamma } = report;
        print(
          [
            `${thousands(report.rows)} rows of ${report.d} dimensions: ${report.spec.kind}, seed ${report.spec.seed}`,
            features === null ? '' : `${plural(features, 'true feature')}, L0 ${figure(l0)}`,
            `gamma ${figure(gamma)}`,
            duration(took),
            `activations: ${join(flags.out, 'activations.safetensors')}#activations`,
          ].filter((line) => line !== '').join('\n'),
        );
      } finally {
        display.stop();
      }
    });
}

/** The description that the flags make. @throws UsageError */
async function describe(kind: string | undefined, { spec: file, preset, d, seed, set }: GenerateFlags): Promise<Record<string, unknown>> {
  let spec: Record<string, unknown> = {};
  if (file !== undefined) {
    try {
      spec = JSON.parse(await readFile(file, 'utf8')) as Record<string, unknown>;
    } catch (cause) {
      throw new UsageError(`--spec ${file}: cannot be read as JSON (${cause instanceof Error ? cause.message : String(cause)})`, { cause });
    }
    if (typeof spec !== 'object' || spec === null || Array.isArray(spec)) throw new UsageError(`--spec ${file}: expected a JSON object`);
    if (kind !== undefined && spec['kind'] !== undefined && spec['kind'] !== kind) throw new UsageError(`--spec ${file}: is of the kind ${JSON.stringify(spec['kind'])}, not ${kind}`);
  }
  if (kind === undefined && preset === undefined && spec['kind'] === undefined && spec['preset'] === undefined) {
    throw new UsageError('generate: which kind?', { hint: `One of ${GENERATOR_KINDS.join(', ')}; or --preset, or --spec.` });
  }
  const given: Record<string, unknown> = { ...spec, ...(kind === undefined ? {} : { kind }), ...(preset === undefined ? {} : { preset }), ...(d === undefined ? {} : { d }), ...(seed === undefined ? {} : { seed }) };
  for (const [name, value] of set) {
    const path = name.split('.');
    const last = path.pop()!;
    let place = given;
    for (const part of path) {
      const below = place[part];
      if (below !== undefined && (typeof below !== 'object' || below === null || Array.isArray(below))) throw new UsageError(`--set ${name}: ${part} is not an object with fields`);
      // A copy: what a file held is not written to.
      const own = { ...(below as Record<string, unknown> | undefined) };
      place[part] = own;
      place = own;
    }
    place[last] = value;
  }
  return given;
}
