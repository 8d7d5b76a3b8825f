/**
 * Do rare features fire on particular tokens more than any half-space of their kind? A direction
 * that was chosen to keep nearly all data on one side fires on what happens to stick out, and need not
 * mean anything. Each feature is held against half-spaces of the same family that fire as often:
 *
 *   u = a rbar^ + ||e|| v,   w_i = a rbar^ + e, e orthogonal to rbar^, v drawn evenly among unit
 *                            vectors orthogonal to rbar^
 *
 * and their rows are the k with the largest u . x, k the feature's own firings (at most 500, those of
 * the largest activation). What is compared is
 *
 *   entropy      -sum q_v log q_v of the tokens v of these rows
 *   enrichment   sum q_v log(q_v / p_v), p the tokens of all rows
 *
 * Both are biased for small k, alike for a feature and its half-spaces.
 */
import type { SparseCodes } from '../codes.js';
import type { Ops } from '../ops/ops.js';
import type { Pace } from '../pace.js';
import { createRandom, type Random } from '../random.js';
import type { Sae } from '../sae.js';
import { wilsonInterval } from '../statistics.js';
import type { InterpretabilityGroup } from './anatomy-reports.js';
import { bootstrap, normalDraw, quantile, shuffle } from './bootstrap.js';
import { dot, meanRow } from './feature-rows.js';
import { quartiles } from './rare-direction.js';

/** Firings that are looked at. */
export const MOST_FIRINGS = 500;

/** The k rows of the largest value, of a stream of rows. */
export class TopRows {
  readonly #k: number;
  #rows: number[] = [];
  #values: number[] = [];

  constructor(k: number) {
    this.#k = k;
  }

