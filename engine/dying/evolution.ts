/**
 * How the densities of a run's features evolved, from its frames: cohorts with their slopes and
 * survival, the mode of the rare cluster, b_dec's way, and which way features died.
 *
 * A slope is only taken over frames after the one by which its cohort was chosen: features that
 * are chosen for having fired little return to their mean in the next count, and a cohort that is
 * chosen by how it ends falls by construction. The un-reset control, `spared`, is a random
 * share of what resampling would have replaced, from the first resampling on.
 *
 * The laws that the slopes are held against are in density-law.ts: Adam's change at densities
 * 1 / B and (1 - beta2) / B, so that a cohort's frames are also taken apart by its median density.
 */
import type { Recipe } from '../train/recipe.js';
import { Pace } from '../pace.js';
import { CLASS_EDGES } from '../pack/schema.js';
import { ruleOfThree } from '../statistics.js';
import { adamKnees } from './adam-step.js';
import { biasLedger, biasShare, firingMeans, type EncoderFrame } from './bias-share.js';
import { choosingFrame, cohortMembers, type CohortMembers, type Cohorts } from './cohorts.js';
import { densityMode } from './density-mode.js';
import type { CohortReport, CohortSlope, EvolutionReport } from './evolution-report.js';
import { encoderRowsOf } from './frames.js';
import type { FeatureSlope } from './rates-reports.js';
import { rarityCurve } from './rates-survival.js';
import type { DyingFrame } from './record.js';
import { RARE_EDGE, type HeldRows, type RunFrames } from './run-frames.js';
import { cohortSlope } from './slope.js';

export interface EvolutionOptions {
  readonly run?: string | null | undefined;
  readonly status?: string | null | undefined;
  readonly recipe?: Partial<Recipe> | null | undefined;
  readonly cohorts?: Cohorts | null | undefined;
  readonly held: HeldRows;
  readonly edge?: number | undefined;
  /** Features of a cohort whose slopes are fitted, evenly spaced among its members; default 384. */
  readonly slopeFeatures?: number | undefined;
  readonly seed?: number | undefined;
  readonly signal?: AbortSignal | undefined;
}

export interface Evolution {
  readonly report: EvolutionReport;
  /** Slopes by feature, of the cohorts that have them. */
  readonly slopes: readonly { readonly cohort: CohortReport['name']; readonly slope: FeatureSlope }[];
}

const SLOPE_FEATURES = 384;
/** Densities that survival is asked at. */
const SURVIVAL_EDGES = [1e-3, 1e-4, 1e-5] as const;
const SLOPED: readonly CohortReport['name'][] = ['reset', 'spared', 'rare', 'adrift', 'live'];
/** Features whose E[x~ | fires] is looked at, and multiply-adds of a call. */
const LEDGER_FEATURES = 256;
const LEDGER_WORK = 2e7;

export async function evolutionOf(run: RunFrames, options: EvolutionOptions): Promise<Evolution> {
  const { recipe = null, cohorts = null, held, edge = RARE_EDGE, seed = 0, signal } = options;
  const { frames, mean } = run;
  const steps = frames.map(({ step }) => step);
  const members = cohortMembers(frames, cohorts, edge);
  const chosen = choosingFrame(frames, edge);
  const knees = recipe?.optimizer === 'adam' && recipe.batch !== undefined && recipe.beta2 !== undefined ? adamKnees(recipe.batch, recipe.beta2) : null;
  const reports: CohortReport[] = [];
  const slopes: Evolution['slopes'][number][] = [];
  for (const member of members) {
    const { report, fitted } = await cohortReport(frames, member, knees, options);
    reports.push(report);
    slopes.push(...fitted.map((slope) => ({ cohort: member.name, slope })));
  }
  const final = members.find(({ name }) => name === 'final')!;
  const offsets = frames.map(({ b_dec }) => offsetOf(run, mean, b_dec));
  const last = run.rare_column.at(-1) ?? null;
  const fossil = offsets.map((offset) => cosine(last, offset));
  const count = (holds: (k: number, rows: number) => boolean): number[] => frames.map(({ counts, rows }) => counts.reduce((sum, k) => sum + (holds(k, rows) ? 1 : 0), 0));
  const single = frames.length === 1;
  const report: EvolutionReport = {
    run: options.run ?? null,
    status: options.status ?? null,
    recipe,
    d: mean.length,
    features: frames[0]!.counts.length,
    rows: frames.at(-1)!.rows,
    edge,
    steps,
    tokens: frames.map(({ tokens }) => tokens),
    dead: count((k) => k === 0),
    below_1e_5: count((k, rows) => k > 0 && k < 1e-5 * rows),
    below_1e_4: count((k, rows) => k > 0 && k < 1e-4 * rows),
    live: count((k, rows) => k >= edge * rows),
    knees,
    chosen_step: chosen < 0 ? null : steps[chosen]!,
    cohorts: reports,
    mode: single ? null : await densityMode(frames, final.features, chosen < 0 ? 1 : steps[chosen]! + 1, { seed, signal }),
    mean_distance: offsets.map((offset) => Math.sqrt(offset.reduce((sum, value) => sum + value * value, 0))),
    rare_offset_cosine: run.rare_column.map((column, at) => cosine(column, offsets[at]!)),
    fossil: last === null ? null : { cosine: fossil, best_step: bestOf(fossil, steps) },
    bias_share: single ? null : await deathsBy(run, held, cohorts, edge, { seed, signal }),
    caveats: caveatsOf(frames, members, recipe, options),
  };
  return { report, slopes };
}

