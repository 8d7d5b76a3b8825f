/**
 * The SAE that a run has made so far, in its canonical form and in the scale of the model's own
 * activations: with scale s of `expected_average_only_in`, what reads s x is folded into weights that read x,
 *
 *   W_enc *= s,  W_dec /= s,  b_dec /= s
 *
 * so that the codes are the same and the reconstruction is x's. batchtopk, and matryoshka with it, become
 * a jumprelu with the running threshold, which is how they are used after training (Bussmann et al. 2024).
 */
import type { Architecture, Sae } from '../sae.js';
import type { Recipe } from './recipe.js';
import type { Parameters } from './session.js';

export interface TrainedOptions {
  readonly name: string;
  readonly d: number;
  /** Activation scale; 1 for none. */
  readonly scale: number;
  /** batchtopk: what makes a jumprelu of it; of f ||d_i|| where ranking is by decoder norm. */
  readonly threshold: number | null;
  /** topk: k as it is now; default the recipe's. */
  readonly k?: number | undefined;
  readonly source: string;
  readonly model_name?: string | null | undefined;
  readonly hook_name?: string | null | undefined;
}

/** [rows, columns] as [columns, rows], times a number. */
function transposed(matrix: Float32Array, rows: number, columns: number, factor: number): Float32Array {
  const out = new Float32Array(matrix.length);
  for (let r = 0; r < rows; r++) for (let c = 0; c < columns; c++) out[c * rows + r] = matrix[r * columns + c]! * factor;
  return out;
}

/** What an SAE of this recipe is at inference. */
function architectureOf({ arch, selection }: Recipe): Architecture {
  if (arch === 'p-anneal') return 'standard';
  if (arch === 'matryoshka') return selection === 'topk' ? 'topk' : 'jumprelu';
  return arch === 'batchtopk' ? 'jumprelu' : arch;
}

/** The same SAE with decoder rows of length 1: f_i becomes f_i ||d_i||. Copies. @param parameters of relu-like selections */
export function foldDecoderNorms(parameters: Parameters, n: number, d: number): Parameters {
  const norms = decoderNorms(parameters.W_dec!, n, d);
  return {
    ...parameters,
    W_enc: parameters.W_enc!.map((value, at) => value * norms[Math.floor(at / d)]!),
    b_enc: parameters.b_enc!.map((value, i) => value * norms[i]!),
    W_dec: parameters.W_dec!.map((value, at) => value / norms[Math.floor(at / d)]!),
  };
}

/**
 * @param trained by feature, as a session holds them; copied
 * @throws RangeError for a batchtopk without a threshold
 */
export function trainedSae(recipe: Recipe, trained: Parameters, options: TrainedOptions): Sae {
  const { d, scale, threshold, k = recipe.k } = options;
  const { d_sae } = recipe;
  const architecture = architectureOf(recipe);
  const rescaled = recipe.rescale_acts_by_decoder_norm && (architecture === 'topk' || architecture === 'jumprelu') && recipe.arch !== 'jumprelu';
  const batch = architecture === 'jumprelu' && recipe.arch !== 'jumprelu';
  if (batch && threshold === null) throw new RangeError('trainedSae: batchtopk needs a threshold');
  const parameters = batch && rescaled ? foldDecoderNorms(trained, d_sae, d) : trained;
  const conventions = [
    ...(scale === 1 ? [] : [`activations were multiplied by ${scale} in training; the weights are folded, so that raw activations go in`]),
    ...(batch ? [`trained with batchtopk, on average ${k} features a row; a feature is active above the threshold ${threshold}`] : []),
    ...(batch && rescaled ? ['features were ranked by z ||d_i||; decoder lengths are folded into the encoder'] : []),
  ];
  return {
    architecture,
    d_in: d,
    d_sae,
    d_out: d,
    W_enc: transposed(parameters.W_enc!, d_sae, d, scale),
    b_enc: parameters.b_enc!.slice(),
    W_dec: parameters.W_dec!.map((value) => value / scale),
    b_dec: parameters.b_dec!.map((value) => value / scale),
    threshold: architecture !== 'jumprelu' ? null : batch ? new Float32Array(d_sae).fill(threshold!) : parameters.threshold!.slice(),
    k: architecture === 'topk' ? k : null,
    gate: architecture === 'gated' ? { r_mag: parameters.r_mag!.slice(), b_gate: parameters.b_gate!.slice() } : null,
    applyBDecToInput: recipe.apply_b_dec_to_input,
    normalizeActivations: 'none',
    rescaleActsByDecoderNorm: architecture === 'topk' && rescaled,
    metadata: { name: options.name, model_name: options.model_name ?? null, hook_name: options.hook_name ?? null, source: options.source, format: 'saekit', sha256: null },
    conventions,
  };
}

function decoderNorms(W_dec: Float32Array, n: number, d: number): Float64Array {
  return Float64Array.from({ length: n }, (_, i) => {
    let squares = 0;
    for (let c = 0; c < d; c++) squares += W_dec[i * d + c]! ** 2;
    return Math.max(Math.sqrt(squares), 1e-8);
  });
}