  add(row: number, value: number): void {
    this.#rows.push(row);
    this.#values.push(value);
    if (this.#rows.length > 2 * this.#k + 1024) this.#prune();
  }

  /** At most k, the largest first; ties to the lowest row. */
  rows(): number[] {
    this.#prune();
    return this.#rows;
  }

  #prune(): void {
    const order = Array.from(this.#rows.keys()).sort((a, b) => this.#values[b]! - this.#values[a]! || this.#rows[a]! - this.#rows[b]!).slice(0, this.#k);
    [this.#rows, this.#values] = [order.map((at) => this.#rows[at]!), order.map((at) => this.#values[at]!)];
  }
}

/** Entropy of the tokens of some rows, and their divergence from those of all; in nats. @param share of all rows by token id */
export function tokenPreference(rows: readonly number[], tokens: ArrayLike<number>, share: ReadonlyMap<number, number>): { entropy: number; enrichment: number } {
  const counts = new Map<number, number>();
  for (const row of rows) counts.set(tokens[row]!, (counts.get(tokens[row]!) ?? 0) + 1);
  let [entropy, enrichment] = [0, 0];
  for (const [token, count] of counts) {
    const q = count / rows.length;
    entropy -= q * Math.log(q);
    enrichment += q * Math.log(q / share.get(token)!);
  }
  return { entropy, enrichment };
}

/** Share of rows by token id. */
export function tokenShares(tokens: ArrayLike<number>): Map<number, number> {
  const shares = new Map<number, number>();
  for (let row = 0; row < tokens.length; row++) shares.set(tokens[row]!, (shares.get(tokens[row]!) ?? 0) + 1 / tokens.length);
  return shares;
}

/** A direction of w's family: as long as w along rbar^, and as long across it, anywhere there. @param unit [d] rbar^ */
export function familyDirection(w: Float32Array, unit: Float64Array, random: Random): Float64Array {
  const d = unit.length;
  const along = dot(w, 0, unit, 0, d);
  const across = Math.sqrt(Math.max(0, dot(w, 0, w, 0, d) - along * along));
  const v = Float64Array.from({ length: d }, () => normalDraw(random));
  const part = dot(v, 0, unit, 0, d);
  for (let c = 0; c < d; c++) v[c] = v[c]! - part * unit[c]!;
  const length = Math.sqrt(dot(v, 0, v, 0, d));
  return v.map((value, c) => along * unit[c]! + (length > 0 ? (across * value) / length : 0));
}

export interface HeldTokens {
  /** [rows, d], as the SAE reads them before b_dec. */
  readonly x: Float32Array;
  readonly rows: number;
  readonly d: number;
  /** [rows] */
  readonly tokens: Int32Array;
}

export interface GroupInput {
  /** All of the group. */
  readonly features: Uint32Array;
  /** Top rows of features that were collected, by feature, with at least `minFirings`. */
  readonly firings: ReadonlyMap<number, readonly number[]>;
  /** [d_sae, d] */
  readonly encoder: Float32Array;
  /** Features to compare, and half-spaces for each. */
  readonly most: number;
  readonly halfspaces: number;
  readonly seed: number;
  readonly ops: Pick<Ops, 'encode'>;
  readonly pace: Pace;
  readonly signal?: AbortSignal | undefined;
}

/** A group of features against half-spaces. */
export async function interpretabilityGroup(held: HeldTokens, input: GroupInput): Promise<InterpretabilityGroup> {
  const { features, firings, encoder, most, halfspaces, seed, pace } = input;
  const { d, tokens } = held;
  const random = createRandom(seed);
  const compared = shuffle(features.filter((i) => firings.has(i)), random).slice(0, most).sort();
  const mean = meanRow(encoder, features, d);
  const length = Math.sqrt(dot(mean, 0, mean, 0, d));
  const unit = mean.map((value) => (length > 0 ? value / length : 0));
  const directions: Float64Array[] = [];
  const sizes: number[] = [];
  for (const i of compared) {
    for (let h = 0; h < halfspaces; h++) {
      directions.push(familyDirection(encoder.subarray(i * d, (i + 1) * d), unit, random));
      sizes.push(firings.get(i)!.length);
    }
  }
  const nullRows = await topOfHalfspaces(held, directions, sizes, input);
  const shares = tokenShares(tokens);
  const own = Array.from(compared, (i) => tokenPreference(firings.get(i)!, tokens, shares));
  const nulls = Array.from(compared, (_, at) => nullRows.slice(at * halfspaces, (at + 1) * halfspaces).map((rows) => tokenPreference(rows, tokens, shares)));
  const ranks = own.map(({ enrichment }, at) => nulls[at]!.reduce((sum, other) => sum + (other.enrichment < enrichment ? 1 : other.enrichment === enrichment ? 0.5 : 0), 0) / halfspaces);
  const above = own.filter(({ enrichment }, at) => (1 + nulls[at]!.filter((other) => other.enrichment >= enrichment).length) / (1 + halfspaces) <= 0.05).length;
  const n = compared.length;
  const interval = n > 0 ? wilsonInterval(above, n) : null;
  return {
    features: features.length,
    compared: n,
    entropy: quartiles(own.map(({ entropy }) => entropy)),
    null_entropy: quartiles(nulls.map((one) => quantile(one.map(({ entropy }) => entropy), 0.5))),
    enrichment: quartiles(own.map(({ enrichment }) => enrichment)),
    null_enrichment: quartiles(nulls.map((one) => quantile(one.map(({ enrichment }) => enrichment), 0.5))),
    above_null: { value: n > 0 ? above / n : null, low: interval?.low ?? null, high: interval?.high ?? null },
    rank: await bootstrap(n, (items) => items.reduce((sum, at) => sum + ranks[at]!, 0) / items.length, { seed, pace }),
  };
}

/** Rows from which a first threshold is taken, and how many of them are let through at least. */
const FIRST_LOOK = 2048;
const MARGIN = 16;

/** For each direction the rows of the `sizes` largest products. The directions are given to the backend as features of an SAE that fire on a few more rows than are wanted. */
async function topOfHalfspaces({ x, rows, d }: HeldTokens, directions: readonly Float64Array[], sizes: readonly number[], { ops, pace, signal }: Pick<GroupInput, 'ops' | 'pace' | 'signal'>): Promise<number[][]> {
  const n = directions.length;
  if (n === 0) return [];
  const W_enc = new Float32Array(d * n);
  const b_enc = new Float32Array(n);
  const look = Math.min(rows, FIRST_LOOK);
  for (const [at, direction] of directions.entries()) {
    for (let c = 0; c < d; c++) W_enc[c * n + at] = direction[c]!;
    const products = Float64Array.from({ length: look }, (_, r) => dot(x, Math.floor((r * rows) / look) * d, direction, 0, d)).sort();
    const let_in = Math.ceil((2 * sizes[at]! * look) / rows) + MARGIN;
    // Where nearly all are wanted, all are let in.
    b_enc[at] = let_in < look ? -products[look - 1 - let_in]! : 1e6 * (1 + Math.abs(products[0]!));
    if (pace.isDue) await pace.pause();
  }
  const top = directions.map((_, at) => new TopRows(sizes[at]!));
  for await (const { first, codes } of ops.encode(halfspaceSae(W_enc, b_enc, d), x, rows, { signal })) {
    collect(codes, first, (feature) => top[feature]!);
    if (pace.isDue) await pace.pause();
  }
  return top.map((one) => one.rows());
}

/** Adds the firings of rows first .. to the collector of each feature, where it has one. */
export function collect({ rows, offsets, features, values }: SparseCodes, first: number, of: (feature: number) => TopRows | undefined): void {
  for (let row = 0; row < rows; row++) {
    for (let entry = offsets[row]!; entry < offsets[row + 1]!; entry++) of(features[entry]!)?.add(first + row, values[entry]!);
  }
}

/** Half-spaces as the features of an SAE that is only ever encoded with. */
function halfspaceSae(W_enc: Float32Array, b_enc: Float32Array, d: number): Sae {
  const d_sae = b_enc.length;
  return {
    architecture: 'standard',
    d_in: d,
    d_sae,
    d_out: 1,
    W_enc,
    b_enc,
    W_dec: new Float32Array(d_sae),
    b_dec: new Float32Array(1),
    threshold: null,
    k: null,
    applyBDecToInput: false,
    normalizeActivations: 'none',
    rescaleActsByDecoderNorm: false,
    metadata: { name: 'half-spaces', model_name: null, hook_name: null, source: 'drawn at random', format: 'none', sha256: null },
    conventions: [],
  };
}
