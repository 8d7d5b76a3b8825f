/** `saekit analyze`: an SAE and activations in, a pack out. */
import process from 'node:process';
import { Command } from 'commander';
import { analyze, builtins, createRegistry, directorySink, extras, type AnalyzeReport } from '../../plugins/index.js';
import { byteSize, checkWithout, chooseExtras, collect, nameFlag, oneOf, setting, typedSettings, whole, wholeList, type AnalysisFlags } from '../options.js';
import { print, printJson, stopSignal } from '../output.js';
import { loadPlugins } from '../plugin-files.js';
import { progressDisplay } from '../progress.js';
import { duration, figure, plural, thousands } from '../text.js';

interface AnalyzeFlags extends AnalysisFlags {
  readonly sae: string;
  readonly unembed?: string;
  readonly relaxedSimd?: boolean;
  readonly screen: 'auto' | 'on' | 'off';
  readonly storage: 'f32' | 'f16';
  readonly holdWeights?: number;
  readonly gpuMemory?: number;
  readonly batchContexts?: number;
  readonly plugin?: string[];
  readonly with?: string[];
}

export function analyzeCommand(): Command {
  return new Command('analyze')
    .description('Run every analysis over a stream of activations and write a pack.')
    .requiredOption('--sae <dir>', 'SAE folder or URL: cfg.json and sae_weights.safetensors (SAELens v3 to v6)')
    .requiredOption('--out <dir>', 'where the pack goes; it appears whole or not at all, in place of a pack that is there')
    .option('--model <file>', 'ONNX model with its hooks as outputs (needs --tokens)')
    .option('--hook <name>', "the model's output to analyse (default: the SAE's hook_name)")
    .option('--tokens <ref>', 'token ids, [contexts, positions]: x.npy, x.npz#name, x.safetensors#name')
    .option('--acts <ref>', 'activations instead of a model, [N, d] or [contexts, positions, d]: x.npy, x.npz#name, x.safetensors#name')
    .option('--context-size <n>', 'positions a context, for --acts of [N, d] without tokens', whole(1))
    .option('--tokenizer <file>', "tokenizer.json, so that tokens are shown as text")
    .option('--unembed <file>', 'safetensors with W_U [d, vocabulary] and optionally final_norm_scale [d]')
    .option('--ignore-tokens <ids>', 'leave these token ids out of all statistics, e.g. 1 for BOS', wholeList)
    .option('--ignore-positions <list>', 'leave these positions of each context out, e.g. 0,1', wholeList)
    .option('--backend <kind>', 'auto, webgpu or wasm', oneOf('auto', 'webgpu', 'wasm'), 'auto')
    .option('--hold-weights <size>', 'largest encoder and decoder to hold in memory, e.g. 512MiB; larger ones are read a piece at a time (default: 2GiB)', byteSize)
    .option('--gpu-memory <size>', 'the most that weights and buffers may take on a GPU, e.g. 1GiB (default: what there is)', byteSize)
    .option('--threads <n>', 'WASM worker threads for encoding', whole(1))
    .option('--relaxed-simd', 'WASM: fused multiply-add where the runtime has it; faster, in other last bits')
    .option('--screen <when>', 'exclude by integers what cannot fire; the same codes to the bit; auto: on WASM, where it measures faster', oneOf('auto', 'on', 'off'), 'auto')
    .option('--storage <bits>', 'WebGPU: weights as f32, or f16 where the device has it, with the bound of its error in the manifest', oneOf('f32', 'f16'), 'f32')
    .option('--model-runtime <kind>', 'auto (onnxruntime-node when installed, else onnxruntime-web), web or node', oneOf('auto', 'web', 'node'), 'auto')
    .option('--batch-contexts <n>', 'contexts a batch', whole(1))
    .option('--seed <n>', 'seed of the sampled examples', whole(0), 0)
    .option('--plugin <file>', 'also run the plugin that this module exports (repeatable)', collect)
    .option('--with <id>', `also run an analysis that is not part of every run: ${extras.map(({ id }) => id).join(', ')} (repeatable)`, collect)
    .option('--without <id>', 'leave a plugin out, e.g. sae/logits (repeatable)', collect)
    .option('--set <plugin.setting=value>', 'change a setting, e.g. sae/examples.top=10 (repeatable)', setting)
    .option('--json', 'print one JSON object on stdout and nothing else')
    .option('--quiet', 'no progress and no notes')
    .addHelpText(
      'after',
      `
Examples:
  The embedded example, a language model run as it is read:
    saekit analyze --sae examples/stories260k/sae --model examples/stories260k/model.onnx \\
      --tokens examples/stories260k/tokens.npy --tokenizer examples/stories260k/tokenizer.json \\
      --unembed examples/stories260k/unembedding.safetensors --ignore-tokens 1 --out pack/
  Activations from a file, no model:
    saekit analyze --sae SAE_DIR --acts acts.safetensors#resid --out pack/
  The same with the tokens that they belong to, so that examples can be read:
    saekit analyze --sae SAE_DIR --acts acts.npy --tokens tokens.npy --tokenizer tokenizer.json --out pack/
  A plugin of your own, and fewer examples:
    saekit analyze --sae SAE_DIR --acts acts.npy --plugin examples/plugin/plugin.js \\
      --set sae/examples.top=10 --out pack/

Built-in plugins: ${builtins.map(({ id }) => id).join(', ')}.
With --with: ${extras.map(({ id }) => id).join(', ')}.

With --json: {tokens, features, classes:{dead,ultralow,rare,live,dense}, l0, mse, fvu,
  backend, seconds, tokens_per_second, pack}`,
    )
    .action((flags: AnalyzeFlags) => runAnalyze(flags));
}

