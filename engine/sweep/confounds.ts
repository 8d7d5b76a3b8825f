/**
 * Does something else move with the knob that was swept?
 *
 * The mean of the data (gamma), the coherence of a dictionary, L0 and n/N each
 * change how many features die whatever the knob does (Simon et al. for gamma;
 * ../../docs/sweeps.md tells of a published sweep that moved two at once). For
 * each swept knob and each of these quantities: Spearman's rank correlation over
 * the runs that came to their end, over all of them, and where that says nothing,
 * over each slice in which the other knobs stand still. A knob of more than two
 * words has no order: there the correlation ratio of the ranks, eta, is taken.
 *
 * This is a flag for the reader, not a test of cause: what is not flagged may
 * still be a confound that is not among the quantities.
 */
import { createRandom } from '../random.js';
import { canonical, type Json } from './config.js';
import type { SweepFigures, SweepRow } from './row.js';

/** |rho| from which a quantity counts as moving with a knob. */
export const CONFOUND_LEVEL = 0.7;
/** A quantity whose values lie within this share of the largest does not count as moving. */
export const CONFOUND_RANGE = 0.05;
/** Fewer runs than this say nothing. */
const LEAST_RUNS = 3;
/** Permutations for p where there are too many to try all. */
const PERMUTATIONS = 9999;

/** The quantities, with their names for people. */
export const QUANTITIES = [
  { name: 'gamma', title: 'γ of the data' },
  { name: 'gamma_start', title: 'γ after the first b_dec' },
  { name: 'gamma_end', title: 'γ after the last b_dec' },
  { name: 'coherence', title: "the decoder's coherence" },
  { name: 'coherence_truth', title: "the truth's coherence" },
  { name: 'l0', title: 'L0' },
  { name: 'n_over_N', title: 'n/N' },
] as const satisfies readonly { name: keyof SweepFigures; title: string }[];
export type QuantityName = (typeof QUANTITIES)[number]['name'];

/** Knobs that are such a quantity, so that moving it is what they are for. */
const BY_CONSTRUCTION: Readonly<Partial<Record<QuantityName, readonly string[]>>> = { l0: ['k', 'target_l0'], n_over_N: ['d_sae', 'data.features'] };

export interface Confound {
  readonly knob: string;
  readonly quantity: QuantityName;
  readonly title: string;
  /** Spearman's rho; for a knob of more than two words eta, which has no sign. */
  readonly rho: number;
  readonly measure: 'spearman' | 'eta';
  /** Share of the permutations of the knob's values with a |rho| as large. */
  readonly p: number;
  readonly runs: number;
  /** Smallest and largest value of the quantity over those runs. */
  readonly range: readonly [number, number];
  /** The other knobs' values where it holds in a slice only; null for all runs. */
  readonly where: Readonly<Record<string, Json>> | null;
  /** The knob is this quantity (k is L0): no surprise, but no other explanation is left either. */
  readonly byConstruction: boolean;
}

/** Looks at every swept knob but the seed. `keys` in the grid's order. */
export function findConfounds(keys: readonly string[], rows: readonly SweepRow[]): Confound[] {
  const ended = rows.filter((row): row is SweepRow & { figures: SweepFigures } => row.figures !== null);
  const knobs = keys.filter((key) => !isSeed(key));
  return knobs.flatMap((knob) =>
    QUANTITIES.flatMap(({ name, title }): Confound[] => {
      const common = { knob, quantity: name, title, byConstruction: BY_CONSTRUCTION[name]?.includes(knob) === true };
      const all = together(ended, knob, name);
      if (all !== null) return [{ ...common, ...all, where: null }];
      const others = knobs.filter((key) => key !== knob);
      if (others.length === 0) return [];
      const slices = new Map<string, typeof ended>();
      for (const row of ended) {
        const at = canonical(others.map((key) => row.settings[key] ?? null));
        slices.set(at, [...(slices.get(at) ?? []), row]);
      }
      return [...slices.values()].flatMap((slice): Confound[] => {
        const found = together(slice, knob, name);
        return found === null ? [] : [{ ...common, ...found, where: Object.fromEntries(others.map((key) => [key, slice[0]?.settings[key] ?? null])) }];
      });
    }),
  );
}

/** One sentence. */
export function confoundText({ knob, title, rho, measure, p, runs, range, where, byConstruction }: Confound): string {
  const how = measure === 'eta' ? 'depends on' : rho > 0 ? 'rises with' : 'falls with';
  const slice = where === null ? '' : ` where ${Object.entries(where).map(([key, value]) => `${key} = ${typeof value === 'string' ? value : JSON.stringify(value)}`).join(', ')}`;
  const level = `${measure === 'eta' ? 'eta' : 'Spearman'} ${rho.toFixed(2)} over ${runs} runs, ${short(range[0])} to ${short(range[1])}`;
  const chance = p > 0.05 ? `; so few runs show as much by chance with p = ${p.toPrecision(2)}` : '';
  const meaning = byConstruction ? ', as it must.' : `: what ${knob} seems to do may be its doing.`;
  return `${title} ${how} ${knob}${slice} (${level}${chance})${meaning}`;
}

