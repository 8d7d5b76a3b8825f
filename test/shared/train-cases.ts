/**
 * The objectives that training backends are held to, with parameters and rows on which no
 * decision (what fires, what is among the k largest, what lies in a threshold's window)
 * is within rounding of being another.
 */
import { parametersOf, sizeOf, type AuxK, type Objective, type Penalty, type Selection } from '../../engine/train/objective.js';
import type { Parameters, StepControls } from '../../engine/train/session.js';
import { gaussian } from './random.js';
import { gradientsOf } from './train-oracle-gradients.js';

export interface TrainCase {
  readonly name: string;
  readonly objective: Objective;
  readonly parameters: Parameters;
  readonly x: Float32Array;
  readonly rows: number;
  readonly controls: StepControls;
}

/** rows, d, d_sae */
export type CaseShape = readonly [number, number, number];

/** An objective before it has a shape. */
interface Recipe {
  readonly name: string;
  readonly selection: Selection;
  readonly penalty?: Penalty;
  readonly rest?: Partial<Objective>;
  readonly controls?: Partial<StepControls>;
  /** Widths as shares of d_sae. */
  readonly groups?: readonly number[];
  /** One of the few that are tested at every shape. */
  readonly core?: true;
}

const RELU: Selection = { kind: 'relu' };
const TOPK: Selection = { kind: 'topk', byDecoderNorm: false };
const BATCH: Selection = { kind: 'batchtopk', byDecoderNorm: false };
const JUMP = { kind: 'jumprelu', bandwidth: 0.4, oneSided: false, steToInput: false } as const;
const L1: Penalty = { kind: 'l1', byDecoderNorm: false };
const L1_NORM: Penalty = { kind: 'l1', byDecoderNorm: true };
const AUXK: AuxK = { k: 3, coefficient: 0.5, relu: true, scaleByDead: false, normalize: 'none', includeBDec: false };

const RECIPES: readonly Recipe[] = [
  { name: 'relu', selection: RELU },
  { name: 'relu, l1', selection: RELU, penalty: L1 },
  { name: 'relu, l1 by decoder norm, mean over dims', core: true, selection: RELU, penalty: L1_NORM, rest: { mse: 'mean' } },
  { name: 'relu, l1, b_dec in the output alone', selection: RELU, penalty: L1, rest: { applyBDecToInput: false } },
  ...[1, 0.7, 0.3].flatMap((p): Recipe[] => [
    { name: `relu, sum f^${p}`, selection: RELU, penalty: { kind: 'lp', root: false }, controls: { p, pNext: 0.5 } },
    { name: `relu, (sum f^${p})^1/${p}`, selection: RELU, penalty: { kind: 'lp', root: true }, controls: { p, pNext: 0.5 } },
  ]),
  { name: 'relu, ghost gradients', selection: RELU, penalty: L1, rest: { ghost: true } },
  { name: 'relu, AuxK', selection: RELU, penalty: L1, rest: { auxk: AUXK } },
  { name: 'topk', selection: TOPK },
  { name: 'topk, mean over dims, b_dec in the output alone', selection: TOPK, rest: { mse: 'mean', applyBDecToInput: false } },
  { name: 'topk by decoder norm, l1', selection: { kind: 'topk', byDecoderNorm: true }, penalty: L1_NORM },
  { name: 'topk, k of 0', selection: TOPK, controls: { k: 0 } },
  { name: 'topk, k above d_sae', selection: TOPK, controls: { k: 10_000 } },
  { name: 'topk, AuxK over the variance', selection: TOPK, rest: { auxk: { ...AUXK, normalize: 'variance' } } },
  { name: 'topk, AuxK not rectified, scaled by the dead, with b_dec', core: true, selection: TOPK, rest: { auxk: { ...AUXK, k: 40, relu: false, scaleByDead: true, includeBDec: true } } },
  { name: 'topk, groups, AuxK, ghost gradients', core: true, selection: TOPK, rest: { auxk: AUXK, ghost: true }, groups: [0.3, 0.6, 1] },
  { name: 'topk, AuxK and ghost gradients, nothing dead', selection: TOPK, rest: { auxk: AUXK, ghost: true }, controls: { dead: null } },
  { name: 'batchtopk', selection: BATCH, controls: { k: 2.6 } },
  { name: 'batchtopk by decoder norm, groups', core: true, selection: { kind: 'batchtopk', byDecoderNorm: true }, groups: [0.4, 1], controls: { k: 2.6 } },
  { name: 'batchtopk, AuxK with b_dec, over the variance', selection: BATCH, rest: { auxk: { ...AUXK, includeBDec: true, normalize: 'variance' } } },
  { name: 'relu, groups', selection: RELU, penalty: L1, groups: [0.25, 0.5, 1], rest: { mse: 'mean' } },
  { name: 'jumprelu, l0', selection: JUMP, penalty: { kind: 'l0' } },
  { name: 'jumprelu, l0, one-sided', selection: { ...JUMP, oneSided: true }, penalty: { kind: 'l0' } },
  { name: 'jumprelu, target l0, through to the input', core: true, selection: { ...JUMP, steToInput: true }, penalty: { kind: 'l0-target', target: 2 } },
  { name: 'jumprelu, target l0, one-sided, AuxK', selection: { ...JUMP, oneSided: true }, penalty: { kind: 'l0-target', target: 2 }, rest: { auxk: AUXK } },
  { name: 'jumprelu, tanh, pre-activation loss', core: true, selection: { ...JUMP, steToInput: true }, penalty: { kind: 'tanh', scale: 4 }, rest: { preActivationCoefficient: 0.2 } },
  { name: 'jumprelu, l1, groups, b_dec in the output alone', selection: JUMP, penalty: L1, groups: [0.5, 1], rest: { applyBDecToInput: false } },
  { name: 'gated, auxiliary decoder detached', selection: { kind: 'gated', detachAuxDecoder: true }, penalty: L1 },
  { name: 'gated, auxiliary decoder attached, l1 by decoder norm', core: true, selection: { kind: 'gated', detachAuxDecoder: false }, penalty: L1_NORM },
  { name: 'gated, mean over dims, b_dec in the output alone', selection: { kind: 'gated', detachAuxDecoder: false }, penalty: L1, rest: { mse: 'mean', applyBDecToInput: false } },
];

