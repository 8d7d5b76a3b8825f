/**
 * The unembedding of the language model: what turns a direction in the residual
 * stream into logits. A safetensors file with `W_U` [d, vocabulary] and, where the
 * final norm has one, `final_norm_scale` [d].
 */
import { FormatError, ShapeError } from '../errors.js';
import { openRef, type Ref } from '../io/open.js';
import { openSafetensors } from './safetensors.js';
import { assertFinite, show } from './tensor.js';

/** The unembedding: logits = norm(x) * final_norm_scale @ W_U. */
export interface Unembedding {
  readonly d: number;
  readonly vocabulary: number;
  /** [d, vocabulary] */
  readonly W_U: Float32Array;
  /** [d] or null */
  readonly final_norm_scale: Float32Array | null;
}

/**
 * Loads `W_U` and `final_norm_scale`.
 * @throws FormatError when W_U is missing, ShapeError when the two do not fit, NumericError for NaN and infinity
 */
export async function loadUnembedding(ref: Ref): Promise<Unembedding> {
  const source = await openRef(ref);
  try {
    const { tensors, name } = await openSafetensors(source);
    const found = [...tensors].map(([key, { shape }]) => `${key} ${show(shape)}`).join(', ') || 'nothing';
    const matrix = tensors.get('W_U');
    if (matrix === undefined) throw new FormatError(`${name}: there is no tensor W_U`, { hint: `It holds ${found}; W_U [d, vocabulary] was expected.` });
    const [d, vocabulary] = matrix.shape;
    if (matrix.shape.length !== 2 || d === undefined || vocabulary === undefined || matrix.size === 0) {
      throw new ShapeError(`${matrix.label} has shape ${show(matrix.shape)}, [d, vocabulary] was expected`);
    }
    const scale = tensors.get('final_norm_scale');
    if (scale !== undefined && (scale.shape.length !== 1 || scale.shape[0] !== d)) {
      throw new ShapeError(`${scale.label} has shape ${show(scale.shape)}, ${show([d])} was expected because W_U is ${show(matrix.shape)}`, {
        hint: scale.shape[0] === vocabulary ? 'Is W_U stored as [vocabulary, d]? Transpose it.' : undefined,
      });
    }
    const W_U = await matrix.read();
    assertFinite(W_U, matrix.label, matrix.shape);
    const final_norm_scale = scale === undefined ? null : await scale.read();
    if (final_norm_scale !== null) assertFinite(final_norm_scale, `${name}#final_norm_scale`, [d]);
    return { d, vocabulary, W_U, final_norm_scale };
  } finally {
    if (source !== ref) await source.close?.();
  }
}
