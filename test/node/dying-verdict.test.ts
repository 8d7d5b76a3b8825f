/** The verdict's rules on planted evidence: each prediction is supported, refuted and left open by figures that were made so; more data never unsettles. */
import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import { CLAIMS } from '../../engine/dying/claims.js';
import { NO_EVIDENCE, type ComparedEvidence, type DyingEvidence } from '../../engine/dying/evidence.js';
import type { CohortReport, EvolutionReport, RunFigures } from '../../engine/dying/evolution-report.js';
import { PREDICTION_IDS, type Outcome, type PredictionId, type PredictionResult } from '../../engine/dying/predictions.js';
import { difference, medianOf, ratioOfShares, rowsToTell, share } from '../../engine/dying/verdict-rules.js';
import { verdict } from '../../engine/dying/verdict.js';
import type { Recipe } from '../../engine/train/recipe.js';

const e = (value: number, half = 0.01) => ({ value, low: value - half, high: value + half });
const q = (median: number, spread = 0.01) => ({ q25: median - spread, median, q75: median + spread });
const nul = (median: number, half = 0.1) => ({ replicates: 99, median, low: median - half, high: median + half, p_above: 0.5, p_below: 0.5 });
const group = (over: Record<string, unknown> = {}) => ({ features: 400, de: q(0), bias: q(-0.2), own_cosine: q(0.9), above_95: 0, offset_cosine: 0.9, encoder_leading_share: 0.8, decoder_leading_share: 0.1, ...over });
const slope = (pooled: object) => ({ features: 400, silent: 0, frames: 8, from: 300, to: 12000, pooled, median: -1, falling: 300, level: 100, rising: 0, scatter: 0.5 });

/** Reports hold more than a rule reads: what is planted is what is read. */
type Loose = Record<string, unknown>;
const directions = (over: Loose = {}): Partial<DyingEvidence> => ({ directions: { rare: group(), live: group({ features: 600, de: q(1) }), dead: group(), proposed: [], collapse: [], ...over } as never });
const proposed = (closed: object, mean: object, top: object, random: object) => [['closed_form', closed], ['inverse_covariance', mean], ['minus_mean', mean], ['top_component', top], ['random', random]].map(([name, cosine]) => ({ name, cosine, features: null }));
const collapse = (rms: object, counting: number, shuffled: number) => [{ direction: 'closed_form', features: 400, rms, bias: 0, counting_rms: counting, shuffled: nul(shuffled), rank_correlation: e(0.8) }];
const cofiring = (fano: object, nestedness: object): Partial<DyingEvidence> => ({ cofiring: { features: 400, firings: 9000, fano, fano_null: nul(1, 0.05), max_share: 0.2, max_share_null: nul(0.01), nestedness, nestedness_null: nul(0.1), pairs: 50 } as never });
const gradients = (share_: object, correlation: object, cosine: number): Partial<DyingEvidence> => ({ gradients: { lambda: 2.5, lambda_from: 'run', share_density: correlation, cos_null: 0.125, rare: { features: 400, share: share_, cos_encoder_decoder: q(cosine) }, live: { share: q(0.3) } } as never });
const conspiracy = (per: object): Partial<DyingEvidence> => ({ conspiracy: { features: 400, firing: 390, mse: 1, mass: 0.01, ablation: per, alone: per, interaction: e(0), per_mass: per, shuffled: { interaction: nul(0), ablation: nul(0) }, live: { per_mass: nul(1), features: 40 } } as never });
const spectrum = (cosines: number[], participation: number): Partial<DyingEvidence> => {
  const largest = cosines.reduce((best, cosine, index) => (cosine > best.cosine ? { cosine, index } : best), { cosine: 0, index: 0 });
  return { hyperplane: { spectra: [{ matrix: 'centred_rows', rank: 64, singular_values: [], cosines, largest, participation, random: { largest: [0.35, 0.25, 0.45], participation: [22, 15, 30] } }], rare_events: [], sequence: { points: [] }, depth: { depth: 0.1 }, profile: { points: [] } } as never };
};
const profile = (ratio: number, spread: number): Partial<DyingEvidence> => ({ hyperplane: { spectra: [], rare_events: [], rows: 1000, depth: { depth: 0.001 }, profile: { points: Array.from({ length: 40 }, (_, i) => ({ feature: i, beta: 1, psi: 1e-6, probability: 1e-6 * 10 ** (ratio + (i % 2 === 0 ? spread : -spread)) })) } } as never });

