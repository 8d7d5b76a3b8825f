/**
 * From rows to activations and residuals, in float64 with error bounds: the upper
 * half of engine/train/objective.ts, and how far its decisions are from being others.
 */
import type { Objective, ParameterName } from '../../engine/train/objective.js';
import type { StepControls } from '../../engine/train/session.js';
import { add, at, dots, exact, exactly, exponential, minus, mix, norms, plus, put, times, UNIT, zeros, type Nums, type Num, type Shape } from './rounded.js';

/** Parameters of any precision, by name. */
export type Values = Readonly<Partial<Record<ParameterName, ArrayLike<number>>>>;

/** What a batch comes to, before losses. Matrices are [rows, n] or [rows, d]. */
export interface Forward {
  readonly shape: Shape;
  readonly x: Nums;
  readonly xbar: Nums;
  /** z; pi for gated. */
  readonly z: Nums;
  /** gated: w . xbar, before the gate's bias and exp(r_mag); else z. */
  readonly raw: Nums;
  readonly f: Nums;
  /** 1 where f follows z (gated: the magnitude). */
  readonly on: Uint8Array;
  /** gated: pi > 0; else as `on`. */
  readonly open: Uint8Array;
  /** jumprelu: |z - theta| < bandwidth / 2. */
  readonly band: Uint8Array;
  /** xhat - x of each group. */
  readonly residuals: readonly Nums[];
  /** [n] ||d_i|| */
  readonly norms: Nums;
  readonly parameters: (name: ParameterName) => Nums;
  readonly decisions: Decisions;
}

/** Keeps how near the nearest decision was, in units of what rounding can move it by. */
export class Decisions {
  #margin = Infinity;

  /** a > b, where f32 may see another a and b. */
  above(a: Num, b: Num): boolean {
    // Plain ties are the tests' own doing: they are compared as they are.
    const blur = (a.e + b.e + Math.abs(a.v) + Math.abs(b.v)) * UNIT;
    if (a.v !== b.v) this.#margin = Math.min(this.#margin, Math.abs(a.v - b.v) / blur);
    return a.v > b.v;
  }

  /** Below 1, a backend that rounds may decide otherwise somewhere. */
  get margin(): number {
    return this.#margin;
  }
}

export function forward(objective: Objective, values: Values, x: ArrayLike<number>, rows: number, k: number): Forward {
  const { d, d_sae: n, selection, applyBDecToInput, groups } = objective;
  const shape: Shape = { rows, n, d };
  const held = new Map<ParameterName, Nums>();
  const parameters = (name: ParameterName): Nums => {
    const known = held.get(name) ?? exactly(values[name] ?? missing(name));
    held.set(name, known);
    return known;
  };
  const decisions = new Decisions();
  const input = exactly(x);
  const b_dec = parameters('b_dec');
  const xbar = zeros(rows * d);
  for (let e = 0; e < rows * d; e++) put(xbar, e, applyBDecToInput ? minus(at(input, e), at(b_dec, e % d)) : at(input, e));
  const raw = dots(xbar, parameters('W_enc'), shape);
  const bias = parameters(selection.kind === 'gated' ? 'b_gate' : 'b_enc');
  const z = zeros(rows * n);
  for (let e = 0; e < rows * n; e++) put(z, e, plus(at(raw, e), at(bias, e % n)));
  const lengths = norms(parameters('W_dec'), n, d);

  const f = zeros(rows * n);
  const open = new Uint8Array(rows * n);
  let on = open;
  const band = new Uint8Array(rows * n);
  const zero = exact(0);
  if (selection.kind === 'relu') {
    for (let e = 0; e < rows * n; e++) open[e] = Number(decisions.above(at(z, e), zero));
  } else if (selection.kind === 'topk' || selection.kind === 'batchtopk') {
    const ranks = zeros(rows * n);
    for (let e = 0; e < rows * n; e++) put(ranks, e, selection.byDecoderNorm ? times(at(z, e), at(lengths, e % n)) : at(z, e));
    const whole = selection.kind === 'batchtopk';
    const each = whole ? rows * n : n;
    const keep = whole ? Math.floor(k * rows) : k;
    for (let first = 0; first < rows * n; first += each) {
      for (const e of largest(ranks, range(first, each), keep, decisions)) open[e] = Number(decisions.above(at(z, e), zero));
    }
  } else if (selection.kind === 'jumprelu') {
    const theta = parameters('threshold');
    const half = selection.bandwidth / 2;
    for (let e = 0; e < rows * n; e++) {
      open[e] = Number(decisions.above(at(z, e), at(theta, e % n)));
      const distance = minus(at(z, e), at(theta, e % n));
      band[e] = Number(decisions.above(distance, exact(-half)) && decisions.above(exact(half), distance));
    }
  } else {
    on = new Uint8Array(rows * n);
    const [r_mag, b_enc] = [parameters('r_mag'), parameters('b_enc')];
    for (let e = 0; e < rows * n; e++) {
      open[e] = Number(decisions.above(at(z, e), zero));
      if (open[e] === 0) continue;
      const magnitude = plus(times(exponential(at(r_mag, e % n)), at(raw, e)), at(b_enc, e % n));
      on[e] = Number(decisions.above(magnitude, zero));
      if (on[e] === 1) put(f, e, magnitude);
    }
  }
  if (selection.kind !== 'gated') for (let e = 0; e < rows * n; e++) if (open[e] === 1) put(f, e, at(z, e));

  const residuals = groups.map((width) => {
    const r = mix(f, parameters('W_dec'), b_dec, shape, width);
    for (let e = 0; e < rows * d; e++) add(r, e, { v: -input.v[e]!, e: 0 });
    return r;
  });
  return { shape, x: input, xbar, z, raw, f, on, open, band, residuals, norms: lengths, parameters, decisions };
}

/** The places among `places` with the `keep` largest values, ties to the first. */
export function largest(ranks: Nums, places: readonly number[], keep: number, decisions: Decisions): number[] {
  const order = [...places].sort((a, b) => ranks.v[b]! - ranks.v[a]! || a - b);
  const kept = order.slice(0, Math.max(0, keep));
  // Where what is left out is not above 0 either way, nothing depends on it but relu, which is looked at by itself.
  const [last, next] = [kept.at(-1), order[kept.length]];
  if (last !== undefined && next !== undefined) decisions.above(at(ranks, last), at(ranks, next));
  return kept;
}

export function range(first: number, count: number): number[] {
  return Array.from({ length: count }, (_, i) => first + i);
}

/** The features that count as dead. */
export function deadOf({ d_sae }: Objective, { dead }: Pick<StepControls, 'dead'>): number[] {
  return range(0, d_sae).filter((i) => dead !== null && dead[i] !== 0);
}

function missing(name: ParameterName): never {
  throw new Error(`the parameters lack ${name}`);
}
