/** The predictions about training: T4 to T10, T15, T17, from the run's own checkpoints and from runs beside it. The rules are in claims.ts. */
import type { Recipe } from '../train/recipe.js';
import type { ComparedEvidence, DyingEvidence } from './evidence.js';
import type { CohortReport, EvolutionReport, RunFigures } from './evolution-report.js';
import type { PredictionResult } from './predictions.js';
import { above, below, difference, missing, num, outcomeOf, ratioOfShares, result, rowsToTell, share, whole, within, type Interval } from './verdict-rules.js';

type Rule = (evidence: DyingEvidence) => PredictionResult;

/** How another run is brought in. */
const BRING = 'give it with --compare';

/** The tail index of the data along w*, as far as it is known: 0, an exponential tail, where it is not. */
export function tailIndex({ hyperplane }: Pick<DyingEvidence, 'hyperplane'>): { readonly xi: number; readonly known: boolean } {
  const shape = hyperplane?.rare_events.flatMap(({ models }) => models).find(({ model }) => model === 'gpd')?.shape;
  return shape === undefined || !Number.isFinite(shape) ? { xi: 0, known: false } : { xi: shape, known: true };
}

const cohort = (evolution: EvolutionReport | null, ...names: readonly CohortReport['name'][]): CohortReport | null => {
  for (const name of names) {
    const found = evolution?.cohorts.find((one) => one.name === name && one.features > 0);
    if (found !== undefined) return found;
  }
  return null;
};

/** The slope that says most, and the law -1 / (base + xi) it is held against. */
function slopeAndLaw(chosen: CohortReport, recipe: Partial<Recipe> | null): { readonly slope: Interval; readonly base: number; readonly where: string } | null {
  const fallback = whole(chosen.slope?.pooled);
  if (recipe?.optimizer === 'sgd') return fallback === null ? null : { slope: fallback, base: 1, where: 'under SGD' };
  for (const [name, base, where] of [['below', 1, 'below (1 − β₂)/B'], ['between', 0.5, 'between 1/B and (1 − β₂)/B']] as const) {
    const regime = chosen.regimes.find((one) => one.regime === name);
    const slope = whole(regime?.slope?.pooled);
    if (slope !== null && (regime?.slope?.frames ?? 0) >= 3) return { slope, base, where };
  }
  return fallback === null ? null : { slope: fallback, base: 0.5, where: 'over all frames, most of them between the knees' };
}

/** Below this sum of base and xi, a tail is bounded so sharply that the law is steeper than any power that can be told from death in finite time. */
const LEAST_EXPONENT = 0.1;
/** Features of a cohort that are enough for a slope. */
const ENOUGH = 10;
/** log10 of the density below which a cohort is on its way out. */
const RARE_LEVEL = -3;

/** The laws of T4 and T6 are of a penalty on activity: an SAE that selects the largest instead has none. */
const isRanked = (recipe: Partial<Recipe> | null): boolean => recipe !== null && ['topk', 'batchtopk', 'matryoshka'].includes(recipe.arch ?? '');
const NO_PENALTY = 'The law is that of a penalty on activity, and this architecture has none: see T17.';

