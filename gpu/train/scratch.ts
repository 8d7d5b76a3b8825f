/**
 * What a call's kernels leave to each other: buffers that stay with the session and grow with
 * the largest batch.
 */
import { Usage } from '../device.js';
import type { Memory } from '../memory.js';
import { SLOTS, TOTALS, type TrainPlan } from './plan.js';
import { uniformBytes } from './recording.js';

const SIZES = {
  raw: ({ d }: TrainPlan, rows: number) => rows * d * 4,
  x: ({ quads }: TrainPlan, rows: number) => tiles(rows) * quads * 16,
  xbar: ({ quads }: TrainPlan, rows: number) => tiles(rows) * quads * 16,
  z: ({ width }: TrainPlan, rows: number) => tiles(rows) * width * 4,
  bins: (_: TrainPlan, rows: number) => Math.max(64, rows) * 1024,
  cuts: (_: TrainPlan, rows: number) => rows * 16,
  auxCuts: (_: TrainPlan, rows: number) => rows * 16,
  figures: (_: TrainPlan, rows: number) => rows * 32,
  r: ({ quads }: TrainPlan, rows: number, groups: number) => rows * groups * quads * 16,
  s: ({ quads }: TrainPlan, rows: number, groups: number) => rows * groups * quads * 16,
  second: ({ quads }: TrainPlan, rows: number) => rows * quads * 16,
  rowDots: ({ parts }: TrainPlan, rows: number, groups: number) => rows * groups * parts * 4,
  secondDots: ({ parts }: TrainPlan, rows: number) => rows * parts * 4,
  // By row of a chunk, and by feature; a call uses one after the other.
  list: ({ width }: TrainPlan, rows: number) => rows * width * 8,
  counts: ({ width }: TrainPlan, rows: number) => rows * (width / 64) * 4,
  lists: ({ width }: TrainPlan, rows: number) => rows * width * 16,
  sizes: ({ width }: TrainPlan) => width * 4,
  transposed: ({ width, quads }: TrainPlan) => width * quads * 16,
  table: ({ width }: TrainPlan) => width * 16,
  marks: ({ width }: TrainPlan) => width * 4,
  zeros: ({ width, quads }: TrainPlan) => Math.max(width * 4, quads * 16),
  factors: (_: TrainPlan, _rows: number, groups: number) => groups * 4 + 16,
  auxiliaryFactor: () => 16,
  fired: ({ width }: TrainPlan) => width * 4,
  sums: ({ width }: TrainPlan) => SLOTS * width * 4,
  totals: () => TOTALS * 16,
  verdict: () => 16,
  mean: ({ quads }: TrainPlan) => quads * 16,
  middle: ({ quads }: TrainPlan, _rows: number, groups: number) => quads * groups * 16,
  norms: ({ width, parts }: TrainPlan) => width * parts * 4,
  along: ({ width, parts }: TrainPlan) => width * parts * 4,
  // One level of sums, and the next (kernels/sum.wgsl).
  level: ({ width, quads }: TrainPlan, rows: number, groups: number) => Math.max(Math.ceil(Math.max(width, rows) / 64) * quads * groups, 2 * Math.ceil(rows / 64)) * 16,
  nextLevel: ({ width, quads }: TrainPlan, rows: number, groups: number) => Math.max(Math.ceil(Math.max(width, rows) / 4096) * quads * groups, Math.ceil((quads * groups) / 64), 2 * Math.ceil(rows / 4096)) * 16,
  g_W_enc: ({ width, quads }: TrainPlan) => width * quads * 16,
  g_W_dec: ({ width, quads }: TrainPlan) => width * quads * 16,
  g_b_dec: ({ quads }: TrainPlan) => quads * 16,
} as const;

export type ScratchName = keyof typeof SIZES | 'uniforms';
/** These have a chunk's rows, not the batch's. */
const OF_CHUNK: readonly string[] = ['list', 'counts', 'lists'];

/** Bytes of everything that is bound whole, for a batch of so many rows. Pure. */
export function scratchBytes(plan: TrainPlan, rows: number, groups: number): [keyof typeof SIZES, number][] {
  const chunk = Math.min(rows, plan.chunk);
  const sizes = Object.entries(SIZES) as [keyof typeof SIZES, (plan: TrainPlan, rows: number, groups: number) => number][];
  return sizes.map(([name, size]) => [name, size(plan, OF_CHUNK.includes(name) ? chunk : rows, groups)]);
}

export class Scratch {
  readonly #memory: Memory;
  readonly #plan: TrainPlan;
  readonly #groups: number;
  readonly #buffers = new Map<ScratchName, GPUBuffer>();
  #rows = 0;
  #chunk = 0;

  constructor(memory: Memory, plan: TrainPlan, groups: number) {
    this.#memory = memory;
    this.#plan = plan;
    this.#groups = groups;
  }

  /**
   * Makes room for a batch. New memory is zero.
   * @throws NoRoomError
   */
  reserve(rows: number): void {
    if (rows <= this.#rows) return;
    this.dispose();
    const chunk = Math.min(rows, this.#plan.chunk);
    const usage = Usage.STORAGE | Usage.COPY_SRC | Usage.COPY_DST;
    try {
      for (const [name, bytes] of scratchBytes(this.#plan, rows, this.#groups)) this.#buffers.set(name, this.#memory.create('scratch', bytes, usage, name));
      this.#buffers.set('uniforms', this.#memory.create('scratch', uniformBytes(Math.ceil(rows / chunk)), Usage.UNIFORM | Usage.COPY_DST, 'uniforms'));
    } catch (error) {
      this.dispose();
      throw error;
    }
    this.#rows = rows;
    this.#chunk = chunk;
  }

  /** Rows whose entries there is room for at once. */
  get chunk(): number {
    return this.#chunk;
  }

  get(name: ScratchName): GPUBuffer {
    const buffer = this.#buffers.get(name);
    if (buffer === undefined) throw new TypeError(`no scratch ${name}`);
    return buffer;
  }

  dispose(): void {
    for (const buffer of this.#buffers.values()) this.#memory.destroy('scratch', buffer);
    this.#buffers.clear();
    this.#rows = 0;
  }
}

/** Rows up to whole tiles of the encoder. */
export function tiles(rows: number): number {
  return Math.ceil(rows / 64) * 64;
}