async function runAnalyze(flags: AnalyzeFlags): Promise<void> {
  const { plugin, with: asked = [], without = [], set = [], json, quiet = false, out, batchContexts, modelRuntime, holdWeights, relaxedSimd, gpuMemory, ...options } = flags;
  const signal = stopSignal();
  const registry = createRegistry();
  for (const builtin of builtins) registry.register(builtin);
  for (const extra of chooseExtras(asked, extras)) registry.register(extra);
  for (const stranger of await loadPlugins(plugin ?? [])) registry.register(stranger);
  checkWithout(without, registry.list());
  const settings = typedSettings(set, registry.list());
  const display = progressDisplay(quiet);
  let report: AnalyzeReport;
  try {
    report = await analyze({
      ...options,
      holdBytes: holdWeights,
      relaxed: relaxedSimd,
      memoryBudget: gpuMemory,
      ...(batchContexts === undefined ? {} : { contextsPerBatch: batchContexts }),
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
    nameFlag(error, { ...options, out });
    throw error;
  } finally {
    display.stop();
  }
  // Their failure is no reason to fail, but none may be overlooked, not even with --quiet.
  for (const { id, status, message } of report.plugins) {
    if (status === 'failed') process.stderr.write(`saekit: without ${id}: ${message ?? 'it failed'}\n`);
  }
  if (json === true) {
    const { tokens, features, classes, l0, mse, fvu, backend, seconds, tokens_per_second, pack } = report;
    printJson({ tokens, features, classes, l0, mse, fvu, backend, seconds, tokens_per_second, pack });
  } else print(summary(report));
}

function summary(report: AnalyzeReport): string {
  const classes = Object.entries(report.classes).flatMap(([name, count]) => (count > 0 ? [`${thousands(count)} ${name}`] : []));
  const pack = shellWord(report.pack);
  return [
    `${plural(report.features, 'feature')} over ${plural(report.tokens, 'token')}: ${classes.join(', ')}`,
    ...(report.l0 === null ? [] : [`L0 ${figure(report.l0)}   MSE ${figure(report.mse)}   FVU ${figure(report.fvu)}`]),
    `${duration(report.seconds)} on ${report.backend}, ${thousands(Math.round(report.tokens_per_second))} tokens/s`,
    `pack: ${report.pack}`,
    `  saekit show ${pack} --feature 0   a card`,
    `  saekit serve ${pack}${' '.repeat('--feature 0'.length)}  the dashboard`,
  ].join('\n');
}

/** As a POSIX shell takes it. */
function shellWord(text: string): string {
  return /^[\w./:@%+,-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;
}
