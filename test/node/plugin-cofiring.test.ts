/** sae/cofiring against counting over dense arrays; the pair table's bounds when it is full; lists by feature. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import type { SparseCodes } from '../../engine/codes.js';
import { featureColumn, fromFeatureLists, gatherFeatures, toFeatureLists } from '../../engine/ops/sparse.js';
import { PAIR_BYTES, PairTable } from '../../engine/sketches/pair-table.js';
import { decodeState, encodeState } from '../../engine/state.js';
import { cofiring } from '../../plugins/builtin/cofiring/index.js';
import { checkResult } from '../../plugins/check-result.js';
import { uniform } from '../shared/random.js';
import { analysisOf, batchOf, contextFor, makeStream, numbersOf, runWhole, type TestStream } from '../support/analysis-stream.js';

interface Expected {
  readonly other: number;
  readonly count: number;
  readonly expected: number;
  readonly phi: number;
  readonly jaccard: number;
  readonly cosine: number;
  readonly correlation: number;
}

/** By the definitions, over the dense activations of the rows that count. */
function oracle({ dense, counted, d_sae }: TestStream, feature: number, top: number, minCount: number): Expected[] {
  const rows = dense.filter((_, r) => counted[r] !== 0);
  const n = rows.length;
  const column = (i: number): number[] => rows.map((row) => row[i]!);
  const mean = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0) / n;
  const pearson = (a: readonly number[], b: readonly number[]): number => {
    const [ma, mb] = [mean(a), mean(b)];
    return mean(a.map((value, r) => (value - ma) * (b[r]! - mb))) / Math.sqrt(mean(a.map((value) => (value - ma) ** 2)) * mean(b.map((value) => (value - mb) ** 2)));
  };
  const fires = (values: readonly number[]): number[] => values.map((value) => (value > 0 ? 1 : 0));
  const a = column(feature);
  const all: Expected[] = [];
  for (let other = 0; other < d_sae; other++) {
    if (other === feature) continue;
    const b = column(other);
    const count = a.filter((value, r) => value > 0 && b[r]! > 0).length;
    const [na, nb] = [fires(a).reduce((x, y) => x + y, 0), fires(b).reduce((x, y) => x + y, 0)];
    if (count < minCount || na === n || nb === n) continue;
    const product = a.reduce((sum, value, r) => sum + value * b[r]!, 0);
    all.push({
      other,
      count,
      expected: (na * nb) / n,
      phi: pearson(fires(a), fires(b)),
      jaccard: count / a.filter((value, r) => value > 0 || b[r]! > 0).length,
      cosine: product / Math.sqrt(a.reduce((s, v) => s + v * v, 0) * b.reduce((s, v) => s + v * v, 0)),
      correlation: pearson(a, b),
    });
  }
  // Equal phi are equal whole numbers: the definition's rounding may not order them.
  return all.sort((x, y) => (Math.abs(x.phi - y.phi) > 1e-12 ? y.phi - x.phi : x.other - y.other)).slice(0, top);
}

