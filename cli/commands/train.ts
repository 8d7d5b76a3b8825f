/** `saekit train`: an SAE, from activations to a folder of checkpoints. */
import { readFile } from 'node:fs/promises';
import process from 'node:process';
import { Command, InvalidArgumentError, Option } from 'commander';
import { chooseTrainBackend } from '../../engine/choose-train-backend.js';
import { NumericError, UsageError } from '../../engine/errors.js';
import { openTensor } from '../../engine/formats/tensor-file.js';
import { directionText } from '../../engine/train/encoder-hooks.js';
import { KNOBS, type Knob } from '../../engine/train/knobs.js';
import type { Recipe } from '../../engine/train/recipe.js';
import { expectation } from '../../engine/train/resolve-recipe.js';
import { train, type TrainReport } from '../../engine/train/train.js';
import { byteSize, nameFlag, oneOf, whole, wholeList } from '../options.js';
import { print, printJson, stopSignal } from '../output.js';
import { duration, figure, thousands } from '../text.js';
import { trainDisplay } from '../train-display.js';

interface TrainFlags extends Record<string, unknown> {
  readonly out: string;
  readonly config?: string;
  readonly acts?: string;
  readonly model?: string;
  readonly hook?: string;
  readonly tokens?: string;
  readonly generate?: string;
  readonly contextSize?: number;
  readonly ignoreTokens?: number[];
  readonly ignorePositions?: number[];
  readonly modelRuntime: 'auto' | 'web' | 'node';
  readonly holdActivations?: number;
  readonly backend: 'auto' | 'webgpu' | 'wasm';
  readonly relaxedSimd?: boolean;
  readonly evaluateRows?: number;
  readonly resume?: boolean;
  readonly overwrite?: boolean;
  readonly json?: boolean;
  readonly quiet?: boolean;
}

const GROUPS: Readonly<Record<Knob['group'], string>> = { loss: 'What a row costs', death: 'Against death', optimiser: 'The optimiser', start: 'Where it starts', run: 'What is kept, and when it ends' };
/** `--b-dec frozen` and its like: where b_dec stays. */
const FROZEN: Readonly<Record<string, Recipe['b_dec']>> = { frozen: 'zero', 'frozen-mean': 'mean', 'frozen-geometric-median': 'geometric-median' };

const flagOf = (name: string): string => name.replaceAll('_', '-');
const camel = (name: string): string => flagOf(name).replace(/-([a-z0-9])/g, (_, letter: string) => letter.toUpperCase());

/** A flag's text as the knob's type. @throws InvalidArgumentError */
function parser(name: string, knob: Knob): (text: string) => unknown {
  return (text) => {
    if (knob.nullable === true && text === 'none') return null;
    if (name === 'b_dec' && Object.hasOwn(FROZEN, text)) return text;
    const number = (one: string): number => (one.trim() === '' ? NaN : Number(one));
    let value: unknown = text;
    if (knob.type === 'integer' || knob.type === 'number') value = number(text);
    if (knob.type === 'integers' || knob.type === 'numbers') value = text === '' ? [] : text.split(',').map(number);
    if (knob.type === 'boolean') value = text === 'true' ? true : text === 'false' ? false : text;
    const wrong = (knob.type === 'boolean' && typeof value !== 'boolean') || (typeof value === 'number' && !Number.isFinite(value)) || (Array.isArray(value) && value.some((one) => !Number.isFinite(one))) || (knob.type === 'enum' && !knob.values.includes(text));
    if (wrong) throw new InvalidArgumentError(`Expected ${expectation(knob)}.`);
    return value;
  };
}