/** Parameters of the size that training meets: decoder rows of no particular length, thresholds of which some are below 0. */
export function randomParameters(objective: Objective, seed: number): Parameters {
  const next = gaussian(seed);
  const scale = 1 / Math.sqrt(objective.d);
  return Object.fromEntries(
    parametersOf(objective).map((name) => [name, Float32Array.from({ length: sizeOf(objective, name) }, () => (name.startsWith('W') ? scale * next() : name === 'threshold' ? 0.25 + 0.2 * next() : 0.2 * next()))]),
  );
}

/** Rows with a mean, [rows, d]. */
export function randomRows(rows: number, d: number, seed: number): Float32Array {
  const next = gaussian(seed);
  return Float32Array.from({ length: rows * d }, () => 0.3 + next());
}

/** An objective without extras, but for what is given. */
export function plainObjective(given: Pick<Objective, 'd' | 'd_sae' | 'selection' | 'groups'> & Partial<Objective>): Objective {
  return { applyBDecToInput: true, penalty: { kind: 'none' }, mse: 'sum', groupWeights: given.groups.map(() => 1), auxk: null, ghost: false, preActivationCoefficient: 0, ...given };
}

/** How far decisions stay from being others, in units of what rounding may do. */
const SAFE = 4;

function makeCase({ name, selection, penalty = { kind: 'none' }, rest = {}, controls = {}, groups = [1] }: Recipe, [rows, d, d_sae]: CaseShape): TrainCase {
  const widths = [...new Set(groups.map((share) => Math.max(1, Math.round(share * d_sae))))];
  const objective = plainObjective({ d, d_sae, selection, penalty, groups: widths, groupWeights: widths.map((_, g) => 1 - 0.25 * g), ...rest });
  const dead = Uint8Array.from({ length: d_sae }, (_, i) => Number(i % 3 === 1));
  const given: StepControls = { step: 1, lr: 1e-3, coefficient: 0.3, p: 0.7, pNext: null, k: Math.min(3, d_sae), dead, ...controls };
  for (let seed = 1; seed < 200; seed++) {
    const parameters = randomParameters(objective, seed);
    const x = randomRows(rows, d, 1000 + seed);
    if (gradientsOf(objective, parameters, x, rows, given).margin > SAFE) return { name: `${name}; ${rows} rows, ${d} -> ${d_sae}`, objective, parameters, x, rows, controls: given };
  }
  throw new Error(`${name}: no decisions are clear of rounding`);
}

/** Every objective, or with `core` a few that have every part between them, at every shape. */
export function trainCases(shapes: readonly CaseShape[], core = false): TrainCase[] {
  return RECIPES.filter((recipe) => !core || recipe.core === true).flatMap((recipe) => shapes.map((shape) => makeCase(recipe, shape)));
}