describe('sae/cofiring', () => {
  it('agrees with the definitions', async () => {
    await fc.assert(fc.asyncProperty(fc.nat(1e6), fc.integer({ min: 1, max: 6 }), fc.integer({ min: 1, max: 4 }), fc.boolean(), async (seed, top, min_count, ties) => {
      const stream = makeStream({ contexts: 4, positions: 15, d_sae: 9, seed, ties, density: (i) => [0, 0.1, 0.3, 0.3, 0.6, 1, 0.5, 0.2, 0.9][i]! });
      const result = await runWhole(analysisOf(cofiring as never, stream, { settings: { top, min_count } }));
      checkResult('sae/cofiring', result, 9, { columns: new Set(), tables: new Set() });
      const got = Object.fromEntries(result.tables![0]!.columns.map(({ name }) => [name, numbersOf(result, name, 'cofiring')]));
      let row = 0;
      for (let feature = 0; feature < 9; feature++) {
        for (const [rank, pair] of oracle(stream, feature, top, min_count).entries()) {
          assert.deepEqual([got.feature![row], got.rank![row], got.other![row], got.count![row], got.missed![row]], [feature, rank, pair.other, pair.count, 0]);
          for (const name of ['expected', 'phi', 'jaccard', 'cosine', 'correlation'] as const) assert.ok(Math.abs(got[name]![row]! - pair[name]) < 1e-9, `${name} of ${feature}, ${pair.other}: ${got[name]![row]}, expected ${pair[name]}`);
          row++;
        }
      }
      assert.equal(result.tables![0]!.rows, row);
      assert.equal(result.summary!.exact, true);
      // Equal phi of other whole numbers, whose roundings differ.
    }), { numRuns: 60, examples: [[845378, 4, 1, true]] });
  });

  it('knows copies: phi, Jaccard, cosine and correlation 1', async () => {
    const stream = makeStream({ contexts: 3, positions: 20, d_sae: 2, seed: 4, density: 0.3, ignored: 0 });
    const result = await runWhole(analysisOf(cofiring as never, { ...stream, dense: stream.dense.map((row) => Float32Array.of(row[0]!, 2 * row[0]!)) }));
    for (const name of ['phi', 'jaccard', 'cosine', 'correlation']) numbersOf(result, name, 'cofiring').forEach((value) => assert.ok(Math.abs(value - 1) < 1e-12, name));
    assert.deepEqual(numbersOf(result, 'other', 'cofiring'), [1, 0]);
  });

  it('says when its memory was too small, and gives lower bounds then', async () => {
    const d_sae = 400;
    const notices: string[] = [];
    const accumulator = await (await cofiring.load()).create(contextFor(cofiring as never, { positions: 8, d: 4, d_sae, tokens: null }, { settings: { memory: 1, min_count: 1 }, notice: (text) => notices.push(text) }) as never);
    const stream = makeStream({ contexts: 2, positions: 60, d_sae, seed: 3, density: (i) => (i < 4 ? 0.9 : 0.4), ignored: 0 });
    await accumulator.update(batchOf(stream, 0, 2));
    const result = await accumulator.finish();
    assert.equal(result.summary!.exact, false);
    assert.match(notices[0]!, /1 MiB/);
    const count = (a: number, b: number): number => stream.dense.filter((row) => row[a]! > 0 && row[b]! > 0).length;
    const [feature, other, counts, missed] = ['feature', 'other', 'count', 'missed'].map((name) => numbersOf(result, name, 'cofiring')) as [number[], number[], number[], number[]];
    assert.ok(missed.some((value) => value > 0));
    feature.forEach((a, row) => assert.ok(counts[row]! <= count(a, other[row]!) && count(a, other[row]!) <= counts[row]! + missed[row]!));
    numbersOf(result, 'correlation', 'cofiring').forEach((value, row) => assert.equal(Number.isNaN(value), missed[row]! > 0));
  });
});

/** Rows of random features, some much more frequent than others. */
function randomCodes(seed: number, rows: number, d_sae: number, l0: number): SparseCodes {
  const next = uniform(seed);
  const offsets = new Uint32Array(rows + 1);
  const features: number[] = [];
  for (let r = 0; r < rows; r++) {
    features.push(...[...new Set(Array.from({ length: Math.floor(l0 * 2 * next()) }, () => Math.floor(d_sae * next() ** 3)))].sort((a, b) => a - b));
    offsets[r + 1] = features.length;
  }
  return { rows, d_sae, offsets, features: Uint32Array.from(features), values: Float32Array.from(features, () => Math.ceil(4 * next())), nearTies: 0 };
}

function truth(all: readonly SparseCodes[]): Map<string, { count: number; product: number }> {
  const counts = new Map<string, { count: number; product: number }>();
  for (const { rows, offsets, features, values } of all) {
    for (let r = 0; r < rows; r++) {
      for (let i = offsets[r]!; i < offsets[r + 1]!; i++) {
        for (let j = i + 1; j < offsets[r + 1]!; j++) {
          const key = `${features[i]},${features[j]}`;
          const { count, product } = counts.get(key) ?? { count: 0, product: 0 };
          counts.set(key, { count: count + 1, product: product + values[i]! * values[j]! });
        }
      }
    }
  }
  return counts;
}

