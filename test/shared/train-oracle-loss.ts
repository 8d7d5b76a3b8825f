/**
 * The loss of engine/train/objective.ts, row by row and term by term as that file
 * writes it, in float64. It shares no code with train-oracle-gradients.ts: finite
 * differences of this are what its gradients are held against.
 *
 * `held` are the parameters at which every selection is made and everything detached
 * is evaluated, so that a difference of two losses sees what the gradient sees.
 * Straight-through terms are no derivative of anything and are not in it.
 */
import type { Objective, ParameterName } from '../../engine/train/objective.js';
import type { StepControls } from '../../engine/train/session.js';

export type Numbers = Readonly<Partial<Record<ParameterName, ArrayLike<number>>>>;

/** Everything about one row that a loss needs, under some parameters. */
interface Row {
  readonly x: number[];
  readonly z: number[];
  /** gated: the magnitudes, before relu; else z. */
  readonly m: number[];
}

/** What is decided and detached, under `held`. */
interface Held {
  /** Per row: the features whose f follows m (z), and for gated those whose gate is open. */
  readonly active: number[][];
  readonly open: number[][];
  /** Per row xhat - x of the last group. */
  readonly residual: number[][];
}

const dot = (a: readonly number[], b: readonly number[]): number => a.reduce((sum, value, j) => sum + value * b[j]!, 0);
const square = (a: readonly number[]): number => dot(a, a);
const mean = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length;
const sumOver = (ids: readonly number[], term: (i: number) => number): number => ids.reduce((sum, i) => sum + term(i), 0);

class Model {
  readonly objective: Objective;
  readonly p: Numbers;
  readonly features: number[];
  readonly b_dec: number[];

  constructor(objective: Objective, p: Numbers) {
    this.objective = objective;
    this.p = p;
    this.features = Array.from({ length: objective.d_sae }, (_, i) => i);
    this.b_dec = Array.from(p.b_dec!);
  }

  row(x: number[]): Row {
    const { applyBDecToInput, selection } = this.objective;
    const xbar = applyBDecToInput ? x.map((value, j) => value - this.b_dec[j]!) : x;
    const w = this.features.map((i) => dot(this.matrixRow('W_enc', i), xbar));
    if (selection.kind !== 'gated') {
      const z = w.map((value, i) => value + this.p.b_enc![i]!);
      return { x, z, m: z };
    }
    return { x, z: w.map((value, i) => value + this.p.b_gate![i]!), m: w.map((value, i) => Math.exp(this.p.r_mag![i]!) * value + this.p.b_enc![i]!) };
  }

  matrixRow(name: 'W_enc' | 'W_dec', i: number): number[] {
    const { d } = this.objective;
    return Array.from({ length: d }, (_, j) => this.p[name]![i * d + j]!);
  }

  norm(i: number): number {
    return Math.sqrt(square(this.matrixRow('W_dec', i)));
  }

  /** bias + sum of value(i) d_i */
  decode(ids: readonly number[], value: (i: number) => number, bias: readonly number[] | null): number[] {
    const y = bias === null ? new Array<number>(this.objective.d).fill(0) : [...bias];
    for (const i of ids) this.matrixRow('W_dec', i).forEach((weight, j) => (y[j]! += value(i) * weight));
    return y;
  }
}

/** The ids with the `keep` largest values; ties to the first. */
function top(ids: readonly number[], value: (id: number) => number, keep: number): number[] {
  return [...ids].sort((a, b) => value(b) - value(a) || a - b).slice(0, keep);
}

function select(model: Model, rows: readonly Row[], k: number): number[][] {
  const { selection, d_sae } = model.objective;
  const { features } = model;
  const rank = (row: Row, i: number): number => row.z[i]! * ('byDecoderNorm' in selection && selection.byDecoderNorm ? model.norm(i) : 1);
  switch (selection.kind) {
    case 'relu':
      return rows.map(({ z }) => features.filter((i) => z[i]! > 0));
    case 'gated':
      return rows.map(({ z, m }) => features.filter((i) => z[i]! > 0 && m[i]! > 0));
    case 'jumprelu':
      return rows.map(({ z }) => features.filter((i) => z[i]! > model.p.threshold![i]!));
    case 'topk':
      return rows.map((row) => top(features, (i) => rank(row, i), k).filter((i) => row.z[i]! > 0));
    case 'batchtopk': {
      const all = rows.flatMap((_, r) => features.map((i) => r * d_sae + i));
      const kept = new Set(top(all, (e) => rank(rows[Math.floor(e / d_sae)]!, e % d_sae), Math.floor(k * rows.length)));
      return rows.map(({ z }, r) => features.filter((i) => kept.has(r * d_sae + i) && z[i]! > 0));
    }
  }
}

/**
 * L at `parameters`, with decisions and detached quantities of `held` (default: the same).
 * @param nudge [rows, d_sae] added to f, whether it fires or not: differences by it are dL/df
 */
