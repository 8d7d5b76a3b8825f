/**
 * Rows of a source that does not fit in memory. Its contexts are cut into chunks; each epoch goes
 * through the chunks in a permutation of its own, and through the rows of each in another. So every row
 * has its turn once an epoch, what a step's rows are is computed as for held rows, and a run that
 * resumes reads no more than the chunk that it is in. Rows are mixed within a chunk, not across: the larger
 * the chunks, the nearer it is to `heldData`.
 */
import { UsageError } from '../errors.js';
import { hash32 } from '../random.js';
import { ignoreRules, type IgnoreRules } from '../run/ignore.js';
import { defaultContextsPerBatch } from '../run/run.js';
import type { ActivationSource } from '../sources/source.js';
import { countedRows, keptRows, rowsAtMost } from './counted-rows.js';
import type { TrainData } from './data.js';
import { permutation } from './permutation.js';

export interface ChunkedOptions extends IgnoreRules {
  /** Of the order of chunks and rows. */
  readonly seed: number;
  /** Bytes of activations in memory at a time, at least two contexts' worth: two chunks, since a batch may end in the next. */
  readonly holdBytes: number;
  /** Closes the source; called by `close`. */
  readonly closeSource?: (() => Promise<void>) | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** An epoch's chunks in their order, and the row at which each begins; the last number is the rows of all. */
interface Epoch {
  readonly number: number;
  readonly chunks: readonly number[];
  readonly starts: Float64Array;
}

/**
 * Counts the rows of each chunk; tokens are read for that, activations only where a source gives no
 * tokens without them.
 * @throws UsageError where the source cannot be read from its middle, a chunk cannot hold a context, or no row counts
 */
export async function chunkedData(source: ActivationSource, options: ChunkedOptions): Promise<TrainData> {
  const { seed, holdBytes, signal, ignoreTokens = [], ignorePositions = [] } = options;
  const { d, contexts, positions } = source;
  if (source.ranges !== true) throw new UsageError('the activations do not fit in what may be held, and their source can only be read from its beginning', { hint: 'Raise --hold-activations, or train on fewer tokens.' });
  const perChunk = Math.min(contexts, Math.floor(holdBytes / 2 / (4 * d * Math.max(1, rowsAtMost(options, { contexts: 1, positions })))));
  if (perChunk < 1) throw new UsageError(`${holdBytes} bytes cannot hold two contexts of ${positions} rows of ${d}`, { hint: 'Raise --hold-activations.' });
  const counts = await countedRows(source, options, perChunk, signal);
  const rows = counts.reduce((sum, count) => sum + count, 0);
  if (rows === 0) throw new UsageError('no row of the activations counts: the rules leave out all of them', { hint: 'Check --ignore-tokens and --ignore-positions.' });

  /** The chunks that were used last, the latest at the end. */
  let held: { readonly chunk: number; readonly x: Float32Array }[] = [];
  const chunkRows = async (chunk: number, stop: AbortSignal | undefined): Promise<Float32Array> => {
    const there = held.find((one) => one.chunk === chunk);
    // Gone before the other is read: three would be one too many.
    held = there === undefined ? held.slice(-1) : [...held.filter((one) => one !== there), there];
    if (there !== undefined) return there.x;
    const x = new Float32Array(counts[chunk]! * d);
    let at = 0;
    for await (const piece of pieces(source, options, { start: chunk * perChunk, end: Math.min(contexts, (chunk + 1) * perChunk), signal: stop })) {
      x.set(piece, at);
      at += piece.length;
    }
    held = [...held.slice(-1), { chunk, x }];
    return x;
  };
  let epoch = epochOf(0, counts, seed);

  return {
    d,
    rows,
    provenance: { ...source.provenance, rows, ignore_tokens: ignoreTokens, ignore_positions: ignorePositions, chunk_contexts: perChunk },
    async batch(step, size, stop) {
      const out = new Float32Array(size * d);
      for (let done = 0; done < size; ) {
        const at = step * size + done;
        const number = Math.floor(at / rows);
        if (epoch.number !== number) epoch = epochOf(number, counts, seed);
        const { chunks, starts } = epoch;
        const place = lastAtMost(starts, at % rows);
        const chunk = chunks[place]!;
        const first = (at % rows) - starts[place]!;
        const many = Math.min(size - done, counts[chunk]! - first);
        const x = await chunkRows(chunk, stop);
        const order = permutation(counts[chunk]!, hash32(seed, chunk, number), 1);
        for (let r = 0; r < many; r++) {
          const from = order(first + r) * d;
          out.set(x.subarray(from, from + d), (done + r) * d);
        }
        done += many;
      }
      return out;
    },
    async scan(visit, { size, limit = rows, signal: stop }) {
      const end = Math.min(limit, rows);
      // Pieces as `heldData` has them: what is summed over them comes out the same.
      let buffer = new Float32Array(size * d);
      let [seen, fill] = [0, 0];
      const flush = async (): Promise<void> => {
        const count = Math.min(fill, end - seen);
        if (count === 0) return;
        await visit(buffer.subarray(0, count * d), count);
        seen += count;
        [buffer, fill] = [new Float32Array(size * d), 0];
      };
      for await (const piece of pieces(source, options, { signal: stop })) {
        for (let from = 0; from < piece.length && seen < end; ) {
          const take = Math.min(piece.length - from, (size - fill) * d);
          buffer.set(piece.subarray(from, from + take), fill * d);
          fill += take / d;
          from += take;
          if (fill === size) await flush();
        }
        if (seen + fill >= end) break;
      }
      await flush();
      return seen;
    },
    async close() {
      held = [];
      await options.closeSource?.();
    },
  };
}

/** The rows that count of some contexts, [rows, d], in their order. */
async function* pieces(source: ActivationSource, rules: IgnoreRules, range: { readonly start?: number; readonly end?: number; readonly signal: AbortSignal | undefined }): AsyncGenerator<Float32Array> {
  const counts = ignoreRules(rules, source);
  let context = range.start ?? 0;
  for await (const { tokens, contexts, x } of source.batches({ contextsPerBatch: defaultContextsPerBatch(source.positions), ...range })) {
    const { counted, countedRows: many } = counts(tokens, contexts);
    yield keptRows(x, counted, many, source.d, context * source.positions);
    context += contexts;
  }
}

function epochOf(number: number, counts: readonly number[], seed: number): Epoch {
  const order = permutation(counts.length, hash32(seed, counts.length), number);
  const chunks = counts.map((_, at) => order(at)).filter((chunk) => counts[chunk]! > 0);
  const starts = new Float64Array(chunks.length + 1);
  for (const [at, chunk] of chunks.entries()) starts[at + 1] = starts[at]! + counts[chunk]!;
  return { number, chunks, starts };
}

/** The last place whose number is at most `value`, in ascending numbers of which the first is. */
function lastAtMost(numbers: Float64Array, value: number): number {
  let [low, high] = [0, numbers.length];
  while (high - low > 1) {
    const middle = (low + high) >>> 1;
    if (numbers[middle]! <= value) low = middle;
    else high = middle;
  }
  return low;
}