const short = (value: number): string => String(Number(value.toPrecision(3)));

/** Whether the runs' values of a quantity go with a knob's. Null: no, or it cannot be said. */
function together(rows: readonly (SweepRow & { figures: SweepFigures })[], knob: string, name: QuantityName): Pick<Confound, 'rho' | 'measure' | 'p' | 'runs' | 'range'> | null {
  const usable = rows.flatMap(({ settings, figures }) => {
    const value = figures[name];
    return value === null || !Number.isFinite(value) ? [] : [{ setting: settings[knob] ?? null, value }];
  });
  const values = usable.map(({ value }) => value);
  const settings = usable.map(({ setting }) => setting);
  const levels = [...new Set(settings.map(canonical))];
  if (usable.length < LEAST_RUNS || levels.length < 2) return null;
  const low = Math.min(...values);
  const high = Math.max(...values);
  if (high - low <= CONFOUND_RANGE * Math.max(Math.abs(low), Math.abs(high))) return null;
  const numbers = settings.every((setting) => typeof setting === 'number');
  const ordered = numbers || levels.length === 2;
  // One run for each word says nothing about words.
  if (!ordered && usable.length < 2 * levels.length) return null;
  const x = settings.map((setting) => (numbers ? (setting as number) : levels.indexOf(canonical(setting))));
  const ranks = averageRanks(values);
  const size = ordered ? (x: readonly number[]) => pearson(averageRanks(x), ranks) : (x: readonly number[]) => correlationRatio(x, ranks);
  const rho = size(x);
  if (Math.abs(rho) < CONFOUND_LEVEL) return null;
  return { rho, measure: ordered ? 'spearman' : 'eta', p: permutationP(x, Math.abs(rho), (other) => Math.abs(size(other))), runs: usable.length, range: [low, high] };
}

/** Spearman's rank correlation, ties with their average rank; NaN where one of the two is constant. */
export function spearman(x: readonly number[], y: readonly number[]): number {
  return pearson(averageRanks(x), averageRanks(y));
}

/** Ranks from 1; equal values share the mean of theirs. */
export function averageRanks(values: readonly number[]): number[] {
  const order = values.map((_, at) => at).sort((a, b) => (values[a] as number) - (values[b] as number));
  const ranks = new Array<number>(values.length);
  for (let from = 0; from < order.length; ) {
    let to = from + 1;
    while (to < order.length && values[order[to] as number] === values[order[from] as number]) to++;
    for (let at = from; at < to; at++) ranks[order[at] as number] = (from + 1 + to) / 2;
    from = to;
  }
  return ranks;
}

function pearson(x: readonly number[], y: readonly number[]): number {
  const mx = mean(x);
  const my = mean(y);
  let xy = 0;
  let xx = 0;
  let yy = 0;
  for (const [i, value] of x.entries()) {
    const dx = value - mx;
    const dy = (y[i] as number) - my;
    xy += dx * dy;
    xx += dx * dx;
    yy += dy * dy;
  }
  return xy / Math.sqrt(xx * yy);
}

/** eta = sqrt(variance between groups / variance) of `values`, grouped by `groups`. */
function correlationRatio(groups: readonly number[], values: readonly number[]): number {
  const all = mean(values);
  const total = values.reduce((sum, value) => sum + (value - all) ** 2, 0);
  let between = 0;
  for (const group of new Set(groups)) {
    const own = values.filter((_, i) => groups[i] === group);
    between += own.length * (mean(own) - all) ** 2;
  }
  return Math.sqrt(between / total);
}

const mean = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length;

/** Share of the orders of x in which `size` is as large as `seen`: all orders up to 7 runs, else a fixed sample of them. */
function permutationP(x: readonly number[], seen: number, size: (x: readonly number[]) => number): number {
  const enough = seen - 1e-9;
  const order = [...x];
  let hits = 0;
  if (x.length <= 7) {
    let orders = 0;
    const permute = (from: number): void => {
      if (from === order.length) {
        orders++;
        if (size(order) >= enough) hits++;
        return;
      }
      for (let i = from; i < order.length; i++) {
        swap(order, from, i);
        permute(from + 1);
        swap(order, from, i);
      }
    };
    permute(0);
    return hits / orders;
  }
  const random = createRandom(0);
  for (let i = 0; i < PERMUTATIONS; i++) {
    for (let at = order.length - 1; at > 0; at--) swap(order, at, random.below(at + 1));
    if (size(order) >= enough) hits++;
  }
  return (hits + 1) / (PERMUTATIONS + 1);
}

function swap(list: number[], a: number, b: number): void {
  [list[a], list[b]] = [list[b] as number, list[a] as number];
}

/** A repetition, no knob. */
export function isSeed(key: string): boolean {
  return key === 'seed' || key === 'data.seed';
}
