/** The float64 oracle of training against finite differences of its loss, which shares no code with it. */
import test from 'node:test';
import { parametersOf } from '../../engine/train/objective.js';
import { gradientsOf, lossOf } from '../shared/train-oracle.js';
import { trainCases, type TrainCase } from '../shared/train-cases.js';

const STEP = 1e-5;

/** The four-point rule, whose error is of order STEP^4. */
function slope(f: (by: number) => number): number {
  return (8 * (f(STEP) - f(-STEP)) - (f(2 * STEP) - f(-2 * STEP))) / (12 * STEP);
}

function near(actual: number, expected: number, size: number, what: string): void {
  if (!(Math.abs(actual - expected) <= 1e-7 * Math.max(1, size))) throw new Error(`${what}: ${actual}, finite differences say ${expected}`);
}

function differ({ objective, parameters, x, rows, controls }: TrainCase): void {
  const p = Object.fromEntries(parametersOf(objective).map((name) => [name, Float64Array.from(parameters[name]!)]));
  const oracle = gradientsOf(objective, p, x, rows, controls, { straightThrough: false });
  near(oracle.result.loss, lossOf(objective, p, x, rows, controls), Math.abs(oracle.result.loss), 'loss');
  for (const name of parametersOf(objective)) {
    const values = p[name]!;
    const size = oracle.gradients.get(name)!.v.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
    for (let e = 0; e < values.length; e++) {
      const moved = (by: number): number => lossOf(objective, { ...p, [name]: values.map((value, at) => (at === e ? value + by : value)) }, x, rows, controls, p);
      near(oracle.gradients.get(name)!.v[e]!, slope(moved), size, `${name}[${e}]`);
    }
  }
}

/** Straight-through terms from differences by f itself, by the formulas of engine/train/objective.ts. */
function throughJumps({ objective, parameters, x, rows, controls }: TrainCase): void {
  const { selection, penalty, d, d_sae: n } = objective;
  if (selection.kind !== 'jumprelu') return;
  const whole = gradientsOf(objective, parameters, x, rows, controls);
  const smooth = gradientsOf(objective, parameters, x, rows, controls, { straightThrough: false });
  const theta = parameters.threshold!;
  const zOf = (r: number, i: number): number => {
    let z = parameters.b_enc![i]!;
    for (let j = 0; j < d; j++) z += parameters.W_enc![i * d + j]! * (x[r * d + j]! - (objective.applyBDecToInput ? parameters.b_dec![j]! : 0));
    return z;
  };
  const l0 = Array.from({ length: rows * n }, (_, e) => Number(zOf(Math.floor(e / n), e % n) > theta[e % n]!)).reduce((a, b) => a + b, 0) / rows;
  const ofL0 = penalty.kind === 'l0' ? 1 : penalty.kind === 'l0-target' ? (2 / penalty.target) * (l0 / penalty.target - 1) : 0;
  for (let i = 0; i < n; i++) {
    let ofTheta = 0;
    let ofBias = 0;
    for (let r = 0; r < rows; r++) {
      const u = (zOf(r, i) - theta[i]!) / selection.bandwidth;
      if (!(u > -0.5 && u < 0.5)) continue;
      const g = slope((by) => lossOf(objective, parameters, x, rows, controls, parameters, Float64Array.from({ length: rows * n }, (_, e) => (e === r * n + i ? by : 0))));
      const pull = -(theta[i]! / selection.bandwidth) * g;
      ofTheta += pull;
      if (selection.steToInput) ofBias -= pull;
      if (u > 0 || !selection.oneSided) ofTheta -= (ofL0 * controls.coefficient) / rows / selection.bandwidth;
    }
    near(whole.gradients.get('threshold')!.v[i]! - smooth.gradients.get('threshold')!.v[i]!, ofTheta, Math.abs(ofTheta), `straight through to threshold[${i}]`);
    near(whole.gradients.get('b_enc')!.v[i]! - smooth.gradients.get('b_enc')!.v[i]!, ofBias, Math.abs(ofBias), `straight through to b_enc[${i}]`);
  }
}

for (const one of trainCases([[3, 3, 5]])) {
  test(one.name, () => {
    differ(one);
    throughJumps(one);
  });
}
