/**
 * The optimiser of engine/train/objective.ts in float64: gradients, clip, removeParallel,
 * the step, renormalize. Plain loops over the definitions.
 */
import { parametersOf, type Objective, type Optimizer, type ParameterName } from '../../engine/train/objective.js';
import type { StepControls } from '../../engine/train/session.js';

/** Arrays by parameter; every parameter of the objective is there. */
export type Arrays = Readonly<Partial<Record<ParameterName, Float64Array>>>;

export interface State64 {
  readonly parameters: Arrays;
  readonly m: Arrays;
  readonly v: Arrays;
}

/** Norm over every trained parameter. */
export function gradientNorm(gradients: Arrays, frozen: readonly ParameterName[]): number {
  let sum = 0;
  for (const [name, values] of Object.entries(gradients)) {
    if (frozen.includes(name as ParameterName)) continue;
    for (const value of values) sum += value * value;
  }
  return Math.sqrt(sum);
}

/** The state after one update; nothing of what is given changes. */
export function update(objective: Objective, optimizer: Optimizer, state: State64, gradients: Arrays, { lr, step }: Pick<StepControls, 'lr' | 'step'>): State64 {
  const { d } = objective;
  const { kind, betas, eps, momentum, clip, removeParallel, renormalize, frozen } = optimizer;
  const [b1, b2] = betas;
  const factor = clip === null ? 1 : Math.min(1, clip / (gradientNorm(gradients, frozen) + 1e-6));
  const next = { parameters: copy(state.parameters), m: copy(state.m), v: copy(state.v) };
  for (const name of parametersOf(objective)) {
    if (frozen.includes(name)) continue;
    const [p, m, v] = [next.parameters[name]!, next.m[name]!, next.v[name]!];
    const g = gradients[name]!.map((value) => value * factor);
    if (name === 'W_dec' && removeParallel) projectOut(g, p, d);
    for (let e = 0; e < p.length; e++) {
      if (kind === 'sgd') {
        m[e] = momentum * m[e]! + g[e]!;
        p[e]! -= lr * m[e]!;
        continue;
      }
      m[e] = b1 * m[e]! + (1 - b1) * g[e]!;
      v[e] = b2 * v[e]! + (1 - b2) * g[e]! ** 2;
      const mhat = m[e]! / (1 - b1 ** step);
      const vhat = v[e]! / (1 - b2 ** step);
      if (mhat !== 0) p[e]! -= (lr * mhat) / (Math.sqrt(vhat) + eps);
    }
    if (name === 'W_dec' && renormalize !== 'never') {
      for (let i = 0; i * d < p.length; i++) {
        const row = p.subarray(i * d, (i + 1) * d);
        const norm = Math.hypot(...row);
        if (norm > 0 && (renormalize === 'always' || norm > 1)) row.forEach((value, j) => (row[j] = value / norm));
      }
    }
  }
  return next;
}

/** Takes the part of each row of g that is parallel to the same row of w out of it. */
function projectOut(g: Float64Array, w: Float64Array, d: number): void {
  for (let first = 0; first < g.length; first += d) {
    let [along, square] = [0, 0];
    for (let e = first; e < first + d; e++) {
      along += g[e]! * w[e]!;
      square += w[e]! ** 2;
    }
    if (square > 0) for (let e = first; e < first + d; e++) g[e]! -= (along / square) * w[e]!;
  }
}

function copy(arrays: Arrays): Record<string, Float64Array> {
  return Object.fromEntries(Object.entries(arrays).map(([name, values]) => [name, values.slice()]));
}
