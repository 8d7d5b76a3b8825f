/**
 * Gradients of engine/train/objective.ts in float64, with error bounds for f32:
 * dense, term by term in the order of that file, each term of the loss with its
 * own function. Straight-through terms can be left out, so that finite differences
 * of the loss (train-oracle-loss.ts) check the rest.
 */
import { parametersOf, sizeOf, type Objective, type ParameterName } from '../../engine/train/objective.js';
import type { StepControls, StepResult } from '../../engine/train/session.js';
import { add, addColumns, addOuter, at, dots, exact, exponential, inverse, minus, mix, over, plus, power, put, root, scaled, tanh, times, total, zeros, type Num, type Nums } from './rounded.js';
import { deadOf, forward, largest, range, type Forward, type Values } from './train-oracle-forward.js';

export interface Gradients {
  readonly result: StepResult;
  /** What rounding to f32 may move the figures of `result` by. */
  readonly bounds: Readonly<Record<'loss' | 'squaredError' | 'penalty' | 'penaltyNext' | 'auxiliary' | 'leastActive' | 'meanLeastActive' | 'gradientNorm', number>>;
  readonly gradients: ReadonlyMap<ParameterName, Nums>;
  /** Where it is below 1, a backend that rounds may decide otherwise than the oracle did. */
  readonly margin: number;
  readonly forward: Forward;
}

export interface GradientOptions {
  /** Default true. */
  readonly straightThrough?: boolean;
  /** Do not count for `gradientNorm`. */
  readonly frozen?: readonly ParameterName[];
}

/** What the terms add to. */
interface Sums {
  readonly gradients: ReadonlyMap<ParameterName, Nums>;
  readonly of: (name: ParameterName) => Nums;
  /** [rows, n] dL/df; and dL/dz of what does not go through f, for gated dL/dpi. */
  readonly f: Nums;
  readonly z: Nums;
  /** [n] dL/d||d_i||. */
  readonly norms: Nums;
}

const ZERO = exact(0);

export function gradientsOf(objective: Objective, values: Values, x: ArrayLike<number>, rows: number, controls: StepControls, { straightThrough = true, frozen = [] }: GradientOptions = {}): Gradients {
  const { d, d_sae: n, selection, applyBDecToInput } = objective;
  const pass = forward(objective, values, x, rows, controls.k);
  const gradients = new Map(parametersOf(objective).map((name) => [name, zeros(sizeOf(objective, name))]));
  const sums: Sums = { gradients, of: (name) => gradients.get(name)!, f: zeros(rows * n), z: zeros(rows * n), norms: zeros(n) };

  const reconstruction = reconstruct(objective, pass, sums);
  const { penalty, penaltyNext } = penalise(objective, pass, sums, controls, straightThrough);
  const auxiliary = total([gateLoss(objective, pass, sums), auxk(objective, pass, sums, controls), ghost(objective, pass, sums, controls), preActivation(objective, pass, sums, controls)]);
  const raw = throughSelection(objective, pass, sums, straightThrough);

  addOuter(sums.of('W_enc'), raw, pass.xbar, pass.shape);
  const column = zeros(n);
  addColumns(column, raw, rows, n);
  if (selection.kind !== 'gated') for (let i = 0; i < n; i++) add(sums.of('b_enc'), i, at(column, i));
  if (applyBDecToInput) {
    const b = mix(column, pass.parameters('W_enc'), zeros(d), { rows: 1, n, d });
    for (let j = 0; j < d; j++) add(sums.of('b_dec'), j, { v: -b.v[j]!, e: b.e[j]! });
  }
  for (let e = 0; e < n * d; e++) {
    const i = Math.floor(e / d);
    if (sums.norms.v[i] !== 0 && pass.norms.v[i] !== 0) add(sums.of('W_dec'), e, times(at(sums.norms, i), over(at(pass.parameters('W_dec'), e), at(pass.norms, i))));
  }

  const loss = total([reconstruction, scaled(penalty, controls.coefficient), auxiliary]);
  const last = pass.residuals.at(-1)!;
  const squaredError = scaled(total(range(0, rows * d).map((e) => times(at(last, e), at(last, e)))), 1 / rows);
  const trained = [...gradients].filter(([name]) => !frozen.includes(name));
  const norm = root(total(trained.flatMap(([, g]) => range(0, g.v.length).map((e) => times(at(g, e), at(g, e))))));
  const figures = { loss, squaredError, penalty, penaltyNext, auxiliary, gradientNorm: norm, ...leastOf(objective, pass) };
  const bounds = Object.fromEntries(Object.entries(figures).map(([name, figure]) => [name, figure === null ? 0 : figure.e])) as unknown as Gradients['bounds'];
  const numbers = Object.fromEntries(Object.entries(figures).map(([name, figure]) => [name, figure === null ? null : figure.v])) as unknown as Omit<StepResult, 'fired' | 'l0'>;
  const fired = firedOf(pass);
  return { result: { ...numbers, fired, l0: fired.reduce((sum, count) => sum + count, 0) / rows }, bounds, gradients, margin: pass.decisions.margin, forward: pass };
}

