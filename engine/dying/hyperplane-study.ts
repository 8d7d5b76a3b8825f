/**
 * Everything that is asked of the hyperplane of least firing, on one set of rows, in order: the solver at
 * b = 0 and at the rare features' bias, the proof, the path, the sequence, depth and profile, nulls,
 * singular bases, the one-class SVM, and tails. What each is, is said where it is computed.
 */
import { UsageError } from '../errors.js';
import { Pace } from '../pace.js';
import { clopperPearson } from '../statistics.js';
import { closedForm, dataHyperplane, inverseCovarianceDirection, type DataHyperplane, type StartDirection } from './data-hyperplane.js';
import { biasPath, gaussianKappas, orthogonalSequence } from './data-sequence.js';
import { symmetricEigen } from './eigen.js';
import { chooseRows, cosine, dot, PAUSE_EVERY, preactivations, rowMoments, type FrameRows, type RowMoments } from './frame-rows.js';
import { orthogonalHyperplanes } from './gaussian-hyperplane.js';
import { hyperplaneNulls, splitHalf } from './hyperplane-nulls.js';
import { profileReport, type ProfileFeatures } from './hyperplane-profile.js';
import type { DepthReport, HyperplaneReport, HyperplaneSolution, OneClassReport, RareEventReport, SequenceReport, SpectrumReport } from './hyperplane-report.js';
import { cholesky } from './cholesky.js';
import { upperTail } from './normal.js';
import { oneClassSvm } from './one-class-svm.js';
import { tailRate } from './rare-event.js';
import { separableByChance, separate, silentAxes } from './separation.js';
import { directionSpectrum, rawGram, type MatrixName } from './singular-basis.js';
import { tukeyDepth } from './tukey-depth.js';

export interface NamedDirection {
  readonly name: string;
  /** [d] of length 1 */
  readonly w: Float64Array;
  readonly b: number;
}

export interface StudyInput {
  /** Rows that count once each, seen from b_dec. */
  readonly frame: FrameRows;
  /** Of the whole stream, in the same frame. */
  readonly moments: RowMoments;
  readonly total: number;
  readonly origin: HyperplaneReport['origin'];
  /** [rows] place in the stream, and token ids. */
  readonly index: ArrayLike<number>;
  readonly tokens: ArrayLike<number> | null;
  /** Rare features, w_i of any length; none where weights are not held. */
  readonly rare: ProfileFeatures;
  readonly edge: number;
  /** Gram matrices M' M of the SAE's own matrices. */
  readonly grams: readonly { readonly matrix: MatrixName; readonly gram: Float64Array }[];
}

export interface StudyOptions {
  readonly sequence?: number | undefined;
  readonly replicates?: number | undefined;
  readonly nullRows?: number | undefined;
  readonly seed?: number | undefined;
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: ((done: number, what: string) => void) | undefined;
}

export interface HyperplaneStudy {
  readonly report: HyperplaneReport;
  /** The first is w*, of least activation at b = 0; the second its complement. */
  readonly directions: readonly NamedDirection[];
  /** w* . x~ of every row. */
  readonly z: Float64Array;
}

const MARGIN_BINS = 64;
const MOST_VIOLATING = 64;
const NUS = [0.1, 0.01, 0.001] as const;

