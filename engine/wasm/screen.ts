/**
 * The screen of an encoder (assembly/screen.ts): its weights as 16-bit integers beside the
 * f32 ones, and, for each chunk of rows, which pre-activations are worth computing. What is
 * computed has the bits of the dense path, so that when to screen is a question of speed
 * alone: `ScreenTrial` answers it by the clock.
 */
import { gamma } from '../ties.js';
import { blockWidth, PANEL } from './shape.js';
import { CHECKS_BOUNDS, MEMORY_CEILING, type Kernels, type Pointer } from './loader.js';

/** What a screen needs of the encoder that it belongs to. */
export interface ScreenedColumns {
  readonly d_in: number;
  readonly d_sae: number;
  readonly panels: number;
  /** [panels][d_in][8] f32 and [panels * 8] f32, as the dense product takes them. */
  readonly w: Pointer;
  readonly bias: Pointer;
  /** [panels * 8] what z is compared with (gated: product, with minus the gate's bias), or null where rows have floors. */
  readonly edges: Float32Array | null;
  /** [panels * 8] the bias of what is compared. */
  readonly biases: Float32Array;
  readonly gated: boolean;
  /** The largest factor that a product meets after the screen: exp(r_mag) of gated, else 1. */
  readonly magnification: number;
}

/** A chunk that is screened: what its blocks need. */
export interface ScreenedChunk {
  readonly plan: Pointer;
  readonly rows: number;
  /** How far below its upper bound a z may be, a row each, 16 bytes apart. */
  readonly widths: Pointer;
}

/** Of assembly/screen.ts. */
const PLAN_BYTES = 92;
const BOUND_BYTES = 16;
/** Where a bound has its width. */
const WIDTH = 12;
const MOST_OUTLIERS = 8;
/** Roundings in f32 that are not of the dense sum: of the estimate, of the bounds, of what they are compared with. */
const ROUNDINGS = 64;
/** Room for what is added to a sum before it overflows. */
const LARGEST = 3e38;
/** More than what is lost where f32 has no normal numbers. */
const TINY = 1e-40;
/** gated: what a product may meet after the screen, so that `fill` stays far below and finite. */
const GATED = { fill: -1e36, bias: 1e29, magnification: 1e6 };

/** The bytes that a screen takes in linear memory. */
export function screenBytes(d_in: number, columns: number): number {
  return columns * (2 * Math.ceil(d_in / 2) * 2 + 4 * 4);
}

export class Screen {
  readonly #kernels: Kernels;
  readonly #columns: ScreenedColumns;
  readonly #wq: Pointer;
  readonly #scale: Pointer;
  readonly #edge: Pointer;
  readonly #norm: Pointer;
  readonly #error: Pointer;
  readonly #relative: number;
  /** A row that is longer may overflow. */
  readonly #longest: number;
  /** The largest ||w||, ||w - w^||, and what rounding adds to an edge. */
  readonly #most: readonly [number, number, number];
  /** Below every edge, and finite whatever is done to it. */
  readonly #fill: number;
  /** Pre-activations that were screened, and those of them that were computed in f32. */
  screened = 0;
  computed = 0;

