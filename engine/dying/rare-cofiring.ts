/**
 * Do the rare features fire together? Of one shared hyperplane with different offsets the firing
 * sets are nested half-spaces; of independent features they are not.
 *
 *   K_t          rare features that fire on row t
 *   Fano         Var K / E K (population): 1 - sum p_i^2 / sum p_i if they are independent
 *   max share    max_t K_t / features ("on one input 95 % of these ultra rare features fired", Nanda 2023)
 *   nestedness   |A and B| / min(|A|, |B|) over pairs: 1 where one set holds the other
 *
 * The null hypothesis: each feature's firings on other rows, drawn anew without regard to any other
 * feature's; how often each fires is kept. Intervals of Fano's factor are over contexts, whose
 * rows are not independent of each other, and of the nestedness over features.
 */
import type { Pace } from '../pace.js';
import { createRandom, type Random } from '../random.js';
import type { RareCofiringReport } from './anatomy-reports.js';
import { affordable, bootstrap, nullRange, shuffle } from './bootstrap.js';
import { firingCounts, type GroupFirings, type RowContexts } from './group-firings.js';

export interface CofiringOptions {
  /** Pairs are counted where both fired so often; default 3. */
  readonly minFirings?: number | undefined;
  /** Draws of the null hypothesis; default 99. */
  readonly replicates?: number | undefined;
  /** Features whose pairs are counted: more are drawn from; default 2,000 (4 million pairs). */
  readonly mostPaired?: number | undefined;
  readonly seed: number;
  readonly pace: Pace;
}

/** What of the report follows from firings alone. */
export type CofiringFigures = Pick<RareCofiringReport, 'firing' | 'firings' | 'fano' | 'fano_null' | 'max_share' | 'max_share_null' | 'nestedness' | 'nestedness_null' | 'fully_nested' | 'pairs' | 'min_firings' | 'histogram'> & {
  /** Row with the largest K_t, the first of them; null where none fires. */
  readonly max_at: number | null;
  /** Features whose pairs were counted. */
  readonly paired: number;
};

/** K_t of every row, and its Fano factor and largest value. */
export function rowTotals({ rows, offsets }: Pick<GroupFirings, 'rows' | 'offsets'>): { totals: Uint32Array; fano: number; most: number } {
  const totals = Uint32Array.from({ length: rows }, (_, row) => offsets[row + 1]! - offsets[row]!);
  return { totals, fano: fanoOf(totals), most: totals.reduce((most, value) => Math.max(most, value), 0) };
}

/** NaN where none fires. */
export function fanoOf(totals: ArrayLike<number>): number {
  let [sum, squares] = [0, 0];
  for (let row = 0; row < totals.length; row++) {
    sum += totals[row]!;
    squares += totals[row]! ** 2;
  }
  const mean = sum / totals.length;
  return (squares / totals.length - mean * mean) / mean;
}

export async function cofiringFigures(firings: GroupFirings, contexts: RowContexts, options: CofiringOptions): Promise<CofiringFigures> {
  const { minFirings = 3, replicates = 99, mostPaired = 2000, seed, pace } = options;
  const { features, rows } = firings;
  const counts = firingCounts(firings);
  const firing = counts.reduce((sum, count) => sum + Number(count > 0), 0);
  const { totals, fano, most } = rowTotals(firings);
  const random = createRandom(seed);
  const paired = chosen(counts, minFirings, mostPaired, random);
  const sizes = Float64Array.from(paired, (member) => counts[member]!);
  const together = await pairCounts(firings.offsets, firings.members, rows, paired, features.length, pace);
  const whole = nestedness(together, sizes);

  const nulls = { fano: [] as number[], most: [] as number[], nested: [] as number[] };
  for (let replicate = 0; firing > 0 && replicate < replicates; replicate++) {
    const drawn = await permuted(counts, rows, random, pace);
    const own = rowTotals(drawn);
    nulls.fano.push(own.fano);
    nulls.most.push(own.most / features.length);
    if (paired.length > 1) nulls.nested.push(nestedness(await pairCounts(drawn.offsets, drawn.members, rows, paired, features.length, pace), sizes).mean);
  }
  const share = features.length > 0 && firing > 0 ? most / features.length : null;
  return {
    firing,
    firings: firings.members.length,
    fano: await fanoInterval(totals, contexts, seed, pace),
    fano_null: nullRange(nulls.fano, Number.isFinite(fano) ? fano : null),
    max_share: share,
    max_at: share === null ? null : totals.indexOf(most),
    max_share_null: nullRange(nulls.most, share),
    nestedness: await nestedInterval(together, sizes, seed, pace),
    nestedness_null: nullRange(nulls.nested, whole.pairs > 0 ? whole.mean : null),
    fully_nested: whole.pairs > 0 ? whole.full / whole.pairs : null,
    pairs: whole.pairs,
    min_firings: minFirings,
    histogram: histogramOf(totals, most),
    paired: paired.length,
  };
}

/** Members with enough firings; a random part of them where they are more than `most`. */
function chosen(counts: Float64Array, least: number, most: number, random: Random): Uint32Array {
  const members = Array.from(counts.keys()).filter((member) => counts[member]! >= least);
  return Uint32Array.from(members.length <= most ? members : shuffle(members, random).slice(0, most)).sort();
}

