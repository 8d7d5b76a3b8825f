/** What a call's readback says, in f64. Pure. */
import type { Objective } from '../../engine/train/objective.js';
import type { ForwardResult, StepControls, StepResult } from '../../engine/train/session.js';
import { TOTAL, type TrainPlan } from './plan.js';

/** Views of one staging buffer. */
export interface Left {
  /** [rows, 2, 4]: kernels/figures.wgsl */
  readonly figures: Float32Array;
  /** [rows, groups, parts] of squared residuals */
  readonly rowDots: Float32Array;
  readonly fired: Uint32Array;
  /** [TOTALS, 4] */
  readonly totals: Float32Array;
  /** (finite, factor, squared norm of the gradient, 0) */
  readonly verdict: Float32Array;
}

export function forwardResult({ groups }: Objective, { n, parts }: TrainPlan, rows: number, left: Pick<Left, 'figures' | 'rowDots' | 'fired'>): ForwardResult {
  return {
    rowErrors: Float32Array.from({ length: rows }, (_, r) => squared(left.rowDots, (r + 1) * groups.length - 1, parts)),
    rowL0: Uint32Array.from({ length: rows }, (_, r) => left.figures[r * 8]!),
    fired: left.fired.slice(0, n),
  };
}

export function stepResult(objective: Objective, plan: TrainPlan, rows: number, dead: number, controls: StepControls, left: Left): StepResult {
  const { d, groups, groupWeights, mse, penalty: rule, selection } = objective;
  const s = mse === 'sum' ? 1 : 1 / d;
  const errors = groups.map((_, g) => mean(rows, (r) => squared(left.rowDots, r * groups.length + g, plan.parts)));
  const figure = (at: number) => (r: number): number => left.figures[r * 8 + at]!;
  const l0 = mean(rows, figure(0));
  const raw = mean(rows, figure(1));
  const penalty = rule.kind === 'l0-target' ? (raw / rule.target - 1) ** 2 : raw;
  const auxiliary = auxiliaryLoss(objective, rows, dead, left.totals);
  const ranks = selection.kind === 'topk' || selection.kind === 'batchtopk';
  const leasts = Array.from({ length: ranks ? rows : 0 }, (_, r) => figure(3)(r)).filter((least) => least > 0);
  return {
    loss: errors.reduce((sum, error, g) => sum + groupWeights[g]! * s * error, 0) + (rule.kind === 'none' ? 0 : controls.coefficient * penalty) + auxiliary,
    squaredError: errors[errors.length - 1]!,
    penalty,
    penaltyNext: controls.pNext !== null && rule.kind === 'lp' ? mean(rows, figure(2)) : controls.pNext === null ? null : penalty,
    auxiliary,
    l0,
    fired: left.fired.slice(0, plan.n),
    leastActive: ranks ? leasts.reduce((least, value) => Math.min(least, value), Infinity) : null,
    meanLeastActive: ranks ? (leasts.length === 0 ? Infinity : leasts.reduce((sum, value) => sum + value, 0) / leasts.length) : null,
    gradientNorm: Math.sqrt(left.verdict[2]!),
  };
}

function auxiliaryLoss(objective: Objective, rows: number, dead: number, totals: Float32Array): number {
  const { d, mse, selection, auxk, ghost, preActivationCoefficient } = objective;
  const total = (at: number): number => totals[at * 4]! + totals[at * 4 + 1]! + totals[at * 4 + 2]! + totals[at * 4 + 3]!;
  const squares = total(TOTAL.auxiliary);
  if (selection.kind === 'gated') return ((mse === 'sum' ? 1 : 1 / d) * squares) / rows;
  if (dead === 0) return 0;
  let loss = 0;
  if (auxk !== null) {
    const by = auxk.normalize === 'variance' ? total(TOTAL.variance) : rows;
    if (by > 0) loss += (auxk.coefficient * (auxk.scaleByDead ? Math.min(dead / auxk.k, 1) : 1) * squares) / by;
  }
  if (ghost) loss += total(TOTAL.ghost) / (rows * d);
  if (preActivationCoefficient > 0) loss += (preActivationCoefficient * total(TOTAL.below)) / rows;
  return loss;
}

function squared(dots: Float32Array, row: number, parts: number): number {
  let sum = 0;
  for (let part = 0; part < parts; part++) sum += dots[row * parts + part]!;
  return sum;
}

function mean(rows: number, value: (row: number) => number): number {
  let sum = 0;
  for (let r = 0; r < rows; r++) sum += value(r);
  return sum / rows;
}
