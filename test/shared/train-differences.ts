/**
 * The trainer's objective in float64, written for clarity: the loss with everything that is
 * selected or detached held at given parameters, so that its finite differences are the
 * gradients that engine/train/objective.ts defines; the straight-through terms, which are no
 * derivative of anything, by their formulas; and the optimisers.
 */
import { parametersOf, sizeOf, type Objective, type Optimizer, type ParameterName } from '../../engine/train/objective.js';
import type { Parameters, StepControls, TrainState } from '../../engine/train/session.js';

export type Doubles = Partial<Record<ParameterName, Float64Array>>;

export function doubles(parameters: Parameters): Doubles {
  return Object.fromEntries(Object.entries(parameters).map(([name, values]) => [name, Float64Array.from(values)]));
}

export interface OracleFigures {
  readonly loss: number;
  readonly squaredError: number;
  readonly penalty: number;
  readonly penaltyNext: number | null;
  readonly auxiliary: number;
  readonly l0: number;
  readonly fired: number[];
  readonly leastActive: number;
  readonly meanLeastActive: number;
  readonly rowErrors: number[];
}

/** What is decided at the held parameters: by row, features. */
interface Held {
  /** Features with f = z (relu, topk, jumprelu), or with an open gate. */
  readonly active: readonly (readonly number[])[];
  /** gated: those of `active` whose magnitude is positive. */
  readonly magnitudes: readonly ReadonlySet<number>[];
  readonly aux: readonly (readonly number[])[];
  /** x - xhat, by row. */
  readonly errors: readonly Float64Array[];
  readonly auxDenominator: number;
  readonly ghost: readonly { readonly c: number; readonly m: Float64Array }[];
  /** Dead features below their threshold, and decoder norms, for the pre-activation loss. */
  readonly below: readonly (readonly number[])[];
  readonly norms: Float64Array;
}

const row = (values: Float64Array, i: number, d: number): Float64Array => values.subarray(i * d, (i + 1) * d);
const dot = (a: Float64Array, b: Float64Array): number => {
  let sum = 0;
  for (let c = 0; c < a.length; c++) sum += a[c]! * b[c]!;
  return sum;
};

export class Oracle {
  readonly objective: Objective;
  readonly x: readonly Float64Array[];
  readonly controls: StepControls;

  constructor(objective: Objective, x: Float32Array, rows: number, controls: StepControls) {
    const { d } = objective;
    this.objective = objective;
    this.x = Array.from({ length: rows }, (_, r) => Float64Array.from(x.subarray(r * d, (r + 1) * d)));
    this.controls = controls;
  }