export function trainCommand(): Command {
  const command = new Command('train')
    .description('Train an SAE, and leave a folder of checkpoints.')
    .requiredOption('--out <dir>', "the run's folder: run.json, metrics, densities, and an SAE in SAELens' layout at each checkpoint")
    .option('--acts <ref>', 'activations, [N, d] or [contexts, positions, d]: x.npy, x.npz#name, x.safetensors#name')
    .option('--model <file>', 'ONNX model with its hooks as outputs (needs --tokens and --hook)')
    .option('--hook <name>', "the model's output to train on")
    .option('--tokens <ref>', 'token ids, [contexts, positions]')
    .option('--generate <file>', "a generator's description instead of activations: JSON (docs/generators.md)")
    .option('--context-size <n>', 'positions a context, for --acts of [N, d] without tokens', whole(1))
    .option('--ignore-tokens <ids>', 'leave these token ids out, e.g. 1 for BOS', wholeList)
    .option('--ignore-positions <list>', 'leave these positions of each context out, e.g. 0,1', wholeList)
    .option('--hold-activations <size>', 'the most that activations may take in memory, e.g. 4GiB (default: 2GiB)', byteSize)
    .option('--model-runtime <kind>', 'auto (onnxruntime-node when installed, else onnxruntime-web), web or node', oneOf('auto', 'web', 'node'), 'auto')
    .option('--backend <kind>', 'auto, webgpu or wasm', oneOf('auto', 'webgpu', 'wasm'), 'auto')
    .option('--relaxed-simd', 'WASM: fused multiply-add where the runtime has it; faster, in other last bits')
    .option('--config <file>', "a recipe: JSON with knobs by their names, such as a run's recipe.json; flags win over it")
    .option('--evaluate-rows <n>', 'rows that checkpoints before the last are evaluated on (default: 65536; 0: none)', whole(0))
    .option('--resume', 'go on with the run in --out, from where it was stopped')
    .option('--overwrite', 'start anew in place of the run in --out')
    .option('--json', 'print one JSON object on stdout and nothing else')
    .option('--quiet', 'no progress and no notes');
  for (const [group, title] of Object.entries(GROUPS)) {
    for (const [name, knob] of Object.entries(KNOBS)) {
      if (knob.group !== group) continue;
      const value = knob.type === 'enum' ? 'kind' : knob.type === 'boolean' ? 'bool' : knob.type === 'string' ? 'text' : knob.type === 'integers' || knob.type === 'numbers' ? 'list' : 'n';
      const text = knob.type === 'enum' ? `${knob.text}: ${knob.values.join(', ')}` : knob.type === 'string' ? `${knob.text}: ${knob.example}` : knob.text;
      command.addOption(new Option(`--${flagOf(name)} <${value}>`, text).argParser(parser(name, knob)).helpGroup(`${title}:`));
    }
  }
  return command
    .addHelpText(
      'after',
      `
What is left out has a default that depends on --arch and --preset (docs/training.md); OUT/recipe.json holds all that was used.
--b-dec also takes frozen, frozen-mean and frozen-geometric-median: it stays where it starts.

Examples:
  The embedded example's reference run, some two minutes on one core:
    saekit train --model examples/stories260k/model.onnx --tokens examples/stories260k/tokens.npy \\
      --ignore-tokens 1 --hook blocks.2.hook_resid_post --arch standard --d-sae 1024 --l1 2.5 \\
      --batch 2048 --steps 12000 --lr 1e-3 --warmup 100 --b-dec zero --encoder-init kaiming:0.5 \\
      --normalize expected_average_only_in --seed 0 --checkpoints log:24 --out run/
  Activations from a file, TopK:
    saekit train --acts acts.npy --arch topk --d-sae 4096 --k 32 --steps 20000 --out run/
  A generator, whose right answer is known:
    saekit train --generate examples/generators/spiked.json --arch topk --d-sae 1024 --k 32 --out run/
  Go on with a run that was stopped:
    saekit train --model … --out run/ --resume

With --json: {steps, tokens, loss, fvu, l0, classes, seconds, tokens_per_second, out}`,
    )
    .action((flags: TrainFlags) => runTrain(flags));
}

/** The knobs that were given: the configuration file's, and over them the flags'. @throws UsageError */
async function givenRecipe(flags: TrainFlags): Promise<Record<string, unknown>> {
  const recipe: Record<string, unknown> = flags.config === undefined ? {} : await readObject('--config', flags.config);
  for (const name of Object.keys(KNOBS)) {
    const value = flags[camel(name)];
    if (value === undefined) continue;
    if (name === 'b_dec') recipe.freeze_b_dec = Object.hasOwn(FROZEN, value as string) || (flags[camel('freeze_b_dec')] ?? false);
    if (name === 'deflate') recipe[name] = await directionFlag(value as string);
    else recipe[name] = name === 'b_dec' ? (FROZEN[value as string] ?? value) : value;
  }
  return recipe;
}