const RECIPE: Partial<Recipe> = { arch: 'standard', optimizer: 'adam', l1: 2.5, b_dec: 'zero', batch: 2048, steps: 12000, lr: 1e-3, d_sae: 1000 };
const cohort = (name: CohortReport['name'], pooled: object | null, over: Loose = {}): CohortReport => ({ name, features: 400, median_log10: [-1, -4], median_interval: [], silent: [0, 20], slope: pooled === null ? null : slope(pooled), from: 300, regimes: [{ regime: 'below', from: 300, to: 12000, slope: pooled === null ? null : slope(pooled) }], survival: [], ...over }) as CohortReport;
const evolution = (cohorts: CohortReport[], over: Loose = {}): EvolutionReport => ({ steps: [0, 100, 300, 3000, 12000], below_1e_4: [0, 0, 0, 100, 500], cohorts, mode: null, recipe: RECIPE, ...over }) as unknown as EvolutionReport;
const figures = ({ dead = 50, rare = 500, cohorts = [cohort('rare', e(-1))], over = {}, own_cosine = q(0.9), bias = q(-0.2) }: { dead?: number; rare?: number; cohorts?: CohortReport[]; over?: Loose; own_cosine?: object; bias?: object } = {}): RunFigures =>
  ({ name: 'x', evolution: evolution(cohorts, over), classes: { dead, ultralow: 0, rare, live: 1000 - dead - rare, dense: 0 }, groups: { rare: group({ features: rare, own_cosine, bias }), dead: group(), live: group() } }) as unknown as RunFigures;
const other = (recipe: Partial<Recipe>, its: RunFigures, over: Partial<ComparedEvidence> = {}): ComparedEvidence => ({ name: 'other', recipe: { ...RECIPE, ...recipe }, hook: 'blocks.2.hook_resid_post', generator: null, figures: its, planted: null, ...over });
const planted = (slope_: object | null) => runs([other({}, figures(), { generator: 'rare', hook: null, planted: { features: 32, found: 20, missed: 1e-4, ratio: 1.5, from: 6000, slope: slope_ as never } })]);
const runs = (compared: ComparedEvidence[], over: Partial<DyingEvidence> = {}): Partial<DyingEvidence> => ({ recipe: RECIPE, hook: 'blocks.2.hook_resid_post', own: figures(), compared, ...over });
const following = (pooled: object): Partial<DyingEvidence> => ({ recipe: RECIPE, evolution: evolution([cohort('rare', pooled)]) });
const mode = (pooled: object): Partial<DyingEvidence> => ({ evolution: evolution([], { mode: { mode: [], firing: [400], silent: [10], censored: [false], slope: pooled, from: 300, frames: 6 } }) });
const level = (median: number, half = 0.02) => figures({ cohorts: [cohort('final', null, { median_log10: [-1, median], median_interval: [[-1.1, -0.9], [median - half, median + half]] })] });

/** Data that end along w*. */
const BOUNDED = { rare_events: [{ models: [{ model: 'gpd', shape: -0.95 }] }], spectra: [], profile: { points: [] }, depth: { depth: 0 }, sequence: { points: [] } } as never;