/** Rows on which both of a pair fire: [n (n - 1) / 2] of pairs (a, b), a < b, at b (b - 1) / 2 + a. */
export async function pairCounts(offsets: Uint32Array, members: Uint32Array, rows: number, paired: Uint32Array, features: number, pace: Pace): Promise<Uint32Array> {
  const place = new Int32Array(features).fill(-1);
  paired.forEach((member, at) => (place[member] = at));
  const counts = new Uint32Array((paired.length * (paired.length - 1)) / 2);
  const here: number[] = [];
  for (let row = 0; row < rows; row++) {
    if (offsets[row + 1]! - offsets[row]! < 2) continue;
    here.length = 0;
    for (let entry = offsets[row]!; entry < offsets[row + 1]!; entry++) if (place[members[entry]!]! >= 0) here.push(place[members[entry]!]!);
    for (let j = 1; j < here.length; j++) {
      for (let i = 0; i < j; i++) {
        const [a, b] = here[i]! < here[j]! ? [here[i]!, here[j]!] : [here[j]!, here[i]!];
        const at = (b * (b - 1)) / 2 + a;
        counts[at] = counts[at]! + 1;
      }
    }
    if (pace.isDue) await pace.pause();
  }
  return counts;
}

/** Mean of |A and B| / min(|A|, |B|), pairs that are nested in full, and all; NaN without pairs. */
export function nestedness(together: Uint32Array, sizes: ArrayLike<number>): { mean: number; full: number; pairs: number } {
  let [sum, full] = [0, 0];
  for (let b = 1, at = 0; b < sizes.length; b++) {
    for (let a = 0; a < b; a++, at++) {
      const least = Math.min(sizes[a]!, sizes[b]!);
      sum += together[at]! / least;
      if (together[at] === least) full++;
    }
  }
  return { mean: sum / together.length, full, pairs: together.length };
}

/** Every feature fires as often as it did, on rows drawn without replacement. */
async function permuted(counts: Float64Array, rows: number, random: Random, pace: Pace): Promise<GroupFirings> {
  const firingRows: number[] = [];
  const firingMembers: number[] = [];
  const offsets = new Uint32Array(rows + 1);
  for (let member = 0; member < counts.length; member++) {
    for (const row of distinctRows(rows, counts[member]!, random)) {
      firingRows.push(row);
      firingMembers.push(member);
      offsets[row + 1] = offsets[row + 1]! + 1;
    }
    if (pace.isDue) await pace.pause();
  }
  for (let row = 0; row < rows; row++) offsets[row + 1] = offsets[row + 1]! + offsets[row]!;
  const next = offsets.slice(0, rows);
  const members = new Uint32Array(firingRows.length);
  for (const [entry, row] of firingRows.entries()) members[next[row]!++] = firingMembers[entry]!;
  return { rows, features: new Uint32Array(counts.length), offsets, members, values: new Float32Array(0) };
}

/** `count` rows out of `rows`, each set of them equally likely (Floyd's algorithm, in Bentley 1987). */
function distinctRows(rows: number, count: number, random: Random): Set<number> {
  const drawn = new Set<number>();
  for (let j = rows - count; j < rows; j++) {
    const row = random.below(j + 1);
    drawn.add(drawn.has(row) ? j : row);
  }
  return drawn;
}

function fanoInterval(totals: Uint32Array, { contexts, of }: RowContexts, seed: number, pace: Pace): Promise<RareCofiringReport['fano']> {
  const [rows, sums, squares] = [new Float64Array(contexts), new Float64Array(contexts), new Float64Array(contexts)];
  for (let row = 0; row < totals.length; row++) {
    const context = of[row]!;
    rows[context] = rows[context]! + 1;
    sums[context] = sums[context]! + totals[row]!;
    squares[context] = squares[context]! + totals[row]! ** 2;
  }
  const statistic = (items: Uint32Array): number => {
    let [n, sum, square] = [0, 0, 0];
    for (const context of items) {
      n += rows[context]!;
      sum += sums[context]!;
      square += squares[context]!;
    }
    return (square / n - (sum / n) ** 2) / (sum / n);
  };
  return bootstrap(contexts, statistic, { seed, replicates: affordable(contexts * 4), pace });
}

function nestedInterval(together: Uint32Array, sizes: Float64Array, seed: number, pace: Pace): Promise<RareCofiringReport['nestedness']> {
  if (together.length === 0) return Promise.resolve({ value: null, low: null, high: null });
  const times = new Float64Array(sizes.length);
  const statistic = (items: Uint32Array): number => {
    times.fill(0);
    for (const member of items) times[member] = times[member]! + 1;
    let [sum, weight] = [0, 0];
    // A feature that was drawn twice makes no pair with itself.
    for (let b = 1; b < sizes.length; b++) {
      if (times[b] === 0) continue;
      for (let a = 0, at = (b * (b - 1)) / 2; a < b; a++, at++) {
        const both = times[a]! * times[b]!;
        if (both === 0) continue;
        sum += (both * together[at]!) / Math.min(sizes[a]!, sizes[b]!);
        weight += both;
      }
    }
    return sum / weight;
  };
  return bootstrap(sizes.length, statistic, { seed, replicates: affordable(together.length * 4, 1e9), pace });
}

function histogramOf(totals: Uint32Array, most: number): number[] {
  const histogram = new Array<number>(most + 1).fill(0);
  for (const value of totals) histogram[value] = histogram[value]! + 1;
  return histogram;
}
