/**
 * What a training backend checks before its kernels run, because kernels do not look:
 * that an objective's parts fit together, that states have the lengths it says and hold
 * finite numbers, and that a call's rows and controls are its.
 */
import { firstNonFinite } from '../checks.js';
import { NumericError, ShapeError, UsageError } from '../errors.js';
import { parametersOf, sizeOf, type Objective, type Optimizer, type Penalty, type Selection } from './objective.js';
import type { StepControls, TrainState } from './session.js';

const SELECTIONS: readonly Selection['kind'][] = ['relu', 'topk', 'batchtopk', 'jumprelu', 'gated'];
const PENALTIES: readonly Penalty['kind'][] = ['none', 'l1', 'lp', 'l0', 'l0-target', 'tanh'];
/** Penalties on the step at a threshold. */
const OF_JUMPRELU: readonly Penalty['kind'][] = ['l0', 'l0-target', 'tanh'];

/** @throws UsageError naming the part that is out of range, or the two that do not go together */
export function checkObjective(objective: Objective): void {
  const { d, d_sae, selection, penalty, mse, groups, groupWeights, auxk, ghost, preActivationCoefficient } = objective;
  positiveInteger('d', d);
  positiveInteger('d_sae', d_sae);
  oneOf('selection', selection.kind, SELECTIONS);
  oneOf('penalty', penalty.kind, PENALTIES);
  oneOf('mse', mse, ['sum', 'mean']);
  if (selection.kind === 'jumprelu') positive('selection.bandwidth', selection.bandwidth);
  if (penalty.kind === 'l0-target') positive('penalty.target', penalty.target);
  if (penalty.kind === 'tanh') positive('penalty.scale', penalty.scale);
  if (OF_JUMPRELU.includes(penalty.kind) && selection.kind !== 'jumprelu') {
    throw new UsageError(`penalty ${penalty.kind} acts on thresholds, and selection ${selection.kind} has none`, { hint: 'Use selection jumprelu, or an l1 or lp penalty.' });
  }
  if (penalty.kind === 'lp' && (selection.kind === 'gated' || selection.kind === 'jumprelu')) {
    throw new UsageError(`penalty lp does not go with selection ${selection.kind}: ${selection.kind === 'gated' ? 'its penalty is on relu(pi)' : 'f^p has no slope where f is 0, in the window below a threshold'}`, { hint: 'Use an l1 penalty, or selection relu.' });
  }
  checkGroups(objective);
  if (groupWeights.length !== groups.length) throw new UsageError(`groupWeights has ${groupWeights.length} numbers, expected ${groups.length}: one for each of groups`);
  groupWeights.forEach((weight, g) => notNegative(`groupWeights[${g}]`, weight));
  if (auxk !== null) {
    positiveInteger('auxk.k', auxk.k);
    notNegative('auxk.coefficient', auxk.coefficient);
    oneOf('auxk.normalize', auxk.normalize, ['none', 'variance']);
  }
  if (selection.kind === 'gated' && (auxk !== null || ghost)) {
    throw new UsageError(`${auxk !== null ? 'auxk' : 'ghost'} does not go with selection gated: a gated feature has two pre-activations`, { hint: 'Resample dead features instead.' });
  }
  notNegative('preActivationCoefficient', preActivationCoefficient);
  if (preActivationCoefficient > 0 && selection.kind !== 'jumprelu') throw new UsageError(`preActivationCoefficient is ${preActivationCoefficient}, but selection ${selection.kind} has no thresholds to push pre-activations to`, { hint: 'Use 0, or selection jumprelu.' });
}

function checkGroups({ d_sae, groups, selection }: Objective): void {
  if (groups.length === 0) throw new UsageError(`groups is empty, expected [${d_sae}] for one dictionary`);
  groups.forEach((width, g) => {
    positiveInteger(`groups[${g}]`, width);
    if (g > 0 && width <= groups[g - 1]!) throw new UsageError(`groups ${groups.join(', ')}: ${width} does not come after ${groups[g - 1]}, expected ascending prefix widths`);
  });
  if (groups.at(-1) !== d_sae) throw new UsageError(`groups ends at ${groups.at(-1)}, expected d_sae, ${d_sae}`);
  if (groups.length > 1 && selection.kind === 'gated') throw new UsageError(`groups ${groups.join(', ')} do not go with selection gated, which has one dictionary`);
}

/** @throws UsageError naming the setting that is out of range */
export function checkOptimizer(objective: Objective, optimizer: Optimizer): void {
  oneOf('optimizer', optimizer.kind, ['adam', 'sgd']);
  optimizer.betas.forEach((beta, at) => {
    if (!(beta >= 0 && beta < 1)) throw new UsageError(`beta${at + 1} is ${beta}, expected 0 or more and less than 1`);
  });
  notNegative('eps', optimizer.eps);
  notNegative('momentum', optimizer.momentum);
  if (optimizer.clip !== null) positive('clip', optimizer.clip);
  oneOf('renormalize', optimizer.renormalize, ['never', 'always', 'at-most']);
  const names = parametersOf(objective);
  for (const name of optimizer.frozen) {
    if (!names.includes(name)) throw new UsageError(`frozen names ${name}, which selection ${objective.selection.kind} does not have`, { hint: `It has ${names.join(', ')}.` });
  }
}

