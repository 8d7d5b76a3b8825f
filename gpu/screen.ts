/**
 * Screened encode on the GPU: the encoder's weights as 8-bit integers and transposed, beside
 * themselves, and what is asked of a batch before its rows are screened. The bound is in
 * kernels/parts/screened.wgsl. What passes is computed as the dense kernels compute it, so
 * that the codes are theirs to the bit.
 */
import type { Sae } from '../engine/sae.js';
import { gamma } from '../engine/ties.js';
import type { Loan } from './buffers.js';
import { fold, type Plan } from './decide.js';
import type { Device } from './device.js';
import { dispatch } from './dispatch.js';
import { bitsOf } from './keys.js';
import type { Memory } from './memory.js';
import type { EncodeWeights, Weights } from './weights.js';

/** What a block of latents needs to be screened; see kernels/pack-columns.wgsl. */
export interface ScreenedBlock {
  /** [4 quads of d_in up to a multiple of 16, stride] integers of 8 bits */
  readonly wq: GPUBuffer;
  /** [stride, 4 * quads] f32 */
  readonly wt: GPUBuffer;
  /** [stride] vec4 f32 */
  readonly bounds: GPUBuffer;
}

/**
 * llvmpipe ends a thread's loops after 65,535 turns, all of them together, and pack-rows.wgsl takes
 * up to 4.5 a dimension. (Products of 8-bit integers leave 32 bits past 131,072 dimensions.)
 */
const MOST_DIMENSIONS = 12_288;
/** Share of a batch's energy from which a dimension is added in f32, and the most there may be. */
const OUTLIER = 1 / 16;
const MOST_OUTLIERS = 8;
/** Roundings that are not of the dense sum: of the estimate, the norms and the bound, each to either neighbour. */
const ROUNDINGS = 128;
/** Rounding f32 to nothing loses less than this. */
const LEAST_NORMAL = 1.2e-38;
/** Far enough below the largest f32 (3.4e38) that neither a sum nor a bound of 16 times ||x|| ||w|| overflows. */
const ROOM = 1e38 / 16;
/** THREADS of the kernels that pack. */
const PACKERS = 64;

/** Whether an SAE can be screened: without thresholds where rows are ranked, in integers that do not overflow. Pure. */
export function canScreen({ architecture, threshold, d_in }: Pick<Sae, 'architecture' | 'threshold' | 'd_in'>): boolean {
  const ranks = architecture === 'topk' || architecture === 'batchtopk';
  return d_in <= MOST_DIMENSIONS && !(ranks && (threshold ?? null) !== null);
}

/** Bytes that a screen takes on the device. Pure. */
export function screenBytes({ quads, blocks }: Plan['encode']): number {
  return blocks.reduce((sum, { stride }) => sum + stride * (4 * depthOf(quads) + 16 * quads + 16), 0);
}

/** Dimensions that hold a large share of a batch's energy: rounded with the others, they would take the others' bits. Pure. */
export function outliersOf(x: Float32Array, rows: number, d_in: number): number[] {
  const energy = new Float64Array(d_in);
  for (let r = 0, at = 0; r < rows; r++) for (let d = 0; d < d_in; d++, at++) energy[d]! += x[at]! * x[at]!;
  const bar = OUTLIER * energy.reduce((sum, part) => sum + part, 0);
  const large = Array.from(energy.keys()).filter((d) => energy[d]! > bar);
  return large.sort((a, b) => energy[b]! - energy[a]!).slice(0, MOST_OUTLIERS);
}

/** Words of 4 integers that a row or column has. */
function depthOf(quads: number): number {
  return Math.ceil(quads / 4) * 4;
}

export class Screen {
  /** A row that is longer may overflow, which the dense path would tell. */
  readonly longest: number;
  /** Words of 4 integers that a row has, a multiple of 4. */
  readonly depth: number;
  /** Pre-activations so far, and those of them that were computed in f32. */
  seen = 0;
  computed = 0;
  readonly #relative: number;
  readonly #tiny: number;
  readonly #blocks: ReadonlyMap<EncodeWeights, ScreenedBlock>;

  /**
   * Packs the weights, which have been uploaded. The screen's buffers are the weights' from now on.
   * @param pack kernels/pack-columns.wgsl
   * @param loan for the parameters, until the commands are submitted
   * @returns null where the memory budget has no room
   */
  static make(device: Device, memory: Memory, loan: Loan, pack: GPUComputePipeline, d_in: number, plan: Plan['encode'], weights: Weights): Screen | null {
    if (!memory.fits(screenBytes(plan))) return null;
    const blocks = new Map(
      weights.encode.map((block) => {
        const { stride } = block;
        return [block, { wq: weights.extra(stride * 4 * depthOf(plan.quads)), wt: weights.extra(stride * 16 * plan.quads), bounds: weights.extra(stride * 16) }] as const;
      }),
    );
    const screen = new Screen(d_in, plan.quads, weights.reach, blocks);
    const commands = device.gpu.createCommandEncoder({ label: 'screen' });
    const pass = commands.beginComputePass();
    for (const [{ stride, w, columns }, { wq, wt, bounds }] of blocks) {
      const params = loan.uniform([0, 0, stride, 0, 0, plan.quads, 0, 0, 0, 0, 0]);
      const grid = fold(Math.ceil(stride / 4 / PACKERS), device.limits.maxComputeWorkgroupsPerDimension);
      dispatch(device.gpu, pass, pack, [params, loan.uniform(screen.words([])), w, columns, wq, wt, bounds], grid);
    }
    pass.end();
    device.gpu.queue.submit([commands.finish()]);
    return screen;
  }

  private constructor(d_in: number, quads: number, { norm, bias, magnification }: Weights['reach'], blocks: ReadonlyMap<EncodeWeights, ScreenedBlock>) {
    this.depth = depthOf(quads);
    this.#blocks = blocks;
    this.#relative = (gamma(d_in + 3) + ROUNDINGS * 2 ** -24) * 1.0001;
    this.#tiny = (4 * d_in + 256) * LEAST_NORMAL;
    this.longest = (ROOM / magnification - bias) / Math.max(norm, 1e-30);
  }

  of(block: EncodeWeights): ScreenedBlock {
    return this.#blocks.get(block)!;
  }

  /** `Screened` of kernels/parts/screened.wgsl. */
  words(outliers: readonly number[]): number[] {
    return [outliers.length, bitsOf(this.#relative), bitsOf(this.#tiny), this.depth, ...Array.from({ length: MOST_OUTLIERS }, (_, o) => outliers[o] ?? 0)];
  }
}
