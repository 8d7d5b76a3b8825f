/** `saekit dying`: how the features of an SAE died, from its weights, its data and, where there is one, its training run. */
import process from 'node:process';
import { Command, InvalidArgumentError } from 'commander';
import { UsageError } from '../../engine/errors.js';
import type { PredictionResult } from '../../engine/dying/predictions.js';
import type { RunReader } from '../../engine/train/run-reader.js';
import type { Sae } from '../../engine/sae.js';
import { analyze, builtins, createRegistry, directorySink, dyingInstruments, type AnalyzeReport } from '../../plugins/index.js';
import { byteSize, checkWithout, nameFlag, oneOf, setting, typedSettings, whole, wholeList, collect, type AnalysisFlags } from '../options.js';
import { print, printJson, stopSignal } from '../output.js';
import { progressDisplay } from '../progress.js';
import { verdictText } from '../verdict-text.js';
import { duration, plural, thousands } from '../text.js';

interface DyingFlags extends AnalysisFlags {
  readonly run?: string;
  readonly sae?: string;
  readonly step?: number;
  readonly compare?: ComparedFlag[];
  readonly holdRows?: number;
}

interface ComparedFlag {
  readonly name: string;
  readonly run: string;
}

/** Gathers `mean=runs/mean`. */
function compared(text: string, before: readonly ComparedFlag[] = []): ComparedFlag[] {
  const match = /^([\w.-]+)=(.+)$/s.exec(text);
  if (match === null) throw new InvalidArgumentError('Expected NAME=RUN, for example mean=runs/mean.');
  const [, name = '', run = ''] = match;
  if (before.some((one) => one.name === name)) throw new InvalidArgumentError(`There are two runs called ${name}.`);
  return [...before, { name, run }];
}

export function dyingCommand(): Command {
  return new Command('dying')
    .description('Ask how features die: density against bias and D/E, the hyperplane with all data on one side, what training does to the rare; and a verdict on each prediction.')
    .requiredOption('--out <dir>', 'where the pack goes; it appears whole or not at all, in place of a pack that is there')
    .option('--run <dir>', "the SAE's training run: a folder of `saekit train`, with its checkpoints")
    .option('--sae <dir>', 'an SAE by itself, without its run (SAELens folder or URL); with --run: this one instead of its last checkpoint')
    .option('--step <n>', "the run's checkpoint to look at (default: the last)", whole(0))
    .option('--compare <name=dir>', 'another run, on the same activations, for predictions that need a second one (repeatable)', compared)
    .option('--model <file>', 'ONNX model with its hooks as outputs (needs --tokens)')
    .option('--hook <name>', "the model's output (default: the SAE's hook_name)")
    .option('--tokens <ref>', 'token ids, [contexts, positions]: x.npy, x.npz#name, x.safetensors#name')
    .option('--acts <ref>', 'activations instead of a model, [N, d] or [contexts, positions, d]')
    .option('--context-size <n>', 'positions a context, for --acts of [N, d] without tokens', whole(1))
    .option('--tokenizer <file>', 'tokenizer.json, so that tokens are shown as text')
    .option('--ignore-tokens <ids>', 'leave these token ids out, e.g. 1 for BOS', wholeList)
    .option('--ignore-positions <list>', 'leave these positions of each context out', wholeList)
    .option('--backend <kind>', 'auto, webgpu or wasm', oneOf('auto', 'webgpu', 'wasm'), 'auto')
    .option('--threads <n>', 'WASM worker threads for encoding', whole(1))
    .option('--model-runtime <kind>', 'auto, web or node', oneOf('auto', 'web', 'node'), 'auto')
    .option('--hold-rows <size>', 'activations to hold for what looks at them more than once; a uniform sample where they do not fit (default: 128MiB)', byteSize)
    .option('--seed <n>', 'seed of samples, bootstraps and nulls', whole(0), 0)
    .option('--without <id>', 'leave an instrument out (repeatable)', collect)
    .option('--set <plugin.setting=value>', 'change a setting of an instrument (repeatable)', setting)
    .option('--json', 'print one JSON object on stdout and nothing else')
    .option('--quiet', 'no progress and no notes')
    .addHelpText(
      'after',
      `
Examples:
  A run of one's own on the embedded model, from training to verdict:
    saekit train --model examples/stories260k/model.onnx --tokens examples/stories260k/tokens.npy \\
      --ignore-tokens 1 --hook blocks.2.hook_resid_post --arch standard --d-sae 1024 --l1 2.5 \\
      --batch 2048 --steps 12000 --lr 1e-3 --warmup 100 --b-dec zero --encoder-init kaiming:0.5 \\
      --normalize expected_average_only_in --checkpoints log:24 --out runs/zero/
    saekit dying --run runs/zero/ --model examples/stories260k/model.onnx \\
      --tokens examples/stories260k/tokens.npy --tokenizer examples/stories260k/tokenizer.json \\
      --ignore-tokens 1 --out dying/
    saekit serve dying/
  The same run beside one with b_dec at the mean:
    saekit dying --run runs/zero/ --compare mean=runs/mean/ --model … --tokens … --out dying/
  An SAE that was trained elsewhere, on activations from a file:
    saekit dying --sae SAE_DIR --acts acts.npy --out dying/

Instruments: ${dyingInstruments.map(({ id }) => id).join(', ')}.

With --json: {features, tokens, classes:{dead,ultralow,rare,live,dense}, verdict:[{id, quantity, value,
  interval, null_value, outcome, reason, needs_tokens}], backend, seconds, pack}`,
    )
    .action((flags: DyingFlags) => runDying(flags));
}

