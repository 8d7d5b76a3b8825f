/** Top-k and the reservoirs of intervals against sorting everything. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { hash32 } from '../../engine/random.js';
import { Reservoirs, type HashedKeys } from '../../engine/sketches/reservoir.js';
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

/** The union of the bottom-k of all windows wider than a tenth of the maximum, by its definition. */
function keptOf(stream: readonly Item[], k: number): Item[] {
  const width = (Math.max(...stream.map(({ value }) => value)) / 10) * (1 - 1e-9);
  const kept = new Set<Item>();
  // Windows are open: of those with the same firings inside, the widest ends just before the next ones.
  const values = [...new Set(stream.map(({ value }) => value))].sort((a, b) => a - b);
  for (const low of [0, ...values]) {
    for (const high of [...values, Infinity]) {
      if (high - low <= width) continue;
      const inside = stream.filter(({ value }) => value > low && value < high);
      for (const item of inside.sort(byKey).slice(0, k)) kept.add(item);
    }
  }
  return stream.filter((item) => kept.has(item));
}

/** Firings in clusters, with equal values and equal keys among them when asked. */
const streams = fc.record({ count: fc.integer({ min: 1, max: 3000 }), seed: fc.nat(1e6), hashes: fc.constantFrom(64, 2 ** 32), levels: fc.constantFrom(7, 2 ** 24) });
function coarse(stream: readonly Item[], levels: number): Item[] {
  return stream.map((item) => ({ ...item, value: Math.fround(Math.ceil(Math.min(item.value, 50) * levels) / levels) }));
}

describe('reservoirs of intervals', () => {
  it('keeps the bottom-k of every window, whatever the order', () => {
    const shape = fc.record({ count: fc.integer({ min: 1, max: 45 }), seed: fc.nat(1e6), hashes: fc.constantFrom(4, 2 ** 32), k: fc.integer({ min: 1, max: 4 }), levels: fc.constantFrom(3, 2 ** 24), turn: fc.nat(45) });
    fc.assert(
      fc.property(shape, ({ count, seed, hashes, k, levels, turn }) => {
        const stream = coarse(makeItems(count, seed, hashes), levels);
        const items = new Items();
        const reservoirs = new Reservoirs(1, k, 10, items, items.release);
        const cut = turn % count;
        offerAll(reservoirs, items, [...stream.slice(cut), ...stream.slice(0, cut).reverse()]);
        const held = Array.from(reservoirs.items(0), (item) => items.all[item]!);
        assert.deepEqual(held.sort((a, b) => a.context - b.context || a.position - b.position), keptOf(stream, k));
        assert.equal(items.held.size, held.length);
      }),
    );
  });

  it('gives the true bottom-k of each interval, ties of values and keys included', () => {
    fc.assert(
      fc.property(streams, ({ count, seed, hashes, levels }) => {
        const stream = coarse(makeItems(count, seed, hashes), levels);
        const items = new Items();
        const reservoirs = new Reservoirs(1, 5, 10, items, items.release);
        offerAll(reservoirs, items, stream);
        for (const [low, high] of intervals(Math.max(...stream.map(({ value }) => value)))) {
          const truth = stream.filter(({ value }) => value >= low && value < high).sort(byKey).slice(0, 5);
          assert.deepEqual(reservoirs.sample(0, low, high).map((item) => items.all[item]), truth);
        }
      }),
      { numRuns: 60 },
    );
  });

  it('gives it also where crowds stand on both sides of an edge', () => {
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
        const reservoirs = new Reservoirs(1, 5, 10, items, items.release);
        offerAll(reservoirs, items, stream);
        for (const [low, high] of intervals(Math.max(...stream.map(({ value: v }) => v)))) {
          const truth = stream.filter(({ value: v }) => v >= low && v < high).sort(byKey).slice(0, 5);
          assert.deepEqual(reservoirs.sample(0, low, high).map((item) => items.all[item]), truth);
        }
      }),
      { numRuns: 200 },
    );
  });

  it('merges shards to the state of one pass', () => {
    const shape = fc.record({ count: fc.integer({ min: 1, max: 600 }), seed: fc.nat(1e6), shards: fc.integer({ min: 1, max: 4 }), levels: fc.constantFrom(7, 2 ** 24) });
    fc.assert(
      fc.property(shape, ({ count, seed, shards, levels }) => {
        const stream = coarse(makeItems(count, seed), levels);
        const run = (part: readonly Item[]) => {
          const items = new Items();
          const reservoirs = new Reservoirs(1, 5, 10, items, items.release);
          offerAll(reservoirs, items, part);
          return { items, reservoirs };
        };
        const held = ({ items, reservoirs }: ReturnType<typeof run>) => Array.from(reservoirs.items(0), (item) => items.all[item]!).sort(byKey);
        const whole = run(stream);
        const merged = run([]);
        for (let s = 0; s < shards; s++) {
          const shard = run(stream.filter((_, i) => hash32(9, i) % shards === s));
          offerAll(merged.reservoirs, merged.items, held(shard));
          merged.reservoirs.merge(shard.reservoirs.save());
        }
        assert.deepEqual(merged.reservoirs.save(), whole.reservoirs.save());
        assert.deepEqual(held(merged), held(whole));
        assert.equal(merged.items.held.size, held(merged).length);
      }),
    );
  });

  it('holds O(m k) firings of a long stream, whatever its distribution', () => {
    const lognormal = makeItems(20_000, 3);
    const shapes: Record<string, (i: number) => number> = {
      uniform: (i) => (hash32(1, i) + 1) / 2 ** 32,
      lognormal: (i) => lognormal[i]!.value,
      ascending: (i) => (i + 1) / 20_000,
    };
    for (const [name, value] of Object.entries(shapes)) {
      const items = new Items();
      const reservoirs = new Reservoirs(1, 5, 10, items, items.release);
      let most = 0;
      for (let i = 0; i < 20_000; i++) {
        offerAll(reservoirs, items, [{ value: Math.fround(value(i)), hash: hash32(0, i), context: i, position: 0 }]);
        most = Math.max(most, items.held.size);
      }
      console.log(`# ${name}: ${items.held.size} firings held at the end, at most ${most}`);
      assert.ok(most <= 3 * 10 * 5, `${name}: ${most}`);
    }
  });

  it('is uniform over the firings of an interval: chi-square over 3,000 seeds', () => {
    // A crowd of 60 just below the lower edge; in the interval 4 close to it and 8 further inside.
    const values = [1, ...Array.from({ length: 60 }, (_, i) => 0.3999 - i * 1e-5), ...Array.from({ length: 4 }, (_, i) => 0.4001 + i * 1e-4), ...Array.from({ length: 8 }, (_, i) => 0.42 + i * 0.009)].map(Math.fround);
    const picked = new Array<number>(12).fill(0);
    for (let seed = 0; seed < 3000; seed++) {
      const items = new Items();
      const reservoirs = new Reservoirs(1, 5, 10, items, items.release);
      offerAll(reservoirs, items, values.map((value, i) => ({ value, hash: hash32(seed, i), context: i, position: 0 })));
      const sample = reservoirs.sample(0, 0.4, 0.5);
      assert.equal(sample.length, 5);
      for (const item of sample) picked[items.all[item]!.context - 61]!++;
    }
    // Drawn without replacement, counts vary less than the multinomial that this assumes.
    const chi2 = picked.reduce((sum, count) => sum + (count - 1250) ** 2 / 1250, 0);
    assert.ok(chi2 < 31.3, `${chi2}, the 99.9 % quantile for 11 degrees of freedom is 31.3: ${picked.join(' ')}`);
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
