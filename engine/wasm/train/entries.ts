/**
 * From rows to entries on WASM: the dense product of a chunk, and its selection. What a
 * chunk's pre-activations are needed for besides (dead features) is taken while they are there.
 */
import type { Pace } from '../../pace.js';
import type { StepControls } from '../../train/session.js';
import { CHECKS_BOUNDS, type Pointer } from '../loader.js';
import { CHUNK } from '../shape.js';
import type { Layout } from './layout.js';

const DENSE = CHECKS_BOUNDS ? 'denseShuffled' : 'dense';
const RECORD_BYTES = 32;
const FLAGS_WORD = 4;
/** Multiplications between two looks at the clock: a few milliseconds. */
const PIECE = 2 ** 26;
/** Columns that are collected at a time, which a row has room for besides what it keeps. */
const COLLECTED = 1024;

/** Entries of some rows: offsets[r] .. offsets[r + 1] are row r's. */
export interface Entries {
  readonly ids: Pointer;
  readonly zs: Pointer;
  /** Activations; the same as `zs` where they are. */
  readonly fs: Pointer;
  readonly offsets: Pointer;
}

/** A chunk whose pre-activations are in memory. */
export interface Chunk {
  readonly first: number;
  readonly rows: number;
  readonly z: Pointer;
  readonly stride: number;
  /** A record a row (assembly/rows.ts). */
  readonly state: Pointer;
}

export function* chunks(rows: number): Generator<{ first: number; rows: number }> {
  for (let first = 0; first < rows; first += CHUNK) yield { first, rows: Math.min(CHUNK, rows - first) };
}

export function allocEntries(layout: Layout, rows: number, most: number, sameValues: boolean): Entries {
  const array = (): Pointer => layout.alloc(Math.max(1, most) * 4, 'the activations of a batch');
  const zs = array();
  return { ids: array(), zs, fs: sameValues ? zs : array(), offsets: layout.alloc((rows + 1) * 4, 'the activations of a batch') };
}

/** z of a chunk. @param xbar its rows, [rows, dp] */
export async function preactivations(layout: Layout, pace: Pace, xbar: Pointer, first: number, rows: number): Promise<Chunk> {
  const { kernels, dp, np } = layout;
  const quads = Math.ceil(rows / 4);
  const packed = layout.alloc(quads * 4 * dp * 4, 'packed rows');
  const state = layout.alloc(quads * 4 * RECORD_BYTES, "rows' records");
  // Not a power of two from row to row: lines of all rows would meet in a few sets of the cache.
  const stride = np * 4 + 64;
  const z = layout.alloc(quads * 4 * stride, 'pre-activations');
  kernels.packRows(xbar, rows, dp, packed, state, 0, 0);
  const panels = Math.max(1, Math.floor(PIECE / (quads * 4 * dp * 8)));
  for (let panel = 0; panel < np / 8; panel += panels) {
    if (pace.isDue) await pace.pause();
    kernels[DENSE](packed, quads, layout.panels + panel * dp * 32, Math.min(panels, np / 8 - panel), dp, layout.bias + panel * 32, z + panel * 32, stride);
  }
  return { first, rows, z, stride, state };
}

/** Whether all inputs and pre-activations of a chunk that was selected from are finite. */
export function isFinite(layout: Layout, { state, rows }: Chunk): boolean {
  const words = layout.u32(state, (rows * RECORD_BYTES) / 4);
  for (let r = 0; r < rows; r++) if (words[(r * RECORD_BYTES) / 4 + FLAGS_WORD] !== 0) return false;
  return true;
}

/** The most entries that a row may have, but under batchtopk. */
export function mostOfRow({ objective, n }: Layout, k: number): number {
  return objective.selection.kind === 'topk' ? Math.min(k, n) : n;
}

/**
 * Selections of single rows: all but batchtopk.
 * @param entries get the chunk's, from entry `at` on
 * @returns where the next chunk's begin
 */
