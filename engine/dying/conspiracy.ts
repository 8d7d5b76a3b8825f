/**
 * Do the features of a group achieve together what none of them does alone? Exact identities of the
 * squared error without a group S, r = xhat - x, all means over rows:
 *
 *   E ||r - sum_S f_i d_i||^2 - E ||r||^2 = sum_S Delta_i + sum_{i<j in S} C_ij
 *   Delta_i = E f_i^2 ||d_i||^2 - 2 E f_i d_i . r      what taking i alone away costs
 *   C_ij    = 2 E[f_i f_j] d_i . d_j                   what taking both away costs beside
 *
 * A conspiracy has a group cost far above the sum of the Delta_i; features that are of no use have
 * a cost of about 0, or below. Held against two null hypotheses: the group's decoder rows dealt out
 * anew among its features, and firings of live features drawn at random until they have the group's mass,
 * sum_S E f_i^2 ||d_i||^2. Sums in f64, by context, for intervals over contexts.
 */
import type { SparseCodes } from '../codes.js';
import { ShapeError } from '../errors.js';
import type { Pace } from '../pace.js';
import { createRandom, type Random } from '../random.js';
import type { ConspiracyReport } from './anatomy-reports.js';
import { affordable, bootstrapAll, nullRange, shuffle } from './bootstrap.js';
import { dot } from './feature-rows.js';
import { residualOf } from './gradient-anatomy.js';
import type { RowContexts } from './group-firings.js';

export interface ConspiracyShape {
  readonly d_sae: number;
  readonly d_out: number;
  /** [d_sae, d_out] */
  readonly decoder: Float32Array;
  readonly b_dec: Float32Array;
}

/** A pair of the group that fires together. */
export interface ConspiracyPair {
  readonly a: number;
  readonly b: number;
  readonly rows: number;
  /** 2 E[f_a f_b] d_a . d_b */
  readonly c: number;
}

/** Pairs of firings whose C_ij is summed by pair; beyond, the group's sums go on without. */
const MOST_PAIRINGS = 2e7;

/** Multiply-adds between looks at the clock. */
const SLICE = 2 ** 19;

/** Rows are added in their order. */
export class GroupAblation {
  readonly #shape: ConspiracyShape;
  readonly #place: Int32Array;
  readonly features: Uint32Array;
  readonly #squares: Float64Array;
  /** By context: rows, error, ablation, alone, mass. */
  readonly #sums: Float64Array;
  readonly #contexts: RowContexts;
  /** [features] Delta_i times rows, and firings. */
  readonly alone: Float64Array;
  readonly counts: Float64Array;
  readonly #pairs = new Map<number, { rows: number; product: number }>();
  #pairings = 0;
  /** Firings of the group with r of their row in f32, for the null hypotheses. */
  readonly #kept: { readonly r: Float32Array; readonly members: Uint32Array; readonly values: Float32Array }[] = [];
  rows = 0;