describe('the table of pairs', () => {
  const streams = fc.record({ seed: fc.nat(1e6), shards: fc.integer({ min: 1, max: 4 }), d_sae: fc.integer({ min: 2, max: 60 }), l0: fc.integer({ min: 1, max: 12 }), most: fc.constantFrom(4, 10, 50, 200, 1e6) });

  it('keeps its bounds however small it is, through batches, merges and bytes; exact while all fits', () => {
    fc.assert(fc.property(streams, ({ seed, shards, d_sae, l0, most }) => {
      const batches = Array.from({ length: 2 * shards }, (_, i) => randomCodes(seed + i, 12, d_sae, l0));
      const expected = truth(batches);
      const total = new PairTable(d_sae, most * PAIR_BYTES);
      for (let s = 0; s < shards; s++) {
        const shard = new PairTable(d_sae, most * PAIR_BYTES);
        shard.add(batches[2 * s]!);
        shard.add(batches[2 * s + 1]!);
        if (s === 0) batches.slice(0, 2).forEach((batch) => total.add(batch));
        else total.merge(decodeState(encodeState(shard.save())));
      }
      const held = new Set<string>();
      let sum = 0;
      for (const { count } of expected.values()) sum += count;
      total.forEach(({ a, b, count, missed, product }) => {
        const real = expected.get(`${a},${b}`)!;
        held.add(`${a},${b}`);
        assert.ok(count <= real.count && real.count <= count + missed, `${count} + ${missed}, truly ${real.count}`);
        if (missed === 0) assert.equal(product, real.product);
      });
      assert.equal(held.size, total.size);
      assert.ok(total.size <= total.most);
      for (const [key, { count }] of expected) if (!held.has(key)) assert.ok(count <= total.lost, `${key}: ${count}, lost ${total.lost}`);
      assert.ok(total.lost <= (2 * sum) / (total.most + 1) * (1 + 1 / total.most), `lost ${total.lost} of ${sum} in ${total.most}`);
      if (expected.size <= total.most) assert.deepEqual([total.lost, total.size], [0, expected.size]);
    }), { numRuns: 150 });
  });

  it('has one state, whatever the order and the batches', () => {
    fc.assert(fc.property(fc.nat(1e6), fc.shuffledSubarray([0, 1, 2, 3], { minLength: 4 }), (seed, order) => {
      const batches = [0, 1, 2, 3].map((i) => randomCodes(seed + i, 9, 40, 8));
      const of = (indices: readonly number[]): unknown => {
        const table = new PairTable(40, 2 ** 20);
        for (const i of indices) table.add(batches[i]!);
        return table.save();
      };
      // Values are whole numbers here: their sums are exact.
      assert.deepEqual(of(order), of([0, 1, 2, 3]));
    }));
  });

  it('refuses the state of another SAE', () => {
    const large = new PairTable(50, 1e6);
    large.add(randomCodes(1, 20, 50, 10));
    assert.throws(() => new PairTable(10, 1e6).merge(large.save()), /pair \d+, \d+/);
    assert.throws(() => new PairTable(10, 1e6).merge({ lost: 0 }), /no a/);
  });
});

describe('lists by feature', () => {
  it('are the codes the other way round, and back', () => {
    fc.assert(fc.property(fc.nat(1e6), fc.integer({ min: 0, max: 15 }), fc.integer({ min: 1, max: 30 }), (seed, rows, d_sae) => {
      const codes = randomCodes(seed, rows, d_sae, 6);
      const lists = toFeatureLists(codes);
      assert.deepEqual(fromFeatureLists(lists), codes);
      const dense = Array.from({ length: d_sae }, () => new Float32Array(rows));
      for (let r = 0; r < rows; r++) for (let e = codes.offsets[r]!; e < codes.offsets[r + 1]!; e++) dense[codes.features[e]!]![r] = codes.values[e]!;
      dense.forEach((column, i) => assert.deepEqual(featureColumn(lists, i), column));
      lists.entry.forEach((entry, at) => assert.equal(codes.values[entry], lists.values[at]));
      const wanted = [0, d_sae - 1, 0];
      assert.deepEqual(gatherFeatures(codes, wanted), Float32Array.from({ length: rows * 3 }, (_, at) => dense[wanted[at % 3]!]![Math.floor(at / 3)]!));
    }));
  });
});
