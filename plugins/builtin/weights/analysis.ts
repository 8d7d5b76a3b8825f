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
import { weightsOf } from '../../../engine/weight-source.js';
import type { PluginContext } from '../../types.js';
import type { WeightsSettings } from './index.js';

/** Per feature, in f64. */
export interface WeightSums {
  /** ||w||^2 */
  readonly squares: Float64Array;
  /** w . b_dec */
  readonly bias: Float64Array;
  /** w . d */
  readonly projection: Float64Array;
  /** ||d|| */
  readonly decoderNorm: Float64Array;
}

/** Bytes of a block of latents, of either matrix. */
const BLOCK = 2 ** 26;

/**
 * One pass over the latents, a block at a time. A gated SAE's encoder column is its
 * magnitudes', exp(r_mag[i]) W_enc[:, i].
 */
export async function weightSums(sae: Sae, signal?: AbortSignal): Promise<WeightSums> {
  const { d_in, d_sae, d_out, b_dec, gate } = sae;
  const source = weightsOf(sae);
  const squares = new Float64Array(d_sae);
  const bias = new Float64Array(d_sae);
  const projection = new Float64Array(d_sae);
  const decoderNorm = new Float64Array(d_sae);
  const most = Math.max(1, Math.floor(BLOCK / (4 * Math.max(d_in, d_out))));
  for (let first = 0; first < d_sae; first += most) {
    const count = Math.min(most, d_sae - first);
    const rows = await source.decoderRows(first, count, signal);
    for (let r = 0; r < count; r++) {
      let sum = 0;
      for (let o = 0; o < d_out; o++) sum += (rows[r * d_out + o] as number) ** 2;
      decoderNorm[first + r] = Math.sqrt(sum);
    }
    // A copy: the source may use its array again for the encoder's.
    const kept = sae.weights ? rows.slice() : rows;
    const columns = await source.encoderColumns(first, count, signal);
    signal?.throwIfAborted();
    for (let d = 0; d < d_in; d++) {
      const shift = b_dec[d] ?? 0;
      for (let r = 0; r < count; r++) {
        const i = first + r;
        const w = columns[d * count + r] as number;
        squares[i] = (squares[i] as number) + w * w;
        bias[i] = (bias[i] as number) + w * shift;
        if (d_in === d_out) projection[i] = (projection[i] as number) + w * (kept[r * d_out + d] as number);
      }
    }
  }
  if (gate) {
    for (let i = 0; i < d_sae; i++) {
      const scale = Math.exp(gate.r_mag[i] as number);
      squares[i] = (squares[i] as number) * scale * scale;
      bias[i] = (bias[i] as number) * scale;
      projection[i] = (projection[i] as number) * scale;
    }
  }
  return { squares, bias, projection, decoderNorm };
}

/** Neighbours need every decoder row beside every other: an SAE that is not held has none. */
async function neighboursOf({ sae, settings, ops, notice }: PluginContext<WeightsSettings>, signal: AbortSignal | undefined): Promise<{ neighbours: readonly unknown[]; cosines: readonly unknown[] }> {
  if (!sae.weights) return ops.nearestRows({ data: sae.W_dec, rows: sae.d_sae, d: sae.d_out }, settings.neighbours, { signal });
  notice('decoder neighbours are left out: they need the decoder in memory (a larger --hold-weights)');
  const none = Array<null>(sae.d_sae).fill(null);
  return { neighbours: none, cosines: none };
}

async function analyse(ctx: PluginContext<WeightsSettings>, signal: AbortSignal | undefined): Promise<AnalysisResult> {
  const { sae } = ctx;
  const { d_sae, d_in, d_out } = sae;
  const { squares, bias, projection, decoderNorm } = await weightSums(sae, signal);
  const encoderNorm = squares.map(Math.sqrt);
  const oneSpace = d_in === d_out;
  const { neighbours, cosines } = await neighboursOf(ctx, signal);
  const each = (value: (i: number) => number | null): (number | null)[] => Array.from({ length: d_sae }, (_, i) => value(i));
  const column = (name: string, data: Column['data'], description: string): Column => ({ name, type: 'f32', data, description });
  const cosine = (i: number): number | null => {
    const norms = (encoderNorm[i] as number) * (decoderNorm[i] as number);
    return oneSpace && norms > 0 ? clampCosine((projection[i] as number) / norms) : null;
  };
  const subtracted = sae.applyBDecToInput && oneSpace;
  return {
    features: [
      column('encoder_norm', encoderNorm, '||W_enc[:, i]||; of a gated SAE, here and below, the column of its magnitudes, exp(r_mag[i]) W_enc[:, i].'),
      column('decoder_norm', decoderNorm, '||W_dec[i]||'),
      column('bias', sae.b_enc, 'b_enc[i]; of a gated SAE b_mag[i].'),
      column('effective_bias', each((i) => (sae.b_enc[i] as number) - (subtracted ? (bias[i] as number) : 0)), 'b_enc[i] - W_enc[:, i] . b_dec where the SAE subtracts b_dec from its input, else b_enc[i]: the pre-activation at input 0.'),
      column('threshold', each((i) => sae.threshold?.[i] ?? null), 'JumpReLU threshold; null for other architectures.'),
      column('de_projection', each((i) => (oneSpace ? (projection[i] as number) : null)), 'D/E projection W_enc[:, i] . W_dec[i]; null where d_in differs from d_out.'),
      column('de_cosine', each(cosine), 'Cosine of W_enc[:, i] and W_dec[i]; null where one of them is zero, or d_in differs from d_out.'),
      { name: 'neighbours', type: { list: 'u32' }, data: neighbours, description: 'Features with the largest cosine of decoder rows, largest first (ties: lowest index), itself left out; empty where the row is zero, null where the SAE was too large to hold in memory.' },
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
