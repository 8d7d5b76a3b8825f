/**
 * What the sums of gradient-anatomy.ts say of rare and live features (GradientReport): shares by
 * decade of density, the mean direction of a step, and what each optimiser would have done.
 *
 * The mean gradient is Nanda's question of 2023, whether the average over features of the gradient
 * in activation space lies along the rare features' direction; weighted, as he proposes, by how
 * often it flips a feature: the density of z_i at 0 (`densityAtZero`).
 */
import { Pace } from '../pace.js';
import type { GradientDecade, GradientGroup, GradientReport, MeanGradient, OptimiserDirection } from './anatomy-reports.js';
import { affordable, bootstrap, bootstrapAll, spearman } from './bootstrap.js';
import { cosine, dot, featureGroups } from './feature-rows.js';
import { PAUSE_EVERY } from './frame-rows.js';
import { decoderBiasGradient, densityAtZero, featureGradients, type FeatureGradients, type GradientSums } from './gradient-anatomy.js';
import { optimiserDirection } from './optimiser-direction.js';
import { quartiles, type Quartiles } from './rare-direction.js';

export interface GradientReportInput {
  readonly sums: GradientSums;
  /** [d_sae, d_in], [d_sae, d_out] by feature. */
  readonly encoder: Float32Array;
  readonly decoder: Float32Array;
  readonly architecture: string;
  /** Whether the encoder sees x - b_dec. */
  readonly subtracted: boolean;
  readonly edge: number;
  /** The penalty's coefficient beside the squared error summed over dims; null to take what the biases imply; `none` where no penalty reaches w. */
  readonly lambda: { readonly value: number; readonly from: 'setting' | 'run'; /** lambda_i = value ||d_i|| */ readonly byDecoderNorm: boolean } | 'none' | null;
  readonly caveats?: readonly string[];
  readonly seed: number;
  readonly signal?: AbortSignal | undefined;
}

/** The figures of one feature, for columns; NaN where it never fired or the penalty is unknown. */
export interface GradientFigures {
  readonly share: Float64Array;
  readonly cosL1Encoder: Float64Array;
  readonly cosEncoderDecoder: Float64Array;
  readonly bias: Float64Array;
  readonly norm: Float64Array;
  readonly densityAtZero: Float64Array;
}

export async function gradientReport(input: GradientReportInput): Promise<{ report: GradientReport; figures: GradientFigures }> {
  const { sums, encoder, decoder, architecture, edge, seed, signal } = input;
  const { d_in, d_out, d_sae } = sums.shape;
  const pace = new Pace(signal, PAUSE_EVERY);
  const { rare, live } = featureGroups(sums.counts, sums.rows, edge);
  const fired = Uint32Array.from([...rare, ...live]).sort();
  const implied = quartiles(Array.from(live, (i) => -sums.slope[i]! / sums.counts[i]!));
  const caveats = [...(input.caveats ?? [])];
  const { lambda, from } = lambdaOf(input, implied);
  if (from === 'implied') caveats.push('the penalty was not given: lambda is what balances the biases of live features, -E[2 d_i . r | fire], in the median');
  const own = Float64Array.from({ length: d_sae }, (_, i) => (lambda === null ? NaN : lambda * (input.lambda !== null && input.lambda !== 'none' && input.lambda.byDecoderNorm ? Math.sqrt(dot(decoder, i * d_out, decoder, i * d_out, d_out)) : 1)));

  const nan = (): Float64Array => new Float64Array(d_sae).fill(NaN);
  const figures: GradientFigures = { share: nan(), cosL1Encoder: nan(), cosEncoderDecoder: nan(), bias: nan(), norm: nan(), densityAtZero: Float64Array.from({ length: d_sae }, (_, i) => densityAtZero(sums, i)) };
  const steps = new Float64Array(d_sae * d_in);
  for (const i of lambda === null ? [] : fired) {
    const gradients: FeatureGradients = featureGradients(sums, i, own[i]!, decoder);
    figures.share[i] = gradients.share;
    figures.cosL1Encoder[i] = gradients.cosL1Encoder;
    figures.cosEncoderDecoder[i] = gradients.cosEncoderDecoder;
    figures.bias[i] = gradients.bias;
    figures.norm[i] = Math.sqrt(dot(gradients.encoder, 0, gradients.encoder, 0, d_in));
    for (let c = 0; c < d_in; c++) steps[i * d_in + c] = -gradients.encoder[c]!;
    if (pace.isDue) await pace.pause();
  }
  const group = (features: ArrayLike<number>): GradientGroup => groupOf(figures, Array.from(features));
  const shares = Array.from(fired).filter((i) => Number.isFinite(figures.share[i]!));
  const balance = lambda === null ? null : decoderBiasGradient(sums, encoder, own, input.subtracted);
  return {
    figures,
    report: {
      rows: sums.rows,
      edge,
      architecture,
      lambda,
      lambda_from: from,
      lambda_implied: implied,
      rare: group(rare),
      live: group(live),
      decades: decadesOf(sums, fired, group),
      share_density: await bootstrap(shares.length, (items) => spearman(Float64Array.from(items, (at) => figures.share[shares[at]!]!), Float64Array.from(items, (at) => sums.counts[shares[at]!]!)), { seed, replicates: affordable(shares.length * 200), pace }),
      cos_null: 1 / Math.sqrt(d_in),
      b_dec_norm: balance === null ? null : Math.sqrt(dot(balance, 0, balance, 0, balance.length)),
      mean_gradients: lambda === null ? [] : await meanGradients(input, figures, steps, fired, rare, pace),
      optimisers: await optimisersOf(input, rare, pace),
      caveats,
    },
  };
}

