/**
 * Encoding on one thread: the packed encoder in an instance's memory, and rows
 * taken through it a chunk at a time.
 *
 * A chunk (CHUNK rows) is packed, then met by one block of features (BLOCK)
 * after another: a dense tile of chunk x block, which goes at once into
 * compaction (standard, jumprelu) or into each row's candidates (topk). The
 * [rows, d_sae] matrix never exists. One chunk is one synchronous step that
 * leaves nothing behind but its entries, so chunks of different calls may
 * follow each other in any order.
 *
 * The order of summation, which every other way of computing a z (screening, blocks of
 * latents, other runtimes) has to keep for its codes to be the same bit for bit:
 *
 *   z = bias; for d = 0, 1, ..., d_in - 1: z = fl(z + fl(x[d] * W_enc[d, i]))
 *
 * in f32, each product and each sum rounded to nearest even; for gated the bias is 0
 * and p = z, then z_gate = fl(p + b_gate), z = fl(fl(p * exp(r_mag)) + b_enc) with exp(r_mag)
 * rounded to f32. The weights of an SAE that rescales are W_enc and b_enc times the decoder
 * norms, rounded to f32 once, when they are packed. The relaxed module may leave out the inner rounding.
 */
import { NumericError } from '../errors.js';
import type { Architecture } from '../sae.js';
import { CodesBuilder, type OwnedCodes } from './codes-builder.js';
import { CHECKS_BOUNDS, Kernels, type Pointer } from './loader.js';
import { Pace } from './pace.js';

/** What encoding needs of an SAE: plain data, which a worker can be sent. */
export interface EncoderWeights {
  readonly architecture: Architecture;
  readonly d_in: number;
  readonly d_sae: number;
  /** [d_in, d_sae] */
  readonly W_enc: Float32Array;
  /** [d_sae] */
  readonly b_enc: Float32Array;
  readonly threshold: Float32Array | null;
  /** topk: of a row; batchtopk: see `RangeOptions.budget`. */
  readonly k: number | null;
  /** gated only: exp(r_mag) and b_gate, [d_sae] each; `b_enc` is the magnitudes'. */
  readonly gate: { readonly scale: Float32Array; readonly bias: Float32Array } | null;
  /** [d_sae] what each column and bias is multiplied by (decoder norms), or nothing. */
  readonly scale: Float64Array | null;
  /** tol_r = perNorm * ||xbar_r|| + constant (engine/ties.ts). */
  readonly perNorm: number;
  readonly constant: number;
}

/** Rows per chunk: the packed weights are read once per chunk. */
export const CHUNK = 128;
/** Features per block: chunk x block pre-activations (64 KiB) stay in the second-level cache. */
export const BLOCK = 128;
const PANEL = 8;
/** Which form of the dense product: the numbers are the same. */
const DENSE = CHECKS_BOUNDS ? 'denseShuffled' : 'dense';
const RECORD_BYTES = 32;
const TIES_WORD = 3;
const FLAGS_WORD = 4;
const BAD_INPUT = 1;
/** Far below every floor and threshold, and finite: what the columns past d_sae hold. */
const NEVER = -3.4028234663852886e38;

/** The bytes that an encoder's weights take in linear memory. */
export function encoderBytes(d_in: number, d_sae: number, gated = false): number {
  return Math.ceil(d_sae / PANEL) * PANEL * (d_in + (gated ? 4 : 2)) * 4;
}

export class Encoder {
  readonly #kernels: Kernels;
  readonly d_sae: number;
  readonly #d_in: number;
  /** The k of topk, at most d_sae; null for the others. */
  readonly #k: number | null;
  readonly #perNorm: number;
  readonly #constant: number;
  readonly #panels: number;
  readonly #w: Pointer;
  readonly #bias: Pointer;
  readonly #threshold: Pointer;
  /** gated only. */
  readonly #gate: { readonly gates: Pointer; readonly scales: Pointer; readonly biases: Pointer } | null;
  readonly #top: Pointer;