const CASES: readonly (readonly [PredictionId, Outcome, Partial<DyingEvidence>])[] = [
  ['T1', 'supports', directions({ proposed: proposed(e(0.95), e(0.9), e(0.2), e(0, 0.25)) })],
  ['T1', 'refutes', directions({ proposed: proposed(e(0.8), e(0.9), e(0.2), e(0, 0.25)) })],
  ['T1', 'refutes', directions({ proposed: proposed(e(0.1), e(0.1), e(0.2), e(0, 0.25)) })],
  ['T1', 'cannot-tell', directions({ proposed: proposed(e(0.905), e(0.9), e(0.2), e(0, 0.25)) })],
  ['T1', 'cannot-tell', directions({ rare: group({ features: 0 }) })],
  ['T2', 'supports', directions({ collapse: collapse(e(0.1), 0.1, 0.8) })],
  ['T2', 'refutes', directions({ collapse: collapse(e(0.5), 0.1, 0.8) })],
  ['T2', 'cannot-tell', directions({ collapse: collapse(e(0.15), 0.1, 0.8) })],
  ['T2', 'cannot-tell', directions({ collapse: collapse(e(0.1), 0.1, 0.1) })],
  ['T3', 'supports', cofiring(e(9), e(0.9))],
  ['T3', 'refutes', cofiring(e(1), e(0.1))],
  ['T3', 'cannot-tell', cofiring(e(9), e(0.1))],
  ['T3', 'cannot-tell', cofiring(e(1.5), e(0.9))],
  ['T4', 'supports', following(e(-1, 0.1))],
  ['T4', 'refutes', following(e(0, 0.1))],
  ['T4', 'refutes', following(e(-5, 0.1))],
  ['T4', 'cannot-tell', following(e(-1, 0.8))],
  ['T4', 'supports', { ...following(e(-2, 0.1)), hyperplane: BOUNDED }],
  ['T4', 'refutes', { ...following(e(-0.1, 0.1)), hyperplane: BOUNDED }],
  ['T4', 'cannot-tell', { ...following(e(0, 0.1)), recipe: { ...RECIPE, arch: 'topk' } }],
  ['T6', 'cannot-tell', { ...mode(e(-0.2, 0.2)), recipe: { ...RECIPE, arch: 'topk' } }],
  ['T5', 'supports', planted(e(0.02))],
  ['T5', 'cannot-tell', planted(null)],
  ['T5', 'refutes', planted(e(-0.5))],
  ['T5', 'cannot-tell', planted(e(-0.05, 0.2))],
  ['T6', 'supports', mode(e(-1, 0.2))],
  ['T6', 'refutes', mode(e(-0.2, 0.2))],
  ['T6', 'cannot-tell', mode(e(-0.6, 0.2))],
  ['T7', 'supports', runs([other({ l1: 5 }, level(-4))], { own: level(-4) })],
  ['T7', 'refutes', runs([other({ l1: 5 }, level(-4.3))], { own: level(-4) })],
  ['T7', 'cannot-tell', runs([other({ l1: 5 }, level(-4.15))], { own: level(-4) })],
  ['T7', 'supports', runs([other({ optimizer: 'sgd', l1: 5 }, level(-4.3))], { own: level(-4), recipe: { ...RECIPE, optimizer: 'sgd' } })],
  ['T7', 'refutes', runs([other({ optimizer: 'sgd', l1: 5 }, level(-4))], { own: level(-4), recipe: { ...RECIPE, optimizer: 'sgd' } })],
  ['T7', 'cannot-tell', runs([other({ l1: 5, batch: 64 }, level(-4))], { own: level(-4) })],
  ['T7', 'cannot-tell', runs([other({ l1: 5 }, level(-4), { hook: 'blocks.2.hook_mlp_out' })], { own: level(-4) })],
  ['T7', 'cannot-tell', runs([other({ l1: 5 }, level(-4), { generator: 'rare' })], { own: level(-4) })],
  ['T8', 'supports', runs([other({ deflate: 'mean' }, figures({ dead: 5, rare: 50 }))])],
  ['T8', 'refutes', runs([other({ deflate: 'mean' }, figures({ dead: 50, rare: 500 }))])],
  ['T8', 'cannot-tell', runs([other({ deflate: 'mean' }, figures({ dead: 30, rare: 320 }))])],
  ['T9', 'supports', runs([other({ b_dec: 'mean' }, figures({ dead: 5, rare: 50 }))])],
  ['T9', 'supports', runs([other({ b_dec: 'mean' }, figures({ own_cosine: q(0.3), bias: q(-1) }))])],
  ['T9', 'refutes', runs([other({ b_dec: 'mean' }, figures())])],
  ['T9', 'cannot-tell', runs([other({ b_dec: 'mean' }, figures({ own_cosine: q(0.3) }))])],
  ['T10', 'supports', runs([other({}, figures({ dead: 10, rare: 600 }), { hook: 'blocks.2.mlp.hook_post' })], { own: figures({ dead: 300, rare: 200 }) })],
  ['T10', 'refutes', runs([other({}, figures({ dead: 300, rare: 200 }), { hook: 'blocks.2.mlp.hook_post' })], { own: figures({ dead: 10, rare: 600 }) })],
  ['T10', 'cannot-tell', runs([other({}, figures(), { hook: 'blocks.2.mlp.hook_post' })])],
  ['T10', 'supports', runs([other({}, figures({ dead: 300, rare: 200 }))], { own: figures({ dead: 10, rare: 600 }), hook: 'blocks.2.mlp.hook_post' })],
  ['T11', 'supports', directions()],
  ['T11', 'refutes', directions({ rare: group({ de: q(0.8) }) })],
  ['T11', 'cannot-tell', directions({ rare: group({ de: q(0.15) }) })],
  ['T12', 'supports', gradients(q(0.9), e(-0.5), 0.05)],
  ['T12', 'refutes', gradients(q(0.2), e(-0.5), 0.05)],
  ['T12', 'cannot-tell', gradients(q(0.9), e(-0.5), 0.6)],
  // A TopK SAE has no penalty, and therefore no share of it.
  ['T12', 'cannot-tell', { gradients: { ...gradients(q(0), e(-0.5), 0.05).gradients!, lambda: 0, lambda_from: 'none' } }],
  ['T13', 'supports', conspiracy(e(0.05))],
  ['T13', 'refutes', conspiracy(e(0.9))],
  ['T13', 'cannot-tell', conspiracy(e(0.25, 0.1))],
  ['T14', 'supports', spectrum([0.1, 0.4, 0.3, 0.2], 9)],
  ['T14', 'refutes', spectrum([0.95, 0.1], 1.1)],
  ['T14', 'cannot-tell', spectrum([0.6, 0.5, 0.4], 4)],
  ['T15', 'supports', runs([other({ noise: 0.5 }, figures({ cohorts: [cohort('rare', e(-0.1))] }))])],
  ['T15', 'supports', runs([other({ noise: 0.5 }, figures({ dead: 0, rare: 0, cohorts: [] }))])],
  ['T15', 'refutes', runs([other({ noise: 0.5 }, figures())])],
  ['T15', 'cannot-tell', runs([other({ noise: 0.5 }, figures({ cohorts: [cohort('rare', e(-0.5, 0.2))] }))])],
  ['T16', 'supports', profile(0.3, 0.2)],
  ['T16', 'refutes', profile(4, 0.2)],
  ['T16', 'cannot-tell', profile(1.5, 0.2)],
  ['T17', 'supports', runs([other({ arch: 'topk', l1: 0 }, figures({ cohorts: [cohort('rare', e(0))] }))])],
  ['T17', 'refutes', runs([other({ arch: 'topk', l1: 0 }, figures({ cohorts: [cohort('rare', e(-1))] }))])],
  ['T17', 'cannot-tell', runs([other({ arch: 'topk', l1: 0 }, figures({ cohorts: [cohort('rare', e(-0.2, 0.2))] }))])],
  ['T17', 'cannot-tell', runs([other({ arch: 'topk', l1: 0, auxk: 0.03 }, figures({ cohorts: [cohort('rare', e(0))] }))])],
];

