/**
 * An SAE of any size on a backend that cannot hold it: its encoder comes from a
 * WeightSource a block of latents at a time, for each call anew, and its decoder
 * the same way, rows that no entry touches left out.
 *
 * Codes and reconstruction are those of the SAE in one piece, to the bit: a
 * pre-activation's sum never crosses a block, the tie tolerance is that of the
 * whole SAE, and decoding adds entries in the same order. What it costs is
 * reading: a call reads the encoder once, so large calls are cheap a row.
 */
import type { Backend, LoadedSae, LoadReport } from './backend.js';
import { checkCodes, checkRows } from './checks.js';
import { sparseRows, type SparseCodes } from './codes.js';
import { BackendError } from './errors.js';
import type { Sae } from './sae.js';
import { addColumnSquares, tieTolerance, type TieTolerance } from './ties.js';
import { weightsOf, type WeightSource } from './weight-source.js';

/** Bytes of a block of latents, f32: two are in memory while one is computed with. */
const BLOCK_BYTES = 128 * 2 ** 20;
/** Rows that one call may have: what it holds besides the weights. */
const MAX_ROWS = 65_536;

interface CallOptions {
  readonly signal?: AbortSignal | undefined;
}

export interface BlockedOptions extends CallOptions {
  readonly blockBytes?: number | undefined;
}

/**
 * Reads the weights once (norms for the tolerance), and holds none of them.
 * @param backend what computes a block; it is loaded and unloaded with each
 * @throws what the source throws; BackendError for batchtopk, whose rule is of a training batch
 */
export async function loadBlocked(backend: Pick<Backend, 'load'>, sae: Sae, options: BlockedOptions = {}): Promise<LoadedSae> {
  if (sae.architecture === 'batchtopk') throw new BackendError('a batchtopk SAE cannot be read a piece at a time', { hint: 'Its threshold makes it a jumprelu SAE; or hold it in memory.' });
  const source = weightsOf(sae);
  const { blockBytes = BLOCK_BYTES, signal } = options;
  const latents = Math.max(1, Math.floor(blockBytes / (4 * sae.d_in)));
  const scale = sae.rescaleActsByDecoderNorm ? await rowNorms(sae, source, blockBytes, signal) : null;
  const tolerance = tieTolerance(sae, await columnSquares(sae, source, blockBytes, signal), scale);
  return new BlockedSae(backend, sae, source, { latents, rows: Math.max(1, Math.floor(blockBytes / (4 * sae.d_out))) }, scale, tolerance);
}

class BlockedSae implements LoadedSae {
  readonly maxRows = MAX_ROWS;
  readonly #backend: Pick<Backend, 'load'>;
  readonly #sae: Sae;
  readonly #source: WeightSource;
  /** Latents of an encoder block, rows of a decoder block. */
  readonly #block: { readonly latents: number; readonly rows: number };
  /** [d_sae] decoder norms of an SAE that rescales by them. */
  readonly #scale: Float64Array | null;
  readonly #tolerance: TieTolerance;
  #disposed = false;

  constructor(backend: Pick<Backend, 'load'>, sae: Sae, source: WeightSource, block: { readonly latents: number; readonly rows: number }, scale: Float64Array | null, tolerance: TieTolerance) {
    this.#backend = backend;
    this.#sae = sae;
    this.#source = source;
    this.#block = block;
    this.#scale = scale;
    this.#tolerance = tolerance;
  }