  #xbar(p: Doubles, r: number): Float64Array {
    const x = this.x[r]!;
    return this.objective.applyBDecToInput ? x.map((value, c) => value - p.b_dec![c]!) : x;
  }

  /** z, or for gated the gate's pi. */
  #z(p: Doubles, xbar: Float64Array, i: number): number {
    const bias = this.objective.selection.kind === 'gated' ? p.b_gate! : p.b_enc!;
    return dot(row(p.W_enc!, i, this.objective.d), xbar) + bias[i]!;
  }

  preactivations(p: Doubles): number[][] {
    return this.x.map((_, r) => {
      const xbar = this.#xbar(p, r);
      return Array.from({ length: this.objective.d_sae }, (_unused, i) => this.#z(p, xbar, i));
    });
  }

  #magnitude(p: Doubles, xbar: Float64Array, i: number): number {
    return Math.exp(p.r_mag![i]!) * dot(row(p.W_enc!, i, this.objective.d), xbar) + p.b_enc![i]!;
  }

  #norm(p: Doubles, i: number): number {
    const d = row(p.W_dec!, i, this.objective.d);
    return Math.sqrt(dot(d, d));
  }

  #hold(p: Doubles): Held {
    const { d_sae: n, selection, auxk, ghost } = this.objective;
    const { k, dead } = this.controls;
    const z = this.preactivations(p);
    const norms = Float64Array.from({ length: n }, (_, i) => this.#norm(p, i));
    const rank = (r: number, i: number): number => ((selection.kind === 'topk' || selection.kind === 'batchtopk') && selection.byDecoderNorm ? z[r]![i]! * norms[i]! : z[r]![i]!);
    const features = Array.from({ length: n }, (_, i) => i);
    let active: number[][];
    if (selection.kind === 'topk') {
      active = z.map((values, r) => [...features].sort((a, b) => rank(r, b) - rank(r, a) || a - b).slice(0, k).filter((i) => values[i]! > 0).sort((a, b) => a - b));
    } else if (selection.kind === 'batchtopk') {
      const all = z.flatMap((values, r) => features.filter((i) => values[i]! > 0).map((i) => [r, i] as const));
      const kept = all.sort((a, b) => rank(...b) - rank(...a) || a[0] - b[0] || a[1] - b[1]).slice(0, Math.floor(k * z.length));
      active = z.map((_, r) => kept.filter(([at]) => at === r).map(([, i]) => i).sort((a, b) => a - b));
    } else if (selection.kind === 'jumprelu') active = z.map((values) => features.filter((i) => values[i]! > p.threshold![i]!));
    else active = z.map((values) => features.filter((i) => values[i]! > 0));
    const magnitudes = active.map((list, r) => new Set(selection.kind === 'gated' ? list.filter((i) => this.#magnitude(p, this.#xbar(p, r), i) > 0) : []));
    const deadList = dead === null ? [] : features.filter((i) => dead[i] !== 0);
    const aux = auxk === null ? z.map(() => []) : z.map((values) => [...deadList].sort((a, b) => values[b]! - values[a]! || a - b).slice(0, auxk.k).filter((i) => !auxk.relu || values[i]! > 0).sort((a, b) => a - b));
    const held = { active, magnitudes };
    const errors = this.x.map((x, r) => this.#reconstruct(p, this.#activations(p, held, r), n).map((value, c) => x[c]! - value));
    const mean = this.#meanRow(errors);
    const auxDenominator = auxk?.normalize === 'variance' ? errors.reduce((sum, e) => sum + e.reduce((inner, value, c) => inner + (value - mean[c]!) ** 2, 0), 0) / errors.length : 1;
    const ghosts = !ghost ? [] : this.x.map((_, r) => {
      const e = errors[r]!;
      const g = this.#ghost(p, r, deadList);
      const c = Math.sqrt(dot(e, e)) / (2 * Math.sqrt(dot(g, g)) + 1e-6);
      return { c, m: e.map((value, at) => (value * value) / ((c * g[at]! - value) ** 2 + 1e-6)) };
    });
    const below = z.map((values) => (p.threshold === undefined ? [] : deadList.filter((i) => p.threshold![i]! - values[i]! > 0)));
    return { active, magnitudes, aux, errors, auxDenominator, ghost: ghosts, below, norms };
  }

  #meanRow(rows: readonly Float64Array[]): Float64Array {
    const mean = new Float64Array(this.objective.d);
    for (const values of rows) for (let c = 0; c < mean.length; c++) mean[c] = mean[c]! + values[c]! / rows.length;
    return mean;
  }

  #activations(p: Doubles, held: Pick<Held, 'active' | 'magnitudes'>, r: number): Map<number, number> {
    const xbar = this.#xbar(p, r);
    const gated = this.objective.selection.kind === 'gated';
    return new Map(held.active[r]!.map((i) => [i, gated ? (held.magnitudes[r]!.has(i) ? this.#magnitude(p, xbar, i) : 0) : this.#z(p, xbar, i)]));
  }

  #reconstruct(p: Doubles, f: ReadonlyMap<number, number>, width: number, bias: Float64Array | null = p.b_dec!): Float64Array {
    const y = bias === null ? new Float64Array(this.objective.d) : bias.slice();
    for (const [i, value] of f) if (i < width) row(p.W_dec!, i, this.objective.d).forEach((weight, c) => void (y[c] = y[c]! + value * weight));
    return y;
  }

  #ghost(p: Doubles, r: number, dead: readonly number[]): Float64Array {
    const xbar = this.#xbar(p, r);
    return this.#reconstruct(p, new Map(dead.map((i) => [i, Math.exp(Math.min(30, this.#z(p, xbar, i)))])), this.objective.d_sae, null);
  }

  /**
   * @param at the parameters that selections and detached parts are taken at; default the same
   * @param bump added to one activation
   */
  figures(p: Doubles, at: Doubles = p, bump: { row: number; feature: number; by: number } | null = null, held: Held = this.#hold(at)): OracleFigures {
    const { d, d_sae: n, selection, penalty, groups, groupWeights, auxk, ghost, preActivationCoefficient, mse } = this.objective;
    const { coefficient, p: power, pNext, dead } = this.controls;
    const rows = this.x.length;
    const s = mse === 'sum' ? 1 : 1 / d;
    const deadList = dead === null ? [] : Array.from(dead.keys()).filter((i) => dead[i] !== 0);
    let squares = 0;
    let auxiliary = 0;
    let penalties = 0;
    let next = 0;
    const rowErrors: number[] = [];
    const fired = new Array<number>(n).fill(0);
    const leasts: number[] = [];
    for (let r = 0; r < rows; r++) {
      const x = this.x[r]!;
      const xbar = this.#xbar(p, r);
      const f = this.#activations(p, held, r);
      if (bump?.row === r) f.set(bump.feature, (f.get(bump.feature) ?? 0) + bump.by);
      const squared = (y: Float64Array): number => y.reduce((sum, value, c) => sum + (value - x[c]!) ** 2, 0);
      groups.forEach((width, g) => {
        const error = squared(this.#reconstruct(p, f, width));
        squares += groupWeights[g]! * s * error;
        if (g === groups.length - 1) rowErrors.push(error);
      });
      for (const [i, value] of f) if (value > 0) fired[i] = fired[i]! + 1;
      const positive = [...f.values()].filter((value) => value > 0);
      if (positive.length > 0) leasts.push(Math.min(...positive));
      const pis = held.active[r]!.map((i) => [i, this.#z(p, xbar, i)] as const);
      const on = selection.kind === 'gated' ? pis : [...f];
      const powers = (q: number): number => {
        const sum = on.reduce((total, [, value]) => total + (value > 0 ? value ** q : 0), 0);
        return penalty.kind === 'lp' && penalty.root ? (sum > 0 ? sum ** (1 / q) : 0) : sum;
      };
      if (penalty.kind === 'l1') penalties += on.reduce((sum, [i, value]) => sum + value * (penalty.byDecoderNorm ? this.#norm(p, i) : 1), 0);
      if (penalty.kind === 'lp') {
        penalties += powers(power);
        if (pNext !== null) next += powers(pNext);
      }
      if (penalty.kind === 'l0' || penalty.kind === 'l0-target') penalties += held.active[r]!.length;
      if (penalty.kind === 'tanh') penalties += on.reduce((sum, [i, value]) => sum + Math.tanh(penalty.scale * value * this.#norm(p, i)), 0);
      if (selection.kind === 'gated') {
        const decoder = selection.detachAuxDecoder ? at : p;
        auxiliary += (s * squared(this.#reconstruct(decoder, new Map(pis), n))) / rows;
      }
      const e = held.errors[r]!;
      if (auxk !== null && deadList.length > 0 && held.auxDenominator > 0) {
        const y = this.#reconstruct(p, new Map(held.aux[r]!.map((i) => [i, this.#z(p, xbar, i)])), n, auxk.includeBDec ? p.b_dec! : null);
        const scale = auxk.scaleByDead ? Math.min(deadList.length / auxk.k, 1) : 1;
        auxiliary += (auxk.coefficient * scale * y.reduce((sum, value, c) => sum + (value - e[c]!) ** 2, 0)) / (rows * held.auxDenominator);
      }
      if (ghost && deadList.length > 0) {
        const { c, m } = held.ghost[r]!;
        auxiliary += this.#ghost(p, r, deadList).reduce((sum, value, at_) => sum + m[at_]! * (c * value - e[at_]!) ** 2, 0) / (rows * d);
      }
      if (preActivationCoefficient > 0) for (const i of held.below[r]!) auxiliary += (preActivationCoefficient / rows) * (p.threshold![i]! - this.#z(p, xbar, i)) * held.norms[i]!;
    }
    const mean = penalties / rows;
    const cost = penalty.kind === 'l0-target' ? (mean / penalty.target - 1) ** 2 : mean;
    return {
      loss: squares / rows + coefficient * cost + auxiliary,
      squaredError: rowErrors.reduce((sum, value) => sum + value, 0) / rows,
      penalty: cost,
      penaltyNext: pNext === null ? null : next / rows,
      auxiliary,
      l0: fired.reduce((sum, count) => sum + count, 0) / rows,
      fired,
      leastActive: leasts.length > 0 ? Math.min(...leasts) : Infinity,
      meanLeastActive: leasts.length > 0 ? leasts.reduce((sum, value) => sum + value, 0) / leasts.length : Infinity,
      rowErrors,
    };
  }

  /** Central differences of the loss with selections held, and the straight-through terms. */
  gradients(p: Doubles): Doubles {
    const held = this.#hold(p);
    const gradients: Doubles = {};
    for (const name of parametersOf(this.objective)) {
      const values = p[name]!;
      const gradient = new Float64Array(sizeOf(this.objective, name));
      for (let at = 0; at < gradient.length; at++) {
        const step = 1e-5 * Math.max(1, Math.abs(values[at]!));
        const moved = (by: number): number => {
          const other = values.slice();
          other[at] = other[at]! + by;
          return this.figures({ ...p, [name]: other }, p, null, held).loss;
        };
        gradient[at] = (moved(step) - moved(-step)) / (2 * step);
      }
      gradients[name] = gradient;
    }
    if (this.objective.selection.kind === 'jumprelu') this.#straightThrough(p, held, gradients);
    return gradients;
  }

  #straightThrough(p: Doubles, held: Held, gradients: Doubles): void {
    const { d, selection, penalty, applyBDecToInput } = this.objective;
    if (selection.kind !== 'jumprelu') return;
    const { bandwidth, oneSided, steToInput } = selection;
    const { coefficient } = this.controls;
    const rows = this.x.length;
    const z = this.preactivations(p);
    const l0 = held.active.reduce((sum, list) => sum + list.length, 0) / rows;
    const slope = penalty.kind === 'l0' ? 1 : penalty.kind === 'l0-target' ? (2 * (l0 / penalty.target - 1)) / penalty.target : 0;
    z.forEach((values, r) => {
      const xbar = this.#xbar(p, r);
      values.forEach((value, i) => {
        const theta = p.threshold![i]!;
        const u = (value - theta) / bandwidth;
        if (!(u > -0.5 && u < 0.5)) return;
        const by = 1e-5;
        const g = (this.figures(p, p, { row: r, feature: i, by }, held).loss - this.figures(p, p, { row: r, feature: i, by: -by }, held).loss) / (2 * by);
        const pull = -(theta / bandwidth) * g;
        gradients.threshold![i] = gradients.threshold![i]! + pull;
        if (!oneSided || value > theta) gradients.threshold![i] = gradients.threshold![i]! - (coefficient * slope) / (bandwidth * rows);
        if (!steToInput) return;
        gradients.b_enc![i] = gradients.b_enc![i]! - pull;
        for (let c = 0; c < d; c++) {
          gradients.W_enc![i * d + c] = gradients.W_enc![i * d + c]! - pull * xbar[c]!;
          if (applyBDecToInput) gradients.b_dec![c] = gradients.b_dec![c]! + pull * p.W_enc![i * d + c]!;
        }
      });
    });
  }
}

/** A state in f64, to which `update` applies what engine/train/objective.ts says an optimiser does. */
export interface OracleState {
  readonly parameters: Doubles;
  readonly m: Doubles;
  readonly v: Doubles;
}

export function oracleState({ parameters, m, v }: TrainState): OracleState {
  return { parameters: doubles(parameters), m: doubles(m), v: doubles(v) };
}

/** One update, in place. */
export function update(objective: Objective, optimizer: Optimizer, { parameters, m, v }: OracleState, gradients: Doubles, { step, lr }: Pick<StepControls, 'step' | 'lr'>): void {
  const { d, d_sae: n } = objective;
  const trained = parametersOf(objective).filter((name) => !optimizer.frozen.includes(name));
  const norm = Math.sqrt(trained.reduce((sum, name) => sum + dot(gradients[name]!, gradients[name]!), 0));
  const factor = optimizer.clip === null ? 1 : Math.min(1, optimizer.clip / (norm + 1e-6));
  const [b1, b2] = optimizer.betas;
  for (const name of trained) {
    const g = gradients[name]!.map((value) => value * factor);
    const p = parameters[name]!;
    if (name === 'W_dec' && optimizer.removeParallel) {
      for (let i = 0; i < n; i++) {
        const direction = row(p, i, d);
        const part = dot(row(g, i, d), direction) / dot(direction, direction);
        for (let c = 0; c < d; c++) g[i * d + c] = g[i * d + c]! - part * direction[c]!;
      }
    }
    for (let at = 0; at < p.length; at++) {
      if (optimizer.kind === 'sgd') {
        m[name]![at] = optimizer.momentum * m[name]![at]! + g[at]!;
        p[at] = p[at]! - lr * m[name]![at]!;
      } else {
        m[name]![at] = b1 * m[name]![at]! + (1 - b1) * g[at]!;
        v[name]![at] = b2 * v[name]![at]! + (1 - b2) * g[at]! ** 2;
        p[at] = p[at]! - (lr * (m[name]![at]! / (1 - b1 ** step))) / (Math.sqrt(v[name]![at]! / (1 - b2 ** step)) + optimizer.eps);
      }
    }
  }
  if (optimizer.renormalize === 'never' || !trained.includes('W_dec')) return;
  for (let i = 0; i < n; i++) {
    const direction = row(parameters.W_dec!, i, d);
    const length = Math.sqrt(dot(direction, direction));
    if (length === 0 || (optimizer.renormalize === 'at-most' && length <= 1)) continue;
    for (let c = 0; c < d; c++) direction[c] = direction[c]! / length;
  }
}
