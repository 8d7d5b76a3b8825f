/**
 * What an encoder is given, and the sizes that follow from it: pure, and needed by
 * those who divide work and memory among threads.
 */
import type { LoadOptions } from '../backend.js';
import type { Architecture, Sae } from '../sae.js';
import { tieTolerance } from '../ties.js';

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
  /** topk: of a row; batchtopk: see `RangeOptions.budget` (range.ts). */
  readonly k: number | null;
  /** gated only: exp(r_mag) and b_gate, [d_sae] each; `b_enc` is the magnitudes'. */
  readonly gate: { readonly scale: Float32Array; readonly bias: Float32Array } | null;
  /** [d_sae] what each column and bias is multiplied by (decoder norms), or nothing. */
  readonly scale: Float64Array | null;
  /** tol_r = perNorm * ||xbar_r|| + constant (engine/ties.ts). */
  readonly perNorm: number;
  readonly constant: number;
  /** Whether pre-activations are screened (screen.ts); `auto`: where that is faster. The codes are the same. */
  readonly screen: 'auto' | 'on' | 'off';
}

/** Pre-activations that were screened, and those of them that were computed in f32. */
export interface ScreenCounts {
  readonly screened: number;
  readonly computed: number;
}

/** What an encoder takes, bytes of linear memory and those of them that are weights, and what its screen has done. */
export interface EncoderState {
  readonly linear: number;
  readonly weights: number;
  /** Null where chunks are not screened. */
  readonly screen: ScreenCounts | null;
}

/** @param scale the decoder norms of an SAE that rescales, else null */
export function encoderWeights(sae: Sae, scale: Float64Array | null, options: LoadOptions = {}): EncoderWeights {
  const { architecture, d_in, d_sae, W_enc, b_enc, threshold, k, gate } = sae;
  return {
    architecture,
    d_in,
    d_sae,
    W_enc,
    b_enc,
    threshold,
    k,
    gate: architecture === 'gated' && gate ? { scale: Float32Array.from(gate.r_mag, Math.exp), bias: gate.b_gate } : null,
    scale,
    ...(options.tolerance ?? tieTolerance(sae)),
    screen: options.screen ?? 'auto',
  };
}

/** Rows per chunk: the packed weights are read once per chunk. */
export const CHUNK = 128;
/** Features per block: chunk x block pre-activations (64 KiB) stay in the second-level cache. */
export const BLOCK = 128;
/** Features per panel of packed weights. */
export const PANEL = 8;
/** Screened topk: BLOCKs of which a row's first floor is found; 4 MiB a chunk. */
export const BOUNDED = 64;

/** Dense pre-activations in linear memory at a time, of all rows of a chunk together. */
export const SLAB = 2 ** 18;

/** Features per block for a chunk of so many rows: few rows take wider ones in the same memory, so that less is done a block. Pure. */
export function blockWidth(rows: number): number {
  return BLOCK * Math.max(1, Math.floor(CHUNK / (4 * Math.ceil(rows / 4))));
}
/** The bytes that an encoder's weights take in linear memory. */
export function encoderBytes(d_in: number, d_sae: number, gated = false): number {
  return Math.ceil(d_sae / PANEL) * PANEL * (d_in + (gated ? 4 : 2)) * 4;
}

/** How many candidates a topk row holds. Pure, tested without kernels. */
export function decideCandidates(k: number, blocks: number, width: number = BLOCK): { keep: number; full: number; capacity: number } {
  const keep = k + 1;
  // Pruning pays when it removes at least as much as it keeps; small k waits for a block's worth.
  const full = Math.max(2 * keep, width);
  // A row that can never hold so many has room for all of its features, and is never pruned on the way.
  const all = blocks * width;
  return full + width >= all ? { keep, full: Math.max(keep, all), capacity: Math.max(keep, all) } : { keep, full, capacity: full + width };
}