const BASE: DyingEvidence = { ...NO_EVIDENCE, tokens: 100_000 };
const of = (id: PredictionId, evidence: DyingEvidence): PredictionResult => verdict(evidence).find((one) => one.id === id) as PredictionResult;

for (const [id, outcome, evidence] of CASES) {
  test(`${id}: ${outcome}`, () => {
    const found = of(id, { ...BASE, ...evidence });
    assert.equal(found.outcome, outcome, found.reason);
    assert.equal(found.claim, CLAIMS[id].claim);
    assert.ok(found.reason.length > 20 && !/NaN|undefined/.test(found.reason), found.reason);
    if (outcome === 'cannot-tell') return;
    assert.equal(found.needs_tokens, null, 'what can be told needs nothing');
    if (found.interval !== null && found.value !== null) assert.ok(found.interval[0] <= found.value && found.value <= found.interval[1]);
  });
}

test('every prediction is planted with all three outcomes', () => {
  for (const id of PREDICTION_IDS) assert.deepEqual([...new Set(CASES.filter((one) => one[0] === id).map((one) => one[1]))].sort(), ['cannot-tell', 'refutes', 'supports'], id);
});

test('without evidence nothing can be told, and each says what is missing', () => {
  for (const { outcome, reason, value } of verdict(NO_EVIDENCE)) {
    assert.deepEqual([outcome, value], ['cannot-tell', null]);
    assert.match(reason, /did not run|It takes/);
  }
});