  /** Packs the weights. @throws BackendError when they do not fit */
  constructor(module: WebAssembly.Module, weights: EncoderWeights) {
    const { d_in, d_sae, scale } = weights;
    const kernels = new Kernels(module);
    this.#kernels = kernels;
    this.d_sae = d_sae;
    this.#d_in = d_in;
    this.#k = weights.architecture === 'topk' ? Math.min(weights.k ?? 0, d_sae) : null;
    this.#perNorm = weights.perNorm;
    this.#constant = weights.constant;
    this.#panels = Math.ceil(d_sae / PANEL);
    const columns = this.#panels * PANEL;
    const shape = `the encoder of d_in ${d_in} x d_sae ${d_sae}`;
    this.#w = kernels.alloc(columns * d_in * 4, shape);
    this.#bias = kernels.alloc(columns * 4, shape);
    // Gated magnitudes have no threshold: its place is one of their three vectors'.
    this.#threshold = kernels.alloc(columns * 4, shape);
    this.#gate = weights.gate === null ? null : { gates: this.#threshold, scales: kernels.alloc(columns * 4, shape), biases: kernels.alloc(columns * 4, shape) };
    this.#top = kernels.mark();

    const staging = kernels.alloc(columns * 4, shape);
    const row = kernels.f32(staging, columns).fill(0);
    for (let d = 0; d < d_in; d++) {
      const source = weights.W_enc.subarray(d * d_sae, (d + 1) * d_sae);
      if (scale === null) row.set(source);
      else for (let i = 0; i < d_sae; i++) row[i] = (source[i] ?? 0) * (scale[i] ?? 1);
      kernels.call.packWeights(staging, this.#panels, d, d_in, this.#w);
    }
    kernels.reset(this.#top);

    const bias = kernels.f32(this.#bias, columns).fill(NEVER);
    const threshold = kernels.f32(this.#threshold, columns).fill(0);
    if (this.#gate !== null && weights.gate !== null) {
      // The product of both begins at 0; their biases come after it.
      bias.fill(0);
      const { gates, scales, biases } = this.#gate;
      kernels.f32(gates, columns).fill(NEVER).set(weights.gate.bias);
      kernels.f32(scales, columns).fill(1).set(weights.gate.scale);
      kernels.f32(biases, columns).fill(NEVER).set(weights.b_enc);
      return;
    }
    for (let i = 0; i < d_sae; i++) {
      bias[i] = (weights.b_enc[i] ?? 0) * (scale?.[i] ?? 1);
      // z > threshold and z > 0 is one comparison.
      threshold[i] = Math.max(0, weights.threshold?.[i] ?? 0);
    }
  }

  /** Bytes of linear memory in use. */
  get byteLength(): number {
    return this.#kernels.call.memory.buffer.byteLength;
  }

  /**
   * Encodes a chunk into `codes`.
   *
   * @param xbar [at least (first + rows) * d_in]; rows first .. first + rows of it, at most CHUNK
   * @param firstRow what row 0 of `xbar` is called in an error
   * @throws NumericError naming the lowest row with a value that is not finite
   */
  encodeChunk(xbar: Float32Array, first: number, rows: number, codes: CodesBuilder, firstRow: number): void {
    const { packed, state } = this.#pack(xbar, first, rows);
    if (this.#k === null) this.#compact(rows, packed, state, firstRow + first, codes);
    else this.#select(rows, this.#k, packed, state, firstRow + first, codes);
  }

  /**
   * The dense z of a chunk, into `z` [at least (first + rows) * d_sae]; arguments as in `encodeChunk`.
   * A z that is not finite is given as it is; @throws NumericError for an input that is not.
   */
  preactivationsChunk(xbar: Float32Array, first: number, rows: number, z: Float32Array): void {
    const kernels = this.#kernels;
    const { packed, state } = this.#pack(xbar, first, rows);
    this.#review(state, rows, first);
    const tile = kernels.alloc(Math.ceil(rows / 4) * 4 * BLOCK * 4, 'a tile of pre-activations');
    const blocks = Math.ceil((this.#panels * PANEL) / BLOCK);
    for (let block = 0; block < blocks; block++) {
      const { begin, columns } = this.#dense(block, rows, packed, tile);
      const width = Math.min(columns, this.d_sae - begin);
      const values = kernels.f32(tile, rows * BLOCK);
      if (this.#gate !== null) {
        const gates = kernels.f32(this.#gate.gates + begin * 4, width);
        for (let r = 0; r < rows; r++) for (let c = 0; c < width; c++) values[r * BLOCK + c] = values[r * BLOCK + c]! + gates[c]!;
      }
      for (let r = 0; r < rows; r++) z.set(values.subarray(r * BLOCK, r * BLOCK + width), (first + r) * this.d_sae + begin);
    }
  }

  /** batchtopk: from now on, only what is above `floor` is written. */
  raiseFloor(floor: number): void {
    this.#kernels.f32(this.#threshold, this.#panels * PANEL).fill(floor);
  }

  /** All but topk: entries come block by block, and are put in row order at the end. */
  #compact(rows: number, packed: Pointer, state: Pointer, name: number, codes: CodesBuilder): void {
    const kernels = this.#kernels;
    const blocks = Math.ceil((this.#panels * PANEL) / BLOCK);
    const tile = kernels.alloc(Math.ceil(rows / 4) * 4 * BLOCK * 4, 'a tile of pre-activations');
    const counts = kernels.alloc(blocks * rows * 4, 'the counts of a chunk');
    // Last in the arena: it grows in place.
    const entries = kernels.mark();
    let total = 0;
    for (let block = 0; block < blocks; block++) {
      const { begin, columns } = this.#dense(block, rows, packed, tile);
      // Room for the case that everything fires: what does not is given back.
      kernels.alloc(rows * columns * 8, 'the entries of a chunk');
      const [from, to] = [begin * 4, [state, counts + block * rows * 4, entries + total * 8] as const];
      total += this.#gate === null
        ? kernels.call.compact(tile, BLOCK * 4, rows, columns, begin, this.#threshold + from, ...to)
        : kernels.call.compactGated(tile, BLOCK * 4, rows, columns, begin, this.#gate.gates + from, this.#gate.scales + from, this.#gate.biases + from, ...to);
      kernels.reset(align(entries + total * 8));
    }
    codes.nearTies += this.#review(state, rows, name);
    codes.append(kernels.u32(entries, total * 2), kernels.f32(entries, total * 2), kernels.u32(counts, blocks * rows), rows);
  }

  /** topk: each row's candidates, pruned as they come. */
  #select(rows: number, k: number, packed: Pointer, state: Pointer, name: number, codes: CodesBuilder): void {
    const kernels = this.#kernels;
    const { call } = kernels;
    const blocks = Math.ceil((this.#panels * PANEL) / BLOCK);
    const { keep, full, capacity } = decideCandidates(k, blocks);
    const tile = kernels.alloc(Math.ceil(rows / 4) * 4 * BLOCK * 4, 'a tile of pre-activations');
    const candidates = kernels.alloc(rows * capacity * 8, `${rows} x ${capacity} candidates of a chunk`);
    for (let block = 0; block < blocks; block++) {
      const { begin, columns } = this.#dense(block, rows, packed, tile);
      call.collect(tile, BLOCK * 4, rows, columns, begin, state, keep, full, candidates, capacity);
    }
    const counts = kernels.alloc(rows * 4, 'the counts of a chunk');
    const entries = kernels.alloc(rows * k * 8, 'the entries of a chunk');
    const total = call.finish(rows, k, state, candidates, capacity, counts, entries);
    codes.nearTies += this.#review(state, rows, name);
    codes.append(kernels.u32(entries, total * 2), kernels.f32(entries, total * 2), kernels.u32(counts, rows), rows);
  }

  /** Packs a chunk of rows and begins their records; frees what the chunk before it left. */
  #pack(xbar: Float32Array, first: number, rows: number): { packed: Pointer; state: Pointer } {
    const kernels = this.#kernels;
    const d_in = this.#d_in;
    kernels.reset(this.#top);
    const quads = Math.ceil(rows / 4);
    const x = kernels.alloc(rows * d_in * 4, 'the input rows');
    const packed = kernels.alloc(quads * 4 * d_in * 4, 'the packed input rows');
    const state = kernels.alloc(quads * 4 * RECORD_BYTES, "the rows' records");
    kernels.f32(x, rows * d_in).set(xbar.subarray(first * d_in, (first + rows) * d_in));
    kernels.call.packRows(x, rows, d_in, packed, state, this.#perNorm, this.#constant);
    return { packed, state };
  }

  /** A block of pre-activations, into the tile. */
  #dense(block: number, rows: number, packed: Pointer, tile: Pointer): { begin: number; columns: number } {
    const begin = block * BLOCK;
    const columns = Math.min(BLOCK, this.#panels * PANEL - begin);
    const w = this.#w + begin * this.#d_in * 4;
    const bias = this.#bias + begin * 4;
    const { call } = this.#kernels;
    if (rows === 1) call.denseRow(packed, w, columns / PANEL, this.#d_in, bias, tile);
    else call[DENSE](packed, Math.ceil(rows / 4), w, columns / PANEL, this.#d_in, bias, tile, BLOCK * 4);
    return { begin, columns };
  }

  /** Adds up the near ties, and stops at the lowest row that is flagged; `name` is what the chunk's row 0 is called. */
  #review(state: Pointer, rows: number, name: number): number {
    const words = RECORD_BYTES / 4;
    const records = this.#kernels.u32(state, rows * words);
    let ties = 0;
    for (let r = 0; r < rows; r++) {
      const flags = records[r * words + FLAGS_WORD] ?? 0;
      if (flags !== 0) throw notFinite(name + r, flags);
      ties += records[r * words + TIES_WORD] ?? 0;
    }
    return ties;
  }
}

/** How many candidates a topk row holds. Pure, tested without kernels. */
export function decideCandidates(k: number, blocks: number): { keep: number; full: number; capacity: number } {
  const keep = k + 1;
  // Pruning pays when it removes at least as much as it keeps; small k waits for a block's worth.
  const full = Math.max(2 * keep, BLOCK);
  // A row that can never hold so many has room for all of its features, and is never pruned on the way.
  const all = blocks * BLOCK;
  return full + BLOCK >= all ? { keep, full: Math.max(keep, all), capacity: Math.max(keep, all) } : { keep, full, capacity: full + BLOCK };
}

function align(pointer: Pointer): Pointer {
  return Math.ceil(pointer / 16) * 16;
}

function notFinite(row: number, flags: number): NumericError {
  return (flags & BAD_INPUT) !== 0
    ? new NumericError(`xbar, row ${row}: a value is not finite`, { hint: 'The activations hold a NaN or an infinity there.' })
    : new NumericError(`pre-activations, row ${row}: a value is not finite, though the row and the weights are`, {
        hint: 'The product overflows f32: are the activations in the scale that the SAE was trained on?',
      });
}

/** Entries of batchtopk that are worth a selection. */
const PRUNED_FROM = 1 << 16;

export interface RangeOptions {
  readonly signal?: AbortSignal | undefined;
  /** What row 0 of `xbar` is called in an error. */
  readonly firstRow?: number;
  /** batchtopk: entries that the whole call shares. Of these rows at most one more is given: what the selection of the whole needs. */
  readonly budget?: number | undefined;
}

/**
 * Encodes rows begin .. end of `xbar` on this thread, pausing for events.
 * @throws NumericError naming the lowest row that is not finite; the signal's reason when aborted
 */
export async function encodeRange(encoder: Encoder, xbar: Float32Array, begin: number, end: number, options: RangeOptions = {}): Promise<OwnedCodes> {
  const codes = new CodesBuilder(end - begin, encoder.d_sae);
  const pace = new Pace(options.signal);
  const { budget } = options;
  // Chunks of other calls may come between: each sets the floor it needs.
  let floor = 0;
  for (let first = begin; first < end; first += CHUNK) {
    if (pace.isDue) await pace.pause();
    if (budget !== undefined) encoder.raiseFloor(floor);
    encoder.encodeChunk(xbar, first, Math.min(CHUNK, end - first), codes, options.firstRow ?? 0);
    if (budget !== undefined && codes.length > PRUNED_FROM + 2 * (budget + 1)) floor = codes.prune(budget + 1);
  }
  if (budget !== undefined && codes.length > budget + 1) codes.prune(budget + 1);
  return codes.finish();
}
