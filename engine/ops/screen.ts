/**
 * Products of many rows with a matrix, on whatever computes an SAE's encoder: x @ W
 * is an encoder without bias. So the operations have the backends' tiles, threads,
 * shards and fused selection, and no kernels of their own.
 *
 * What comes back is f32 and screens: `productBound` says which of its decisions
 * stand, and the others are made again in f64.
 */
import type { Backend, LoadedSae } from '../backend.js';
import type { Sae } from '../sae.js';

/**
 * @param W [d, columns] f32; the backend may refer to it until the result is disposed of
 * @param k null for all products (`preactivations`), else the k largest positive ones of a row (`encode`)
 * @throws BackendError where it does not fit
 */
export function loadScreen(backend: Pick<Backend, 'load'>, W: Float32Array, d: number, columns: number, k: number | null, signal: AbortSignal | undefined): Promise<LoadedSae> {
  const sae: Sae = {
    architecture: k === null ? 'standard' : 'topk',
    d_in: d,
    d_sae: columns,
    d_out: 1,
    W_enc: W,
    b_enc: new Float32Array(columns),
    W_dec: new Float32Array(columns),
    b_dec: new Float32Array(1),
    threshold: null,
    k,
    applyBDecToInput: false,
    normalizeActivations: 'none',
    rescaleActsByDecoderNorm: false,
    metadata: { name: 'products', model_name: null, hook_name: null, source: 'weights', format: 'memory', sha256: null },
    conventions: [],
  };
  return backend.load(sae, { signal, tolerance: { perNorm: 0, constant: 0 } });
}
