/**
 * Training data from what a person names: activations in a file, a model that is run over tokens,
 * or a generator. Rows that an ignore rule leaves out are not trained on; the others are held, or,
 * where they do not fit, read again chunk by chunk.
 */
import { UsageError } from '../errors.js';
import type { Ref } from '../io/open.js';
import { defaultContextsPerBatch } from '../run/run.js';
import { ignoreRules, type IgnoreRules } from '../run/ignore.js';
import { progressMeter, type ProgressEvent } from '../run/progress.js';
import type { OnnxRuntimeOptions } from '../sources/onnx-runtime.js';
import type { ActivationSource } from '../sources/source.js';
import { countedRows, keptRows, rowsAtMost } from './counted-rows.js';
import type { TrainData } from './data.js';

export interface TrainDataOptions extends IgnoreRules {
  /** Activations from a file, [N, d] or [contexts, positions, d]. */
  readonly acts?: Ref | undefined;
  /** An ONNX model with its hooks as outputs; needs `tokens` and `hook`. */
  readonly model?: Ref | undefined;
  readonly hook?: string | undefined;
  /** Token ids, [contexts, positions]. */
  readonly tokens?: Ref | undefined;
  /** A generator's description (docs/generators.md). */
  readonly generate?: Readonly<Record<string, unknown>> | undefined;
  /** Activations from anywhere else. It stays the caller's to close. */
  readonly source?: ActivationSource | undefined;
  readonly contextSize?: number | undefined;
  readonly runtime?: OnnxRuntimeOptions['runtime'];
  /** Of the order of rows. */
  readonly seed: number;
  /** Bytes of activations that may be held; default 2 GiB. More than that are read in chunks (chunked-data.ts). */
  readonly holdBytes?: number | undefined;
  /** Called with d before rows are read: what it throws is thrown before that work is done. */
  readonly onWidth?: ((d: number) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: ((event: ProgressEvent) => void) | undefined;
}

const HOLD_BYTES = 2 ** 31;

/** @throws UsageError unless there is exactly one origin of rows, with what it needs; what the sources throw */
export async function openTrainData(options: TrainDataOptions): Promise<TrainData> {
  const origins = (['acts', 'model', 'generate', 'source'] as const).filter((name) => options[name] !== undefined);
  if (origins.length !== 1) {
    throw new UsageError(origins.length === 0 ? 'no training data were given' : `${origins.join(' and ')} were given together`, { hint: 'Give activations from a file (--acts), a model with tokens (--model, --tokens), or a generator (--generate).' });
  }
  if (options.generate !== undefined) {
    const { generatedData } = await import('../generate/generate.js');
    const data = generatedData(options.generate as unknown as Parameters<typeof generatedData>[0]);
    options.onWidth?.(data.d);
    return data;
  }
  const source = await openSource(options);
  const closeSource = async (): Promise<void> => {
    if (source !== options.source) await source.close();
  };
  let chunked = false;
  try {
    const { seed, ignoreTokens, ignorePositions, signal, holdBytes = HOLD_BYTES } = options;
    // Told before a model has run for nothing.
    ignoreRules(options, source);
    options.onWidth?.(source.d);
    const may = Math.floor(holdBytes / (4 * source.d));
    let most = rowsAtMost(options, source);
    if (most > may && source.tokenIds !== undefined) most = (await countedRows(source, options, source.contexts, signal))[0]!;
    if (most <= may) return await hold(source, options, most);
    const { chunkedData } = await import('./chunked-data.js');
    const data = await chunkedData(source, { seed, ignoreTokens, ignorePositions, holdBytes, closeSource, signal });
    chunked = true;
    return data;
  } finally {
    if (!chunked) await closeSource();
  }
}

async function openSource({ acts, model, tokens, hook, source, contextSize, runtime }: TrainDataOptions): Promise<ActivationSource> {
  if (source !== undefined) return source;
  if (acts !== undefined) return (await import('../sources/file-source.js')).fileSource({ acts, tokens, contextSize });
  if (tokens === undefined) throw new UsageError('a model was given without tokens', { hint: 'Give token ids of shape [contexts, positions] (--tokens).' });
  if (hook === undefined) throw new UsageError('a model was given without a hook', { hint: "Name the model's output that the SAE is to read, for example --hook blocks.2.hook_resid_post." });
  return (await import('../sources/model-source.js')).modelSource({ model: model as Ref, tokens, hook, contextSize, runtime });
}

/** All rows that count, in memory: once, so that what may be held is what it takes. @throws UsageError where none counts */
async function hold(source: ActivationSource, options: TrainDataOptions, most: number): Promise<TrainData> {
  const { signal, seed, onProgress, ignoreTokens = [], ignorePositions = [] } = options;
  const { d, contexts, positions } = source;
  const counts = ignoreRules(options, source);
  const meter = progressMeter('load', contexts, onProgress);
  const x = new Float32Array(most * d);
  let rows = 0;
  let read = 0;
  for await (const batch of source.batches({ contextsPerBatch: defaultContextsPerBatch(positions), signal })) {
    const { counted, countedRows: many } = counts(batch.tokens, batch.contexts);
    x.set(keptRows(batch.x, counted, many, d, read * positions), rows * d);
    rows += many;
    read += batch.contexts;
    meter.update(read, rows);
  }
  if (rows === 0) throw new UsageError('no row of the activations counts: the rules leave out all of them', { hint: 'Check --ignore-tokens and --ignore-positions.' });
  const { heldData } = await import('./held-data.js');
  return heldData({ x: x.subarray(0, rows * d), d, seed, provenance: { ...source.provenance, rows, ignore_tokens: ignoreTokens, ignore_positions: ignorePositions } });
}