export async function studyHyperplane(input: StudyInput, options: StudyOptions = {}): Promise<HyperplaneStudy> {
  const { frame, moments, rare, total, origin, edge } = input;
  const { d, rows } = frame;
  const { sequence = 6, replicates = 5, nullRows = 16_384, seed = 0, signal, onProgress } = options;
  const pace = new Pace(signal, PAUSE_EVERY);
  const own = await rowMoments(frame, signal);
  const directions: NamedDirection[] = [];
  const solutions: HyperplaneSolution[] = [];
  const rareEvents: RareEventReport[] = [];
  const z = new Float64Array(rows);
  const at = async (w: Float64Array, b: number): Promise<Float64Array> => {
    await preactivations(frame, w, b, z, pace);
    return z;
  };
  const keep = async (name: string, found: DataHyperplane): Promise<void> => {
    directions.push({ name, w: found.best.w, b: found.b });
    solutions.push(solutionOf(name, found, await at(found.best.w, found.b), input));
    const tail = await tailOf(name, z.slice(), signal);
    if (tail !== null) rareEvents.push(tail);
  };

  onProgress?.(0, 'least activation at b = 0');
  const shared = { moments: own, seed, signal };
  const zero = await dataHyperplane(frame, { ...shared, objective: 'activation' });
  await keep('w*', zero);
  const star = zero.best.w;
  directions.push({ name: 'complement', w: await complementOf(own, star, signal), b: 0 });
  onProgress?.(0.1, 'least rate at b = 0');
  const fromZero: StartDirection[] = [{ from: 'least activation', w: star }];
  const rate = await dataHyperplane(frame, { ...shared, objective: 'rate', starts: fromZero });
  await keep('rate b=0', rate);
  const { medianB, meanDirection } = rareFigures(rare, d);
  if (medianB !== null && medianB !== 0) {
    onProgress?.(0.2, "at the rare features' bias");
    await keep('rare b', await dataHyperplane(frame, { ...shared, b: medianB, objective: 'activation', starts: [...fromZero, ...(meanDirection === null ? [] : [{ from: 'rare mean', w: meanDirection }])] }));
  }
  onProgress?.(0.3, 'separation');
  const proof = await separate(frame, { signal });
  if (proof.w !== null) directions.push({ name: 'separating', w: proof.w, b: 0 });

  onProgress?.(0.35, 'path over biases');
  const sd = Math.sqrt(trace(moments));
  const scale = sd / Math.sqrt(d);
  const path = await biasPath(frame, [-4, -2, -1, -0.5, -0.25, 0, 0.5, 1, 2, 4].map((step) => step * scale), zero, { moments: own, signal });
  onProgress?.(0.45, 'orthogonal sequence');
  const points = await orthogonalSequence(frame, { count: sequence, moments: own, seed, signal });
  points.forEach(({ w }, k) => directions.push({ name: `sequence ${k + 1}`, w, b: 0 }));
  onProgress?.(0.55, 'depth');
  const depth = await depthReport(input, own, [...fromZero, { from: 'least rate', w: rate.best.w }], seed, signal);
  onProgress?.(0.65, 'profile');
  const profile = await profileReport(frame, own, [star, rate.best.w], rare, { seed, signal });
  profile.directions.forEach((w, k) => directions.push({ name: `profile ${k + 1}`, w, b: 0 }));
  onProgress?.(0.75, 'nulls');
  const few = rows > nullRows ? chooseRows(frame, Float64Array.from({ length: nullRows }, (_, i) => Math.floor((i * rows) / nullRows))) : frame;
  const nulls = await hyperplaneNulls(few, { replicates, seed, signal });
  onProgress?.(0.9, 'singular vectors');
  const spectra: SpectrumReport[] = [];
  for (const { matrix, gram } of [{ matrix: 'rows' as const, gram: rawGram(moments, frame) }, { matrix: 'centred_rows' as const, gram: moments.covariance }, ...input.grams]) spectra.push(await directionSpectrum(gram, star, { matrix, seed, signal }));
  onProgress?.(0.95, 'one-class SVM');
  const oneClass: OneClassReport[] = [];
  for (const nu of NUS) {
    const { rho, w, outside, support, gap, violation, trivial } = await oneClassSvm(frame, nu, { signal });
    oneClass.push({ nu, rho, outside, support, gap, violation: rho > 0 ? violation / rho : 0, cosine: trivial ? 0 : -cosine(w, star) });
  }
  const meanNorm = Math.sqrt(dot(moments.mean, moments.mean));
  const report: HyperplaneReport = {
    d,
    rows,
    total,
    origin,
    mean_norm: meanNorm,
    sd_norm: sd,
    gamma: sd > 0 ? meanNorm / sd : 0,
    rare: { edge, features: rare.features.length, median_b: medianB },
    solutions,
    separation: {
      rows,
      d,
      verdict: proof.verdict,
      epsilon: proof.epsilon,
      support: proof.certificate?.rows.length ?? 0,
      pivots: proof.pivots,
      by_chance: separableByChance(rows, d),
      perfect_axes: silentAxes(frame).reduce((count, sign) => count + Math.abs(sign), 0),
    },
    path: path.points,
    sequence: sequenceReport(points, moments),
    depth,
    profile: profile.report,
    nulls,
    spectra,
    one_class: oneClass,
    rare_events: rareEvents,
    cos_rare_mean: meanDirection === null ? null : cosine(star, meanDirection),
    caveats: caveatsOf(rows, total, d, oneClass),
  };
  onProgress?.(1, 'done');
  return { report, directions, z: (await at(star, 0)).slice() };
}

function caveatsOf(rows: number, total: number, d: number, oneClass: readonly OneClassReport[]): string[] {
  const caveats = ['Minima over directions are upper bounds of the true ones, except where a proof is given; w* is chosen on the rows that it is judged on: see nulls.'];
  if (rows < total) caveats.push(`Solved on ${rows} of ${total} rows.`);
  if (rows < 2 * d) caveats.push(`${rows} rows in ${d} dimensions are separable by chance (Cover 1965): take at least ${10 * d}.`);
  if (oneClass.some(({ rho }) => rho === 0)) caveats.push('Where rho is 0 the origin lies among the rows at that nu, and the one-class SVM has no hyperplane.');
  return caveats;
}

