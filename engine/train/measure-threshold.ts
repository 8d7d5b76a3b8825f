/**
 * A threshold for batchtopk where none runs: before the first step of the running one, and where
 * ranking is by z ||d_i||, of which sessions tell nothing.
 */
import type { Objective, Optimizer } from './objective.js';
import type { Parameters, TrainBackend } from './session.js';
import { foldDecoderNorms } from './trained-sae.js';

/** Batches that are looked at: the latest ones, or the first. */
const BATCHES = 4;
/** Nothing is updated. */
const IDLE: Optimizer = { kind: 'sgd', betas: [0, 0], eps: 0, momentum: 0, clip: null, removeParallel: false, renormalize: 'never', frozen: [] };

export interface MeasureThresholdOptions {
  readonly k: number;
  /** Rows of a batch. */
  readonly batch: number;
  /** Steps done. */
  readonly step: number;
  /** The rows of a step, [batch, d], in the scale that is trained in. */
  readonly rows: (step: number) => Promise<Float32Array>;
}

/** The mean over a few batches of the least f_i that is selected (||d_i|| f_i where ranking is so); 0 where nothing fires. */
export async function measureThreshold(backend: TrainBackend, objective: Objective, parameters: Parameters, { k, batch, step, rows }: MeasureThresholdOptions): Promise<number> {
  const { selection, d, d_sae } = objective;
  // With decoder lengths folded in, ranking by z is ranking by z ||d_i||.
  const folded = selection.kind === 'batchtopk' && selection.byDecoderNorm ? foldDecoderNorms(parameters, d_sae, d) : parameters;
  const zeros = (): Parameters => Object.fromEntries(Object.entries(folded).map(([name, values]) => [name, new Float32Array(values.length)]));
  const session = await backend.start({ ...objective, auxk: null, ghost: false, selection: { kind: 'batchtopk', byDecoderNorm: false } }, IDLE, { parameters: folded, m: zeros(), v: zeros() });
  try {
    const least: number[] = [];
    const first = Math.max(0, step - BATCHES);
    for (let at = first; at < first + BATCHES; at++) {
      const { result } = await session.gradients(await rows(at), batch, { step: 1, lr: 0, coefficient: 0, p: 1, pNext: null, k, dead: null });
      if (result.leastActive !== null && Number.isFinite(result.leastActive)) least.push(result.leastActive);
    }
    return least.length === 0 ? 0 : least.reduce((sum, value) => sum + value, 0) / least.length;
  } finally {
    session.dispose();
  }
}