  /** @param features ascending */
  constructor(shape: ConspiracyShape, features: Uint32Array, contexts: RowContexts) {
    const { d_sae, d_out, decoder, b_dec } = shape;
    if (decoder.length !== d_sae * d_out || b_dec.length !== d_out) throw new ShapeError(`decoder and b_dec have ${decoder.length} and ${b_dec.length} values, expected ${d_sae} x ${d_out} and ${d_out}`);
    this.#shape = shape;
    this.features = features;
    this.#place = new Int32Array(d_sae).fill(-1);
    features.forEach((feature, at) => (this.#place[feature] = at));
    this.#squares = Float64Array.from(features, (i) => dot(decoder, i * d_out, decoder, i * d_out, d_out));
    this.#sums = new Float64Array(5 * contexts.contexts);
    this.#contexts = contexts;
    this.alone = new Float64Array(features.length);
    this.counts = new Float64Array(features.length);
  }

  /** @param target [rows, d_out] what is to be reconstructed, of the next rows */
  async add(codes: SparseCodes, target: Float32Array, pace: Pace): Promise<void> {
    const { d_out, decoder, b_dec } = this.#shape;
    if (target.length !== codes.rows * d_out) throw new ShapeError(`target has ${target.length} values, expected ${codes.rows} rows x ${d_out}`);
    const r = new Float64Array(d_out);
    const v = new Float64Array(d_out);
    let work = 0;
    for (let row = 0; row < codes.rows; row++) {
      residualOf(codes, row, decoder, b_dec, target, r);
      this.#row(codes, row, r, v);
      this.rows++;
      work += (codes.offsets[row + 1]! - codes.offsets[row]! + 1) * d_out;
      if (work > SLICE) {
        work = 0;
        if (pace.isDue) await pace.pause();
      }
    }
  }

  #row({ offsets, features, values }: SparseCodes, row: number, r: Float64Array, v: Float64Array): void {
    const { d_out, decoder } = this.#shape;
    const members: number[] = [];
    const own: number[] = [];
    for (let entry = offsets[row]!; entry < offsets[row + 1]!; entry++) {
      const member = this.#place[features[entry]!]!;
      if (member < 0) continue;
      members.push(member);
      own.push(values[entry]!);
    }
    let [alone, mass] = [0, 0];
    v.fill(0);
    for (const [at, member] of members.entries()) {
      const [f, from] = [own[at]!, this.features[member]! * d_out];
      const square = f * f * this.#squares[member]!;
      const delta = square - 2 * f * dot(decoder, from, r, 0, d_out);
      for (let o = 0; o < d_out; o++) v[o] = v[o]! + f * decoder[from + o]!;
      this.alone[member] = this.alone[member]! + delta;
      this.counts[member] = this.counts[member]! + 1;
      alone += delta;
      mass += square;
    }
    const ablation = dot(v, 0, v, 0, d_out) - 2 * dot(v, 0, r, 0, d_out);
    [1, dot(r, 0, r, 0, d_out), ablation, alone, mass].forEach((value, which) => {
      const at = 5 * this.#contexts.of[this.rows]! + which;
      this.#sums[at] = this.#sums[at]! + value;
    });
    if (members.length > 0) this.#kept.push({ r: Float32Array.from(r), members: Uint32Array.from(members), values: Float32Array.from(own) });
    this.#pair(members, own);
  }

  #pair(members: readonly number[], values: readonly number[]): void {
    this.#pairings += (members.length * (members.length - 1)) / 2;
    if (this.#pairings > MOST_PAIRINGS) return;
    for (let j = 1; j < members.length; j++) {
      for (let i = 0; i < j; i++) {
        const key = Math.min(members[i]!, members[j]!) * this.features.length + Math.max(members[i]!, members[j]!);
        const pair = this.#pairs.get(key);
        const product = values[i]! * values[j]!;
        if (pair === undefined) this.#pairs.set(key, { rows: 1, product });
        else {
          pair.rows++;
          pair.product += product;
        }
      }
    }
  }

  /** The group's mass, sum E f_i^2 ||d_i||^2, times rows. */
  get mass(): number {
    let mass = 0;
    for (let context = 0; context < this.#contexts.contexts; context++) mass += this.#sums[5 * context + 4]!;
    return mass;
  }

  /** Pairs that fire together, the largest |C_ij| first; null where there were too many. */
  pairs(): ConspiracyPair[] | null {
    if (this.#pairings > MOST_PAIRINGS) return null;
    const { d_out, decoder } = this.#shape;
    const found = [...this.#pairs].map(([key, { rows, product }]): ConspiracyPair => {
      const [a, b] = [this.features[Math.floor(key / this.features.length)]!, this.features[key % this.features.length]!];
      return { a, b, rows, c: (2 * product * dot(decoder, a * d_out, decoder, b * d_out, d_out)) / this.rows };
    });
    return found.sort((p, q) => Math.abs(q.c) - Math.abs(p.c) || p.a - q.a || p.b - q.b);
  }

  /** Figures with their intervals over contexts. */
  async figures(seed: number, pace: Pace): Promise<Pick<ConspiracyReport, 'mse' | 'mass' | 'ablation' | 'alone' | 'interaction' | 'per_mass'>> {
    const { contexts } = this.#contexts;
    const statistics = (items: Uint32Array): number[] => {
      const sums = new Float64Array(5);
      for (const context of items) for (let which = 0; which < 5; which++) sums[which] = sums[which]! + this.#sums[5 * context + which]!;
      const [rows, error, ablation, alone, mass] = sums as unknown as [number, number, number, number, number];
      return [ablation / rows, alone / rows, (ablation - alone) / rows, ablation / mass, error / rows, mass / rows];
    };
    const [ablation, alone, interaction, per_mass, error, mass] = await bootstrapAll(contexts, 6, statistics, { seed, replicates: affordable(contexts * 5), pace });
    return { mse: error!.value ?? 0, mass: mass!.value ?? 0, ablation: ablation!, alone: alone!, interaction: interaction!, per_mass: per_mass! };
  }

  /** The same sums with decoder rows dealt out anew within the group, per row. */
  async shuffled(replicates: number, seed: number, pace: Pace): Promise<{ interaction: number[]; ablation: number[] }> {
    const { d_out, decoder } = this.#shape;
    const random = createRandom(seed);
    const found = { interaction: [] as number[], ablation: [] as number[] };
    const order = Uint32Array.from(this.features);
    const v = new Float64Array(d_out);
    for (let replicate = 0; replicate < replicates; replicate++) {
      shuffle(order, random);
      let [interaction, ablation] = [0, 0];
      for (const { r, members, values } of this.#kept) {
        v.fill(0);
        let squares = 0;
        for (const [at, member] of members.entries()) {
          const [f, from] = [values[at]!, order[member]! * d_out];
          for (let o = 0; o < d_out; o++) {
            const part = f * decoder[from + o]!;
            squares += part * part;
            v[o] = v[o]! + part;
          }
        }
        const whole = dot(v, 0, v, 0, d_out);
        interaction += whole - squares;
        ablation += whole - 2 * dot(v, 0, r, 0, d_out);
        if (pace.isDue) await pace.pause();
      }
      found.interaction.push(interaction / this.rows);
      found.ablation.push(ablation / this.rows);
    }
    return found;
  }
}

/** Draws firings of live features, each with the same chance, and ablates those that were drawn: a replicate each. */
export class RandomAblation {
  readonly #shape: ConspiracyShape;
  readonly #isLive: Uint8Array;
  readonly #chance: number;
  readonly #random: Random;
  /** Firings of live features until the next that is drawn, and sums of ablation and mass, by replicate. */
  readonly #wait: Float64Array;
  readonly #ablation: Float64Array;
  readonly #mass: Float64Array;

  /** @param chance of a firing to be drawn: the group's mass over that of the live features */
  constructor(shape: ConspiracyShape, live: Uint32Array, chance: number, replicates: number, seed: number) {
    this.#shape = shape;
    this.#isLive = new Uint8Array(shape.d_sae);
    for (const i of live) this.#isLive[i] = 1;
    this.#chance = Math.min(1, chance);
    this.#random = createRandom(seed);
    this.#wait = Float64Array.from({ length: replicates }, () => this.#next());
    this.#ablation = new Float64Array(replicates);
    this.#mass = new Float64Array(replicates);
  }

  /** How many are passed over: geometric. */
  #next(): number {
    if (this.#chance >= 1) return 0;
    return Math.floor(Math.log(1 - this.#random.uniform()) / Math.log1p(-this.#chance));
  }

  async add(codes: SparseCodes, target: Float32Array, pace: Pace): Promise<void> {
    const { d_out, decoder, b_dec } = this.#shape;
    const [r, v] = [new Float64Array(d_out), new Float64Array(d_out)];
    for (let row = 0; row < codes.rows; row++) {
      const entries: number[] = [];
      for (let entry = codes.offsets[row]!; entry < codes.offsets[row + 1]!; entry++) if (this.#isLive[codes.features[entry]!] === 1) entries.push(entry);
      let known = false;
      for (let replicate = 0; replicate < this.#wait.length; replicate++) {
        let wait = this.#wait[replicate]!;
        if (wait < entries.length) {
          if (!known) residualOf(codes, row, decoder, b_dec, target, r);
          known = true;
          v.fill(0);
          let mass = 0;
          for (; wait < entries.length; wait += 1 + this.#next()) {
            const [f, from] = [codes.values[entries[wait]!]!, codes.features[entries[wait]!]! * d_out];
            for (let o = 0; o < d_out; o++) {
              const part = f * decoder[from + o]!;
              mass += part * part;
              v[o] = v[o]! + part;
            }
          }
          this.#ablation[replicate] = this.#ablation[replicate]! + dot(v, 0, v, 0, d_out) - 2 * dot(v, 0, r, 0, d_out);
          this.#mass[replicate] = this.#mass[replicate]! + mass;
        }
        this.#wait[replicate] = wait - entries.length;
      }
      if (pace.isDue) await pace.pause();
    }
  }

  /** Ablation per mass of each replicate; NaN where nothing was drawn. */
  perMass(): Float64Array {
    return this.#ablation.map((value, replicate) => value / this.#mass[replicate]!);
  }
}

/** The mass of some features' firings, sum f_i^2 ||d_i||^2 over the rows of these codes. */
export function massOf({ features, values }: SparseCodes, isCounted: Uint8Array, squares: Float64Array): number {
  let mass = 0;
  for (let entry = 0; entry < features.length; entry++) {
    const i = features[entry]!;
    if (isCounted[i] === 1) mass += values[entry]! ** 2 * squares[i]!;
  }
  return mass;
}

/** The nulls of the report. */
export function conspiracyNulls(shuffled: { interaction: number[]; ablation: number[] }, live: Float64Array, liveFeatures: number, figures: Pick<ConspiracyReport, 'interaction' | 'ablation' | 'per_mass'>): Pick<ConspiracyReport, 'shuffled' | 'live'> {
  return {
    shuffled: { interaction: nullRange(shuffled.interaction, figures.interaction.value), ablation: nullRange(shuffled.ablation, figures.ablation.value) },
    live: { per_mass: nullRange(live, figures.per_mass.value), features: liveFeatures },
  };
}
