/**
 * What the weights alone say about a feature i with encoder column
 * w = W_enc[:, i] and decoder row d = W_dec[i]:
 *
 *   effective bias   b_enc - w . b_dec where b_dec is subtracted from the input,
 *                    else b_enc: z = w . x + effective bias, so that SAEs with
 *                    different b_dec compare
 *   D/E projection   w . d, 1 for a feature that reads off its own direction at
 *                    full strength, about 0 for one whose encoder has come loose
 *   D/E cosine       w . d / (||w|| ||d||)
 *
 * D/E exists only where encoder and decoder live in one space, d_in = d_out.
 * Everything is as sums in f64 of the f32 weights give it; neighbours by engine/ops/nearest.ts.
 */
import type { Accumulator, AnalysisResult } from '../../../engine/run/accumulator.js';
import type { Column } from '../../../engine/run/table.js';
import type { Sae } from '../../../engine/sae.js';
import { decoderNorms } from '../../../engine/ties.js';
import type { PluginContext } from '../../types.js';
import type { WeightsSettings } from './index.js';

/** Per feature, in f64. */
export interface EncoderSums {
  /** ||w||^2 */
  readonly squares: Float64Array;
  /** w . b_dec */
  readonly bias: Float64Array;
  /** w . d */
  readonly projection: Float64Array;
}

/** One pass over W_enc in its own order, [d_in, d_sae]. */
export function encoderSums(sae: Sae): EncoderSums {
  const { d_in, d_sae, d_out, W_enc, W_dec, b_dec } = sae;
  const squares = new Float64Array(d_sae);
  const bias = new Float64Array(d_sae);
  const projection = new Float64Array(d_sae);
  for (let d = 0; d < d_in; d++) {
    const shift = b_dec[d] ?? 0;
    for (let i = 0; i < d_sae; i++) {
      const w = W_enc[d * d_sae + i] as number;
      squares[i] = (squares[i] as number) + w * w;
      bias[i] = (bias[i] as number) + w * shift;
      if (d_in === d_out) projection[i] = (projection[i] as number) + w * (W_dec[i * d_out + d] as number);
    }
  }
  return { squares, bias, projection };
}

async function analyse({ sae, settings, ops }: PluginContext<WeightsSettings>, signal: AbortSignal | undefined): Promise<AnalysisResult> {
  const { d_sae, d_in, d_out } = sae;
  const { squares, bias, projection } = encoderSums(sae);
  const encoderNorm = squares.map(Math.sqrt);
  const decoderNorm = decoderNorms(sae);
  const oneSpace = d_in === d_out;
  const { neighbours, cosines } = await ops.nearestRows({ data: sae.W_dec, rows: d_sae, d: d_out }, settings.neighbours, { signal });
  const each = (value: (i: number) => number | null): (number | null)[] => Array.from({ length: d_sae }, (_, i) => value(i));
  const column = (name: string, data: Column['data'], description: string): Column => ({ name, type: 'f32', data, description });
  const cosine = (i: number): number | null => {
    const norms = (encoderNorm[i] as number) * (decoderNorm[i] as number);
    return oneSpace && norms > 0 ? clampCosine((projection[i] as number) / norms) : null;
  };
  const subtracted = sae.applyBDecToInput && oneSpace;
  return {
    features: [
      column('encoder_norm', encoderNorm, '||W_enc[:, i]||'),
      column('decoder_norm', decoderNorm, '||W_dec[i]||'),
      column('bias', sae.b_enc, 'b_enc[i]'),
      column('effective_bias', each((i) => (sae.b_enc[i] as number) - (subtracted ? (bias[i] as number) : 0)), 'b_enc[i] - W_enc[:, i] . b_dec where the SAE subtracts b_dec from its input, else b_enc[i]: the pre-activation at input 0.'),
      column('threshold', each((i) => sae.threshold?.[i] ?? null), 'JumpReLU threshold; null for other architectures.'),
      column('de_projection', each((i) => (oneSpace ? (projection[i] as number) : null)), 'D/E projection W_enc[:, i] . W_dec[i]; null where d_in differs from d_out.'),
      column('de_cosine', each(cosine), 'Cosine of W_enc[:, i] and W_dec[i]; null where one of them is zero, or d_in differs from d_out.'),
      { name: 'neighbours', type: { list: 'u32' }, data: neighbours, description: 'Features with the largest cosine of decoder rows, largest first (ties: lowest index), itself left out; empty where the row is zero.' },
      { name: 'neighbour_cosines', type: { list: 'f32' }, data: cosines, description: 'Cosine W_dec[i] . W_dec[j] / (||W_dec[i]|| ||W_dec[j]||) of each of the neighbours.' },
    ],
  };
}

/** Rounding must not leave [-1, 1]. */
function clampCosine(value: number): number {
  return Math.max(-1, Math.min(1, value));
}

export function create(ctx: PluginContext<WeightsSettings>): Accumulator {
  return {
    update: () => undefined,
    merge: () => undefined,
    save: () => null,
    finish: (signal) => analyse(ctx, signal),
  };
}
