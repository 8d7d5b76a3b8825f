/**
 * Float64 numbers that carry what f32 arithmetic may make of them: `e` bounds the
 * rounding error of the same computation in f32, to first order, in units of
 * u = 2^-24 (running error analysis: Higham, Accuracy and Stability of Numerical
 * Algorithms, §3.3), whatever the order of its sums. Functions are given as many
 * units as WGSL lets them be off.
 */

export interface Num {
  readonly v: number;
  readonly e: number;
}

/** Many of them. */
export interface Nums {
  readonly v: Float64Array;
  readonly e: Float64Array;
}

export const UNIT = 2 ** -24;

export const exact = (v: number): Num => ({ v, e: 0 });
export const plus = (a: Num, b: Num): Num => ({ v: a.v + b.v, e: a.e + b.e + Math.abs(a.v) + Math.abs(b.v) });
export const minus = (a: Num, b: Num): Num => plus(a, { v: -b.v, e: b.e });
export const times = (a: Num, b: Num): Num => ({ v: a.v * b.v, e: Math.abs(a.v) * b.e + Math.abs(b.v) * a.e + Math.abs(a.v * b.v) });
/** A product with a number that is itself rounded once: a coefficient, 2 / rows. */
export const scaled = (a: Num, by: number): Num => ({ v: a.v * by, e: Math.abs(by) * a.e + 4 * Math.abs(a.v * by) });
/** `a` and its derivative where it went through a function of value `v`, which is `units` |v| off by itself. */
const through = (a: Num, v: number, slope: number, units: number): Num => ({ v, e: Math.abs(slope) * a.e + units * Math.abs(v) });
export const inverse = (a: Num): Num => through(a, 1 / a.v, 1 / (a.v * a.v), 5);
export const over = (a: Num, b: Num): Num => times(a, inverse(b));
export const root = (a: Num): Num => (a.v === 0 ? exact(0) : through(a, Math.sqrt(a.v), 0.5 / Math.sqrt(a.v), 5));
export const exponential = (a: Num): Num => through(a, Math.exp(a.v), Math.exp(a.v), 8 + 4 * Math.abs(a.v));
/** For a > 0: exp2(p log2 a). */
export const power = (a: Num, p: number): Num => through(a, a.v ** p, p * a.v ** (p - 1), 16 + 16 * Math.abs(p) * (1 + Math.abs(Math.log2(a.v))));
export const tanh = (a: Num): Num => {
  const t = Math.tanh(a.v);
  // 1e-5 absolute is what WGSL promises; the engine's kernels do better.
  return { v: t, e: (1 - t * t) * a.e + 64 };
};

export function zeros(length: number): Nums {
  return { v: new Float64Array(length), e: new Float64Array(length) };
}

/** Numbers that f32 holds as they are. */
export function exactly(values: ArrayLike<number>): Nums {
  return { v: Float64Array.from(values), e: new Float64Array(values.length) };
}

export const at = (a: Nums, i: number): Num => ({ v: a.v[i]!, e: a.e[i]! });

export function put(a: Nums, i: number, value: Num): void {
  a.v[i] = value.v;
  a.e[i] = value.e;
}

export function add(a: Nums, i: number, value: Num): void {
  put(a, i, plus(at(a, i), value));
}

/** The sum of some of them, each an addition of its own. */
export function total(terms: readonly Num[]): Num {
  let [v, e, size] = [0, 0, 0];
  for (const term of terms) {
    v += term.v;
    e += term.e;
    size += Math.abs(term.v);
  }
  return { v, e: e + terms.length * size };
}

/** Shapes of the three products: a [rows, n], x [rows, d], w [n, d]; features from `width` on take no part. */
export interface Shape {
  readonly rows: number;
  readonly n: number;
  readonly d: number;
}

/** out[r, i] = sum_j x[r, j] w[i, j] for i < width; only where `wanted` says so. */
export function dots(x: Nums, w: Nums, { rows, n, d }: Shape, width = n, wanted?: Uint8Array): Nums {
  const out = zeros(rows * n);
  for (let r = 0; r < rows; r++) {
    for (let i = 0; i < width; i++) {
      if (wanted !== undefined && wanted[r * n + i] === 0) continue;
      let [v, e, size] = [0, 0, 0];
      for (let j = 0; j < d; j++) {
        const [a, b] = [x.v[r * d + j]!, w.v[i * d + j]!];
        v += a * b;
        size += Math.abs(a * b);
        e += Math.abs(a) * w.e[i * d + j]! + Math.abs(b) * x.e[r * d + j]!;
      }
      out.v[r * n + i] = v;
      out.e[r * n + i] = e + (d + 1) * size;
    }
  }
  return out;
}

/** out[r, j] = bias[j] + sum over i < width of a[r, i] w[i, j]; zeros of a add nothing, not even rounding. */
export function mix(a: Nums, w: Nums, bias: Nums, { rows, n, d }: Shape, width = n): Nums {
  const out = zeros(rows * d);
  const size = new Float64Array(d);
  for (let r = 0; r < rows; r++) {
    size.fill(0);
    let terms = 1;
    for (let j = 0; j < d; j++) {
      out.v[r * d + j] = bias.v[j]!;
      size[j] = Math.abs(bias.v[j]!);
    }
    for (let i = 0; i < width; i++) {
      const [f, error] = [a.v[r * n + i]!, a.e[r * n + i]!];
      if (f === 0 && error === 0) continue;
      terms++;
      for (let j = 0; j < d; j++) {
        const b = w.v[i * d + j]!;
        out.v[r * d + j]! += f * b;
        size[j]! += Math.abs(f * b);
        out.e[r * d + j]! += Math.abs(f) * w.e[i * d + j]! + Math.abs(b) * error;
      }
    }
    for (let j = 0; j < d; j++) out.e[r * d + j]! += (terms + 1) * size[j]!;
  }
  return out;
}

/** Adds sum_r a[r, i] x[r, j] to out[i, j] for i < width. */
export function addOuter(out: Nums, a: Nums, x: Nums, { rows, n, d }: Shape, width = n): void {
  for (let i = 0; i < width; i++) {
    let terms = 1;
    for (let r = 0; r < rows; r++) if (a.v[r * n + i] !== 0) terms++;
    for (let r = 0; r < rows; r++) {
      const [f, error] = [a.v[r * n + i]!, a.e[r * n + i]!];
      if (f === 0 && error === 0) continue;
      for (let j = 0; j < d; j++) {
        const b = x.v[r * d + j]!;
        out.v[i * d + j]! += f * b;
        out.e[i * d + j]! += Math.abs(f) * x.e[r * d + j]! + Math.abs(b) * error + (terms + 1) * Math.abs(f * b);
      }
    }
  }
}

/** Adds the sum over rows of a [rows, n] to out [n]. */
export function addColumns(out: Nums, a: Nums, rows: number, n: number): void {
  for (let r = 0; r < rows; r++) {
    for (let i = 0; i < n; i++) {
      const v = a.v[r * n + i]!;
      out.v[i]! += v;
      out.e[i]! += a.e[r * n + i]! + (v === 0 ? 0 : (rows + 1) * Math.abs(v));
    }
  }
}

/** ||w_i|| of each row of w [n, d]. */
export function norms(w: Nums, n: number, d: number): Nums {
  const out = zeros(n);
  for (let i = 0; i < n; i++) {
    const squares = Array.from({ length: d }, (_, j) => times(at(w, i * d + j), at(w, i * d + j)));
    put(out, i, root(total(squares)));
  }
  return out;
}
