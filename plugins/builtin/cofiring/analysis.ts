/**
 * Co-firing of features a and b over the N tokens that count, f_a the activation
 * (0 where the feature does not fire), n_a the tokens where f_a > 0, and
 * c = #{f_a > 0 and f_b > 0}:
 *
 *   expected     n_a n_b / N, if the two were independent
 *   phi          (N c - n_a n_b) / sqrt(n_a (N - n_a) n_b (N - n_b)), the correlation of firing
 *   jaccard      c / (n_a + n_b - c)
 *   cosine       sum f_a f_b / sqrt(sum f_a^2 sum f_b^2)
 *   correlation  Pearson's, of f_a and f_b over all N tokens
 *
 * All pairs that ever fire together are counted (engine/sketches/pair-table.ts);
 * a pair that never does has no row. A feature's pairs are listed by phi, which is
 * made of whole numbers alone, so that the listing is the same however the stream
 * was cut; ties go to the lowest feature. Where the counts outgrew their memory,
 * they and what follows from them are lower bounds, `missed` says by how much at
 * most, and figures that need the activations' product are null.
 */
import type { Accumulator, AnalysisResult, Batch, StateValue } from '../../../engine/run/accumulator.js';
import type { Column } from '../../../engine/run/table.js';
import { floatArray, savedNumber, stateField } from '../../../engine/sketches/saved.js';
import { PairTable, type PairEntry } from '../../../engine/sketches/pair-table.js';
import type { PluginContext } from '../../types.js';
import type { CofiringSettings } from './index.js';

/** A pair as one of its features lists it. */
interface Listed {
  readonly entry: PairEntry;
  readonly other: number;
  readonly phi: number;
}

/** Rounding of phi is far below, and unequal phi seldom closer. */
const NEAR = 1e-12;

class Cofiring implements Accumulator {
  readonly #d_sae: number;
  readonly #settings: PluginContext<CofiringSettings>['settings'];
  readonly #notice: (text: string) => void;
  readonly #pairs: PairTable;
  readonly #counts: Float64Array;
  readonly #sums: Float64Array;
  readonly #squares: Float64Array;
  #tokens = 0;
  #together = 0;

