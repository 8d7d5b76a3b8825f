/** Top-k and the reservoirs of intervals against sorting everything. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { hash32 } from '../../engine/random.js';
import { BUCKETS, exponentAbove, Reservoirs, type HashedKeys } from '../../engine/sketches/reservoir.js';
import { TopK } from '../../engine/sketches/top-k.js';
import { popcount, WindowStore } from '../../engine/sketches/window-store.js';
import { gaussian, uniform } from '../shared/random.js';

interface Item {
  readonly value: number;
  readonly hash: number;
  readonly context: number;
  readonly position: number;
}

/** Items in an array, and which are held. */
class Items implements HashedKeys {
  readonly all: Item[] = [];
  readonly held = new Set<number>();
  readonly release = (item: number): void => {
    assert.ok(this.held.delete(item), 'released twice');
  };

  add(item: Item): number {
    this.held.add(this.all.length);
    return this.all.push(item) - 1;
  }
  value = (item: number): number => this.all[item]!.value;
  hash = (item: number): number => this.all[item]!.hash;
  context = (item: number): number => this.all[item]!.context;
  position = (item: number): number => this.all[item]!.position;
}

const byKey = (a: Item, b: Item): number => a.hash - b.hash || a.context - b.context || a.position - b.position;

function offerAll(reservoirs: Reservoirs, items: Items, stream: readonly Item[]): void {
  for (const item of stream) {
    if (reservoirs.offer(0, item.value, item.hash, item.context, item.position)) reservoirs.insert(0, items.add(item));
  }
}

/** A stream with a heavy tail; with few distinct hashes when asked, so that keys tie. */
function makeItems(count: number, seed: number, hashes = 2 ** 32): Item[] {
  const next = gaussian(seed);
  return Array.from({ length: count }, (_, i) => ({ value: Math.fround(Math.exp(1.2 * next())), hash: hash32(seed, i) % hashes, context: i >> 4, position: i & 15 }));
}

function intervals(max: number): [number, number][] {
  return Array.from({ length: 10 }, (_, j) => [(j / 10) * max, j === 9 ? Infinity : ((j + 1) / 10) * max]);
}