/** [n] rows in which f > 0. */
export function firedOf({ f, shape: { n } }: Forward): Uint32Array {
  const fired = new Uint32Array(n);
  f.v.forEach((value, e) => {
    if (value > 0) fired[e % n]!++;
  });
  return fired;
}

function leastOf({ selection }: Objective, { f, shape: { rows, n } }: Forward): { leastActive: Num | null; meanLeastActive: Num | null } {
  if (selection.kind !== 'topk' && selection.kind !== 'batchtopk') return { leastActive: null, meanLeastActive: null };
  const none: Num = { v: Infinity, e: 0 };
  const least = (places: readonly number[]): Num => places.map((e) => at(f, e)).filter(({ v }) => v > 0).reduce((a, b) => (b.v < a.v ? b : a), none);
  const each = range(0, rows).map((r) => least(range(r * n, n))).filter(({ v }) => v < Infinity);
  return { leastActive: least(range(0, rows * n)), meanLeastActive: each.length === 0 ? none : scaled(total(each), 1 / each.length) };
}

/** sum_g weight_g mean_rows s ||r_g||^2 */
function reconstruct({ mse, groups, groupWeights, d }: Objective, pass: Forward, sums: Sums): Num {
  const { rows, n } = pass.shape;
  const wanted = pass.on.map((on, e) => on | pass.band[e]!);
  return total(
    groups.map((width, g) => {
      const factor = (groupWeights[g]! * (mse === 'mean' ? 1 / d : 1)) / rows;
      const residual = pass.residuals[g]!;
      const slope = zeros(rows * d);
      for (let e = 0; e < rows * d; e++) put(slope, e, scaled(at(residual, e), 2 * factor));
      addAll(sums.f, dots(slope, pass.parameters('W_dec'), pass.shape, width, wanted));
      addOuter(sums.of('W_dec'), pass.f, slope, { rows, n, d }, width);
      addColumns(sums.of('b_dec'), slope, rows, d);
      return scaled(total(range(0, rows * d).map((e) => times(at(residual, e), at(residual, e)))), factor);
    }),
  );
}

/** mean_rows of the penalty, and its slopes times coefficient / rows. */
function penalise({ penalty, selection }: Objective, pass: Forward, sums: Sums, { coefficient, p, pNext }: StepControls, straightThrough: boolean): { penalty: Num; penaltyNext: Num | null } {
  const { rows, n } = pass.shape;
  const c = coefficient / rows;
  const none = { penalty: ZERO, penaltyNext: null };
  if (penalty.kind === 'none') return none;

  if (penalty.kind === 'l0' || penalty.kind === 'l0-target') {
    if (selection.kind !== 'jumprelu') return none;
    const l0 = pass.open.reduce((sum, open) => sum + open, 0) / rows;
    const slope = penalty.kind === 'l0' ? exact(1) : scaled(minus(exact(l0 / penalty.target), exact(1)), 2 / penalty.target);
    if (straightThrough) {
      for (let e = 0; e < rows * n; e++) {
        if (pass.band[e] === 0 || (selection.oneSided && pass.open[e] === 0)) continue;
        add(sums.of('threshold'), e % n, scaled(slope, -c / selection.bandwidth));
      }
    }
    const miss = minus(scaled(exact(l0), 1 / (penalty.kind === 'l0' ? 1 : penalty.target)), penalty.kind === 'l0' ? ZERO : exact(1));
    return { penalty: penalty.kind === 'l0' ? exact(l0) : times(miss, miss), penaltyNext: null };
  }

  if (penalty.kind === 'lp') {
    const active = range(0, rows).map((r) => range(r * n, n).filter((e) => pass.f.v[e]! > 0));
    const rowPenalty = (places: readonly number[], q: number): Num => {
      const sum = total(places.map((e) => power(at(pass.f, e), q)));
      return penalty.root && places.length > 0 ? power(sum, 1 / q) : sum;
    };
    for (const places of active) {
      const sum = total(places.map((e) => power(at(pass.f, e), p)));
      for (const e of places) {
        const slope = power(at(pass.f, e), p - 1);
        add(sums.f, e, scaled(penalty.root ? times(slope, power(sum, 1 / p - 1)) : scaled(slope, p), c));
      }
    }
    const mean = (q: number): Num => scaled(total(active.map((places) => rowPenalty(places, q))), 1 / rows);
    return { penalty: mean(p), penaltyNext: pNext === null ? null : mean(pNext) };
  }

  // A sum over features of some h(f ||d||): identity for l1, tanh(scale u) for tanh. Gated's f is relu(pi) here.
  const gated = selection.kind === 'gated';
  const weighs = penalty.kind === 'tanh' || penalty.byDecoderNorm;
  const terms: Num[] = [];
  for (let e = 0; e < rows * n; e++) {
    if (pass.open[e] === 0 && pass.band[e] === 0) continue;
    const value = gated ? at(pass.z, e) : at(pass.f, e);
    const length = weighs ? at(pass.norms, e % n) : exact(1);
    let slope = exact(1);
    let term = times(value, length);
    if (penalty.kind === 'tanh') {
      term = tanh(scaled(term, penalty.scale));
      slope = scaled(minus(exact(1), times(term, term)), penalty.scale);
    }
    terms.push(term);
    if (weighs) add(sums.norms, e % n, scaled(times(slope, value), c));
    add(gated ? sums.z : sums.f, e, scaled(times(slope, length), c));
  }
  return { penalty: scaled(total(terms), 1 / rows), penaltyNext: null };
}