function lambdaOf({ lambda }: GradientReportInput, implied: Quartiles | null): { lambda: number | null; from: GradientReport['lambda_from'] } {
  if (lambda === 'none') return { lambda: 0, from: 'none' };
  if (lambda !== null) return { lambda: lambda.value, from: lambda.from };
  return { lambda: implied?.median ?? null, from: 'implied' };
}

function groupOf(figures: GradientFigures, features: readonly number[]): GradientGroup {
  const of = (values: Float64Array): Quartiles | null => quartiles(features.map((i) => values[i]!).filter(Number.isFinite));
  return { features: features.length, share: of(figures.share), cos_l1_encoder: of(figures.cosL1Encoder), cos_encoder_decoder: of(figures.cosEncoderDecoder), bias: of(figures.bias), encoder_norm: of(figures.norm) };
}

function decadesOf(sums: GradientSums, fired: Uint32Array, group: (features: readonly number[]) => GradientGroup): GradientDecade[] {
  const decades = new Map<number, number[]>();
  for (const i of fired) {
    // A density of 1 belongs to the last decade below.
    const low = Math.min(-1, Math.floor(Math.log10(sums.counts[i]! / sums.rows)));
    decades.set(low, [...(decades.get(low) ?? []), i]);
  }
  return [...decades].sort(([a], [b]) => a - b).map(([low, features]) => ({ low, ...group(features) }));
}

async function meanGradients({ sums, encoder, seed }: GradientReportInput, figures: GradientFigures, steps: Float64Array, fired: Uint32Array, rare: Uint32Array, pace: Pace): Promise<MeanGradient[]> {
  const d = sums.shape.d_in;
  const isRare = new Uint8Array(sums.shape.d_sae);
  for (const i of rare) isRare[i] = 1;
  const found: MeanGradient[] = [];
  for (const over of ['all', 'rare'] as const) {
    const features = over === 'all' ? fired : rare;
    const cosines = (items: Uint32Array): number[] => {
      const [rbar, plain, weighted] = [new Float64Array(d), new Float64Array(d), new Float64Array(d)];
      for (const at of items) {
        const i = features[at]!;
        const weight = figures.densityAtZero[i]!;
        for (let c = 0, from = i * d; c < d; c++, from++) {
          if (isRare[i] === 1) rbar[c] = rbar[c]! + encoder[from]!;
          plain[c] = plain[c]! + steps[from]!;
          weighted[c] = weighted[c]! + weight * steps[from]!;
        }
      }
      return [cosine(plain, 0, rbar, 0, d), cosine(weighted, 0, rbar, 0, d)];
    };
    const [cos_unweighted, cos_weighted] = await bootstrapAll(features.length, 2, cosines, { seed, replicates: affordable(3 * features.length * d), pace });
    found.push({ over, cos_unweighted: cos_unweighted!, cos_weighted: cos_weighted! });
  }
  return found;
}

async function optimisersOf({ sums, encoder, seed }: GradientReportInput, rare: Uint32Array, pace: Pace): Promise<OptimiserDirection[]> {
  const d = sums.shape.d_in;
  const found: OptimiserDirection[] = [];
  for (const rows of ['everywhere', 'firing'] as const) {
    for (const optimiser of ['sgd', 'adam'] as const) {
      const everywhere = optimiserDirection(optimiser, sums.input, sums.inputSquares, sums.rows);
      const directions = Array.from(rare, (i) => (rows === 'everywhere' ? everywhere : optimiserDirection(optimiser, sums.fire.subarray(i * d, (i + 1) * d), sums.fireSquares.subarray(i * d, (i + 1) * d), sums.counts[i]!)));
      const cosineOfMeans = (items: Uint32Array): number => {
        const [rbar, mean] = [new Float64Array(d), new Float64Array(d)];
        for (const at of items) {
          const direction = directions[at]!;
          for (let c = 0, from = rare[at]! * d; c < d; c++, from++) {
            rbar[c] = rbar[c]! + encoder[from]!;
            mean[c] = mean[c]! + direction[c]!;
          }
        }
        return cosine(rbar, 0, mean, 0, d);
      };
      found.push({
        rows,
        optimiser,
        cos_features: quartiles(directions.map((direction, at) => cosine(encoder, rare[at]! * d, direction, 0, d)).filter(Number.isFinite)),
        cos_mean: await bootstrap(rare.length, cosineOfMeans, { seed, replicates: affordable(2 * rare.length * d), pace }),
      });
    }
  }
  return found;
}