/** Every estimate drawn in towards its value, as more of the same data would. */
function drawnIn<T>(value: T, share_: number): T {
  if (Array.isArray(value)) return value.map((one: unknown) => drawnIn(one, share_)) as T;
  if (typeof value !== 'object' || value === null) return value;
  // The range of chance directions is no estimate.
  if ((value as { name?: unknown }).name === 'random') return value;
  const { value: centre, low, high } = value as { value?: unknown; low?: unknown; high?: unknown };
  if (typeof centre === 'number' && typeof low === 'number' && typeof high === 'number') return { ...value, low: centre - share_ * (centre - low), high: centre + share_ * (high - centre) };
  return Object.fromEntries(Object.entries(value).map(([key, one]) => [key, drawnIn(one as unknown, share_)])) as T;
}

test('more of the same data never unsettles what was settled', () => {
  fc.assert(
    fc.property(fc.constantFrom(...CASES), fc.double({ min: 0, max: 1, noNaN: true }), ([id, outcome, evidence], closer) => {
      if (outcome === 'cannot-tell') return;
      assert.equal(of(id, drawnIn({ ...BASE, ...evidence }, closer)).outcome, outcome);
    }),
  );
});

test('rows to tell: after so many, an interval that narrows as 1 / sqrt(rows) clears the limit', () => {
  fc.assert(
    fc.property(fc.double({ min: -2, max: 2, noNaN: true }), fc.double({ min: 0.01, max: 2, noNaN: true }), fc.double({ min: -2, max: 2, noNaN: true }), fc.integer({ min: 1000, max: 1e6 }), (value, half, limit, rows) => {
      const needed = rowsToTell({ value, low: value - half, high: value + half }, limit, rows);
      if (needed === null) return;
      assert.ok(needed >= rows);
      assert.ok(half * Math.sqrt(rows / needed) <= Math.abs(value - limit) * (1 + 1e-9));
    }),
  );
  assert.equal(rowsToTell({ value: 1, low: 0, high: 2 }, 1, 100), null, 'on the limit, no number is enough');
});

test('intervals: against the formulas, written out in another language', () => {
  // Wilson, 10 of 100, in Python's floats
  const wilson = share(10, 100)!;
  assert.ok(Math.abs(wilson.low - 0.0552291370606751) < 1e-15 && Math.abs(wilson.high - 0.17436566150491345) < 1e-15);
  // Katz's log interval by hand: 20.5/100.5 over 40.5/100.5
  const ratio = ratioOfShares(20, 100, 40, 100)!;
  const sd = Math.sqrt(1 / 20.5 - 1 / 100.5 + 1 / 40.5 - 1 / 100.5);
  assert.ok(Math.abs(ratio.value - 20.5 / 40.5) < 1e-12 && Math.abs(Math.log(ratio.high / ratio.value) - 1.959963984540054 * sd) < 1e-12);
  assert.ok(ratioOfShares(0, 100, 40, 100)!.low > 0, 'no count at all still has an interval');
  assert.deepEqual(difference({ value: 3, low: 0, high: 7 }, { value: 1, low: -3, high: 4 }), { value: 2, low: 2 - Math.hypot(3, 3), high: 2 + Math.hypot(4, 4) });
});

test('the interval of a median holds it as often as it says', () => {
  let state = 1;
  const normal = (): number => {
    const uniform = (): number => (state = (state * 48271) % 2147483647) / 2147483647;
    return Math.sqrt(-2 * Math.log(uniform())) * Math.cos(2 * Math.PI * uniform());
  };
  let held = 0;
  for (let trial = 0; trial < 1000; trial++) {
    const sorted = Array.from({ length: 101 }, normal).sort((a, b) => a - b);
    const { low, high } = medianOf({ q25: sorted[25]!, median: sorted[50]!, q75: sorted[75]! }, 101)!;
    if (low <= 0 && 0 <= high) held++;
  }
  assert.ok(held > 925 && held < 975, String(held));
});
