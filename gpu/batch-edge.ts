/**
 * What batchtopk asks of a histogram: how large the r-th largest positive z is, at
 * least, of those that were counted. Two levels of 11 bits (kernels/bins.wgsl): the
 * upper bits of an f32 are its order, so a bin's lower edge is a bound, and the second
 * level tells apart what differs by 2^-14 of itself.
 */

const BINS = 2048;
const floats = new Float32Array(1);
const words = new Uint32Array(floats.buffer);

/** Counts by 11 bits of z, of all submissions of a call. */
export class Bins {
  /** Of what a submission counts, u32. */
  static readonly bytes = 4 * BINS;
  readonly #counts = new Float64Array(BINS);

  add(counts: Uint32Array): void {
    for (let bin = 0; bin < BINS; bin++) this.#counts[bin]! += counts[bin] ?? 0;
  }

  /** The bin of the rank-th largest, from 1, and how many are in the bins above it; null where there are fewer. */
  find(rank: number): { readonly digits: number; readonly above: number } | null {
    let above = 0;
    for (let digits = BINS - 1; digits >= 0; digits--) {
      const count = this.#counts[digits]!;
      if (above + count >= rank) return { digits, above };
      above += count;
    }
    return null;
  }
}

/** The least z of a bin of the second level; 0 where that is so small that comparisons may take it for 0. Pure. */
export function binEdge(upper: number, lower: number): number {
  words[0] = ((upper << 20) | (lower << 9)) >>> 0;
  return floats[0]! < 2 ** -126 ? 0 : floats[0]!;
}

/**
 * The rank in a sample of a call's z above which there are probably `wanted` of all of
 * them: their share, a margin, and four standard deviations of a count. Pure.
 *
 * @param share of the columns that are in the sample; 1: the rank is exact
 */
export function rankOfSample(wanted: number, share: number, margin: number): number {
  if (share >= 1) return wanted;
  const expected = wanted * share;
  return Math.min(wanted, Math.ceil(margin * expected + 4 * Math.sqrt(expected)));
}