/** From dL/df to dL/d(w . xbar), and to the selection's own parameters. */
function throughSelection({ selection }: Objective, pass: Forward, sums: Sums, straightThrough: boolean): Nums {
  const { rows, n } = pass.shape;
  const raw = zeros(rows * n);
  addAll(raw, sums.z);
  for (let e = 0; e < rows * n; e++) {
    const i = e % n;
    const g = at(sums.f, e);
    if (selection.kind === 'gated') {
      if (pass.on[e] === 0) continue;
      const magnified = times(g, exponential(at(pass.parameters('r_mag'), i)));
      add(sums.of('b_enc'), i, g);
      add(sums.of('r_mag'), i, times(magnified, at(pass.raw, e)));
      add(raw, e, magnified);
      continue;
    }
    if (pass.open[e] === 1) add(raw, e, g);
    if (selection.kind === 'jumprelu' && straightThrough && pass.band[e] === 1) {
      const pull = scaled(times(at(pass.parameters('threshold'), i), g), -1 / selection.bandwidth);
      add(sums.of('threshold'), i, pull);
      if (selection.steToInput) add(raw, e, { v: -pull.v, e: pull.e });
    }
  }
  if (selection.kind === 'gated') addColumns(sums.of('b_gate'), sums.z, rows, n);
  return raw;
}

/** gated: mean_rows s ||b_dec + sum relu(pi_i) d_i - x||^2 */
function gateLoss({ selection, mse, d }: Objective, pass: Forward, sums: Sums): Num {
  if (selection.kind !== 'gated') return ZERO;
  const { rows, n } = pass.shape;
  const factor = (mse === 'mean' ? 1 / d : 1) / rows;
  const gates = zeros(rows * n);
  for (let e = 0; e < rows * n; e++) if (pass.open[e] === 1) put(gates, e, at(pass.z, e));
  const residual = mix(gates, pass.parameters('W_dec'), pass.parameters('b_dec'), pass.shape);
  const slope = zeros(rows * d);
  for (let e = 0; e < rows * d; e++) {
    put(residual, e, minus(at(residual, e), at(pass.x, e)));
    put(slope, e, scaled(at(residual, e), 2 * factor));
  }
  addAll(sums.z, dots(slope, pass.parameters('W_dec'), pass.shape, n, pass.open));
  if (!selection.detachAuxDecoder) {
    addOuter(sums.of('W_dec'), gates, slope, pass.shape);
    addColumns(sums.of('b_dec'), slope, rows, d);
  }
  return scaled(total(range(0, rows * d).map((e) => times(at(residual, e), at(residual, e)))), factor);
}

