/**
 * The streaming run: batches of whole contexts from a source, encoded, and fed
 * to accumulators in order. Memory is O(batch) here and O(features) in them.
 *
 * Kept true: what an accumulator is given does not depend on the size of the
 * batches except in where they are cut; rows that an ignore rule leaves out are
 * never encoded; an abort is seen at every await.
 */
import type { LoadedSae } from '../backend.js';
import { expandRows } from '../codes.js';
import { NumericError, ShapeError, UsageError } from '../errors.js';
import { prepareInput } from '../prepare.js';
import type { Sae } from '../sae.js';
import type { ActivationBatch, ActivationSource } from '../sources/source.js';
import type { Accumulator, Batch } from './accumulator.js';
import { decodeRows, encodeRows } from './encode-rows.js';
import { ignoreRules, type CountRows, type IgnoreRules } from './ignore.js';
import { progressMeter, type ProgressEvent } from './progress.js';

export interface RunOptions extends IgnoreRules {
  readonly source: ActivationSource;
  readonly sae: Sae;
  readonly loaded: LoadedSae;
  /** Fed in this order, one after the other. */
  readonly accumulators: readonly Pick<Accumulator, 'update'>[];
  /** Default: about 4,096 rows. */
  readonly contextsPerBatch?: number | undefined;
  /** A shard: the contexts first to end - 1 of the source. Default: all. */
  readonly contexts?: readonly [first: number, end: number] | undefined;
  /** Name of the progress events' phase, default `run`. */
  readonly phase?: string | undefined;
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: ((event: ProgressEvent) => void) | undefined;
}

/** What was run over; sums of shards are the sums of these. */
export interface RunTotals {
  readonly contexts: number;
  /** Rows that were read. */
  readonly rows: number;
  /** Rows that count. */
  readonly tokens: number;
  /** Sum of `SparseCodes.nearTies`. */
  readonly nearTies: number;
  /** Sum of the activations' count: L0 = nnz / tokens. */
  readonly nnz: number;
  readonly seconds: number;
}

/** Contexts of a batch of about 4,096 rows, at least one. */
export function defaultContextsPerBatch(positions: number): number {
  return Math.max(1, Math.floor(4096 / positions));
}

/**
 * Runs the stream to its end.
 * @throws UsageError for rules or ranges that do not fit the source, ShapeError where widths
 *   differ, NumericError naming context and position of a value that is not finite, the reason
 *   of `signal` when aborted; whatever an accumulator throws passes.
 */
export async function runStream(options: RunOptions): Promise<RunTotals> {
  const { source, sae, accumulators, signal } = options;
  signal?.throwIfAborted();
  if (source.d !== sae.d_in) {
    throw new ShapeError(`the activations have ${source.d} columns, the SAE ${JSON.stringify(sae.metadata.name)} takes d_in = ${sae.d_in}`, { hint: 'Is it the hook that the SAE was trained on?' });
  }
  const count = ignoreRules(options, source);
  const [first, end] = checkRange(options.contexts ?? [0, source.contexts], source.contexts);
  const contextsPerBatch = options.contextsPerBatch ?? defaultContextsPerBatch(source.positions);
  if (!Number.isInteger(contextsPerBatch) || contextsPerBatch < 1) throw new UsageError(`a batch of ${contextsPerBatch} contexts was asked for; a whole number of at least 1 was expected`);

  const meter = progressMeter(options.phase ?? 'run', end - first, options.onProgress);
  meter.update(0, 0);
  let context = first;
  let tokens = 0;
  let nearTies = 0;
  let nnz = 0;
  const breathe = breather();
  for await (const read of contextRange(source, first, end, contextsPerBatch, signal)) {
    signal?.throwIfAborted();
    checkBatch(read, source, context, end);
    const { batch, settled } = await makeBatch(read, context, count, options);
    signal?.throwIfAborted();
    for (const accumulator of accumulators) {
      await accumulator.update(batch);
      await breathe();
      signal?.throwIfAborted();
    }
    // A backend that fails in reconstruction() fails the run, even where an accumulator caught it.
    await settled();
    context += batch.contexts;
    tokens += batch.countedRows;
    nearTies += batch.codes.nearTies;
    nnz += batch.codes.features.length;
    meter.update(context - first, tokens);
    signal?.throwIfAborted();
  }
  if (context !== end) throw new ShapeError(`the source ended after context ${context - 1}; it had announced ${source.contexts} contexts`);
  return { contexts: end - first, rows: (end - first) * source.positions, tokens, nearTies, nnz, seconds: meter.seconds() };
}

/** Milliseconds of work after which waiting events are let in. */
const SLICE = 40;

/** Promises alone let no event in: without a pause now and then, no abort would ever arrive, and no frame be drawn. */
function breather(): () => Promise<void> {
  let resumed = performance.now();
  return async () => {
    if (performance.now() - resumed < SLICE) return;
    await new Promise((resolve) => setTimeout(resolve, 0));
    resumed = performance.now();
  };
}

function checkRange([first, end]: readonly [number, number], contexts: number): readonly [number, number] {
  if (!Number.isInteger(first) || !Number.isInteger(end) || first < 0 || end < first || end > contexts) {
    throw new UsageError(`contexts ${first} to ${end} were asked for, the source has 0 to ${contexts}`);
  }
  return [first, end];
}

