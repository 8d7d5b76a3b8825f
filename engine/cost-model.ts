/**
 * What encode costs on the backends of this machine, as a function of the shape:
 * pure functions of a calibration (engine/calibrate.ts measures one in about a
 * second, engine/cost-cache.ts keeps it).
 *
 * One call of encode on [rows, d_in] with d_sae features takes
 *
 *   launch + input rows d_in + select rows d_sae + d_in d_sae max(weights, product rows)
 *
 * seconds: what a call costs before any work (submission, readback, a worker's
 * hop); moving the rows; looking at each pre-activation; and then either reading
 * every weight once, which is all that a small batch does (or multiplying a tile
 * that a few rows do not fill), or the multiply-adds: a roofline of two lines. The
 * five factors are fitted to six measured shapes, none of them negative, with
 * errors taken relative to the time: a millisecond counts in a call of two.
 *
 * Encode alone is modelled: decode and the analyses go on active features, some
 * tens of thousands, and cost little beside it.
 */
import type { BackendKind } from './backend.js';

/** How a row's features are chosen: against a threshold each, or the k largest. */
export type SelectionRule = 'threshold' | 'topk';
export type EncodeMethod = 'dense' | 'screened';

export interface CostShape {
  /** Rows of one call. */
  readonly rows: number;
  readonly d_in: number;
  readonly d_sae: number;
  readonly rule: SelectionRule;
}

/** The five factors, in seconds; none is negative. */
export interface CostTerms {
  readonly launch: number;
  /** per value of the input */
  readonly input: number;
  /** per weight of the encoder, where rows are few */
  readonly weights: number;
  /** per pre-activation */
  readonly select: number;
  /** per multiply-add */
  readonly product: number;
}

/** One measured shape. */
export interface CostPoint {
  readonly rows: number;
  readonly d_in: number;
  readonly d_sae: number;
  /** Median of a few calls. */
  readonly seconds: number;
}

export interface CostFit {
  readonly method: EncodeMethod;
  readonly rule: SelectionRule;
  readonly terms: CostTerms;
  /** The largest relative error at the measured points. */
  readonly error: number;
  readonly points: readonly CostPoint[];
  /** screened: the share of pre-activations that were computed in f32, on random data at an L0 of 32; else null. */
  readonly survivorRatio: number | null;
}

export interface BackendCalibration {
  readonly backend: BackendKind;
  readonly description: string;
  /** Computes on the CPU although it is WebGPU. */
  readonly software: boolean;
  /** From nothing to the first result: compiling, above all. Paid once a process. */
  readonly setUpSeconds: number;
  /** Per weight of encoder and decoder, to load an SAE. */
  readonly loadSecondsPerWeight: number;
  readonly fits: readonly CostFit[];
  /** Why there are no fits, where there are none. */
  readonly problem: string | null;
}

export interface Calibration {
  readonly format: 1;
  /** What it is true for: machine, runtime, backends, saekit's version. */
  readonly key: string;
  /** What measuring took. */
  readonly seconds: number;
  readonly backends: readonly BackendCalibration[];
}

export interface Prediction {
  readonly backend: BackendKind;
  readonly method: EncodeMethod;
  readonly software: boolean;
  /** One call. */
  readonly seconds: number;
  /** Before the first call: setting the backend up and loading the SAE. */
  readonly before: number;
}

const NAMES = ['launch', 'input', 'weights', 'select', 'product'] as const satisfies readonly (keyof CostTerms)[];

type Size = Pick<CostPoint, 'rows' | 'd_in' | 'd_sae'>;

/** Seconds of one call. */
export function costOf({ rows, d_in, d_sae }: Size, { launch, input, weights, select, product }: CostTerms): number {
  return launch + input * rows * d_in + select * rows * d_sae + d_in * d_sae * Math.max(weights, product * rows);
}

/** The factors' coefficients for a shape of which it is known which of the two lines it lies on. */
function coefficients({ rows, d_in, d_sae }: Size, small: boolean): readonly number[] {
  const work = d_in * d_sae;
  return [1, rows * d_in, small ? work : 0, rows * d_sae, small ? 0 : rows * work];
}

/** Points that a fit needs: one more than it has factors. */
export const FEWEST_POINTS = NAMES.length + 1;

/**
 * Non-negative least squares of relative errors. With five factors and six points
 * everything can be tried: up to which number of rows the weights decide, and
 * which factors are zero. Of the solutions without a negative factor, the best.
 *
 * @param points at least FEWEST_POINTS, with positive times
 * @throws RangeError for fewer: the factors would not be determined
 */