  constructor({ sae, settings, notice }: PluginContext<CofiringSettings>) {
    this.#d_sae = sae.d_sae;
    this.#settings = settings;
    this.#notice = notice;
    this.#pairs = new PairTable(sae.d_sae, settings.memory * 2 ** 20);
    [this.#counts, this.#sums, this.#squares] = [0, 1, 2].map(() => new Float64Array(sae.d_sae)) as [Float64Array, Float64Array, Float64Array];
  }

  update({ codes, countedRows }: Batch): void {
    const { rows, offsets, features, values } = codes;
    this.#tokens += countedRows;
    for (let entry = 0; entry < features.length; entry++) {
      const feature = features[entry]!;
      const value = values[entry]!;
      this.#counts[feature] = this.#counts[feature]! + 1;
      this.#sums[feature] = this.#sums[feature]! + value;
      this.#squares[feature] = this.#squares[feature]! + value * value;
    }
    for (let row = 0; row < rows; row++) {
      const n = offsets[row + 1]! - offsets[row]!;
      this.#together += (n * (n - 1)) / 2;
    }
    this.#pairs.add(codes);
  }

  save(): StateValue {
    return { tokens: this.#tokens, together: this.#together, counts: this.#counts.slice(), sums: this.#sums.slice(), squares: this.#squares.slice(), pairs: this.#pairs.save() };
  }

  merge(saved: StateValue): void {
    const arrays = (['counts', 'sums', 'squares'] as const).map((name) => floatArray(stateField(saved, name), name, this.#d_sae));
    this.#tokens += savedNumber(stateField(saved, 'tokens'), 'tokens');
    this.#together += savedNumber(stateField(saved, 'together'), 'together');
    [this.#counts, this.#sums, this.#squares].forEach((own, which) => {
      for (let i = 0; i < own.length; i++) own[i] = own[i]! + arrays[which]![i]!;
    });
    this.#pairs.merge(stateField(saved, 'pairs'));
  }

  finish(): AnalysisResult {
    const lists = this.#lists();
    const { size, lost, most } = this.#pairs;
    if (lost > 0) this.#notice(`more pairs fire together than ${this.#settings.memory} MiB hold: counts of pairs are lower bounds, at most ${lost} short (--set sae/cofiring.memory=MIB)`);
    return {
      tables: [{ name: 'cofiring', rows: lists.reduce((sum, list) => sum + list.length, 0), featuresPerGroup: 32, columns: this.#columns(lists) }],
      summary: { tokens: this.#tokens, exact: lost === 0, pairs: size, pairs_that_fit: most, missed_at_most: lost, firings_together: this.#together },
    };
  }

  /** Of each feature, its pairs by phi. */
  #lists(): Listed[][] {
    const { top, min_count } = this.#settings;
    const lists = Array.from({ length: this.#d_sae }, (): Listed[] => []);
    const offer = (list: Listed[], listed: Listed): void => {
      const before = (b: Listed): boolean => {
        const order = this.#compare(listed, b);
        return order > 0 || (order === 0 && listed.other < b.other);
      };
      if (list.length === top && !before(list[top - 1]!)) return;
      let at = list.length;
      while (at > 0 && before(list[at - 1]!)) at--;
      list.splice(at, 0, listed);
      if (list.length > top) list.pop();
    };
    this.#pairs.forEach((entry) => {
      if (entry.count < min_count) return;
      const phi = this.#phi(entry);
      if (phi === null) return;
      offer(lists[entry.a]!, { entry, other: entry.b, phi });
      offer(lists[entry.b]!, { entry, other: entry.a, phi });
    });
    return lists;
  }

  /** Whether a phi is larger than another: where rounding could decide, in whole numbers, phi |phi| by phi |phi|. */
  #compare(a: Listed, b: Listed): number {
    if (Math.abs(a.phi - b.phi) > NEAR) return a.phi - b.phi;
    const [p, q] = [this.#parts(a.entry), this.#parts(b.entry)];
    const difference = p.product * q.spread - q.product * p.spread;
    return difference > 0n ? 1 : difference < 0n ? -1 : 0;
  }

  /** phi |phi| = product / spread. */
  #parts({ a, b, count }: PairEntry): { product: bigint; spread: bigint } {
    const [n, na, nb, nab] = [this.#tokens, this.#counts[a]!, this.#counts[b]!, count].map(BigInt) as [bigint, bigint, bigint, bigint];
    const numerator = n * nab - na * nb;
    return { product: numerator * (numerator < 0n ? -numerator : numerator), spread: na * (n - na) * nb * (n - nb) };
  }

  /** Null where a feature fires on every token: then nothing correlates with it. */
  #phi({ a, b, count }: PairEntry): number | null {
    const n = this.#tokens;
    const [na, nb] = [this.#counts[a]!, this.#counts[b]!];
    const spread = na * (n - na) * (nb * (n - nb));
    return spread > 0 ? clamp((n * count - na * nb) / Math.sqrt(spread)) : null;
  }

  #columns(lists: readonly (readonly Listed[])[]): Column[] {
    const rows = lists.flatMap((list, feature) => list.map((listed, rank) => ({ feature, rank, ...listed })));
    const n = this.#tokens;
    const [counts, sums, squares] = [this.#counts, this.#sums, this.#squares];
    const exact = (value: (entry: PairEntry) => number | null) => ({ entry }: { entry: PairEntry }): number | null => (entry.missed === 0 ? value(entry) : null);
    const cosine = exact(({ a, b, product }) => {
      const norms = Math.sqrt(squares[a]!) * Math.sqrt(squares[b]!);
      return norms > 0 ? clamp(product / norms) : null;
    });
    const correlation = exact(({ a, b, product }) => {
      const [va, vb] = [a, b].map((i) => squares[i]! / n - (sums[i]! / n) ** 2) as [number, number];
      const spread = Math.sqrt(va) * Math.sqrt(vb);
      return spread > 0 ? clamp((product / n - (sums[a]! / n) * (sums[b]! / n)) / spread) : null;
    });
    const column = (name: string, type: Column['type'], value: (row: (typeof rows)[number]) => number | null, description: string): Column => ({ name, type, data: rows.map(value), description });
    return [
      column('feature', 'u32', ({ feature }) => feature, 'Index of the feature in the SAE.'),
      column('rank', 'u32', ({ rank }) => rank, 'Place among the feature\'s pairs, 0 the largest phi (ties: lowest other).'),
      column('other', 'u32', ({ other }) => other, 'The feature that fires together with it.'),
      column('count', 'u64', ({ entry }) => entry.count, 'Tokens on which both fire (f > 0), of those that count. Exact where missed is 0, else a lower bound.'),
      column('missed', 'u64', ({ entry }) => entry.missed, 'At most so many more: 0 unless the pairs outgrew the memory that they were given.'),
      column('expected', 'f64', ({ entry: { a, b } }) => (counts[a]! * counts[b]!) / n, 'count(feature) count(other) / N: tokens on which both would fire if they were independent.'),
      column('phi', 'f64', ({ phi }) => phi, 'Correlation of firing: (N count - n_a n_b) / sqrt(n_a (N - n_a) n_b (N - n_b)).'),
      column('jaccard', 'f64', ({ entry: { a, b, count } }) => count / (counts[a]! + counts[b]! - count), 'count / tokens on which at least one fires.'),
      column('cosine', 'f64', cosine, 'Cosine of the two activations over the tokens; null where missed is not 0.'),
      column('correlation', 'f64', correlation, "Pearson's correlation of the two activations over all N tokens; null where missed is not 0."),
    ];
  }
}

/** Rounding must not leave [-1, 1]. */
function clamp(value: number): number {
  return Math.max(-1, Math.min(1, value));
}

export function create(ctx: PluginContext<CofiringSettings>): Accumulator {
  return new Cofiring(ctx);
}