/** Batches of the contexts first .. end; of a source that only reads from its start, the others are dropped. */
async function* contextRange(source: ActivationSource, first: number, end: number, contextsPerBatch: number, signal: AbortSignal | undefined): AsyncGenerator<ActivationBatch, void, undefined> {
  if (first === end) return;
  if ((first === 0 && end === source.contexts) || source.ranges === true) {
    yield* source.batches({ contextsPerBatch, start: first, end, signal });
    return;
  }
  let context = 0;
  for await (const batch of source.batches({ contextsPerBatch, signal })) {
    const from = Math.max(0, first - context);
    const to = Math.min(batch.contexts, end - context);
    if (from < to) yield from === 0 && to === batch.contexts ? batch : cutBatch(batch, from, to);
    context += batch.contexts;
    if (context >= end) return;
  }
}

function cutBatch({ positions, x, tokens, contexts }: ActivationBatch, from: number, to: number): ActivationBatch {
  const d = x.length / (contexts * positions);
  return { contexts: to - from, positions, x: x.slice(from * positions * d, to * positions * d), tokens: tokens?.slice(from * positions, to * positions) ?? null };
}

function checkBatch(read: ActivationBatch, source: ActivationSource, context: number, end: number): void {
  const { contexts, positions, x, tokens } = read;
  const rows = contexts * source.positions;
  const where = `the source's batch at context ${context}`;
  if (positions !== source.positions) throw new ShapeError(`${where} has contexts of ${positions} positions, ${source.positions} were announced`);
  if (contexts < 1 || context + contexts > end) throw new ShapeError(`${where} holds ${contexts} contexts, ${end - context} were left`);
  if (x.length !== rows * source.d) throw new ShapeError(`${where} has ${x.length} values, ${rows} rows x ${source.d} were expected`);
  if ((tokens !== null) !== source.hasTokens) throw new ShapeError(`${where} comes ${tokens === null ? 'without' : 'with'} tokens, the opposite was announced`);
  if (tokens !== null && tokens.length !== rows) throw new ShapeError(`${where} has ${tokens.length} tokens and ${rows} rows`);
}

/** Encodes what counts. `settled` waits for a reconstruction that was asked for, and raises its failure. */
async function makeBatch(read: ActivationBatch, contextOffset: number, count: CountRows, options: RunOptions): Promise<{ batch: Batch; settled(): Promise<unknown> }> {
  const { sae, loaded, signal } = options;
  const { contexts, positions, x, tokens } = read;
  const rows = contexts * positions;
  const { counted, countedRows } = count(tokens, contexts);
  const rowOffset = contextOffset * positions;
  const gathered = gather(x, counted, countedRows, sae.d_in, rowOffset, positions);
  try {
    const { xbar, restore } = prepareInput(sae, gathered, countedRows);
    const packed = await encodeRows(loaded, sae.d_sae, xbar, countedRows, { signal });
    const reconstruct = async (): Promise<Float32Array> => {
      const y = await decodeRows(loaded, packed, sae.d_out, { signal });
      restore(y);
      return countedRows === rows ? y : scatter(y, counted, sae.d_out);
    };
    let reconstruction: Promise<Float32Array> | null = null;
    const batch: Batch = {
      rowOffset,
      contextOffset,
      contexts,
      positions,
      rows,
      tokens,
      counted,
      countedRows,
      x,
      codes: expandRows(packed, counted),
      reconstruction() {
        if (reconstruction === null) {
          reconstruction = reconstruct();
          // An accumulator need not wait for it; its failure is raised by `settled`.
          reconstruction.catch(() => undefined);
        }
        return reconstruction;
      },
    };
    return { batch: Object.freeze(batch), settled: () => reconstruction ?? Promise.resolve() };
  } catch (error) {
    // Backends know rows of their chunk only.
    if (!(error instanceof NumericError)) throw error;
    throw new NumericError(`contexts ${contextOffset} to ${contextOffset + contexts - 1}, rows that count: ${error.message}`, { hint: error.hint, cause: error });
  }
}

/** The rows that count, [countedRows, d]. @throws NumericError naming context, position and column of a value that is not finite */
function gather(x: Float32Array, counted: Uint8Array, countedRows: number, d: number, rowOffset: number, positions: number): Float32Array {
  const all = countedRows === counted.length;
  const gathered = all ? x : new Float32Array(countedRows * d);
  let to = 0;
  for (let row = 0; row < counted.length; row++) {
    if (counted[row] === 0) continue;
    const values = x.subarray(row * d, (row + 1) * d);
    if (!all) gathered.set(values, to);
    to += d;
    let poison = 0;
    for (let c = 0; c < d; c++) poison += (values[c] ?? 0) * 0;
    if (poison === 0) continue;
    const column = values.findIndex((value) => !Number.isFinite(value));
    const at = rowOffset + row;
    throw new NumericError(`activations: ${values[column]} in context ${Math.floor(at / positions)}, position ${at % positions} (row ${at}), column ${column}`, {
      hint: 'Leave such positions out (ignore rules), or look at what wrote the activations.',
    });
  }
  return gathered;
}

/** Rows that count back in their places, zeros elsewhere. */
function scatter(y: Float32Array, counted: Uint8Array, d: number): Float32Array {
  const full = new Float32Array(counted.length * d);
  let from = 0;
  for (let row = 0; row < counted.length; row++) {
    if (counted[row] === 0) continue;
    full.set(y.subarray(from, from + d), row * d);
    from += d;
  }
  return full;
}