export function lossOf(objective: Objective, parameters: Numbers, x: ArrayLike<number>, rows: number, controls: StepControls, held: Numbers = parameters, nudge: Float64Array | null = null): number {
  const { d, d_sae, selection, penalty, groups, groupWeights } = objective;
  const model = new Model(objective, parameters);
  const past = new Model(objective, held);
  const inputs = Array.from({ length: rows }, (_, r) => Array.from({ length: d }, (_, j) => x[r * d + j]!));
  const [now, then] = [model, past].map((of) => inputs.map((row) => of.row(row))) as [Row[], Row[]];
  const active = select(past, then, controls.k);
  const open = then.map(({ z }, r) => (selection.kind === 'gated' ? past.features.filter((i) => z[i]! > 0) : active[r]!));
  const residual = then.map(({ x, m }, r) => past.decode(active[r]!, (i) => m[i]!, past.b_dec).map((value, j) => value - x[j]!));
  const decided: Held = { active, open, residual };

  const s = objective.mse === 'mean' ? 1 / d : 1;
  let loss = 0;
  const rowPenalties: number[] = [];
  now.forEach(({ x, z, m }, r) => {
    const moved = nudge === null ? [] : model.features.filter((i) => nudge[r * d_sae + i] !== 0);
    const f = (i: number): number => (active[r]!.includes(i) ? m[i]! : 0) + (nudge?.[r * d_sae + i] ?? 0);
    const firing = [...new Set([...active[r]!, ...moved])];
    groups.forEach((width, g) => {
      const xhat = model.decode(firing.filter((i) => i < width), f, model.b_dec);
      loss += (groupWeights[g]! * s * square(xhat.map((value, j) => value - x[j]!))) / rows;
    });
    const weight = (i: number): number => (penalty.kind === 'tanh' || ('byDecoderNorm' in penalty && penalty.byDecoderNorm) ? model.norm(i) : 1);
    if (penalty.kind === 'l1') rowPenalties.push(selection.kind === 'gated' ? sumOver(open[r]!, (i) => z[i]! * weight(i)) : sumOver(firing, (i) => f(i) * weight(i)));
    if (penalty.kind === 'lp') {
      const sum = sumOver(firing.filter((i) => f(i) > 0), (i) => f(i) ** controls.p);
      rowPenalties.push(penalty.root && sum > 0 ? sum ** (1 / controls.p) : sum);
    }
    if (penalty.kind === 'l0' || penalty.kind === 'l0-target') rowPenalties.push(active[r]!.length);
    if (penalty.kind === 'tanh') rowPenalties.push(sumOver(firing, (i) => Math.tanh(penalty.scale * f(i) * weight(i))));
  });
  if (penalty.kind === 'l0-target') loss += controls.coefficient * (mean(rowPenalties) / penalty.target - 1) ** 2;
  else if (penalty.kind !== 'none') loss += controls.coefficient * mean(rowPenalties);

  if (selection.kind === 'gated') {
    const decoder = selection.detachAuxDecoder ? past : model;
    loss += mean(now.map(({ x, z }, r) => s * square(decoder.decode(open[r]!, (i) => z[i]!, decoder.b_dec).map((value, j) => value - x[j]!))));
  }
  const dead = model.features.filter((i) => controls.dead !== null && controls.dead[i] !== 0);
  if (dead.length > 0) {
    loss += auxkOf(model, now, then, dead, decided);
    if (objective.ghost) loss += ghostOf(model, past, now, then, dead, decided);
    if (objective.preActivationCoefficient > 0) {
      const below = (i: number, r: number): boolean => past.p.threshold![i]! > then[r]!.z[i]!;
      loss += objective.preActivationCoefficient * mean(now.map(({ z }, r) => sumOver(dead.filter((i) => below(i, r)), (i) => (model.p.threshold![i]! - z[i]!) * past.norm(i))));
    }
  }
  return loss;
}

function auxkOf(model: Model, now: readonly Row[], then: readonly Row[], dead: readonly number[], { residual }: Held): number {
  const { auxk } = model.objective;
  if (auxk === null) return 0;
  const errors = now.map(({ z }, r) => {
    const chosen = top(dead, (i) => then[r]!.z[i]!, auxk.k).filter((i) => !auxk.relu || then[r]!.z[i]! > 0);
    const ehat = model.decode(chosen, (i) => z[i]!, auxk.includeBDec ? model.b_dec : null);
    return square(ehat.map((value, j) => value + residual[r]![j]!));
  });
  const scale = auxk.coefficient * (auxk.scaleByDead ? Math.min(dead.length / auxk.k, 1) : 1);
  if (auxk.normalize === 'none') return scale * mean(errors);
  const centre = residual[0]!.map((_, j) => mean(residual.map((row) => row[j]!)));
  const variance = mean(residual.map((row) => square(row.map((value, j) => value - centre[j]!))));
  return variance === 0 || residual.length === 1 ? 0 : (scale * mean(errors)) / variance;
}

function ghostOf(model: Model, past: Model, now: readonly Row[], then: readonly Row[], dead: readonly number[], { residual }: Held): number {
  const ghost = (of: Model, { z }: Row): number[] => of.decode(dead, (i) => Math.exp(Math.min(z[i]!, 30)), null);
  const terms = now.flatMap((row, r) => {
    const before = ghost(past, then[r]!);
    const c = Math.sqrt(square(residual[r]!)) / (2 * Math.sqrt(square(before)) + 1e-6);
    const after = ghost(model, row);
    return residual[r]!.map((error, j) => {
      const m = error ** 2 / ((c * before[j]! + error) ** 2 + 1e-6);
      return m * (c * after[j]! + error) ** 2;
    });
  });
  return mean(terms);
}