  report(): LoadReport {
    const { d_in, d_sae } = this.#sae;
    return { weightBytes: 2 * Math.min(this.#block.latents, d_sae) * d_in * 4, shards: Math.ceil(d_sae / this.#block.latents), screen: null, storageErrorPerNorm: null };
  }

  async encode(xbar: Float32Array, rows: number, { signal }: CallOptions = {}): Promise<SparseCodes> {
    this.#check(signal);
    const { d_in, d_sae, architecture } = this.#sae;
    checkRows(xbar, rows, d_in, MAX_ROWS);
    const k = architecture === 'topk' ? Math.min(this.#sae.k ?? 0, d_sae) : null;
    const pieces: Piece[] = [];
    for await (const { first, loaded } of this.#encoders(k, signal)) pieces.push({ first, codes: await loaded.encode(xbar, rows, { signal }) });
    if (k === null) return joinLatents(pieces, rows, d_sae);
    const { codes, undecided } = selectTopk(pieces, rows, d_sae, k, this.#tolerances(xbar, rows));
    if (undecided.length === 0 || k === 0) return codes;
    return { ...codes, nearTies: codes.nearTies + (await this.#countNear(xbar, undecided, signal)) };
  }

  async decode(codes: SparseCodes, { signal }: CallOptions = {}): Promise<Float32Array> {
    this.#check(signal);
    const { d_sae, d_out, b_dec } = this.#sae;
    checkCodes(codes, d_sae);
    const { rows, offsets, features, values } = codes;
    const y = new Float32Array(rows * d_out);
    for (let r = 0; r < rows; r++) y.set(b_dec, r * d_out);
    // Each row's next entry: blocks ascend, and so do a row's features.
    const next = offsets.slice(0, rows);
    const touched = touchedBlocks(features, this.#block.rows);
    for (const block of touched) {
      const first = block * this.#block.rows;
      const end = Math.min(first + this.#block.rows, d_sae);
      const w = await this.#source.decoderRows(first, end - first, signal);
      signal?.throwIfAborted();
      for (let r = 0; r < rows; r++) {
        const stop = offsets[r + 1]!;
        let entry = next[r]!;
        for (; entry < stop && features[entry]! < end; entry++) {
          const value = values[entry]!;
          const from = (features[entry]! - first) * d_out;
          // A row of norm 0 never fires; 1 where nothing is rescaled changes no bit.
          const inverse = this.#scale === null ? 1 : 1 / this.#scale[features[entry]!]!;
          // Products of two f32 are exact in f64, and a sum rounded to f64 and then to f32 is the sum rounded to f32.
          for (let o = 0; o < d_out; o++) y[r * d_out + o] = y[r * d_out + o]! + Math.fround(value * Math.fround(w[from + o]! * inverse));
        }
        next[r] = entry;
      }
    }
    return y;
  }

  dispose(): void {
    this.#disposed = true;
  }

  #check(signal: AbortSignal | undefined): void {
    if (this.#disposed) throw new BackendError('the SAE was disposed of');
    signal?.throwIfAborted();
  }

  /** The blocks of the encoder, each loaded; the next one is read meanwhile. `k` of topk becomes k + 1: what one block leaves out says how near a selection was. */
  async *#encoders(k: number | null, signal: AbortSignal | undefined): AsyncGenerator<{ first: number; loaded: LoadedSae }, void, undefined> {
    const { d_sae } = this.#sae;
    const { latents } = this.#block;
    const read = async (first: number): Promise<Float32Array> => this.#source.encoderColumns(first, Math.min(latents, d_sae - first), signal);
    let pending = read(0);
    for (let first = 0; first < d_sae; first += latents) {
      const columns = await pending;
      const count = Math.min(latents, d_sae - first);
      // The source may use its array again: the block is loaded before the next is asked for.
      const loaded = await this.#backend.load(this.#part(columns, first, count, k), { signal, tolerance: this.#tolerance });
      if (first + latents < d_sae) {
        pending = read(first + latents);
        // It is awaited in the next turn, unless this one fails.
        pending.catch(() => undefined);
      }
      try {
        yield { first, loaded };
      } finally {
        loaded.dispose();
      }
    }
  }

  /** Latents first .. first + count as an SAE of their own, without a decoder. */
  #part(columns: Float32Array, first: number, count: number, k: number | null): Sae {
    const { gate, threshold, b_enc } = this.#sae;
    const scale = this.#scale;
    const bias = b_enc.slice(first, first + count);
    if (scale !== null) {
      // The array is the source's.
      columns = columns.map((w, at) => w * scale[first + (at % count)]!);
      for (let i = 0; i < count; i++) bias[i] = bias[i]! * scale[first + i]!;
    }
    return {
      ...restOf(this.#sae),
      // Of topk without k, pre-activations alone are wanted.
      architecture: this.#sae.architecture === 'topk' && k === null ? 'standard' : this.#sae.architecture,
      d_sae: count,
      d_out: 1,
      W_enc: columns,
      b_enc: bias,
      W_dec: new Float32Array(count),
      b_dec: new Float32Array(1),
      threshold: threshold?.subarray(first, first + count) ?? null,
      gate: gate ? { r_mag: gate.r_mag.subarray(first, first + count), b_gate: gate.b_gate.subarray(first, first + count) } : null,
      k: k === null ? null : Math.min(k + 1, count),
      rescaleActsByDecoderNorm: false,
    };
  }

  #tolerances(xbar: Float32Array, rows: number): Float32Array {
    const { d_in } = this.#sae;
    return Float32Array.from({ length: rows }, (_, r) => {
      let squares = 0;
      for (let at = r * d_in; at < (r + 1) * d_in; at++) squares += xbar[at]! * xbar[at]!;
      return this.#tolerance.perNorm * Math.sqrt(squares) + this.#tolerance.constant;
    });
  }

  /** topk: how many of these rows, which have fewer than k positive z and none below tol_r, have a z in (-tol_r, 0] among their k largest. */
  async #countNear(xbar: Float32Array, suspects: readonly number[], signal: AbortSignal | undefined): Promise<number> {
    const { d_in } = this.#sae;
    const x = new Float32Array(suspects.length * d_in);
    suspects.forEach((row, at) => x.set(xbar.subarray(row * d_in, (row + 1) * d_in), at * d_in));
    const tolerances = this.#tolerances(x, suspects.length);
    const near = new Uint8Array(suspects.length);
    for await (const { loaded } of this.#encoders(null, signal)) {
      if (loaded.preactivations === undefined) throw new BackendError('this backend gives no pre-activations');
      const z = await loaded.preactivations(x, suspects.length, { signal });
      const width = z.length / suspects.length;
      for (let at = 0; at < z.length; at++) {
        const row = Math.floor(at / width);
        if (z[at]! <= 0 && z[at]! > -tolerances[row]!) near[row] = 1;
      }
    }
    return near.reduce((sum, flag) => sum + flag, 0);
  }
}

interface Piece {
  /** Feature of the block's latent 0. */
  readonly first: number;
  readonly codes: SparseCodes;
}

/** standard, jumprelu, gated: blocks side by side. */
function joinLatents(pieces: readonly Piece[], rows: number, d_sae: number): SparseCodes {
  const nnz = pieces.reduce((sum, { codes }) => sum + codes.features.length, 0);
  const joined = sparseRows(rows, d_sae, nnz);
  for (let r = 0; r < rows; r++) {
    for (const { first, codes } of pieces) {
      for (let e = codes.offsets[r]!; e < codes.offsets[r + 1]!; e++) joined.add(first + codes.features[e]!, codes.values[e]!);
    }
    joined.endRow();
  }
  return joined.finish(pieces.reduce((sum, { codes }) => sum + codes.nearTies, 0));
}

/**
 * topk: of each block's k + 1 largest positive z, the k largest; of equal ones the
 * lowest features. `undecided` are rows whose near ties cannot be told from
 * positive z alone.
 */
function selectTopk(pieces: readonly Piece[], rows: number, d_sae: number, k: number, tolerances: Float32Array): { codes: SparseCodes; undecided: number[] } {
  const codes = sparseRows(rows, d_sae, rows * k);
  const undecided: number[] = [];
  let nearTies = 0;
  for (let r = 0; r < rows; r++) {
    const features: number[] = [];
    const values: number[] = [];
    for (const { first, codes: block } of pieces) {
      for (let e = block.offsets[r]!; e < block.offsets[r + 1]!; e++) {
        features.push(first + block.features[e]!);
        values.push(block.values[e]!);
      }
    }
    const sorted = Float32Array.from(values).sort().reverse();
    const held = Math.min(k, sorted.length);
    const least = held > 0 ? sorted[held - 1]! : Infinity;
    // How many of those that equal the last one are selected: the first ones.
    let equal = sorted.subarray(0, held).reduce((sum, value) => sum + (value === least ? 1 : 0), 0);
    values.forEach((value, at) => {
      if (value < least || (value === least && equal-- <= 0)) return;
      codes.add(features[at]!, value);
    });
    codes.endRow();
    const tolerance = tolerances[r]!;
    if (least < tolerance || (sorted.length > k && k > 0 && Math.fround(least - sorted[k]!) < tolerance)) nearTies++;
    else if (sorted.length < k) undecided.push(r);
  }
  return { codes: codes.finish(nearTies), undecided };
}

/** Blocks of `size` features that have an entry, ascending. */
function touchedBlocks(features: Uint32Array, size: number): number[] {
  const blocks = new Set<number>();
  for (const feature of features) blocks.add(Math.floor(feature / size));
  return [...blocks].sort((a, b) => a - b);
}

/** The SAE without its matrices, which a streamed one has not. */
function restOf(sae: Sae): Omit<Sae, 'W_enc' | 'W_dec' | 'weights'> {
  const { architecture, d_in, d_sae, d_out, b_enc, b_dec, threshold, k, gate, applyBDecToInput, normalizeActivations, rescaleActsByDecoderNorm, metadata, conventions } = sae;
  return { architecture, d_in, d_sae, d_out, b_enc, b_dec, threshold, k, gate: gate ?? null, applyBDecToInput, normalizeActivations, rescaleActsByDecoderNorm, metadata, conventions };
}

async function rowNorms({ d_sae, d_out }: Sae, source: WeightSource, bytes: number, signal: AbortSignal | undefined): Promise<Float64Array> {
  const norms = new Float64Array(d_sae);
  const most = Math.max(1, Math.floor(bytes / (4 * d_out)));
  for (let first = 0; first < d_sae; first += most) {
    const count = Math.min(most, d_sae - first);
    const rows = await source.decoderRows(first, count, signal);
    for (let r = 0; r < count; r++) {
      let sum = 0;
      for (let o = r * d_out; o < (r + 1) * d_out; o++) sum += rows[o]! * rows[o]!;
      norms[first + r] = Math.sqrt(sum);
    }
  }
  return norms;
}

async function columnSquares({ d_in, d_sae }: Sae, source: WeightSource, bytes: number, signal: AbortSignal | undefined): Promise<Float64Array> {
  const squares = new Float64Array(d_sae);
  const most = Math.max(1, Math.floor(bytes / (4 * d_sae)));
  for (let first = 0; first < d_in; first += most) {
    const count = Math.min(most, d_in - first);
    const rows = await source.encoderRows(first, count, signal);
    for (let r = 0; r < count; r++) addColumnSquares(squares, rows.subarray(r * d_sae, (r + 1) * d_sae));
  }
  return squares;
}