export function selectRows(layout: Layout, chunk: Chunk, k: number, entries: Entries, at: number): number {
  const { kernels, objective, np, n } = layout;
  const { first, rows, z, stride, state } = chunk;
  const { selection } = objective;
  const offsets = entries.offsets + first * 4;
  if (selection.kind === 'topk') return selectTopk(layout, chunk, Math.min(k, n), selection.byDecoderNorm, { ...entries, offsets }, at);
  const end = kernels.above(z, stride, rows, np, layout.edges, state, entries.ids, entries.zs, offsets, at);
  const [ids, zs, fs] = [entries.ids + at * 4, entries.zs + at * 4, entries.fs + at * 4];
  if (selection.kind === 'jumprelu') kernels.jump(end - at, ids, zs, layout.slot('threshold').p, fs);
  if (selection.kind === 'gated') kernels.magnitudes(end - at, ids, zs, layout.slot('b_gate').p, layout.scales, layout.slot('b_enc').p, fs);
  return end;
}

/** What is ranked by: z, or z times the decoder's norms in a tile of its own. */
function ranksOf(layout: Layout, { z, stride, rows }: Chunk, byDecoderNorm: boolean): Pointer {
  if (!byDecoderNorm) return z;
  const ranks = layout.alloc(Math.ceil(rows / 4) * 4 * stride, 'ranks');
  layout.kernels.scaleColumns(z, stride, rows, layout.np, layout.norms, ranks);
  return ranks;
}

function selectTopk(layout: Layout, chunk: Chunk, k: number, byDecoderNorm: boolean, entries: Entries, at: number): number {
  const { kernels, np } = layout;
  const { rows, z, stride, state } = chunk;
  const ranks = ranksOf(layout, chunk, byDecoderNorm);
  const keep = k + 1;
  const full = Math.max(2 * keep, 256);
  const capacity = full + COLLECTED;
  const candidates = layout.alloc(rows * capacity * 8, 'candidates');
  // Up to 64 the first floors are found from the whole row at once.
  kernels.firstFloors(ranks, stride, rows, np, state, keep);
  for (let from = 0; from < np; from += COLLECTED) kernels.collect(ranks + from * 4, stride, rows, Math.min(COLLECTED, np - from), from, state, keep, full, candidates, capacity);
  const counts = layout.alloc(rows * 4, 'counts');
  const pairs = layout.alloc(Math.max(1, rows * k) * 8, 'entries');
  kernels.finish(rows, k, state, candidates, capacity, counts, pairs);
  return kernels.unpair(z, stride, rows, counts, pairs, entries.ids, entries.zs, entries.offsets, at);
}

/** batchtopk: candidates of chunk after chunk, of which the batch's largest become its entries. */
export class BatchSelection {
  readonly #layout: Layout;
  readonly #rows: number;
  readonly #budget: number;
  readonly #byDecoderNorm: boolean;
  readonly #keys: Pointer;
  readonly #zs: Pointer;
  #count = 0;
  #floor = 0;

  constructor(layout: Layout, rows: number, { k }: Pick<StepControls, 'k'>, byDecoderNorm: boolean) {
    const { n } = layout;
    this.#layout = layout;
    this.#rows = rows;
    this.#budget = Math.min(Math.floor(k * rows), rows * n);
    this.#byDecoderNorm = byDecoderNorm;
    const most = Math.min(2 * this.#budget + Math.min(CHUNK, rows) * n, rows * n) + 1;
    this.#keys = layout.alloc(most * 8, 'candidates of a batch');
    this.#zs = layout.alloc(most * 4, 'candidates of a batch');
  }

  add(chunk: Chunk): void {
    const { kernels, np, n } = this.#layout;
    const { z, stride, rows, first, state } = chunk;
    const ranks = ranksOf(this.#layout, chunk, this.#byDecoderNorm);
    this.#count = kernels.keep(z, ranks, stride, rows, np, first * n, n, this.#budget === 0 ? Infinity : this.#floor, state, this.#keys, this.#zs, this.#count);
    if (this.#count > 2 * this.#budget) this.#prune();
  }

  finish(): Entries {
    const { kernels, n } = this.#layout;
    if (this.#count > this.#budget) this.#prune();
    const ids = this.#layout.alloc(Math.max(1, this.#count) * 4, 'the activations of a batch');
    const offsets = this.#layout.alloc((this.#rows + 1) * 4, 'the activations of a batch');
    kernels.spreadKeys(this.#keys, this.#count, this.#rows, n, ids, offsets);
    return { ids, zs: this.#zs, fs: this.#zs, offsets };
  }

  #prune(): void {
    this.#floor = this.#layout.kernels.keepLargest(this.#keys, this.#zs, this.#count, this.#budget);
    this.#count = this.#budget;
  }
}
