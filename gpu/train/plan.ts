/**
 * Sizes of a training session, and the words of the kernels' uniforms: pure functions of the
 * objective and the device's limits.
 */
import { UsageError } from '../../engine/errors.js';
import type { Objective } from '../../engine/train/objective.js';
import type { DeviceLimits } from '../capabilities.js';

/** What a pass reconstructs with; kernels/parts/params.wgsl. */
export const MODE = { relu: 0, topk: 1, batchtopk: 2, jumprelu: 3, gated: 4, gateAlone: 5, auxk: 6, ghost: 7, below: 8 } as const;
export const FLAG = { oneSided: 1, toInput: 2, rankByNorm: 4, detached: 8, biased: 16, gate: 32, auxRelu: 64, normed: 128, divided: 256 } as const;
export const PENALTY = { none: 0, l1: 1, lp: 2, root: 3, l0: 4, 'l0-target': 5, tanh: 6 } as const;

/** Parts of `sums` (kernels/scalars.wgsl), each of `width` values. */
export const SLOT = { z: 0, b_enc: 1, second: 2, gate: 3, norm: 4, below: 5, window: 6 } as const;
export const SLOTS = 7;

/** Places of `totals`, a vec4 each; the first are sums of squares of gradients, by parameter. */
export const TOTAL = { squares: 0, figures: 7, rows: 9, variance: 10, auxiliary: 11, ghost: 12, below: 13 } as const;
export const TOTALS = 14;
export const MOST_PARAMETERS = 7;

/** Bytes of a chunk's lists by feature, at most. */
const CHUNK_BYTES = 2 ** 28;
/** Batches on one device: rows and their z are one binding each. */
const MOST_ROWS = 65_472;
/** llvmpipe ends a thread's loops after 65,535 turns, all together (docs/decisions/0012). */
const MOST_TURNS = 60_000;
/** Rows of a chunk that one thread goes through. */
const MOST_CHUNK = 4096;
/** Threads that share a feature's entries, each of which is a loop over d (kernels/entries.wgsl). */
const ENTRY_THREADS = 32;

export interface TrainPlan {
  readonly d: number;
  readonly n: number;
  /** d in vec4. */
  readonly quads: number;
  /** Features in memory, a multiple of 128. */
  readonly width: number;
  /** Parts of an inner product of d. */
  readonly parts: number;
  readonly maxRows: number;
  /** Rows whose entries are listed by feature at once. */
  readonly chunk: number;
}

/**
 * Pure.
 * @throws UsageError naming the limit that weights, or the z of one row, do not fit in
 */
export function planTraining({ d, d_sae: n, groups }: Objective, limits: DeviceLimits, software: boolean): TrainPlan {
  const quads = Math.ceil(d / 4);
  const width = Math.ceil(n / 128) * 128;
  const binding = Math.min(limits.maxStorageBufferBindingSize, limits.maxBufferSize);
  const weights = width * quads * 16;
  if (weights > binding) {
    const name = limits.maxStorageBufferBindingSize <= limits.maxBufferSize ? 'maxStorageBufferBindingSize' : 'maxBufferSize';
    throw new UsageError(`WebGPU training holds W_enc and W_dec in one binding each: d ${d} x d_sae ${n} takes ${weights} bytes, and ${name} is ${binding}`, { hint: 'Use --backend wasm, or a smaller dictionary.' });
  }
  // A row's activations are added by one thread.
  if (software && n > MOST_TURNS) throw new UsageError(`d_sae is ${n}: software WebGPU trains at most ${MOST_TURNS} features`, { hint: 'Use --backend wasm.' });
  const rowBytes = Math.max(width * 4, groups.length * quads * 16, 1024);
  // Products are written in tiles of 64 rows.
  const maxRows = Math.min(MOST_ROWS, Math.floor(binding / rowBytes / 64) * 64);
  const chunk = Math.min(maxRows, MOST_CHUNK, ENTRY_THREADS * Math.max(1, Math.floor(MOST_TURNS / quads)), Math.floor(Math.min(binding, CHUNK_BYTES) / (width * 16)));
  if (maxRows < 1 || chunk < 1) throw new UsageError(`WebGPU training needs ${64 * rowBytes} bytes for pre-activations at d_sae ${n}, and a binding has ${binding}`, { hint: 'Use --backend wasm.' });
  return { d, n, quads, width, parts: Math.min(8, quads), maxRows, chunk };
}

/** Fields of `Params`, in its order. */
export interface Params {
  readonly rows: number;
  readonly first: number;
  readonly count: number;
  readonly mode: number;
  readonly groups: number;
  readonly flags: number;
  readonly penalty: number;
  readonly need: number;
  readonly digit: number;
  readonly shift: number;
  readonly stride: number;
  readonly offset: number;
  readonly sign: number;
  readonly coefficient: number;
  readonly power: number;
  readonly next: number;
  readonly bandwidth: number;
  readonly scale: number;
}

const word = new DataView(new ArrayBuffer(4));
/** The bits of a value as f32. */
export function bits(value: number): number {
  word.setFloat32(0, value);
  return word.getUint32(0);
}

export function paramsWords(p: Params, { n, width, quads }: TrainPlan): number[] {
  const floats = [p.sign, p.coefficient, p.power, p.next, p.bandwidth, p.scale].map(bits);
  return [p.rows, p.first, p.count, n, width, quads, p.groups, p.mode, p.flags, p.penalty, p.need, p.digit, p.shift, p.stride, p.offset, ...floats];
}

/** What every pass of a session has in common. */
export function commonParams(objective: Objective): Params {
  const { selection, penalty } = objective;
  let flags = 0;
  if (selection.kind === 'jumprelu') flags |= (selection.oneSided ? FLAG.oneSided : 0) | (selection.steToInput ? FLAG.toInput : 0);
  if (selection.kind === 'gated') flags |= FLAG.gate;
  if (penalty.kind === 'tanh' || (penalty.kind === 'l1' && penalty.byDecoderNorm)) flags |= FLAG.normed;
  return {
    rows: 0,
    first: 0,
    count: 0,
    mode: MODE[selection.kind],
    groups: objective.groups.length,
    flags,
    penalty: penalty.kind === 'lp' && penalty.root ? PENALTY.root : PENALTY[penalty.kind],
    need: 0,
    digit: 0,
    shift: 0,
    stride: 0,
    offset: 0,
    sign: 0,
    coefficient: 0,
    power: 1,
    next: 1,
    bandwidth: selection.kind === 'jumprelu' ? selection.bandwidth : 1,
    scale: penalty.kind === 'tanh' ? penalty.scale : penalty.kind === 'l0-target' ? penalty.target : 1,
  };
}

/** Places that indices below `count` are shifted up, so that fewer of their digits are looked at, and how many of those there are. Pure. */
export function indexDigits(count: number): { shift: number; digits: number } {
  const digits = Math.max(1, Math.ceil(Math.log2(Math.max(2, count)) / 8));
  return { shift: 32 - 8 * digits, digits };
}
