/**
 * The canonical SAE: what every loader produces and every backend, plugin and
 * trainer consumes. Weights are f32, row-major, in the field's orientation:
 *
 *   xbar = norm_in(x) - (applyBDecToInput ? b_dec : 0)
 *   z    = xbar @ W_enc + b_enc                       [rows, d_sae]
 *   f    = relu(z)                                    standard
 *   f    = relu(the k largest z of the row)           topk (ties to the lowest feature)
 *   f    = z where z > threshold and z > 0, else 0    jumprelu (strict)
 *   f    = relu(z) where xbar @ W_enc + b_gate > 0    gated, with z = (xbar @ W_enc) exp(r_mag) + b_enc
 *   f    = relu(the k * rows largest z of the batch)  batchtopk (ties to the lowest row, then feature)
 *   xhat = norm_out(f @ W_dec + b_dec)                [rows, d_out]
 *
 * With `rescaleActsByDecoderNorm` (topk only) z is multiplied by ||W_dec[i]||
 * before selection and f divided by it before decoding.
 */

import type { WeightSource } from './weight-source.js';

/** `batchtopk` is the rule of training, where a batch shares its budget; at inference such an SAE is a jumprelu with the threshold that it learnt. */
export type Architecture = 'standard' | 'topk' | 'jumprelu' | 'gated' | 'batchtopk';

/** What a gated encoder has besides: its gate shares W_enc with its magnitudes (Rajamanoharan et al. 2024, arXiv 2404.16014). */
export interface Gate {
  /** [d_sae] the magnitudes' columns are exp(r_mag) times the gate's. */
  readonly r_mag: Float32Array;
  /** [d_sae] the gate's bias; `b_enc` is the magnitudes'. */
  readonly b_gate: Float32Array;
}

/** How the input is normalised before encoding (SAELens' names). `expected_average_only_in` is folded into the weights at load. */
export type NormalizeActivations = 'none' | 'constant_norm_rescale' | 'layer_norm';

export interface Sae {
  readonly architecture: Architecture;
  readonly d_in: number;
  readonly d_sae: number;
  readonly d_out: number;
  /** [d_in, d_sae] */
  readonly W_enc: Float32Array;
  /** [d_sae] */
  readonly b_enc: Float32Array;
  /** [d_sae, d_out] */
  readonly W_dec: Float32Array;
  /** [d_out] */
  readonly b_dec: Float32Array;
  /** [d_sae], jumprelu only. */
  readonly threshold: Float32Array | null;
  /** topk, and batchtopk: the average of the batch. */
  readonly k: number | null;
  /** gated only. */
  readonly gate?: Gate | null;
  /** Where W_enc and W_dec are read from when they are too large to hold (engine/weight-source.ts); reading the arrays throws then. */
  readonly weights?: WeightSource | null;
  readonly applyBDecToInput: boolean;
  readonly normalizeActivations: NormalizeActivations;
  readonly rescaleActsByDecoderNorm: boolean;
  readonly metadata: SaeMetadata;
  /** One line per convention that the loader applied or assumed, for people. */
  readonly conventions: readonly string[];
}

export interface SaeMetadata {
  /** A short name for people: the folder's, or the release id. */
  readonly name: string;
  readonly model_name: string | null;
  /** TransformerLens hook name, e.g. `blocks.2.hook_resid_post`. */
  readonly hook_name: string | null;
  /** Where the weights came from, and what was read: goes into the manifest. */
  readonly source: string;
  readonly format: string;
  /** SHA-256 of the weight file, hex, when it was read whole. */
  readonly sha256: string | null;
}