/**
 * @param complete whether every parameter and moment must be there
 * @throws ShapeError naming the array that is missing, unknown, or of the wrong length; NumericError naming the place of a number that is not finite
 */
export function checkTrainState(objective: Objective, state: Partial<TrainState>, complete = false): void {
  const names = parametersOf(objective);
  for (const part of ['parameters', 'm', 'v'] as const) {
    const arrays = state[part];
    const called = (name: string): string => (part === 'parameters' ? name : `${part} of ${name}`);
    for (const name of Object.keys(arrays ?? {})) {
      if (!(names as string[]).includes(name)) throw new ShapeError(`the state has ${called(name)}, which selection ${objective.selection.kind} does not have`, { hint: `It has ${names.join(', ')}.` });
    }
    for (const name of names) {
      const values = arrays?.[name];
      if (values === undefined) {
        if (complete) throw new ShapeError(`the state lacks ${called(name)}, expected ${sizeOf(objective, name)} values`);
        continue;
      }
      const size = sizeOf(objective, name);
      if (values.length !== size) throw new ShapeError(`${called(name)} has ${values.length} values, expected ${size} (d ${objective.d}, d_sae ${objective.d_sae})`);
      const at = firstNonFinite(values);
      if (at >= 0) throw new NumericError(`${called(name)}: ${values[at]} at ${size === objective.d * objective.d_sae && name.startsWith('W') ? `feature ${Math.floor(at / objective.d)}, column ${at % objective.d}` : `position ${at}`}`);
      if (part === 'v') {
        const below = values.findIndex((value) => value < 0);
        if (below >= 0) throw new NumericError(`${called(name)}: ${values[below]} at position ${below}, expected second moments of at least 0`);
      }
    }
  }
  const large = state.parameters?.r_mag?.findIndex((r) => !Number.isFinite(Math.fround(Math.exp(r)))) ?? -1;
  if (large >= 0) throw new NumericError(`r_mag: exp(${state.parameters!.r_mag![large]}) at position ${large} does not fit in f32`);
}

/**
 * @param controls a whole step's, or `forward`'s
 * @param maxRows the session's
 * @throws ShapeError where rows, x or dead have the wrong lengths; NumericError naming the row of x that
 *   holds a number that is not finite; UsageError naming a control that is out of range
 */
export function checkControls(objective: Objective, rows: number, x: Float32Array, controls: StepControls | Pick<StepControls, 'k'>, maxRows = Infinity): void {
  const { d, d_sae, selection, penalty } = objective;
  if (!Number.isInteger(rows) || rows < 1 || rows > maxRows) throw new ShapeError(`a batch has ${rows} rows, expected ${maxRows === Infinity ? 'at least 1' : `1 to ${maxRows}`}`);
  if (x.length !== rows * d) throw new ShapeError(`x has ${x.length} values, expected ${rows} rows x d ${d}`);
  const at = firstNonFinite(x);
  if (at >= 0) throw new NumericError(`x, row ${Math.floor(at / d)}: ${x[at]} at column ${at % d}`, { hint: 'Activations must be finite; look at what wrote them.' });
  if (selection.kind === 'topk' && !(Number.isInteger(controls.k) && controls.k >= 0)) throw new UsageError(`k is ${controls.k}, expected an integer of at least 0 for topk`);
  if (selection.kind === 'batchtopk') notNegative('k', controls.k);
  if (!('lr' in controls)) return;
  positiveInteger('step', controls.step);
  notNegative('lr', controls.lr);
  notNegative('coefficient', controls.coefficient);
  if (penalty.kind === 'lp') {
    positive('p', controls.p);
    if (controls.pNext !== null) positive('pNext', controls.pNext);
  }
  if (controls.dead !== null && controls.dead.length !== d_sae) throw new ShapeError(`dead has ${controls.dead.length} values, expected d_sae, ${d_sae}`);
}

function oneOf<T extends string>(name: string, value: T, known: readonly T[]): void {
  if (!known.includes(value)) throw new UsageError(`${name} is ${String(value)}, expected one of ${known.join(', ')}`);
}

function positiveInteger(name: string, value: number): void {
  if (!Number.isInteger(value) || value < 1) throw new UsageError(`${name} is ${value}, expected a positive integer`);
}

function positive(name: string, value: number): void {
  if (!(Number.isFinite(value) && value > 0)) throw new UsageError(`${name} is ${value}, expected a number above 0`);
}

function notNegative(name: string, value: number): void {
  if (!(Number.isFinite(value) && value >= 0)) throw new UsageError(`${name} is ${value}, expected a number of at least 0`);
}