export const t4: Rule = ({ evolution, recipe, hyperplane, tokens }) => {
  if (isRanked(recipe)) return missing('T4', NO_PENALTY);
  if (evolution === null || evolution.steps.length < 3) return missing('T4', 'It takes the checkpoints of the training run (--run), three at least.');
  const rare = cohort(evolution, 'spared', 'rare');
  const chosen = rare !== null && rare.features >= ENOUGH ? rare : (cohort(evolution, 'adrift') ?? rare);
  if (chosen === null) return missing('T4', 'No feature was rare early in the run, so that none can be followed.');
  const { xi, known } = tailIndex({ hyperplane });
  const found = slopeAndLaw(chosen, recipe);
  if (found === null) return missing('T4', 'The cohort’s firings are too few for a slope.');
  const { slope, base, where } = found;
  const who = `${chosen.features} features (${chosen.name}), from step ${chosen.from}, ${where}`;
  const silent = `In the last frame ${chosen.silent.at(-1) ?? 0} of them fire on no row.`;
  const tail = `ξ = ${num(xi, 2)}${known ? '' : ' (an exponential tail; no fit could be had)'}`;
  if (base + xi < LEAST_EXPONENT) {
    // The data end along w*: features there fall faster than by the law of an exponential tail.
    const law = -1 / base;
    return result('T4', {
      interval: slope,
      nullValue: 0,
      nullName: 'equilibrium',
      outcome: outcomeOf(below(slope, law / 1.5), above(slope, law / 2)),
      reason: `${who}: with ${tail} the data end along w*, so that the law is steeper than ${num(law)}, that of an exponential tail. ${silent}`,
      needs: rowsToTell(slope, law / 1.5, tokens),
    });
  }
  const law = -1 / (base + xi);
  const supports = below(slope, 0) && within(slope, 1.5 * law, law / 1.5);
  const refutes = above(slope, law / 2) || below(slope, 2 * law);
  return result('T4', {
    interval: slope,
    nullValue: 0,
    nullName: 'equilibrium',
    outcome: outcomeOf(supports, refutes),
    reason: `${who}: the law is ${num(law)} with ${tail}. ${silent}${refutes && below(slope, 0) ? ' They do fall, but not by the law.' : ''}`,
    needs: rowsToTell(slope, slope.value > law ? law / 1.5 : 1.5 * law, tokens),
  });
};

export const t5: Rule = ({ compared, tokens }) => {
  const planted = compared.find((one) => one.planted !== null);
  if (planted === undefined || planted.planted === null) return missing('T5', `It takes a run on data with planted rare features: saekit train --generate examples/generators/rare-useful.json …, and ${BRING}.`);
  const { features, found, missed, ratio, from, slope: estimate } = planted.planted;
  const slope = whole(estimate);
  if (slope === null) return missing('T5', `${planted.name}: ${found} of ${features} planted features were found by a decoder row, with too few frames or firings for a slope.`);
  return result('T5', {
    interval: slope,
    nullValue: 0,
    nullName: 'equilibrium',
    outcome: outcomeOf(within(slope, -0.1, 0.1), below(slope, -0.1)),
    reason: `${planted.name}: ${found} of ${features} planted rare features were found by a decoder row (cosine above 0.9); they fire ${num(ratio, 2)} times as often as was planted; their slope from step ${from}.${missed === null ? '' : ` Those that were not found fire on at most ${num(missed, 2)} of the rows.`}`,
    needs: rowsToTell(slope, slope.value < 0 ? -0.1 : 0.1, tokens),
  });
};

export const t6: Rule = ({ evolution, recipe, tokens }) => {
  if (isRanked(recipe)) return missing('T6', NO_PENALTY);
  const mode = evolution?.mode ?? null;
  const slope = whole(mode?.slope);
  if (evolution === null || evolution.steps.length < 3) return missing('T6', 'It takes the checkpoints of the training run (--run), three at least.');
  if (slope === null || mode === null) {
    const low = evolution.below_1e_4.at(-1) ?? 0;
    return missing('T6', low === 0 ? 'There is no rare cluster whose mode could move.' : 'In too few frames do enough of the rare features fire for a mode to be seen.');
  }
  return result('T6', {
    interval: slope,
    nullValue: 0,
    nullName: 'equilibrium',
    outcome: outcomeOf(within(slope, -1.5, -1 / 1.5), above(slope, -0.5) || below(slope, -2)),
    reason: `Over ${mode.frames} frames from step ${mode.from}; in the last one ${mode.silent.at(-1) ?? 0} of the cluster fire on no row${mode.censored.at(-1) === true ? ', so that its mode is out of sight' : ''}.`,
    needs: rowsToTell(slope, slope.value > -1 ? -1 / 1.5 : -1.5, tokens),
  });
};

/** Median log10 density, by step, of the features that end rare or dead: where it can be told. */
function medianLevels({ steps, cohorts }: EvolutionReport): Map<number, Interval> {
  const chosen = cohorts.find(({ name, features }) => name === 'final' && features >= ENOUGH);
  return new Map(
    (chosen?.median_log10 ?? []).flatMap((value, at) => {
      const interval = chosen?.median_interval[at] ?? null;
      return value === null || interval === null || steps[at] === 0 ? [] : [[steps[at]!, { value, low: interval[0], high: interval[1] }]];
    }),
  );
}