export function fitTerms(points: readonly CostPoint[]): { terms: CostTerms; error: number } {
  if (points.length < FEWEST_POINTS) throw new RangeError(`${points.length} points do not determine a fit, ${FEWEST_POINTS} are needed`);
  const lossOf = (terms: CostTerms): number => points.reduce((sum, point) => sum + (costOf(point, terms) / point.seconds - 1) ** 2, 0);
  let best: CostTerms = { launch: 0, input: 0, weights: 0, select: 0, product: 0 };
  let bestLoss = Infinity;
  for (const limit of new Set([0, ...points.map(({ rows }) => rows)])) {
    // Each equation divided by its time: the sum of factor x size / seconds should be 1.
    const equations = points.map((point) => coefficients(point, point.rows <= limit).map((size) => size / point.seconds));
    const scale = NAMES.map((_, column) => Math.max(...equations.map((row) => row[column]!)));
    for (let subset = 1; subset < 2 ** NAMES.length; subset++) {
      const columns = NAMES.flatMap((_, column) => ((subset >> column) & 1 ? [column] : []));
      if (columns.some((column) => scale[column] === 0)) continue;
      const solution = leastSquares(equations.map((row) => columns.map((column) => row[column]! / scale[column]!)));
      if (solution === null || solution.some((factor) => !(factor >= 0))) continue;
      const factors: number[] = NAMES.map(() => 0);
      columns.forEach((column, at) => (factors[column] = solution[at]! / scale[column]!));
      const [launch = 0, input = 0, weights = 0, select = 0, product = 0] = factors;
      const terms = { launch, input, weights, select, product };
      // By the model itself: where the lines cross elsewhere than was supposed, this is no solution.
      const loss = lossOf(terms);
      if (loss < bestLoss) [best, bestLoss] = [terms, loss];
    }
  }
  return { terms: best, error: Math.max(...points.map((point) => Math.abs(costOf(point, best) / point.seconds - 1))) };
}

/** x of min ||A x - 1||, by the normal equations and elimination with pivoting; null where A has not full rank. */
function leastSquares(A: readonly (readonly number[])[]): number[] | null {
  const n = A[0]?.length ?? 0;
  const system = Array.from({ length: n }, (_, i) => [...Array.from({ length: n }, (_, j) => A.reduce((sum, row) => sum + row[i]! * row[j]!, 0)), A.reduce((sum, row) => sum + row[i]!, 0)]);
  for (let column = 0; column < n; column++) {
    let pivot = column;
    for (let row = column + 1; row < n; row++) if (Math.abs(system[row]![column]!) > Math.abs(system[pivot]![column]!)) pivot = row;
    [system[column], system[pivot]] = [system[pivot]!, system[column]!];
    const own = system[column]!;
    if (Math.abs(own[column]!) < 1e-13) return null;
    for (let row = 0; row < n; row++) {
      if (row === column) continue;
      const other = system[row]!;
      const factor = other[column]! / own[column]!;
      for (let at = column; at <= n; at++) other[at] = other[at]! - factor * own[at]!;
    }
  }
  return system.map((row, at) => row[n]! / row[at]!);
}

/** What a shape costs by every way that was measured, the cheapest call first. */
export function predict(shape: CostShape, calibration: Calibration): Prediction[] {
  const { rule, d_in, d_sae } = shape;
  return calibration.backends
    .flatMap(({ backend, software, setUpSeconds, loadSecondsPerWeight, fits }) =>
      fits
        .filter((fit) => fit.rule === rule)
        .map(({ method, terms }): Prediction => ({ backend, method, software, seconds: costOf(shape, terms), before: setUpSeconds + 2 * d_in * d_sae * loadSecondsPerWeight })),
    )
    .sort((a, b) => a.seconds - b.seconds);
}

export interface Choice extends Prediction {
  /** Setting up, loading, and all calls. */
  readonly total: number;
  /** The cheapest way of the other backend, by total; null where there is one backend. */
  readonly instead: (Prediction & { readonly total: number }) | null;
}

export interface ChooseByCostOptions {
  /** How often encode will be called: what starts slowly must have time to pay off. Default 1. */
  readonly calls?: number;
  /** Ways that may not be taken. */
  readonly allow?: (prediction: Prediction) => boolean;
}

/** A software GPU must be this much cheaper: it takes the cores that everything else runs on. */
const SOFTWARE_MARGIN = 1.3;

/** The cheapest way for a number of calls; null where nothing was measured. Pure. */
export function chooseByCost(shape: CostShape, calibration: Calibration, options: ChooseByCostOptions = {}): Choice | null {
  const { calls = 1, allow = () => true } = options;
  const ways = predict(shape, calibration)
    .filter(allow)
    .map((prediction) => ({ ...prediction, total: prediction.before + calls * prediction.seconds }))
    .sort((a, b) => rank(a) - rank(b));
  const [best] = ways;
  if (best === undefined) return null;
  return { ...best, instead: ways.find(({ backend }) => backend !== best.backend) ?? null };
}

function rank({ backend, software, total }: Prediction & { total: number }): number {
  return backend === 'webgpu' && software ? total * SOFTWARE_MARGIN : total;
}

/** Whether something that was read back is a calibration for this key. */
export function isCalibration(value: unknown, key: string): value is Calibration {
  const calibration = value as Partial<Calibration> | null;
  const number = (x: unknown): boolean => typeof x === 'number' && Number.isFinite(x) && x >= 0;
  return (
    typeof calibration === 'object' &&
    calibration !== null &&
    calibration.format === 1 &&
    calibration.key === key &&
    number(calibration.seconds) &&
    Array.isArray(calibration.backends) &&
    calibration.backends.every(
      (backend: BackendCalibration) =>
        (backend.backend === 'wasm' || backend.backend === 'webgpu') &&
        typeof backend.description === 'string' &&
        number(backend.setUpSeconds) &&
        number(backend.loadSecondsPerWeight) &&
        Array.isArray(backend.fits) &&
        backend.fits.every((fit) => ['dense', 'screened'].includes(fit.method) && ['threshold', 'topk'].includes(fit.rule) && Array.isArray(fit.points) && NAMES.every((name) => number(fit.terms?.[name]))),
    )
  );
}