describe('reservoirs of intervals', () => {
  it('finds the power of two above', () => {
    for (const value of [1, 1.5, 2, 2.0000002384185791, 0.75, 3.4e38]) {
      const r = 2 ** exponentAbove(value);
      assert.ok(Math.fround(value) < r && Math.fround(value) >= r / 2, String(value));
    }
    assert.equal(exponentAbove(2 ** -149), -120);
  });

  it('keeps the bottom-k by key of every bucket, whatever the order', () => {
    const shape = fc.record({ count: fc.integer({ min: 1, max: 400 }), seed: fc.nat(1e6), hashes: fc.constantFrom(4, 2 ** 32), k: fc.integer({ min: 1, max: 6 }), turn: fc.nat(400) });
    fc.assert(
      fc.property(shape, ({ count, seed, hashes, k, turn }) => {
        const stream = makeItems(count, seed, hashes);
        const items = new Items();
        const reservoirs = new Reservoirs(1, k, items, items.release);
        const cut = turn % count;
        offerAll(reservoirs, items, [...stream.slice(cut), ...stream.slice(0, cut).reverse()]);
        const r = 2 ** exponentAbove(Math.max(...stream.map(({ value }) => value)));
        const expected = Array.from({ length: BUCKETS }, (_, b) => stream.filter(({ value }) => Math.floor((value / r) * BUCKETS) === b).sort(byKey).slice(0, k)).flat();
        assert.deepEqual(Array.from(reservoirs.items(0), (item) => items.all[item]), expected);
        assert.equal(items.held.size, expected.length);
      }),
    );
  });

  it('gives a prefix of the true bottom-k of each interval, and all of it where nothing was dropped at its edges', () => {
    let full = 0;
    let complete = 0;
    const shape = fc.record({ count: fc.integer({ min: 1, max: 3000 }), seed: fc.nat(1e6), hashes: fc.constantFrom(64, 2 ** 32) });
    fc.assert(
      fc.property(shape, ({ count, seed, hashes }) => {
        const stream = makeItems(count, seed, hashes);
        const items = new Items();
        const reservoirs = new Reservoirs(1, 5, items, items.release);
        offerAll(reservoirs, items, stream);
        const max = Math.max(...stream.map(({ value }) => value));
        for (const [low, high] of intervals(max)) {
          const truth = stream.filter(({ value }) => value >= low && value < high).sort(byKey).slice(0, 5);
          const got = reservoirs.sample(0, low, high).map((item) => items.all[item]);
          assert.deepEqual(got, truth.slice(0, got.length));
          full += truth.length;
          complete += got.length;
          const width = 2 ** exponentAbove(max) / BUCKETS;
          const cutBuckets = [low, high].filter((edge) => Number.isFinite(edge) && edge % width !== 0).map((edge) => Math.floor(edge / width));
          const overflowed = cutBuckets.some((b) => stream.filter(({ value }) => Math.floor(value / width) === b).length > 5);
          if (!overflowed) assert.equal(got.length, truth.length);
        }
      }),
      { numRuns: 60, seed: 20 },
    );
    assert.ok(complete / full > 0.97, `only ${complete} of ${full} samples`);
  });

  it('gives a prefix also where a crowd at an edge hides firings of the interval', () => {
    let short = 0;
    const shape = fc.record({ seed: fc.nat(1e6), edge: fc.integer({ min: 1, max: 8 }), crowd: fc.integer({ min: 6, max: 400 }), above: fc.constantFrom(0, 6, 20, 100, 400), inside: fc.integer({ min: 1, max: 40 }) });
    fc.assert(
      fc.property(shape, ({ seed, edge, crowd, above, inside }) => {
        // Up to 400 firings just below an edge, and just above the next one; a few in between, most of them near the edges.
        const next = uniform(seed);
        const value = (i: number): number => {
          if (i === 0) return 0.9999;
          if (i <= crowd) return 0.09999 * edge - 0.002 * next();
          if (i <= crowd + above) return 0.09999 * (edge + 1) + 0.002 * next();
          return i % 3 === 0 ? 0.09999 * edge + 0.09 * next() : i % 3 === 1 ? 0.09999 * edge + 0.002 * next() : 0.09999 * (edge + 1) - 0.002 * next();
        };
        const stream = Array.from({ length: 1 + crowd + above + inside }, (_, i) => ({ value: Math.fround(value(i)), hash: hash32(seed, i), context: i, position: 0 }));
        const items = new Items();
        const reservoirs = new Reservoirs(1, 5, items, items.release);
        offerAll(reservoirs, items, stream);
        for (const [low, high] of intervals(Math.max(...stream.map(({ value: v }) => v)))) {
          const truth = stream.filter(({ value: v }) => v >= low && v < high).sort(byKey).slice(0, 5);
          const got = reservoirs.sample(0, low, high).map((item) => items.all[item]);
          assert.deepEqual(got, truth.slice(0, got.length));
          if (got.length < truth.length) short++;
        }
      }),
      { numRuns: 200 },
    );
    // Else this test would hold without the rule that it is about.
    assert.ok(short > 20, `${short} short samples`);
  });

  it('merges shards to the state of one pass', () => {
    const shape = fc.record({ count: fc.integer({ min: 1, max: 600 }), seed: fc.nat(1e6), shards: fc.integer({ min: 1, max: 4 }) });
    fc.assert(
      fc.property(shape, ({ count, seed, shards }) => {
        const stream = makeItems(count, seed);
        const run = (part: readonly Item[]) => {
          const items = new Items();
          const reservoirs = new Reservoirs(1, 5, items, items.release);
          offerAll(reservoirs, items, part);
          return { items, reservoirs };
        };
        const whole = run(stream);
        const merged = run([]);
        for (let s = 0; s < shards; s++) {
          const shard = run(stream.filter((_, i) => hash32(9, i) % shards === s));
          offerAll(merged.reservoirs, merged.items, Array.from(shard.reservoirs.items(0), (item) => shard.items.all[item]!));
          merged.reservoirs.merge(shard.reservoirs.save());
        }
        assert.deepEqual(merged.reservoirs.save(), whole.reservoirs.save());
        assert.deepEqual(
          Array.from(merged.reservoirs.items(0), (item) => merged.items.all[item]),
          Array.from(whole.reservoirs.items(0), (item) => whole.items.all[item]),
        );
      }),
    );
  });

  /** Chi-square of counts that should be equal, and its 99.9 % quantile (Wilson-Hilferty). */
  function chiSquare(counts: readonly number[]): { chi2: number; limit: number } {
    const expected = counts.reduce((sum, count) => sum + count, 0) / counts.length;
    const f = counts.length - 1;
    return { chi2: counts.reduce((sum, count) => sum + (count - expected) ** 2 / expected, 0), limit: f * (1 - 2 / (9 * f) + 3.09 * Math.sqrt(2 / (9 * f))) ** 3 };
  }

  /** Samples of [0.4, 0.5) of the maximum over many seeds, as indices into `values`. */
  function* samples(values: readonly number[], seeds: number): Generator<number[]> {
    const max = Math.max(...values);
    for (let seed = 0; seed < seeds; seed++) {
      const items = new Items();
      const reservoirs = new Reservoirs(1, 5, items, items.release);
      offerAll(reservoirs, items, values.map((value, i) => ({ value, hash: hash32(seed, i), context: i, position: 0 })));
      yield reservoirs.sample(0, 0.4 * max, 0.5 * max).map((item) => items.all[item]!.context);
    }
  }

  it('is uniform over the firings of an interval: chi-square over 3,000 seeds', () => {
    const values = Array.from({ length: 140 }, (_, i) => Math.fround(0.999 * ((i + 1) / 140) ** 1.3));
    const picked = new Array<number>(values.length).fill(0);
    let total = 0;
    for (const sample of samples(values, 3000)) {
      for (const i of sample) picked[i]!++;
      total += sample.length;
    }
    const members = picked.filter((_, i) => values[i]! >= 0.4 * values[139]! && values[i]! < 0.5 * values[139]!);
    assert.ok(members.length > 10 && members.reduce((a, b) => a + b) === total && total > 0.9 * 5 * 3000);
    const { chi2, limit } = chiSquare(members);
    assert.ok(chi2 < limit, `${chi2}, limit ${limit}`);
  });

  it('where samples are cut short, the first pick is uniform, and the second over the rest', () => {
    // A crowd of 60 below the lower edge in the bucket that it cuts, 4 firings above it there, 8 further inside.
    const values = [1, ...Array.from({ length: 60 }, (_, i) => 0.3999 - i * 1e-5), ...Array.from({ length: 4 }, (_, i) => 0.4001 + i * 1e-4), ...Array.from({ length: 8 }, (_, i) => 0.42 + i * 0.009)].map(Math.fround);
    const firsts = new Array<number>(12).fill(0);
    const pairs = new Array<number>(12 * 12).fill(0);
    let short = 0;
    for (const sample of samples(values, 12_000)) {
      const [first, second] = sample.map((i) => i - 61);
      if (sample.length < 5) short++;
      if (first !== undefined) firsts[first]!++;
      if (first !== undefined && second !== undefined) pairs[first * 12 + second]!++;
    }
    assert.ok(short > 6000, `${short} of 12,000 samples are short`);
    const one = chiSquare(firsts);
    assert.ok(one.chi2 < one.limit, `first picks: ${one.chi2}, limit ${one.limit}`);
    // Given the first, each other one is as likely: a chi-square for each, added up.
    let chi2 = 0;
    for (let first = 0; first < 12; first++) chi2 += chiSquare(pairs.slice(first * 12, first * 12 + 12).filter((_, second) => second !== first)).chi2;
    assert.ok(chi2 < 120 * (1 - 2 / (9 * 120) + 3.09 * Math.sqrt(2 / (9 * 120))) ** 3, `second picks: ${chi2}`);
  });
});