/** Same in every knob of training but those named. */
function alike(a: Partial<Recipe> | null, b: Partial<Recipe>, except: readonly (keyof Recipe)[]): boolean {
  if (a === null) return false;
  const knobs: readonly (keyof Recipe)[] = ['arch', 'd_sae', 'optimizer', 'lr', 'beta1', 'beta2', 'batch', 'steps', 'b_dec', 'freeze_b_dec', 'l1', 'noise', 'deflate', 'resample'];
  return knobs.every((knob) => except.includes(knob) || JSON.stringify(a[knob] ?? null) === JSON.stringify(b[knob] ?? null) || isOff(knob, a[knob], b[knob]));
}

/** Trained on the same activations: figures of runs on other data differ for that alone. */
const sameData = (a: Pick<DyingEvidence, 'hook' | 'generator'>, b: Pick<DyingEvidence, 'hook' | 'generator'>): boolean => a.hook === b.hook && a.generator === b.generator;

/** Knobs that older runs lack are off there. */
const isOff = (knob: keyof Recipe, a: unknown, b: unknown): boolean => (knob === 'noise' && Number(a ?? 0) === Number(b ?? 0)) || (knob === 'deflate' && (a ?? 'none') === (b ?? 'none'));

interface Pair {
  readonly optimizer: string;
  readonly shift: Interval;
  readonly sgdLaw: number;
  readonly names: string;
}

export const t7: Rule = (evidence) => {
  const { recipe, own, compared, tokens } = evidence;
  const { xi } = tailIndex(evidence);
  const runs = [...(own === null || recipe === null ? [] : [{ name: 'this run', recipe, hook: evidence.hook, generator: evidence.generator, evolution: own.evolution }]), ...compared.map(({ name, recipe: its, hook, generator, figures }) => ({ name, recipe: its, hook, generator, evolution: figures.evolution }))];
  const pairs: Pair[] = [];
  for (const [at, a] of runs.entries()) {
    for (const b of runs.slice(at + 1)) {
      if (a.recipe.l1 === b.recipe.l1 || !(Number(a.recipe.l1) > 0) || !(Number(b.recipe.l1) > 0) || !alike(a.recipe, b.recipe, ['l1']) || !sameData(a, b)) continue;
      const [levelsA, levelsB] = [medianLevels(a.evolution), medianLevels(b.evolution)];
      const step = Math.max(...[...levelsA.keys()].filter((one) => levelsB.has(one)));
      // Before they are rare they have not begun to die by any law.
      const [levelA, levelB] = [levelsA.get(step), levelsB.get(step)];
      if (levelA === undefined || levelB === undefined || levelA.value > RARE_LEVEL) continue;
      pairs.push({ optimizer: a.recipe.optimizer ?? 'adam', shift: difference(levelB, levelA), sgdLaw: -Math.log10(Number(b.recipe.l1) / Number(a.recipe.l1)) / (1 + xi), names: `${a.name} (l1 ${num(a.recipe.l1)}) and ${b.name} (${num(b.recipe.l1)}) at step ${step}` });
    }
  }
  if (pairs.length === 0) return missing('T7', `It takes a second run that differs in its L1 coefficient alone (saekit train … --l1 5; ${BRING}), under Adam, and two under --optimizer sgd for the other half; in each, ${ENOUGH} features must end rare or dead, and half of them still fire at a step at which both are below 10^${RARE_LEVEL}.`);
  // In units of SGD's law: 0 is Adam's prediction, 1 is SGD's.
  const scaled = pairs.map(({ optimizer, shift, sgdLaw }) => {
    const ends = [shift.low / sgdLaw, shift.high / sgdLaw];
    return { optimizer, x: { value: shift.value / sgdLaw, low: Math.min(...ends), high: Math.max(...ends) } };
  });
  const supports = scaled.every(({ optimizer, x }) => (optimizer === 'sgd' ? above(x, 0.5) : within(x, -0.5, 0.5)));
  const refutes = scaled.some(({ optimizer, x }) => (optimizer === 'sgd' ? within(x, -0.5, 0.5) : above(x, 0.5) || below(x, -0.5)));
  const first = pairs[0] as Pair;
  return result('T7', {
    interval: first.shift,
    nullValue: first.optimizer === 'sgd' ? 0 : first.sgdLaw,
    nullName: first.optimizer === 'sgd' ? 'no dependence' : 'SGD’s law',
    outcome: outcomeOf(supports, refutes),
    reason: pairs.map(({ optimizer, shift, sgdLaw, names }) => `${optimizer === 'sgd' ? 'SGD' : 'Adam'}, ${names}: a shift of ${num(shift.value)} decades [${num(shift.low)}, ${num(shift.high)}], by SGD’s law ${num(sgdLaw)}.`).join(' '),
    needs: rowsToTell(first.shift, first.sgdLaw / 2, tokens),
  });
};

