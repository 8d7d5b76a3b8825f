/**
 * The largest activations of every feature and samples from each tenth of its
 * range, each with its window of tokens; one pass, exact, O(features).
 *
 * Top. Within one (feature, context) activations are picked greedily by value
 * (ties: lowest position), none within max(before, after) positions of an
 * earlier pick, so that no window shows the firing of another pick. The table
 * holds the largest of all contexts' picks (ties: lowest context). As contexts
 * are never cut, streaming gives exactly what sorting everything would.
 *
 * Intervals. [0, max] is cut in ten; each has a uniform sample by bottom-k of
 * hash32(seed, row), see engine/sketches/reservoir.ts.
 *
 * The stream is not kept, so each candidate carries its window. The result is a
 * function of the set of contexts: order, batches and shards do not matter.
 */
import { hash32 } from '../../../engine/random.js';
import type { Accumulator, AnalysisResult, Batch, StateValue } from '../../../engine/run/accumulator.js';
import { Reservoirs } from '../../../engine/sketches/reservoir.js';
import { stateField } from '../../../engine/sketches/saved.js';
import { TopK } from '../../../engine/sketches/top-k.js';
import { WindowStore } from '../../../engine/sketches/window-store.js';
import type { PluginContext } from '../../types.js';
import type { ExamplesSettings } from './index.js';
import { loadWindows, saveWindows, type SavedWindow } from './saved-windows.js';
import { examplesTable, INTERVALS, type Example } from './table.js';

const TOP = 1;
const SAMPLED = 2;

export class Examples implements Accumulator {
  readonly #ctx: PluginContext<ExamplesSettings>;
  readonly #radius: number;
  readonly #windows: WindowStore;
  readonly #top: TopK;
  readonly #reservoirs: Reservoirs;
  /** One context's entries, as linked lists by feature, and the position of each entry. */
  readonly #heads: Int32Array;
  #next = new Int32Array(0);
  #places = new Int32Array(0);
  readonly #touched: number[] = [];
  /** The firings of one feature in one context, by position. */
  readonly #positions: Int32Array;
  readonly #values: Float32Array;
  readonly #hashes: Uint32Array;
  readonly #items: Int32Array;

  constructor(ctx: PluginContext<ExamplesSettings>) {
    const { sae, settings, positions, hasTokens } = ctx;
    const { before, after, top, perInterval } = settings;
    this.#ctx = ctx;
    this.#radius = Math.max(before, after);
    this.#windows = new WindowStore({ before, after, positions, hasTokens });
    const release = (item: number): void => this.#windows.release(item);
    this.#top = new TopK(sae.d_sae, top, this.#windows, release);
    this.#reservoirs = new Reservoirs(sae.d_sae, perInterval, INTERVALS, this.#windows, release);
    this.#heads = new Int32Array(sae.d_sae).fill(-1);
    this.#positions = new Int32Array(positions);
    this.#values = new Float32Array(positions);
    this.#hashes = new Uint32Array(positions);
    this.#items = new Int32Array(positions);
  }

  update(batch: Batch): void {
    const { codes, positions } = batch;
    const { offsets, features, values } = codes;
    for (let c = 0; c < batch.contexts; c++) {
      const first = c * positions;
      const from = offsets[first] as number;
      const to = offsets[first + positions] as number;
      if (to - from > this.#next.length) {
        this.#next = new Int32Array(2 * (to - from));
        this.#places = new Int32Array(2 * (to - from));
      }
      const context = batch.contextOffset + c;
      this.#hashRow(context);
      // From the back, so that each list ascends.
      for (let position = positions - 1; position >= 0; position--) {
        const begin = offsets[first + position] as number;
        for (let entry = (offsets[first + position + 1] as number) - 1; entry >= begin; entry--) {
          const feature = features[entry] as number;
          const head = this.#heads[feature] as number;
          if (head < 0) this.#touched.push(feature);
          this.#next[entry - from] = head;
          this.#places[entry - from] = position;
          this.#heads[feature] = entry - from;
        }
      }
      for (const feature of this.#touched) {
        let count = 0;
        for (let entry = this.#heads[feature] as number; entry >= 0; entry = this.#next[entry] as number) {
          this.#positions[count] = this.#places[entry] as number;
          this.#values[count++] = values[from + entry] as number;
        }
        this.#heads[feature] = -1;
        this.#take(feature, context, count, batch.tokens, first);
      }
      this.#touched.length = 0;
    }
  }

