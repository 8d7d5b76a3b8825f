/**
 * Nearest decoder neighbours of all features by cosine: each pair's product is
 * computed once, in blocks that stay in cache, and offered to both of its
 * features. Memory: two blocks of rows in f64, and the lists.
 *
 * Products are summed in f64 in the order of the dimensions; equal cosines go to
 * the lower index; a zero row has no neighbours and is nobody's.
 */
import { dotTile, packPanels, PANEL, panelBuffer } from '../../../engine/dot-tiles.js';
import type { Sae } from '../../../engine/sae.js';
import { Pace } from '../../../engine/wasm/pace.js';

/** Values of a packed block: 128 Ki in f64 are 1 MiB. */
const BLOCK_VALUES = 1 << 17;

export interface Neighbours {
  /** For each feature, nearest first. */
  readonly neighbours: Uint32Array[];
  readonly cosines: Float64Array[];
}

/** Sorted lists of fixed length, one a feature. */
class NearestLists {
  readonly #k: number;
  readonly #cosines: Float64Array;
  readonly #features: Uint32Array;
  readonly #counts: Uint8Array;

  constructor(features: number, k: number) {
    this.#k = k;
    this.#cosines = new Float64Array(features * k);
    this.#features = new Uint32Array(features * k);
    this.#counts = new Uint8Array(features);
  }

  offer(feature: number, other: number, cosine: number): void {
    const k = this.#k;
    const base = feature * k;
    let at = base + (this.#counts[feature] as number);
    const before = (i: number): boolean => cosine > (this.#cosines[i] as number) || (cosine === this.#cosines[i] && other < (this.#features[i] as number));
    if (at === base + k) {
      if (!before(at - 1)) return;
      at--;
    } else {
      this.#counts[feature] = at - base + 1;
    }
    for (; at > base && before(at - 1); at--) {
      this.#cosines[at] = this.#cosines[at - 1] as number;
      this.#features[at] = this.#features[at - 1] as number;
    }
    this.#cosines[at] = cosine;
    this.#features[at] = other;
  }

  lists(): Neighbours {
    const cut = <T>(slice: (from: number, to: number) => T): T[] => Array.from(this.#counts, (count, i) => slice(i * this.#k, i * this.#k + count));
    return { neighbours: cut((from, to) => this.#features.slice(from, to)), cosines: cut((from, to) => this.#cosines.slice(from, to)) };
  }
}

/** @param norms ||W_dec[i]||, in f64 */
export async function decoderNeighbours(sae: Sae, norms: Float64Array, k: number, signal: AbortSignal | undefined): Promise<Neighbours> {
  const { d_sae, d_out, W_dec } = sae;
  const lists = new NearestLists(d_sae, k);
  if (k === 0) return lists.lists();
  const pace = new Pace(signal);
  const block = Math.max(PANEL, Math.min(256, Math.floor(BLOCK_VALUES / d_out / PANEL) * PANEL));
  const left = panelBuffer(block, d_out);
  const right = panelBuffer(block, d_out);
  const sums = new Float64Array(PANEL * PANEL);
  const pack = (panels: Float64Array, first: number): number => {
    const rows = Math.min(block, d_sae - first);
    packPanels(panels, rows, d_out, { data: W_dec, start: first * d_out, rowStride: d_out, stride: 1 });
    return rows;
  };
  for (let first = 0; first < d_sae; first += block) {
    const rows = pack(left, first);
    for (let other = first; other < d_sae; other += block) {
      const others = pack(right, other);
      for (let i = 0; i < rows; i += PANEL) {
        for (let j = other === first ? i : 0; j < others; j += PANEL) {
          dotTile(left, i * d_out, right, j * d_out, d_out, sums);
          offerTile(lists, norms, first + i, Math.min(PANEL, rows - i), other + j, Math.min(PANEL, others - j), sums);
        }
        if (pace.isDue) await pace.pause();
      }
    }
  }
  return lists.lists();
}

/** Offers the pairs a < b of a tile, each to both of its features. */
function offerTile(lists: NearestLists, norms: Float64Array, a0: number, rows: number, b0: number, others: number, sums: Float64Array): void {
  for (let i = 0; i < rows; i++) {
    const a = a0 + i;
    for (let j = 0; j < others; j++) {
      const b = b0 + j;
      const scale = (norms[a] as number) * (norms[b] as number);
      if (b <= a || scale === 0) continue;
      const cosine = Math.max(-1, Math.min(1, (sums[i * PANEL + j] as number) / scale));
      lists.offer(a, b, cosine);
      lists.offer(b, a, cosine);
    }
  }
}