const lost = ({ classes, groups }: RunFigures): number => groups.rare.features + classes.dead;
const all = ({ classes }: RunFigures): number => Object.values(classes).reduce((sum, count) => sum + count, 0);
const said = (figures: RunFigures): string => `${figures.classes.dead} dead and ${figures.groups.rare.features} rare of ${all(figures)}`;

export const t8: Rule = (evidence) => {
  const { own, recipe, compared, hyperplane } = evidence;
  const deflated = compared.find((one) => (one.recipe.deflate ?? 'none') !== 'none' && alike(recipe, one.recipe, ['deflate']) && sameData(evidence, one));
  if (own === null || deflated === undefined) return missing('T8', `It takes a run like this one without the direction: saekit train … --deflate mean, and ${BRING}.`);
  const ratio = ratioOfShares(lost(deflated.figures), all(deflated.figures), lost(own), all(own));
  if (ratio === null) return missing('T8', 'There are no features to count.');
  const [first, second] = hyperplane?.sequence.points ?? [];
  return result('T8', {
    interval: ratio,
    nullValue: 1,
    nullName: 'the direction makes no difference',
    outcome: outcomeOf(below(ratio, 0.5), above(ratio, 0.8)),
    reason: `${said(deflated.figures)} in ${deflated.name}, ${said(own)} here. The hyperplanes at b = 0 have κ₁ = ${num(first?.kappa)} (rate ${num(first?.probability)}) and, orthogonal to it, κ₂ = ${num(second?.kappa)} (${num(second?.probability)}).`,
  });
};

export const t9: Rule = (evidence) => {
  const { own, recipe, compared } = evidence;
  const other = compared.find((one) => isCentred(one.recipe) !== isCentred(recipe ?? {}) && alike(recipe, one.recipe, ['b_dec', 'freeze_b_dec']) && sameData(evidence, one));
  if (own === null || recipe === null || other === undefined) return missing('T9', `It takes a run like this one with ${isCentred(recipe ?? {}) ? '--b-dec zero' : '--b-dec mean'}; ${BRING}.`);
  const [mean, zero] = isCentred(recipe) ? [own, other.figures] : [other.figures, own];
  const ratio = ratioOfShares(lost(mean), all(mean), lost(zero), all(zero));
  if (ratio === null) return missing('T9', 'There are no features to count.');
  const [a, b] = [mean.groups.rare, zero.groups.rare];
  const weaker = a.own_cosine !== null && b.own_cosine !== null && a.own_cosine.q75 < b.own_cosine.q25;
  const bigger = a.bias !== null && b.bias !== null && a.bias.q75 < b.bias.q25;
  const supports = below(ratio, 0.5) || (weaker && bigger);
  const refutes = above(ratio, 0.8) && !weaker && !bigger;
  return result('T9', {
    interval: ratio,
    nullValue: 1,
    nullName: 'b_dec makes no difference',
    outcome: outcomeOf(supports, refutes),
    reason: `b_dec from the mean: ${said(mean)}, own cosine ${num(a.own_cosine?.median)}, bias ${num(a.bias?.median)}. From zero: ${said(zero)}, own cosine ${num(b.own_cosine?.median)}, bias ${num(b.bias?.median)}. The shared direction is ${weaker ? '' : 'not '}weaker, the biases are ${bigger ? '' : 'not '}larger.`,
  });
};

const isCentred = ({ b_dec }: Partial<Recipe>): boolean => b_dec === 'mean';
const isMlpActivations = (hook: string | null): boolean => hook !== null && /mlp\.hook_(post|mid)|mlp\.act|hook_mlp_act/.test(hook);

