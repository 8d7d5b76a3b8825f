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
import type { CodesBuilder } from './codes-builder.js';
import { CHECKS_BOUNDS, Kernels, StretchFull, type Pointer } from './loader.js';
import { hasRoom, Screen, screenBytes, type ScreenedChunk, screensGate, ScreenTrial } from './screen.js';
import { BLOCK, BOUNDED, PANEL, SLAB, blockWidth, decideCandidates, encoderBytes, type EncoderState, type EncoderWeights, type ScreenCounts } from './shape.js';
import type { Home } from './space.js';

/** Which form of the dense product: the numbers are the same. */
const DENSE = CHECKS_BOUNDS ? 'denseShuffled' : 'dense';
const RECORD_BYTES = 32;
const TIES_WORD = 3;
const FLAGS_WORD = 4;
const BAD_INPUT = 1;
/** Far below every floor and threshold, and finite: what the columns past d_sae hold; gated biases a quarter of it, which can be added to. */
const NEVER = -3.4028234663852886e38;

/** `auto` screens where a product is long enough to be worth an estimate, */
const LEAST_D_IN = 96;
const LEAST_D_SAE = 1024;
/** tries it with chunks that can be timed (multiply-adds: about a millisecond), */
const LEAST_WORK = 2e7;
/** and once so many rows have been encoded that rounding the weights is a small part of it all. */
const PAYS = 512;

/** A chunk of rows in linear memory. */
interface Chunk {
  readonly packed: Pointer;
  readonly state: Pointer;
  readonly screened: ScreenedChunk | null;
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
  #threshold: Pointer;
  /** gated only. */
  readonly #gate: { readonly gates: Pointer; readonly scales: Pointer; readonly biases: Pointer } | null;
  #top: Pointer;
  readonly #architecture: Architecture;
  readonly #mode: EncoderWeights['screen'];
  #screen: Screen | null = null;
  /** What z - threshold has to pass: batchtopk's floor; NaN where rows have floors (topk). */
  #base = 0;
  readonly #trial = new ScreenTrial();
  /** Multiply-adds so far, while it is not known whether a screen pays for its rounding of the weights. */
  #work = 0;
  /** Null where the instance has a memory of its own. */
  readonly #home: Home | null;

  /**
   * Packs the weights, or finds them packed.
   * @param home where the memory is shared: whose part of it, and whether another thread has packed
   *   the weights (their arrays are not looked at then); `module` is the one that is built for that
   * @throws BackendError when they do not fit
   */
  constructor(module: WebAssembly.Module, weights: EncoderWeights, home: Home | null = null) {
    const { d_in, d_sae } = weights;
    const kernels = new Kernels(module, home?.memory);
    if (home !== null) kernels.bound(home.weights);
    this.#kernels = kernels;
    this.#home = home;
    this.d_sae = d_sae;
    this.#d_in = d_in;
    this.#k = weights.architecture === 'topk' ? Math.min(weights.k ?? 0, d_sae) : null;
    this.#perNorm = weights.perNorm;
    this.#constant = weights.constant;
    this.#architecture = weights.architecture;
    this.#mode = weights.screen;
    if (this.#k !== null) this.#base = NaN;
    this.#panels = Math.ceil(d_sae / PANEL);
    const columns = this.#panels * PANEL;
    const shape = `the encoder of d_in ${d_in} x d_sae ${d_sae}`;
    this.#w = kernels.alloc(columns * d_in * 4, shape);
    this.#bias = kernels.alloc(columns * 4, shape);
    // Gated magnitudes have no threshold: its place is one of their three vectors'.
    this.#threshold = kernels.alloc(columns * 4, shape);
    this.#gate = weights.gate === null ? null : { gates: this.#threshold, scales: kernels.alloc(columns * 4, shape), biases: kernels.alloc(columns * 4, shape) };
    this.#top = kernels.mark();
    if (home?.packed !== true) this.#packWeights(weights, columns, shape);
    if (home !== null) this.#enter(home);
    if (this.#mode === 'on') this.#addScreen();
  }

  #packWeights(weights: EncoderWeights, columns: number, shape: string): void {
    const { d_in, d_sae, scale } = weights;
    const kernels = this.#kernels;
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
      kernels.f32(gates, columns).fill(NEVER / 4).set(weights.gate.bias);
      kernels.f32(scales, columns).fill(1).set(weights.gate.scale);
      kernels.f32(biases, columns).fill(NEVER / 4).set(weights.b_enc);
    } else {
      for (let i = 0; i < d_sae; i++) {
        bias[i] = (weights.b_enc[i] ?? 0) * (scale?.[i] ?? 1);
        // z > threshold and z > 0 is one comparison.
        threshold[i] = Math.max(0, weights.threshold?.[i] ?? 0);
      }
    }
  }

