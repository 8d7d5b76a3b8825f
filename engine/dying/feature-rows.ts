/** An SAE's two matrices by feature, as the analyses of single features want them, and features by how often they fire. */
import { Pace } from '../pace.js';
import type { Sae } from '../sae.js';
import { weightsOf } from '../weight-source.js';

export interface FeatureRows {
  /** [d_sae, d_in] row i is W_enc[:, i]; of a gated SAE its magnitudes', exp(r_mag[i]) W_enc[:, i]. */
  readonly encoder: Float32Array;
  /** [d_sae, d_out] W_dec */
  readonly decoder: Float32Array;
}

/** Numbers of a block of latents. */
const BLOCK = 2 ** 20;

/** Copies of both matrices, by feature: 4 d_sae (d_in + d_out) bytes. */
export async function featureRows(sae: Sae, signal?: AbortSignal): Promise<FeatureRows> {
  const { d_in, d_sae, d_out, gate } = sae;
  const source = weightsOf(sae);
  const [encoder, decoder] = [new Float32Array(d_sae * d_in), new Float32Array(d_sae * d_out)];
  const most = Math.max(1, Math.floor(BLOCK / Math.max(d_in, d_out)));
  const pace = new Pace(signal);
  for (let first = 0; first < d_sae; first += most) {
    const count = Math.min(most, d_sae - first);
    const columns = await source.encoderColumns(first, count, signal);
    for (let i = 0; i < count; i++) {
      const scale = gate ? Math.exp(gate.r_mag[first + i]!) : 1;
      for (let c = 0; c < d_in; c++) encoder[(first + i) * d_in + c] = columns[c * count + i]! * scale;
    }
    decoder.set(await source.decoderRows(first, count, signal), first * d_out);
    if (pace.isDue) await pace.pause();
  }
  return { encoder, decoder };
}

/** Rows that f_i is multiplied with: W_dec, or its unit rows where f was ranked and is divided by their lengths (`rescaleActsByDecoderNorm`). */
export function decodingRows({ rescaleActsByDecoderNorm, d_sae, d_out }: Pick<Sae, 'rescaleActsByDecoderNorm' | 'd_sae' | 'd_out'>, decoder: Float32Array): Float32Array {
  if (!rescaleActsByDecoderNorm) return decoder;
  const rows = decoder.slice();
  for (let i = 0; i < d_sae; i++) {
    const length = Math.sqrt(dot(decoder, i * d_out, decoder, i * d_out, d_out));
    for (let o = 0; length > 0 && o < d_out; o++) rows[i * d_out + o] = rows[i * d_out + o]! / length;
  }
  return rows;
}

export interface FeatureGroups {
  /** Fired, on less than edge x rows. */
  readonly rare: Uint32Array;
  /** Fired on at least as many. */
  readonly live: Uint32Array;
  readonly dead: Uint32Array;
}

/** @param counts [d_sae] firings among `rows` */
export function featureGroups(counts: ArrayLike<number>, rows: number, edge: number): FeatureGroups {
  const groups = { rare: [] as number[], live: [] as number[], dead: [] as number[] };
  for (let i = 0; i < counts.length; i++) groups[counts[i] === 0 ? 'dead' : counts[i]! < edge * rows ? 'rare' : 'live'].push(i);
  return { rare: Uint32Array.from(groups.rare), live: Uint32Array.from(groups.live), dead: Uint32Array.from(groups.dead) };
}

type Vector = Float32Array | Float64Array;

/** a[atA ..] . b[atB ..] over d numbers. */
export function dot(a: Vector, atA: number, b: Vector, atB: number, d: number): number {
  let sum = 0;
  for (let c = 0; c < d; c++) sum += a[atA + c]! * b[atB + c]!;
  return sum;
}

/** NaN where one of them is zero. */
export function cosine(a: Vector, atA: number, b: Vector, atB: number, d: number): number {
  const norms = Math.sqrt(dot(a, atA, a, atA, d) * dot(b, atB, b, atB, d));
  return norms > 0 ? Math.max(-1, Math.min(1, dot(a, atA, b, atB, d) / norms)) : NaN;
}

/** [d] mean of rows. */
export function meanRow(matrix: Vector, rows: ArrayLike<number>, d: number): Float64Array {
  const mean = new Float64Array(d);
  for (let at = 0; at < rows.length; at++) for (let c = 0; c < d; c++) mean[c] = mean[c]! + matrix[rows[at]! * d + c]! / rows.length;
  return mean;
}