describe('top-k', () => {
  it('is the sorted beginning of everything, ties by context and position', () => {
    const entry = fc.record({ value: fc.integer({ min: 1, max: 4 }), context: fc.nat(5), position: fc.nat(5) });
    fc.assert(
      fc.property(fc.uniqueArray(entry, { maxLength: 36, selector: ({ context, position }) => context * 6 + position }), fc.integer({ min: 1, max: 8 }), (entries, k) => {
        const items = new Items();
        const top = new TopK(2, k, items, items.release);
        for (const found of entries) {
          if (top.admits(1, found.value, found.context, found.position)) top.insert(1, items.add({ ...found, hash: 0 }));
        }
        const expected = entries.map((found) => ({ ...found })).sort((a, b) => b.value - a.value || a.context - b.context || a.position - b.position).slice(0, k);
        assert.deepEqual(Array.from(top.items(1), (item) => ({ value: items.value(item), context: items.context(item), position: items.position(item) })), expected);
        assert.equal(top.items(0).length, 0);
        assert.equal(items.held.size, expected.length);
      }),
    );
  });
});

describe('window store', () => {
  it('gives back what was put in, also after ids beyond 16 bits came', () => {
    const record = fc.record({ position: fc.nat(19), bits: fc.nat(2 ** 31 - 1), large: fc.boolean(), drop: fc.boolean() });
    fc.assert(
      fc.property(fc.array(record, { maxLength: 40 }), fc.integer({ min: 0, max: 20 }), fc.integer({ min: 0, max: 11 }), fc.boolean(), (records, before, after, hasTokens) => {
        const store = new WindowStore({ before, after, positions: 20, hasTokens });
        const kept: { item: number; expected: unknown }[] = [];
        records.forEach(({ position, bits, large, drop }, i) => {
          const [start, end] = store.bounds(position);
          assert.deepEqual([start, end], [Math.max(0, position - before), Math.min(20, position + after + 1)]);
          const length = end - start;
          const room = length === 32 ? -1 : (1 << length) - 1;
          const mask = ((bits & room) | (1 << (position - start))) >>> 0;
          const offsets = Array.from({ length }, (_, o) => o).filter((o) => ((mask >>> o) & 1) === 1);
          const values = offsets.map((o) => Math.fround(0.1 + o + i));
          const tokens = Int32Array.from({ length: 20 }, (_, t) => (large ? (t % 2 === 0 ? 100_000 + t : -t) : 65_535 - t));
          const item = store.add(i * 7, i, position, mask, values, hasTokens ? tokens : null, start);
          assert.equal(popcount(mask), offsets.length);
          if (drop) {
            store.retain(item);
            store.release(item);
            store.release(item);
          } else {
            kept.push({ item, expected: { start, length, tokens: hasTokens ? tokens.slice(start, end) : new Int32Array(0), offsets, values, hash: i * 7, context: i, position, value: Math.fround(0.1 + position - start + i), mask } });
          }
        });
        for (const { item, expected } of kept) {
          assert.deepEqual({ ...store.read(item), hash: store.hash(item), context: store.context(item), position: store.position(item), value: store.value(item), mask: store.mask(item) }, expected);
        }
      }),
    );
  });
});
