/**
 * The optimiser once more, on numbers that carry their rounding errors: how far one
 * update in f32 may be from train-oracle-update.ts, which it must agree with.
 */
import { parametersOf, type Objective, type Optimizer } from '../../engine/train/objective.js';
import type { StepControls, TrainState } from '../../engine/train/session.js';
import { at, exact, exactly, inverse, minus, over, plus, put, root, scaled, times, total, zeros, type Num, type Nums } from './rounded.js';
import type { Gradients } from './train-oracle-gradients.js';

export type Bounded = ReadonlyMap<string, Nums>;

/** @returns by name the parameters, and `m of NAME`, `v of NAME`: those that are not frozen. */
export function boundedUpdate(objective: Objective, optimizer: Optimizer, state: TrainState, { gradients }: Gradients, { lr, step }: Pick<StepControls, 'lr' | 'step'>): Bounded {
  const { d } = objective;
  const { kind, betas, eps, momentum, clip, removeParallel, renormalize, frozen } = optimizer;
  const [b1, b2] = betas;
  const trained = parametersOf(objective).filter((name) => !frozen.includes(name));
  const norm = root(total(trained.flatMap((name) => squares(gradients.get(name)!))));
  const ratio = clip === null ? exact(1) : scaled(inverse(plus(norm, exact(1e-6))), clip);
  const factor = ratio.v < 1 ? ratio : exact(1);
  const next = new Map<string, Nums>();
  for (const name of trained) {
    const p = exactly(state.parameters[name]!);
    const [m, v] = [exactly(state.m[name]!), exactly(state.v[name]!)];
    const g = map(gradients.get(name)!, (value) => times(value, factor));
    if (name === 'W_dec' && removeParallel) byRow(g, d, (row) => {
      const square = total(row.map((e) => times(at(p, e), at(p, e))));
      if (square.v === 0) return;
      const along = over(total(row.map((e) => times(at(g, e), at(p, e)))), square);
      for (const e of row) put(g, e, minus(at(g, e), times(along, at(p, e))));
    });
    for (let e = 0; e < p.v.length; e++) {
      if (kind === 'sgd') {
        put(m, e, plus(scaled(at(m, e), momentum), at(g, e)));
        put(p, e, minus(at(p, e), scaled(at(m, e), lr)));
        continue;
      }
      put(m, e, plus(scaled(at(m, e), b1), scaled(at(g, e), 1 - b1)));
      put(v, e, plus(scaled(at(v, e), b2), scaled(times(at(g, e), at(g, e)), 1 - b2)));
      const mhat = scaled(at(m, e), 1 / (1 - b1 ** step));
      const size = plus(root(scaled(at(v, e), 1 / (1 - b2 ** step))), exact(eps));
      if (mhat.v !== 0) put(p, e, minus(at(p, e), scaled(over(mhat, size), lr)));
    }
    if (name === 'W_dec' && renormalize !== 'never') byRow(p, d, (row) => {
      const length = root(total(row.map((e) => times(at(p, e), at(p, e)))));
      if (length.v > (renormalize === 'always' ? 0 : 1)) for (const e of row) put(p, e, over(at(p, e), length));
    });
    next.set(name, p).set(`m of ${name}`, m);
    if (kind === 'adam') next.set(`v of ${name}`, v);
  }
  return next;
}

function squares(values: Nums): Num[] {
  return Array.from(values.v, (_, e) => times(at(values, e), at(values, e)));
}

function map(values: Nums, change: (value: Num) => Num): Nums {
  const out = zeros(values.v.length);
  for (let e = 0; e < values.v.length; e++) put(out, e, change(at(values, e)));
  return out;
}

/** Calls `visit` with the places of each row. */
function byRow(values: Nums, d: number, visit: (row: readonly number[]) => void): void {
  for (let first = 0; first < values.v.length; first += d) visit(Array.from({ length: d }, (_, j) => first + j));
}