export const t10: Rule = ({ own, hook, recipe, compared }) => {
  const here = isMlpActivations(hook);
  const other = compared.find((one) => one.hook !== null && isMlpActivations(one.hook) !== here && (recipe === null || recipe.arch === one.recipe.arch));
  if (own === null || hook === null || other === undefined) return missing('T10', `It takes a run of this recipe on ${here ? 'a residual stream or an MLP’s output' : 'an MLP’s activations (--hook blocks.2.mlp.hook_post)'}; ${BRING}.`);
  const [mlp, target] = here ? [own, other.figures] : [other.figures, own];
  const [a, b] = [target, mlp].map((figures) => share(figures.classes.dead, lost(figures)));
  if (a === undefined || b === undefined || a === null || b === null) return missing('T10', 'In one of the two no feature is dead or rare.');
  const gap = difference(a, b);
  return result('T10', {
    interval: gap,
    nullValue: 0,
    nullName: 'no difference',
    outcome: outcomeOf(above(gap, 0), below(gap, 0)),
    reason: `${here ? (other.hook ?? other.name) : hook}: ${said(target)}. ${here ? hook : (other.hook ?? other.name)}: ${said(mlp)}.`,
  });
};

export const t15: Rule = (evidence) => {
  const { own, recipe, compared, tokens } = evidence;
  const noisy = compared.find((one) => Number(one.recipe.noise ?? 0) > 0 && alike(recipe, one.recipe, ['noise']) && sameData(evidence, one));
  if (own === null || noisy === undefined) return missing('T15', `It takes a run like this one with isotropic noise: saekit train … --noise 0.5, and ${BRING}.`);
  const [still, noise] = [own, noisy.figures].map(({ evolution }) => whole(cohort(evolution, 'rare')?.slope?.pooled));
  if (noise === undefined || noise === null) {
    // Noise that leaves nothing rare has nothing left whose slope could be taken.
    const [a, b] = [lost(noisy.figures), lost(own)];
    const ratio = ratioOfShares(a, all(noisy.figures), b, all(own));
    const revived = ratio !== null && below(ratio, 0.1);
    return revived ? result('T15', { value: null, outcome: 'supports', nullValue: still?.value ?? null, nullName: 'without noise', reason: `With noise nothing stays rare: ${said(noisy.figures)}, and ${said(own)} without.` }) : missing('T15', `${noisy.name}: no cohort of rare features has a slope.`);
  }
  if (still === undefined || still === null || !(still.value < 0)) return missing('T15', 'Without noise the rare features do not fall here, so that there is nothing for noise to stop.');
  const limit = still.value / 2;
  return result('T15', {
    interval: noise,
    nullValue: still.value,
    nullName: 'without noise',
    outcome: outcomeOf(above(noise, limit), below(noise, limit)),
    reason: `${noisy.name} (noise ${num(noisy.recipe.noise)}): ${said(noisy.figures)}. Without: ${said(own)}.`,
    needs: rowsToTell(noise, limit, tokens),
  });
};

export const t17: Rule = ({ own, recipe, compared, tokens }) => {
  const runs: Pick<ComparedEvidence, 'name' | 'recipe' | 'figures'>[] = [...(own === null || recipe === null ? [] : [{ name: 'this run', recipe, figures: own }]), ...compared];
  const topk = runs.find((one) => (one.recipe.arch === 'topk' || one.recipe.arch === 'batchtopk') && Number(one.recipe.auxk ?? 0) === 0);
  if (topk === undefined) return missing('T17', `It takes a TopK run without AuxK: saekit train … --arch topk --k 16 --auxk 0, and ${BRING}.`);
  const chosen = cohort(topk.figures.evolution, 'rare');
  const slope = whole(chosen?.slope?.pooled);
  const others = runs.find((one) => one.recipe.arch === 'standard');
  const relu = whole(cohort(others?.figures.evolution ?? null, 'rare')?.slope?.pooled);
  if (slope === null || chosen === null) return missing('T17', `${topk.name}: ${said(topk.figures)}; no feature was rare early on and still fires, so that there is no slope to take.`);
  return result('T17', {
    interval: slope,
    nullValue: relu?.value ?? null,
    nullName: relu === null ? '' : 'a ReLU run',
    outcome: outcomeOf(within(slope, -0.25, 0.25), below(slope, -0.25)),
    reason: `${topk.name}: ${chosen.features} features, from step ${chosen.from}; ${said(topk.figures)} in the end.`,
    needs: rowsToTell(slope, slope.value < 0 ? -0.25 : 0.25, tokens),
  });
};
