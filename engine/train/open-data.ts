/**
 * Training data from what a person names: activations in a file, a model that is run over tokens,
 * or a generator. Rows that an ignore rule leaves out are not trained on; the others are held.
 */
import { NumericError, UsageError } from '../errors.js';
import type { Ref } from '../io/open.js';
import { defaultContextsPerBatch } from '../run/run.js';
import { ignoreRules, type IgnoreRules } from '../run/ignore.js';
import { progressMeter, type ProgressEvent } from '../run/progress.js';
import type { OnnxRuntimeOptions } from '../sources/onnx-runtime.js';
import type { ActivationSource } from '../sources/source.js';
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
  /** Bytes of activations that may be held; default 2 GiB. */
  readonly holdBytes?: number | undefined;
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
    return generatedData(options.generate as unknown as Parameters<typeof generatedData>[0]);
  }
  const source = await openSource(options);
  try {
    return await collect(source, options);
  } finally {
    if (source !== options.source) await source.close();
  }
}

async function openSource({ acts, model, tokens, hook, source, contextSize, runtime }: TrainDataOptions): Promise<ActivationSource> {
  if (source !== undefined) return source;
  if (acts !== undefined) return (await import('../sources/file-source.js')).fileSource({ acts, tokens, contextSize });
  if (tokens === undefined) throw new UsageError('a model was given without tokens', { hint: 'Give token ids of shape [contexts, positions] (--tokens).' });
  if (hook === undefined) throw new UsageError('a model was given without a hook', { hint: "Name the model's output that the SAE is to read, for example --hook blocks.2.hook_resid_post." });
  return (await import('../sources/model-source.js')).modelSource({ model: model as Ref, tokens, hook, contextSize, runtime });
}

/** All rows that count, in memory. @throws UsageError where they do not fit */
async function collect(source: ActivationSource, options: TrainDataOptions): Promise<TrainData> {
  const { signal, seed, holdBytes = HOLD_BYTES, onProgress } = options;
  const { d, contexts, positions } = source;
  const counts = ignoreRules(options, source);
  const most = Math.floor(holdBytes / (4 * d));
  const pieces: Float32Array[] = [];
  const meter = progressMeter('load', contexts, onProgress);
  let rows = 0;
  let read = 0;
  for await (const batch of source.batches({ contextsPerBatch: defaultContextsPerBatch(positions), signal })) {
    const { counted, countedRows } = counts(batch.tokens, batch.contexts);
    if (rows + countedRows > most) {
      throw new UsageError(`the activations are more than ${most} rows of ${d}, which is what may be held`, { hint: 'Raise --hold-activations, or train on fewer tokens.' });
    }
    pieces.push(keptRows(batch.x, counted, countedRows, d, rows));
    rows += countedRows;
    read += batch.contexts;
    meter.update(read, rows);
  }
  if (rows === 0) throw new UsageError('no row of the activations counts: the rules leave out all of them', { hint: 'Check --ignore-tokens and --ignore-positions.' });
  const x = new Float32Array(rows * d);
  let at = 0;
  for (const piece of pieces) {
    x.set(piece, at);
    at += piece.length;
  }
  const { heldData } = await import('./held-data.js');
  const { ignoreTokens = [], ignorePositions = [] } = options;
  return heldData({ x, d, seed, provenance: { ...source.provenance, rows, ignore_tokens: ignoreTokens, ignore_positions: ignorePositions } });
}

/** @throws NumericError naming the row of a value that is not finite */
function keptRows(x: Float32Array, counted: Uint8Array, countedRows: number, d: number, first: number): Float32Array {
  const kept = new Float32Array(countedRows * d);
  let to = 0;
  for (let r = 0; r < counted.length; r++) {
    if (counted[r] === 0) continue;
    const row = x.subarray(r * d, (r + 1) * d);
    if (!row.every(Number.isFinite)) throw new NumericError(`training activations, row ${first + to / d}: a value is not finite`);
    kept.set(row, to);
    to += d;
  }
  return kept;
}