  /** Rounds the weights; the kernels' arena has them from now on. @throws BackendError when they do not fit */
  constructor(kernels: Kernels, columns: ScreenedColumns, packed = false) {
    this.#kernels = kernels;
    this.#columns = columns;
    const { d_in, panels, w, biases, edges, magnification } = columns;
    const count = panels * 8;
    const shape = `the screen of d_in ${d_in} x ${count} features`;
    this.#wq = kernels.alloc(count * 2 * Math.ceil(d_in / 2) * 2, shape);
    this.#scale = kernels.alloc(count * 4, shape);
    this.#edge = kernels.alloc(count * 4, shape);
    this.#norm = kernels.alloc(count * 4, shape);
    this.#error = kernels.alloc(count * 4, shape);
    if (!packed) kernels.call.packScreen(w, panels, d_in, this.#wq, this.#scale, this.#norm, this.#error);
    this.#relative = gamma(d_in + 3) + ROUNDINGS * 2 ** -24;
    // b - T, and how far rounding may have moved it.
    const edge = kernels.f32(this.#edge, count);
    let largest = 0;
    let slack = 0;
    for (let i = 0; i < count; i++) {
      const b = biases[i]!;
      const t = edges?.[i] ?? 0;
      if (!packed) edge[i] = Math.max(b - t + this.#relative * (Math.abs(b) + Math.abs(t)), -LARGEST) + TINY;
      // Columns past d_sae have biases that keep them silent.
      if (i >= columns.d_sae) continue;
      largest = Math.max(largest, Math.abs(b));
      slack = Math.max(slack, this.#relative * (Math.abs(b) + Math.abs(t)));
    }
    const mostOf = (pointer: Pointer): number => kernels.f32(pointer, count).reduce((most, one) => Math.max(most, one), 0);
    const norm = mostOf(this.#norm);
    this.#most = [norm, mostOf(this.#error), slack * 1.000001 + TINY];
    this.#longest = Math.min(LARGEST, (LARGEST / magnification - largest) / Math.max(norm, 1e-30) / (1 + this.#relative));
    this.#fill = columns.gated ? GATED.fill / magnification : -LARGEST;
  }

  /**
   * Rounds a chunk's rows, which lie packed already.
   *
   * @param x [rows, d_in] f32; `packed` the same in quads; `state` the rows' records
   * @param base batchtopk: its floor; NaN where rows have floors of their own (topk); else 0
   * @returns null where a row is so long that a sum might overflow, which the dense path would tell
   */
  begin(x: Pointer, packed: Pointer, state: Pointer, rows: number, base: number): ScreenedChunk | null {
    const kernels = this.#kernels;
    const { d_in, w, bias } = this.#columns;
    const padded = Math.ceil(rows / 4) * 4;
    const xq = kernels.alloc(padded * 2 * Math.ceil(d_in / 2) * 2, 'the rounded rows');
    const bounds = kernels.alloc(padded * BOUND_BYTES, "the rows' bounds");
    const outliers = kernels.alloc(MOST_OUTLIERS * 4, 'dimensions of large rows');
    const sums = kernels.alloc(Math.max(padded, 4) * 8 * 4, 'sums of integers');
    const list = kernels.alloc((2 * rows * (blockWidth(rows) / PANEL) + 3) * 16, 'a list of what is computed');
    const energy = kernels.alloc(d_in * 8, 'energies of dimensions');
    const plan = kernels.alloc(PLAN_BYTES, 'a plan');
    kernels.u32(plan, PLAN_BYTES / 4).set([xq, x, packed, state, bounds, outliers, 0, d_in, this.#wq, w, bias, this.#scale, this.#edge, this.#norm, this.#error, sums, list]);
    kernels.f32(plan + 17 * 4, 5).set([this.#fill, base, ...this.#most]);
    kernels.u32(plan + 22 * 4, 1)[0] = Number(CHECKS_BOUNDS);
    return kernels.call.roundRows(plan, rows, energy, this.#relative, this.#longest) ? { plan, rows, widths: bounds + WIDTH } : null;
  }

  /** Upper bounds of panels `first` to `first + panels` of a chunk, into a tile of rows `stride` bytes apart. */
  bound({ plan, rows }: ScreenedChunk, first: number, panels: number, tile: Pointer, stride: number): void {
    this.#kernels.call.boundAbove(plan, rows, first, panels, tile, stride);
  }

  /** Pre-activations in the place of their upper bounds, as far as they matter. */
  settle({ plan, rows }: ScreenedChunk, first: number, panels: number, tile: Pointer, stride: number): void {
    this.screened += rows * panels * 8;
    this.computed += this.#kernels.call.settle(plan, rows, first, panels, tile, stride);
  }
}

/** Whether a gated SAE's numbers let `fill` stay below them. Pure. */
export function screensGate(gates: Float32Array, biases: Float32Array, magnification: number): boolean {
  return magnification <= GATED.magnification && [gates, biases].every((all) => all.every((b) => Math.abs(b) <= GATED.bias));
}

/** Whether there is memory for a screen beside what an instance holds; half of the rest is left for rows. */
export function hasRoom(kernels: Kernels, d_in: number, columns: number): boolean {
  return kernels.call.memory.buffer.byteLength + 2 * screenBytes(d_in, columns) < MEMORY_CEILING;
}

/** Chunks of each way before it is decided, the first of each not counted: engines compile meanwhile. */
const SAMPLES = 4;
/** Chunks until it is asked again: rows may have changed. */
const TERM = 2000;

/**
 * Which way is faster, found by trying both in turns. The codes are the same either way,
 * so that what the clock says decides on nothing but the time.
 */
export class ScreenTrial {
  #times: { readonly dense: number[]; readonly screened: number[] } = { dense: [], screened: [] };
  #verdict: 'dense' | 'screened' | null = null;
  #left = TERM;

  /** What the next chunk is to be. */
  get next(): 'dense' | 'screened' {
    return this.#verdict ?? (this.#times.dense.length <= this.#times.screened.length ? 'dense' : 'screened');
  }

  get verdict(): 'dense' | 'screened' | null {
    return this.#verdict;
  }

  /** A chunk took so long a row, ms. */
  took(way: 'dense' | 'screened', time: number): void {
    if (this.#verdict !== null) {
      if (--this.#left > 0) return;
      // The way that was not taken is tried again, once.
      this.#times = { dense: [], screened: [] };
      this.#verdict = null;
      this.#left = TERM;
      return;
    }
    this.#times[way].push(time);
    const { dense, screened } = this.#times;
    if (dense.length < SAMPLES || screened.length < SAMPLES) return;
    this.#verdict = Math.min(...screened.slice(1)) < Math.min(...dense.slice(1)) ? 'screened' : 'dense';
  }
}