async function runDying(flags: DyingFlags): Promise<void> {
  const { run, sae: alone, step, compare = [], out, without = [], set = [], json, quiet = false, modelRuntime, ...options } = flags;
  if (run === undefined && alone === undefined) throw new UsageError('neither a run nor an SAE was given', { hint: 'Give the folder of a training run (--run), or an SAE by itself (--sae).' });
  if (run === undefined && step !== undefined) throw new UsageError('--step was given without --run', { hint: 'It names a checkpoint of a run.' });
  const signal = stopSignal();
  const registry = createRegistry();
  for (const plugin of [...builtins.filter(({ id }) => IN_PACK.has(id)), ...dyingInstruments]) registry.register(plugin);
  checkWithout(without, registry.list());
  const settings = typedSettings(set, registry.list());
  const display = progressDisplay(quiet);
  let report: AnalyzeReport;
  try {
    const sae = alone ?? (await checkpointOf(run as string, step));
    report = await analyze({
      ...options,
      sae,
      run,
      compare,
      runtime: modelRuntime,
      registry,
      without,
      settings,
      out: await directorySink(out),
      signal,
      onProgress: (event) => display.update(event),
      onNotice: (text) => display.line(`note: ${text}`),
    });
  } catch (error) {
    nameFlag(error, { ...options, run, sae: alone, out });
    for (const one of compare) nameFlag(error, { compare: one.run });
    throw error;
  } finally {
    display.stop();
  }
  for (const { id, status, message } of report.plugins) {
    if (status === 'failed') process.stderr.write(`saekit: without ${id}: ${message ?? 'it failed'}\n`);
  }
  const { features, tokens, classes, backend, seconds, pack } = report;
  const verdict = verdictOf(report);
  if (json === true) {
    printJson({ features, tokens, classes, verdict: verdict.map(({ id, quantity, value, interval, null_value, outcome, reason, needs_tokens }) => ({ id, quantity, value, interval, null_value, outcome, reason, needs_tokens })), backend, seconds, pack });
    return;
  }
  const named = Object.entries(classes).flatMap(([name, count]) => (count > 0 ? [`${thousands(count)} ${name}`] : []));
  print([`${plural(features, 'feature')} over ${plural(tokens, 'token')}: ${named.join(', ')}`, ...verdictText(verdict), `${duration(seconds)} on ${backend}`, `pack: ${pack}`].join('\n'));
}

/** What a card of the pack and the instruments read; the rest of the built-in analyses is `saekit analyze`'s. */
const IN_PACK = new Set(['sae/density', 'sae/activations', 'sae/examples', 'sae/weights', 'sae/reconstruction']);

/** The SAE of a run's checkpoint. @throws FormatError where the folder holds no run, or no such checkpoint */
async function checkpointOf(folder: string, step: number | undefined): Promise<Sae> {
  const { openRun } = await import('../../engine/train/run-reader.js');
  const run: RunReader = await openRun(folder);
  const last = run.record.checkpoints.at(-1)?.step;
  if (last === undefined) throw new UsageError(`${folder}: the run has no checkpoint yet`, { hint: 'Its first is written at the first step of --checkpoints.' });
  return run.sae(step ?? last);
}

function verdictOf({ plugins }: AnalyzeReport): readonly PredictionResult[] {
  const results = plugins.find(({ id }) => id === 'sae/verdict')?.summary?.['results'];
  return Array.isArray(results) ? (results as PredictionResult[]) : [];
}
