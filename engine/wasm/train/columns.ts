/**
 * The backward pass on WASM: entries of a span of rows, taken feature after feature. Spans
 * bound what entries take in memory; a feature's rows come in their order whatever the spans are.
 */
import type { Pace } from '../../pace.js';
import type { Pointer } from '../loader.js';
import { chunks, type Entries } from './entries.js';
import type { Layout } from './layout.js';

/** Entries after which a span ends: many for each feature, and the rows they are of still in the second-level cache. */
export const SPAN = 2 ** 18;
/** Products of an entry and a row between two looks at the clock: a few milliseconds. */
const PIECE = 2 ** 22;

/** Rows of a batch. */
export interface Rows {
  readonly first: number;
  readonly rows: number;
}

/** What a backward pass is over; pointers at row 0 of the batch. */
export interface Seen {
  readonly fs: Pointer;
  /** [rows][groups][dp] the residuals that features see. */
  readonly s: Pointer;
  readonly widths: Pointer;
  readonly groups: number;
  readonly xbar: Pointer;
  /** 0 where the decoder is detached. */
  readonly gdec: Pointer;
}

function countOf(layout: Layout, { offsets }: Entries, { first, rows }: Rows): number {
  const words = layout.u32(offsets + first * 4, rows + 1);
  return words[rows]! - words[0]!;
}

/** Rows in stretches between which a page may be served. */
export function* pieces(layout: Layout, entries: Entries, all: Rows): Generator<Rows> {
  const size = Math.max(1, Math.floor((PIECE * all.rows) / Math.max(1, countOf(layout, entries, all) * layout.dp)));
  const end = all.first + all.rows;
  for (let first = all.first; first < end; first += size) yield { first, rows: Math.min(size, end - first) };
}

/** Rows whose entries are all there, in spans. */
export function* spans(layout: Layout, entries: Entries, rows: number): Generator<Rows> {
  let begin = 0;
  for (const chunk of chunks(rows)) {
    const end = chunk.first + chunk.rows;
    const span = { first: begin, rows: end - begin };
    if (end < rows && countOf(layout, entries, span) < SPAN) continue;
    yield span;
    begin = end;
  }
}

/** A span's entries by feature, in memory until the arena is reset. */
export class Columns {
  readonly #layout: Layout;
  readonly #entries: Entries;
  readonly #span: Rows;
  readonly #columns: Pointer;
  /** Scratch: 16 bytes a row. */
  readonly #list: Pointer;

  constructor(layout: Layout, entries: Entries, span: Rows) {
    this.#layout = layout;
    this.#entries = entries;
    this.#span = span;
    this.#columns = layout.alloc(Math.max(1, countOf(layout, entries, span)) * 8, 'the activations of a batch');
    this.#list = layout.alloc(span.rows * 16, 'the rows');
    layout.kernels.transpose(span.rows, entries.offsets + span.first * 4, entries.ids, layout.n, layout.ends, this.#columns);
  }

  /** @param mode MODE of plan.ts */
  async backward(pace: Pace, mode: number, { fs, s, widths, groups, xbar, gdec }: Seen): Promise<void> {
    const { kernels, n, dp, ends, zsum, plan, slots } = this.#layout;
    const { first } = this.#span;
    const budget = Math.ceil(PIECE / dp);
    const [w, genc] = [slots.get('W_dec')!.p, slots.get('W_enc')!.g];
    for (let feature = 0; feature < n; ) {
      if (pace.isDue) await pace.pause();
      feature = kernels.backward(mode, feature, n, budget, ends, this.#columns, fs, this.#entries.zs, s + first * groups * dp * 4, widths, groups, dp, xbar + first * dp * 4, w, gdec, genc, zsum, this.#list, plan);
    }
  }
}