type Knees = EvolutionReport['knees'];

async function cohortReport(frames: readonly DyingFrame[], { name, features, from }: CohortMembers, knees: Knees, { slopeFeatures = SLOPE_FEATURES, seed = 0, signal }: EvolutionOptions): Promise<{ report: CohortReport; fitted: readonly FeatureSlope[] }> {
  const stride = Math.max(1, Math.ceil(features.length / slopeFeatures));
  const some = features.filter((_, at) => at % stride === 0);
  const slopeOver = async (chosen: readonly DyingFrame[]): Promise<{ slope: CohortSlope | null; fitted: readonly FeatureSlope[] }> => {
    const later = chosen.filter(({ step }) => step >= Math.max(1, from));
    if (later.length < 3 || !some.some((i) => later.some(({ counts }) => counts[i]! > 0))) return { slope: null, fitted: [] };
    const { by_feature, ...slope } = await cohortSlope({ steps: later.map(({ step }) => step), rows: later.map(({ rows }) => rows), counts: later.map(({ counts }) => counts), features: some }, { seed, samples: 300, signal });
    return { slope, fitted: by_feature };
  };
  const sorted = frames.map(({ counts }) => Float64Array.from(features, (i) => counts[i]!).sort());
  const medians = frames.map(({ rows }, at) => medianLog(sorted[at]!, rows));
  const whole = SLOPED.includes(name) ? await slopeOver(frames) : { slope: null, fitted: [] };
  const regimes: CohortReport['regimes'][number][] = [];
  if (knees !== null && whole.slope !== null && name !== 'live') {
    for (const [regime, low, high] of [['above', knees.batch, Infinity], ['between', knees.memory, knees.batch], ['below', 0, knees.memory]] as const) {
      const within = frames.filter(({ step }, at) => step >= Math.max(1, from) && medians[at] !== null && 10 ** medians[at]! >= low && 10 ** medians[at]! < high);
      if (within.length > 0) regimes.push({ regime, from: within[0]!.step, to: within.at(-1)!.step, slope: (await slopeOver(within)).slope });
    }
  }
  const later = frames.filter(({ step }) => name !== 'reset' || step >= from);
  const told = SURVIVAL_EDGES.filter((below) => later.length > 1 && later.every(({ rows }) => ruleOfThree(rows) <= below));
  return {
    report: {
      name,
      features: features.length,
      median_log10: medians,
      median_interval: frames.map(({ rows }, at) => medianInterval(sorted[at]!, rows)),
      silent: frames.map(({ counts }) => features.reduce((sum, i) => sum + (counts[i] === 0 ? 1 : 0), 0)),
      slope: whole.slope,
      from,
      regimes,
      survival: told.map((below) => rarityCurve({ steps: later.map(({ step }) => step), rows: later.map(({ rows }) => rows), counts: later.map(({ counts }) => counts), features, below })),
    },
    fitted: whole.fitted,
  };
}

/** Median of log10 density over a cohort's ascending counts; null where it is that of a feature without firings. */
function medianLog(sorted: Float64Array, rows: number): number | null {
  const n = sorted.length;
  if (n === 0) return null;
  const [a, b] = [sorted[(n - 1) >> 1]!, sorted[n >> 1]!];
  return a > 0 ? (Math.log10(a / rows) + Math.log10(b / rows)) / 2 : null;
}

/**
 * Of ascending counts those n / 2 -+ 1.96 sqrt(n) / 2 places from the least, as log10 densities: the median of the
 * population lies between them 95 times of 100, whatever its distribution.
 */
export function medianInterval(sorted: Float64Array, rows: number): readonly [number, number] | null {
  const n = sorted.length;
  const half = 0.979981992270027 * Math.sqrt(n);
  const [low, high] = [Math.floor(n / 2 - half), Math.ceil(n / 2 + half)];
  if (low < 0 || high > n - 1) return null;
  return sorted[low]! > 0 ? [Math.log10(sorted[low]! / rows), Math.log10(sorted[high]! / rows)] : null;
}