function auxk(objective: Objective, pass: Forward, sums: Sums, controls: StepControls): Num {
  const { auxk: settings, d } = objective;
  const dead = deadOf(objective, controls);
  if (settings === null || dead.length === 0) return ZERO;
  const { rows, n } = pass.shape;
  const W_dec = pass.parameters('W_dec');
  const residual = pass.residuals.at(-1)!;
  const a = zeros(rows * n);
  const chosen = new Uint8Array(rows * n);
  for (let r = 0; r < rows; r++) {
    for (const e of largest(pass.z, dead.map((i) => r * n + i), settings.k, pass.decisions)) {
      if (settings.relu && !pass.decisions.above(at(pass.z, e), ZERO)) continue;
      chosen[e] = 1;
      put(a, e, at(pass.z, e));
    }
  }
  // ehat - e, where e = -r.
  const q = mix(a, W_dec, settings.includeBDec ? pass.parameters('b_dec') : zeros(d), pass.shape);
  for (let e = 0; e < rows * d; e++) add(q, e, at(residual, e));
  let weight = exact((settings.coefficient * (settings.scaleByDead ? Math.min(dead.length / settings.k, 1) : 1)) / rows);
  if (settings.normalize === 'variance') {
    const squares = range(0, rows * d).map((e) => {
      const mean = scaled(total(range(0, rows).map((r) => at(residual, r * d + (e % d)))), 1 / rows);
      const distance = minus(at(residual, e), mean);
      return times(distance, distance);
    });
    const variance = scaled(total(squares), 1 / rows);
    if (rows === 1 || variance.v === 0) return ZERO;
    weight = over(weight, variance);
  }
  const slope = zeros(rows * d);
  for (let e = 0; e < rows * d; e++) put(slope, e, times(scaled(at(q, e), 2), weight));
  addAll(sums.z, dots(slope, W_dec, pass.shape, n, chosen));
  addOuter(sums.of('W_dec'), a, slope, pass.shape);
  if (settings.includeBDec) addColumns(sums.of('b_dec'), slope, rows, d);
  return times(total(range(0, rows * d).map((e) => times(at(q, e), at(q, e)))), weight);
}

function ghost(objective: Objective, pass: Forward, sums: Sums, controls: StepControls): Num {
  const dead = deadOf(objective, controls);
  if (!objective.ghost || dead.length === 0) return ZERO;
  const { rows, n, d } = pass.shape;
  const W_dec = pass.parameters('W_dec');
  const residual = pass.residuals.at(-1)!;
  const a = zeros(rows * n);
  const moving = new Uint8Array(rows * n);
  for (let r = 0; r < rows; r++) {
    for (const i of dead) {
      const e = r * n + i;
      moving[e] = Number(pass.decisions.above(exact(30), at(pass.z, e)));
      put(a, e, exponential(moving[e] === 1 ? at(pass.z, e) : exact(30)));
    }
  }
  const g = mix(a, W_dec, zeros(d), pass.shape);
  const slope = zeros(rows * d);
  const terms: Num[] = [];
  for (let r = 0; r < rows; r++) {
    const row = range(r * d, d);
    const length = (of: Nums): Num => root(total(row.map((e) => times(at(of, e), at(of, e)))));
    const c = over(length(residual), plus(scaled(length(g), 2), exact(1e-6)));
    for (const e of row) {
      const q = plus(times(c, at(g, e)), at(residual, e));
      const square = times(q, q);
      const m = times(times(at(residual, e), at(residual, e)), inverse(plus(square, exact(1e-6))));
      terms.push(times(m, square));
      put(slope, e, scaled(times(times(m, q), c), 2 / (rows * d)));
    }
  }
  const through = dots(slope, W_dec, pass.shape, n, moving);
  for (let e = 0; e < rows * n; e++) if (moving[e] === 1) add(sums.z, e, times(at(through, e), at(a, e)));
  addOuter(sums.of('W_dec'), a, slope, pass.shape);
  return scaled(total(terms), 1 / (rows * d));
}

/** coefficient mean_rows sum over dead i of relu(theta_i - z_i) ||d_i|| */
function preActivation(objective: Objective, pass: Forward, sums: Sums, controls: StepControls): Num {
  const { rows, n } = pass.shape;
  const c = objective.preActivationCoefficient / rows;
  if (c === 0) return ZERO;
  const theta = pass.parameters('threshold');
  const terms: Num[] = [];
  for (const i of deadOf(objective, controls)) {
    for (const e of range(0, rows).map((r) => r * n + i)) {
      if (!pass.decisions.above(at(theta, i), at(pass.z, e))) continue;
      terms.push(scaled(times(minus(at(theta, i), at(pass.z, e)), at(pass.norms, i)), c));
      const slope = scaled(at(pass.norms, i), c);
      add(sums.of('threshold'), i, slope);
      add(sums.z, e, { v: -slope.v, e: slope.e });
    }
  }
  return total(terms);
}

function addAll(out: Nums, more: Nums): void {
  for (let e = 0; e < out.v.length; e++) if (more.v[e] !== 0 || more.e[e] !== 0) add(out, e, at(more, e));
}