  save(): StateValue {
    const windows: SavedWindow[] = [];
    for (let feature = 0; feature < this.#ctx.sae.d_sae; feature++) {
      const use = new Map<number, number>();
      for (const item of this.#top.items(feature)) use.set(item, TOP);
      for (const item of this.#reservoirs.items(feature)) use.set(item, (use.get(item) ?? 0) | SAMPLED);
      for (const [item, flags] of use) windows.push({ feature, flags, item });
    }
    // The same contexts give the same state, in whatever order they came.
    const store = this.#windows;
    windows.sort((a, b) => a.feature - b.feature || store.context(a.item) - store.context(b.item) || store.position(a.item) - store.position(b.item));
    return { windows: saveWindows(store, windows), reservoirs: this.#reservoirs.save() };
  }

  merge(saved: StateValue): void {
    const seed = this.#ctx.seed;
    const { d_sae } = this.#ctx.sae;
    for (const { feature, flags, context, position, value, mask, values, tokens } of loadWindows(stateField(saved, 'windows'), this.#windows, d_sae, this.#ctx.hasTokens)) {
      const hash = rowHash(seed, context, position, this.#ctx.positions);
      let item = -1;
      if ((flags & TOP) !== 0 && this.#top.admits(feature, value, context, position)) {
        item = this.#windows.add(hash, context, position, mask, values, tokens, 0);
        this.#top.insert(feature, item);
      }
      if ((flags & SAMPLED) !== 0 && this.#reservoirs.offer(feature, value, hash, context, position)) {
        if (item < 0) item = this.#windows.add(hash, context, position, mask, values, tokens, 0);
        else this.#windows.retain(item);
        this.#reservoirs.insert(feature, item);
      }
    }
    this.#reservoirs.merge(stateField(saved, 'reservoirs'));
  }

  finish(): AnalysisResult {
    const examples: Example[] = [];
    for (let feature = 0; feature < this.#ctx.sae.d_sae; feature++) {
      const top = this.#top.items(feature);
      top.forEach((item, rank) => examples.push({ feature, group: 0, rank, item }));
      if (top.length === 0) continue;
      const max = this.#windows.value(top[0] as number);
      for (let group = 1; group <= INTERVALS; group++) {
        const high = group === INTERVALS ? Infinity : (group / INTERVALS) * max;
        this.#reservoirs.sample(feature, ((group - 1) / INTERVALS) * max, high).forEach((item, rank) => examples.push({ feature, group, rank, item }));
      }
    }
    return { tables: [examplesTable(examples, this.#windows, this.#ctx)], summary: { ...this.#ctx.settings, intervals: INTERVALS, examples: examples.length } };
  }

  /** Bytes of windows and their lists, for `cost`. */
  get bytes(): number {
    const { d_sae } = this.#ctx.sae;
    return this.#windows.bytes + 4 * d_sae * this.#top.k + this.#reservoirs.bytes;
  }

  /** Offers one feature's firings in one context. */
  #take(feature: number, context: number, count: number, tokens: Int32Array | null, first: number): void {
    this.#items.fill(-1, 0, count);
    this.#pick(feature, context, count, tokens, first);
    for (let i = 0; i < count; i++) {
      const position = this.#positions[i] as number;
      const hash = this.#hashes[position] as number;
      if (!this.#reservoirs.offer(feature, this.#values[i] as number, hash, context, position)) continue;
      // A pick is still among the top: only later contexts could push it out.
      let item = this.#items[i] as number;
      if (item < 0) item = this.#window(i, count, context, tokens, first);
      else this.#windows.retain(item);
      this.#reservoirs.insert(feature, item);
    }
  }

  /** The greedy picks. What is no longer admitted stops them: every later pick is smaller. */
  #pick(feature: number, context: number, count: number, tokens: Int32Array | null, first: number): void {
    const values = this.#values;
    const candidates: number[] = [];
    for (let i = 0; i < count; i++) {
      if (this.#top.admits(feature, values[i] as number, context, this.#positions[i] as number)) candidates.push(i);
    }
    if (candidates.length > 1) candidates.sort((a, b) => (values[b] as number) - (values[a] as number) || a - b);
    const picked: number[] = [];
    for (const i of candidates) {
      const position = this.#positions[i] as number;
      if (picked.some((other) => Math.abs(other - position) <= this.#radius)) continue;
      if (!this.#top.admits(feature, values[i] as number, context, position)) return;
      picked.push(position);
      const item = this.#window(i, count, context, tokens, first);
      this.#items[i] = item;
      this.#top.insert(feature, item);
    }
  }

  /** Stores the window of the i-th firing. */
  #window(i: number, count: number, context: number, tokens: Int32Array | null, first: number): number {
    const position = this.#positions[i] as number;
    const [start, end] = this.#windows.bounds(position);
    let from = i;
    while (from > 0 && (this.#positions[from - 1] as number) >= start) from--;
    let mask = 0;
    let to = from;
    for (; to < count && (this.#positions[to] as number) < end; to++) mask |= 1 << ((this.#positions[to] as number) - start);
    return this.#windows.add(this.#hashes[position] as number, context, position, mask, this.#values.subarray(from, to), tokens, first + start);
  }

  #hashRow(context: number): void {
    const { seed, positions } = this.#ctx;
    for (let position = 0; position < positions; position++) this.#hashes[position] = rowHash(seed, context, position, positions);
  }
}

/** The key of a row: it depends on nothing but the seed and the row's place in the stream. */
export function rowHash(seed: number, context: number, position: number, positions: number): number {
  const row = context * positions + position;
  return hash32(seed, row, Math.floor(row / 2 ** 32));
}

export function create(ctx: PluginContext<ExamplesSettings>): Accumulator {
  return new Examples(ctx);
}