/** `--deflate`: as it is, or the directions that a file holds, [d] or [k, d]. @throws UsageError, FormatError naming the file */
async function directionFlag(text: string): Promise<string> {
  if (!/\.(npy|npz|safetensors)(#|$)/i.test(text)) return text;
  const opened = await openTensor(text);
  try {
    const { shape } = opened.tensor;
    if (shape.length !== 1 && shape.length !== 2) throw new UsageError(`--deflate ${text}: has shape [${shape.join(', ')}], expected [d] or [k, d]`);
    const d = shape.at(-1)!;
    const values = await opened.tensor.read();
    return directionText(...Array.from({ length: values.length / d }, (_, row) => values.subarray(row * d, (row + 1) * d)));
  } finally {
    await opened.close();
  }
}

async function readObject(flag: string, file: string): Promise<Record<string, unknown>> {
  let value: unknown;
  try {
    value = JSON.parse(await readFile(file, 'utf8'));
  } catch (cause) {
    throw new UsageError(`${flag} ${file}: cannot be read as JSON (${cause instanceof Error ? cause.message : String(cause)})`, { cause });
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw new UsageError(`${flag} ${file}: expected a JSON object`);
  // A run.json holds its recipe.
  const { recipe } = value as { recipe?: unknown };
  return { ...((flag === '--config' && typeof recipe === 'object' && recipe !== null ? recipe : value) as Record<string, unknown>) };
}

async function runTrain(flags: TrainFlags): Promise<void> {
  const { out, acts, model, hook, tokens, contextSize, ignoreTokens, ignorePositions, holdActivations, modelRuntime, evaluateRows, resume, overwrite, json, quiet = false } = flags;
  if (resume === true && overwrite === true) throw new UsageError('--resume and --overwrite were given together', { hint: 'One goes on with the run that is there, the other removes it.' });
  const recipe = await givenRecipe(flags);
  const generate = flags.generate === undefined ? undefined : await readObject('--generate', flags.generate);
  const signal = stopSignal();
  const display = trainDisplay(quiet);
  const backend = await chooseTrainBackend({ backend: flags.backend, relaxed: flags.relaxedSimd, notice: (text) => display.line(`note: ${text}`) });
  let report: TrainReport;
  try {
    report = await train({
      acts, model, hook, tokens, generate, contextSize, ignoreTokens, ignorePositions,
      holdBytes: holdActivations,
      runtime: modelRuntime,
      recipe,
      recipeName: flags.config === undefined ? 'the recipe' : `--config ${flags.config}`,
      out, resume, overwrite, backend, evaluateRows, signal,
      onProgress: (event) => display.reading(event),
      onEvent: (event, used) => display.hear(event, used),
    });
  } catch (error) {
    nameFlag(error, { acts, model, tokens, out });
    throw error;
  } finally {
    display.stop();
    await backend.dispose();
  }
  const { status, message, steps, last, checkpoint, seconds, tokens_per_second } = report;
  if (json === true) printJson({ steps, tokens: report.tokens, loss: last?.loss ?? null, fvu: checkpoint?.fvu ?? last?.fvu ?? null, l0: checkpoint?.l0 ?? last?.l0 ?? null, classes: checkpoint?.classes ?? null, seconds, tokens_per_second, out });
  else print(summary(report));
  if (status === 'diverged') throw new NumericError(`the run diverged: ${message ?? ''}`, { hint: `What was reached before is in ${out}. A lower --lr, a longer --warmup or --clip 1 may help.` });
  if (status === 'stopped') process.stderr.write(`saekit: stopped at step ${steps}; the same command with --resume goes on\n`);
}

function summary({ steps, tokens, last, checkpoint, seconds, tokens_per_second, out, recipe }: TrainReport): string {
  const classes = Object.entries(checkpoint?.classes ?? {}).flatMap(([name, count]) => (count > 0 ? [`${thousands(count)} ${name}`] : []));
  return [
    `${recipe.arch}, ${thousands(recipe.d_sae)} features: ${thousands(steps)} steps, ${thousands(tokens)} rows`,
    `${checkpoint === null || checkpoint.tokens === null ? '' : `L0 ${figure(checkpoint.l0)}   FVU ${figure(checkpoint.fvu)}   over ${thousands(checkpoint.tokens)} rows   `}loss ${figure(last?.loss ?? null)}`,
    ...(classes.length > 0 ? [classes.join(', ')] : []),
    `${duration(seconds)} of training, ${thousands(Math.round(tokens_per_second))} rows/s`,
    `run: ${out}`,
  ].join('\n');
}