  /** To this thread's own part of a shared memory. */
  #enter(home: Home): void {
    const kernels = this.#kernels;
    kernels.bound(home.own);
    // batchtopk raises its floor as it goes, and each thread for itself.
    if (this.#architecture === 'batchtopk') this.#threshold = kernels.alloc(this.#panels * PANEL * 4, 'thresholds');
    this.#top = kernels.mark();
  }

  /** Bytes of packed weights, and of what the screen has of them. */
  get weightBytes(): number {
    return encoderBytes(this.#d_in, this.d_sae, this.#gate !== null) + (this.#screen === null ? 0 : screenBytes(this.#d_in, this.#panels * PANEL));
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
    try {
      this.#encodeChunk(xbar, first, rows, codes, firstRow);
    } catch (error) {
      // So much fires that the entries do not fit: of half the rows they may, and of one they do.
      if (!(error instanceof StretchFull) || rows === 1) throw error;
      const half = rows >> 1;
      this.encodeChunk(xbar, first, half, codes, firstRow);
      this.encodeChunk(xbar, first + half, rows - half, codes, firstRow);
    }
  }

  #encodeChunk(xbar: Float32Array, first: number, rows: number, codes: CodesBuilder, firstRow: number): void {
    const way = this.#wayOf(rows);
    const begin = way === null ? 0 : performance.now();
    const chunk = this.#pack(xbar, first, rows);
    const screened = this.#screen !== null && (way === 'screened' || this.#mode === 'on') ? this.#screen.begin(chunk.x, chunk.packed, chunk.state, rows, this.#base) : null;
    if (this.#k === null) this.#compact(rows, { ...chunk, screened }, firstRow + first, codes);
    else this.#select(rows, this.#k, { ...chunk, screened }, firstRow + first, codes);
    if (way !== null) this.#trial.took(way, (performance.now() - begin) / rows);
  }

  /** What the screen has done so far; null where chunks are not screened. */
  get screen(): ScreenCounts | null {
    if (this.#screen === null || (this.#mode === 'auto' && this.#trial.verdict === 'dense')) return null;
    return { screened: this.#screen.screened, computed: this.#screen.computed };
  }

  /** What it takes and has done, as a thread tells it. */
  get state(): EncoderState {
    return { linear: this.byteLength, weights: this.weightBytes, screen: this.screen };
  }

  /** `auto`: how a chunk is done, null where that is not up to the trial. */
  #wayOf(rows: number): 'dense' | 'screened' | null {
    if (this.#mode !== 'auto' || this.#d_in < LEAST_D_IN || this.d_sae < LEAST_D_SAE) return null;
    const work = rows * this.#d_in * this.d_sae;
    if (work < LEAST_WORK) return this.#trial.verdict === 'screened' ? 'screened' : null;
    if (this.#screen === null) {
      // Of threads that share a memory, the one that packed the weights decides for all.
      if (this.#home?.packed === true) return null;
      if (this.#work < PAYS * this.#d_in * this.d_sae) {
        this.#work += work;
        return null;
      }
      if (!(this.#home !== null || hasRoom(this.#kernels, this.#d_in, this.#panels * PANEL)) || !this.#addScreen()) {
        // It is not asked again.
        this.#work = -Infinity;
        return null;
      }
    }
    return this.#trial.next;
  }

  /** Whether there is a screen, for threads that share the memory: they take it then by `addScreen`. */
  get hasScreen(): boolean {
    return this.#screen !== null;
  }

  /** The screen that another thread has packed. */
  addScreen(): void {
    if (this.#screen === null) this.#addScreen();
  }

  /** @returns whether this SAE can be screened */
  #addScreen(): boolean {
    const kernels = this.#kernels;
    const columns = this.#panels * PANEL;
    const copy = (pointer: Pointer): Float32Array => kernels.f32(pointer, columns).slice();
    const ranked = this.#architecture === 'topk' || this.#architecture === 'batchtopk';
    const magnification = this.#gate === null ? 1 : copy(this.#gate.scales).reduce((most, one) => Math.max(most, one), 1);
    const own = (pointer: Pointer): Float32Array => kernels.f32(pointer, this.d_sae);
    if (this.#gate !== null && !screensGate(own(this.#gate.gates), own(this.#gate.biases), magnification)) return false;
    if (this.#home === null) kernels.reset(this.#top);
    else kernels.bound(this.#home.screen);
    this.#screen = new Screen(kernels, {
      d_in: this.#d_in,
      d_sae: this.d_sae,
      panels: this.#panels,
      w: this.#w,
      bias: this.#bias,
      edges: ranked || this.#gate !== null ? null : copy(this.#threshold),
      biases: copy(this.#gate?.gates ?? this.#bias),
      gated: this.#gate !== null,
      magnification,
    }, this.#home?.packed);
    if (this.#home === null) this.#top = kernels.mark();
    else this.#enter(this.#home);
    return true;
  }

  /**
   * The dense z of a chunk, into `z` [at least (first + rows) * d_sae]; arguments as in `encodeChunk`.
   * A z that is not finite is given as it is; @throws NumericError for an input that is not.
   * @param piece of `pieces` that the latents are cut into: only theirs are computed
   */
  preactivationsChunk(xbar: Float32Array, first: number, rows: number, z: Float32Array, firstRow: number, piece = 0, pieces = 1): void {
    const kernels = this.#kernels;
    const { packed, state } = this.#pack(xbar, first, rows);
    this.#review(state, rows, firstRow + first);
    const blocks = Math.ceil((this.#panels * PANEL) / BLOCK);
    const left = Math.floor((piece * blocks) / pieces) * BLOCK;
    const right = Math.min(Math.floor(((piece + 1) * blocks) / pieces) * BLOCK, this.#panels * PANEL);
    const columns = right - left;
    const wide = blockWidth(rows);
    // Several blocks side by side, so that rows are copied in long pieces.
    const slab = Math.min(columns, Math.max(wide, Math.floor(SLAB / (wide * rows)) * wide));
    // Not a power of two from row to row: lines of all rows would meet in a few sets of the cache.
    const stride = slab * 4 + 64;
    const tile = kernels.alloc(Math.ceil(rows / 4) * 4 * stride, 'pre-activations');
    for (let from = left; from < right; from += slab) {
      const end = Math.min(right, from + slab);
      for (let begin = from; begin < end; begin += wide) this.#dense(begin, Math.min(wide, end - begin), rows, packed, tile + (begin - from) * 4, stride);
      const width = Math.min(end, this.d_sae) - from;
      const values = kernels.f32(tile, (rows * stride) / 4);
      if (this.#gate !== null) {
        const gates = kernels.f32(this.#gate.gates + from * 4, width);
        for (let r = 0; r < rows; r++) for (let c = 0, at = (r * stride) / 4; c < width; c++, at++) values[at] = values[at]! + gates[c]!;
      }
      for (let r = 0; r < rows; r++) z.set(values.subarray((r * stride) / 4, (r * stride) / 4 + width), (first + r) * this.d_sae + from);
    }
  }

  /** batchtopk: from now on, only what is above `floor` is written. */
  raiseFloor(floor: number): void {
    this.#base = floor;
    this.#kernels.f32(this.#threshold, this.#panels * PANEL).fill(floor);
  }

  /** All but topk: entries come block by block, and are put in row order at the end. */
  #compact(rows: number, chunk: Chunk, name: number, codes: CodesBuilder): void {
    const { state } = chunk;
    const kernels = this.#kernels;
    const wide = blockWidth(rows);
    const blocks = Math.ceil((this.#panels * PANEL) / wide);
    const tile = kernels.alloc(Math.ceil(rows / 4) * 4 * wide * 4, 'a tile of pre-activations');
    const counts = kernels.alloc(blocks * rows * 4, 'the counts of a chunk');
    // Last in the arena: it grows in place.
    const entries = kernels.mark();
    let total = 0;
    for (let block = 0; block < blocks; block++) {
      const { begin, columns } = this.#blockOf(block, wide);
      this.#tile(begin, columns, rows, chunk, tile, wide * 4);
      // Room for the case that everything fires: what does not is given back.
      kernels.alloc(rows * columns * 8, 'the entries of a chunk');
      const [from, to] = [begin * 4, [state, counts + block * rows * 4, entries + total * 8] as const];
      total += this.#gate === null
        ? kernels.call.compact(tile, wide * 4, rows, columns, begin, this.#threshold + from, ...to)
        : kernels.call.compactGated(tile, wide * 4, rows, columns, begin, this.#gate.gates + from, this.#gate.scales + from, this.#gate.biases + from, ...to);
      kernels.reset(align(entries + total * 8));
    }
    codes.nearTies += this.#review(state, rows, name);
    codes.append(kernels.u32(entries, total * 2), kernels.f32(entries, total * 2), kernels.u32(counts, blocks * rows), rows);
  }

  /** topk: each row's candidates, pruned as they come. */
  #select(rows: number, k: number, chunk: Chunk, name: number, codes: CodesBuilder): void {
    const { state } = chunk;
    const kernels = this.#kernels;
    const { call } = kernels;
    const wide = blockWidth(rows);
    const blocks = Math.ceil((this.#panels * PANEL) / wide);
    const { keep, full, capacity } = decideCandidates(k, blocks, wide);
    const candidates = kernels.alloc(rows * capacity * 8, `${rows} x ${capacity} candidates of a chunk`);
    const bounded = chunk.screened === null ? 0 : Math.min(blocks, Math.max(1, Math.floor((BOUNDED * BLOCK) / wide)));
    const stride = Math.max(1, bounded) * wide * 4;
    const tile = kernels.alloc(Math.ceil(rows / 4) * 4 * stride, 'a tile of pre-activations');
    // The first blocks' upper bounds give floors, before any pre-activation is computed.
    if (chunk.screened !== null && this.#screen !== null) {
      const records = kernels.alloc(rows * RECORD_BYTES, 'records of bounds');
      kernels.u32(records, (rows * RECORD_BYTES) / 4).set(kernels.u32(state, (rows * RECORD_BYTES) / 4));
      for (let block = 0; block < bounded; block++) {
        const { begin, columns } = this.#blockOf(block, wide);
        const at = tile + begin * 4;
        this.#screen.bound(chunk.screened, begin / PANEL, columns / PANEL, at, stride);
      }
      call.firstFloors(tile, stride, rows, Math.min(bounded * wide, this.#panels * PANEL), records, keep);
      for (let block = 0; block < bounded; block++) {
        const { begin, columns } = this.#blockOf(block, wide);
        call.collect(tile + begin * 4, stride, rows, columns, begin, records, keep, full, candidates, capacity);
      }
      call.raiseFloors(rows, keep, records, candidates, capacity, state, chunk.screened.widths);
    }
    for (let block = 0; block < blocks; block++) {
      const { begin, columns } = this.#blockOf(block, wide);
      const at = block < bounded ? tile + begin * 4 : tile;
      if (chunk.screened !== null && block < bounded) this.#screen?.settle(chunk.screened, begin / PANEL, columns / PANEL, at, stride);
      else this.#tile(begin, columns, rows, chunk, at, stride);
      if (block === 0 && chunk.screened === null) call.firstFloors(at, stride, rows, columns, state, keep);
      call.collect(at, stride, rows, columns, begin, state, keep, full, candidates, capacity);
    }
    const counts = kernels.alloc(rows * 4, 'the counts of a chunk');
    const entries = kernels.alloc(rows * k * 8, 'the entries of a chunk');
    const total = call.finish(rows, k, state, candidates, capacity, counts, entries);
    codes.nearTies += this.#review(state, rows, name);
    codes.append(kernels.u32(entries, total * 2), kernels.f32(entries, total * 2), kernels.u32(counts, rows), rows);
  }

  /** Packs a chunk of rows and begins their records; frees what the chunk before it left. */
  #pack(xbar: Float32Array, first: number, rows: number): { x: Pointer; packed: Pointer; state: Pointer } {
    const kernels = this.#kernels;
    const d_in = this.#d_in;
    kernels.reset(this.#top);
    const quads = Math.ceil(rows / 4);
    // Rows that lie in this memory are read where they are.
    const here = xbar.buffer === kernels.call.memory.buffer;
    const x = here ? xbar.byteOffset + first * d_in * 4 : kernels.alloc(rows * d_in * 4, 'the input rows');
    const packed = kernels.alloc(quads * 4 * d_in * 4, 'the packed input rows');
    const state = kernels.alloc(quads * 4 * RECORD_BYTES, "the rows' records");
    if (!here) kernels.f32(x, rows * d_in).set(xbar.subarray(first * d_in, (first + rows) * d_in));
    kernels.call.packRows(x, rows, d_in, packed, state, this.#perNorm, this.#constant);
    return { x, packed, state };
  }

  #blockOf(block: number, wide: number): { begin: number; columns: number } {
    const begin = block * wide;
    return { begin, columns: Math.min(wide, this.#panels * PANEL - begin) };
  }

  /** A block of pre-activations, of which those that pass no edge may be missing, into a tile of rows `stride` bytes apart. */
  #tile(begin: number, columns: number, rows: number, { packed, screened }: Chunk, tile: Pointer, stride: number): void {
    if (screened === null || this.#screen === null) return this.#dense(begin, columns, rows, packed, tile, stride);
    this.#screen.bound(screened, begin / PANEL, columns / PANEL, tile, stride);
    this.#screen.settle(screened, begin / PANEL, columns / PANEL, tile, stride);
  }

  /** A block of pre-activations, all of them. */
  #dense(begin: number, columns: number, rows: number, packed: Pointer, tile: Pointer, stride: number): void {
    const w = this.#w + begin * this.#d_in * 4;
    const bias = this.#bias + begin * 4;
    const { call } = this.#kernels;
    if (rows === 1) call.denseRow(packed, w, columns / PANEL, this.#d_in, bias, tile);
    else call[DENSE](packed, Math.ceil(rows / 4), w, columns / PANEL, this.#d_in, bias, tile, stride);
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