/** [d] -(mu - b_dec): where features die to. Of an SAE that does not subtract b_dec, -mu. */
function offsetOf({ last }: RunFrames, mean: Float64Array, b_dec: Float32Array): Float64Array {
  return mean.map((value, c) => (last.applyBDecToInput ? b_dec[c]! : 0) - value);
}

function cosine(a: ArrayLike<number> | null, b: ArrayLike<number>): number | null {
  if (a === null) return null;
  let [ab, aa, bb] = [0, 0, 0];
  for (let c = 0; c < b.length; c++) {
    ab += a[c]! * b[c]!;
    aa += a[c]! ** 2;
    bb += b[c]! ** 2;
  }
  return aa > 0 && bb > 0 ? Math.max(-1, Math.min(1, ab / Math.sqrt(aa * bb))) : null;
}

function bestOf(values: readonly (number | null)[], steps: readonly number[]): number | null {
  let best = -1;
  values.forEach((value, at) => {
    if (value !== null && (best < 0 || value > values[best]!)) best = at;
  });
  return best < 0 ? null : steps[best]!;
}

/** The bias's share in the fall of features that were above the edge in the first frame and are below it in the last. */
async function deathsBy({ frames, first, last, mean }: RunFrames, held: HeldRows, cohorts: Cohorts | null, edge: number, { seed, signal }: { readonly seed: number; readonly signal: AbortSignal | undefined }): Promise<EvolutionReport['bias_share']> {
  const [start, end] = [frames[0]!, frames.at(-1)!];
  const died = Array.from(start.counts, (_, i) => i).filter((i) => start.counts[i]! >= edge * start.rows && end.counts[i]! < edge * end.rows && (cohorts?.of[i] ?? 0) !== 1);
  if (died.length === 0) return null;
  const stride = Math.ceil(died.length / LEDGER_FEATURES);
  const some = died.filter((_, at) => at % stride === 0);
  const frameOf = async (sae: typeof last, features: readonly number[]): Promise<EncoderFrame> => ({ encoder: await encoderRowsOf(sae, features, signal), bias: Float32Array.from(features, (i) => sae.b_enc[i]!), b_dec: sae.applyBDecToInput ? sae.b_dec : new Float32Array(mean.length) });
  const before = await frameOf(first, some);
  const ledger = biasLedger(before, await frameOf(last, some), mean, some.map((_, at) => at)).map((line, at) => ({ ...line, feature: some[at]! }));
  const pace = new Pace(signal, 20);
  const d = mean.length;
  const rows = Math.max(1, Math.min(held.rows, Math.floor(LEDGER_WORK / (8 * d))));
  const firing = new Float64Array(some.length * d);
  for (let at = 0; at < some.length; at += 8) {
    const piece = Array.from({ length: Math.min(8, some.length - at) }, (_, j) => at + j);
    firing.set(firingMeans(before, held.x, rows, piece), at * d);
    if (pace.isDue) await pace.pause();
  }
  return biasShare(ledger, { firing, mean: mean.map((value, c) => value - (before.b_dec[c]! + (last.applyBDecToInput ? last.b_dec[c]! : 0)) / 2), seed });
}

function caveatsOf(frames: readonly DyingFrame[], members: readonly CohortMembers[], recipe: Partial<Recipe> | null, { slopeFeatures = SLOPE_FEATURES, edge = RARE_EDGE }: EvolutionOptions): string[] {
  const rows = frames.at(-1)!.rows;
  const floor = ruleOfThree(rows);
  const large = members.filter(({ name, features }) => SLOPED.includes(name) && features.length > slopeFeatures).map(({ name }) => name);
  return [
    `${rows} rows: a feature that fired on none of them has a density below ${floor.toPrecision(2)} at 95 %`,
    ...(frames.length === 1 ? ['one frame: without a training run there is nothing to follow'] : []),
    ...(frames.length > 1 && floor > edge ? [`the rows cannot tell rare features, below ${edge}, from dead ones: ${Math.ceil(3 / edge)} would`] : []),
    ...(large.length > 0 ? [`slopes of ${large.join(', ')} are of ${slopeFeatures} features at most, evenly spaced among them`] : []),
    ...(frames.length > 1 && (recipe?.resample ?? 'none') === 'none' ? ['nothing was resampled: every feature is its own control'] : []),
    `classes of densities: rare below ${CLASS_EDGES.rare}, ultralow below ${CLASS_EDGES.ultralow}`,
  ];
}