function solutionOf(name: string, found: DataHyperplane, z: Float64Array, { moments, index, tokens }: StudyInput): HyperplaneSolution {
  const { best, b, objective } = found;
  const inverse = inverseCovarianceDirection(moments);
  const form = closedForm(moments, b, objective);
  const order = Array.from(z.keys()).filter((r) => z[r]! > 0).sort((a, c) => z[c]! - z[a]!).slice(0, MOST_VIOLATING);
  return {
    name,
    objective,
    b,
    firing: best.firing,
    rows: z.length,
    probability: { value: best.probability, ...clopperPearson(best.firing, z.length) },
    activation: best.activation,
    kappa: found.kappa,
    gaussian_probability: upperTail(found.kappa),
    cos_closed_form: form === null ? null : cosine(best.w, form.w),
    cos_inverse_covariance: inverse === null ? null : cosine(best.w, inverse),
    cos_mean: dot(moments.mean, moments.mean) > 0 ? -cosine(best.w, moments.mean) : null,
    starts: found.ends.map(({ from, activation, probability, evaluations }) => ({ from, activation, probability, evaluations })),
    cosines: found.cosines,
    optima: found.optima,
    violating: order.map((r) => ({ row: index[r]!, token: tokens?.[r] ?? null, z: z[r]! })),
    margins: histogram(z),
  };
}

function histogram(z: Float64Array): HyperplaneSolution['margins'] {
  const low = z.reduce((a, c) => Math.min(a, c), Infinity);
  const high = z.reduce((a, c) => Math.max(a, c), -Infinity);
  const counts = new Array<number>(MARGIN_BINS).fill(0);
  const width = (high - low) / MARGIN_BINS;
  for (const value of z) {
    const bin = width > 0 ? Math.min(MARGIN_BINS - 1, Math.floor((value - low) / width)) : 0;
    counts[bin] = counts[bin]! + 1;
  }
  return { edges: Array.from({ length: MARGIN_BINS + 1 }, (_, i) => low + i * width), counts };
}

/** The median of b_i / ||w_i||, and the direction of the mean encoder column. */
function rareFigures({ w, b, features }: ProfileFeatures, d: number): { medianB: number | null; meanDirection: Float64Array | null } {
  if (features.length === 0) return { medianB: null, meanDirection: null };
  const mean = new Float64Array(d);
  const offsets = new Float64Array(features.length);
  for (let i = 0; i < features.length; i++) {
    const own = w.subarray(i * d, (i + 1) * d);
    offsets[i] = b[i]! / Math.sqrt(dot(own, own));
    for (let c = 0; c < d; c++) mean[c] = mean[c]! + own[c]!;
  }
  const sorted = offsets.filter(Number.isFinite).sort();
  const length = Math.sqrt(dot(mean, mean));
  return { medianB: sorted[sorted.length >> 1] ?? null, meanDirection: length > 0 ? mean.map((value) => value / length) : null };
}

function sequenceReport(points: Awaited<ReturnType<typeof orthogonalSequence>>, moments: RowMoments): SequenceReport {
  const gaussian = moments.d <= 256 && cholesky(moments.covariance, moments.d) !== null && dot(moments.mean, moments.mean) > 0 ? orthogonalHyperplanes(moments, points.length) : [];
  return {
    points: points.map(({ probability, activation, kappa }, k) => ({ k: k + 1, name: `sequence ${k + 1}`, probability, activation, kappa, gaussian_kappa: gaussian[k]?.kappa ?? null, gaussian_probability: gaussian[k]?.probability ?? null })),
    perfect: points.filter(({ probability }) => probability === 0).length,
    kappa_2: gaussianKappas(moments)?.second ?? null,
  };
}

async function depthReport({ frame }: StudyInput, moments: RowMoments, starts: readonly StartDirection[], seed: number, signal: AbortSignal | undefined): Promise<DepthReport> {
  const { depth, exact } = await tukeyDepth(frame, { moments, starts, random: 1, seed, signal });
  const centred: FrameRows = { ...frame, origin: Float64Array.from(frame.origin, (value, c) => value + moments.mean[c]!) };
  const mean = await tukeyDepth(centred, { moments: { ...moments, mean: new Float64Array(moments.d) }, random: 2, seed, signal, directions: 50 });
  const { held_out } = await splitHalf(frame, { objective: 'rate', seed, signal });
  return { rows: frame.rows, depth, exact, log_concave_floor: Math.exp(-1), mean_depth: mean.depth, held_out };
}

/** Null where the rows are too few for a tail, or the tail is one value. */
async function tailOf(name: string, z: Float64Array, signal: AbortSignal | undefined): Promise<RareEventReport | null> {
  try {
    return await tailRate(name, z, signal);
  } catch (error) {
    if (error instanceof UsageError) return null;
    throw error;
  }
}

/** The direction of most variance orthogonal to w. */
async function complementOf({ d, covariance }: RowMoments, w: Float64Array, signal: AbortSignal | undefined): Promise<Float64Array> {
  const image = Float64Array.from({ length: d }, (_, a) => dot(covariance.subarray(a * d, (a + 1) * d), w));
  const along = dot(image, w);
  // P Sigma P, and what belongs to w pushed below all else.
  const projected = covariance.map((value, at) => {
    const [a, c] = [Math.floor(at / d), at % d];
    return value - w[a]! * image[c]! - image[a]! * w[c]! + (along - 1) * w[a]! * w[c]!;
  });
  return (await symmetricEigen(projected, d, signal)).vectors.slice(0, d);
}

function trace({ d, covariance }: RowMoments): number {
  let sum = 0;
  for (let c = 0; c < d; c++) sum += covariance[c * d + c]!;
  return sum;
}
