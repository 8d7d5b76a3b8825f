/** The selection kernel itself, on rows that no finite encoder gives it. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { BLOCK, decideCandidates } from '../../engine/wasm/shape.js';
import { Kernels, compileKernels } from '../../engine/wasm/loader.js';

const module = await compileKernels();
const FLT_MAX = 3.4028234663852886e38;

/** Runs `collect` over blocks and `finish`; every row starts with its floor at -tolerance. */
function select(rows: number[][], k: number, { tolerance = 0, full, capacity }: { tolerance?: number; full?: number; capacity?: number } = {}) {
  const kernels = new Kernels(module);
  const count = rows.length;
  const width = rows[0]!.length;
  const blocks = Math.ceil(width / BLOCK);
  const decided = decideCandidates(Math.min(k, width), blocks);
  const room = capacity ?? decided.capacity;
  const state = kernels.alloc(count * 32, 'state');
  const z = kernels.alloc(count * BLOCK * 4, 'z');
  const candidates = kernels.alloc(count * room * 8, 'candidates');
  const counts = kernels.alloc(count * 4, 'counts');
  const out = kernels.alloc(count * width * 8, 'out');
  kernels.u32(state, count * 8).fill(0);
  for (let r = 0; r < count; r++) kernels.f32(state + r * 32, 2).set([tolerance, -tolerance]);
  for (let b = 0; b < blocks; b++) {
    const tile = kernels.f32(z, count * BLOCK).fill(-FLT_MAX);
    rows.forEach((row, r) => tile.set(row.slice(b * BLOCK, (b + 1) * BLOCK), r * BLOCK));
    kernels.call.collect(z, BLOCK * 4, count, BLOCK, b * BLOCK, state, decided.keep, full ?? decided.full, candidates, room);
  }
  const total = kernels.call.finish(count, Math.min(k, width), state, candidates, room, counts, out);
  const words = kernels.u32(out, total * 2);
  const floats = kernels.f32(out, total * 2);
  let at = 0;
  return Array.from({ length: count }, (_, r) => ({
    entries: Array.from({ length: kernels.u32(counts, count)[r]! }, () => [words[2 * at]!, floats[2 * at++ + 1]!] as [number, number]),
    ties: kernels.u32(state, count * 8)[r * 8 + 3]!,
    flags: kernels.u32(state, count * 8)[r * 8 + 4]!,
  }));
}

/** The definition: a stable sort, the first k, those above 0. */
function expected(row: number[], k: number): [number, number][] {
  return row
    .map((value, i) => [i, Math.fround(value)] as [number, number])
    .sort((a, b) => (a[1] === b[1] ? a[0] - b[0] : b[1] > a[1] ? 1 : -1))
    .slice(0, k)
    .filter(([, value]) => value > 0)
    .sort((a, b) => a[0] - b[0]);
}

test('minus infinity is never selected, and is flagged as not finite', () => {
  const row = [-Infinity, 1, -Infinity, 2, -Infinity];
  const [result] = select([row], 4);
  assert.deepEqual(result!.entries, [[1, 1], [3, 2]]);
  assert.equal(result!.flags, 2);
  const [nothing] = select([[-Infinity, -Infinity]], 1);
  assert.deepEqual(nothing!.entries, []);
});

test('a NaN is flagged wherever it stands, and in its own row only', () => {
  for (const at of [0, 1, BLOCK - 1, BLOCK, 2 * BLOCK + 5]) {
    const rows = [0, 1, 2].map(() => Array<number>(2 * BLOCK + 6).fill(1));
    rows[1]![at] = NaN;
    assert.deepEqual(select(rows, 3).map(({ flags }) => flags), [0, 2, 0]);
  }
});

/** Floats that are hard to order: both zeros, denormals, extremes, neighbours, and many repeats. */
const hard = fc.oneof(
  fc.constantFrom(0, -0, 1, -1, 1.0000001192092896, 0.9999999403953552, 1.401298464324817e-45, -1.401298464324817e-45, FLT_MAX, -FLT_MAX),
  fc.float({ noNaN: true, noDefaultInfinity: true }),
  fc.integer({ min: -3, max: 3 }),
);

test('property: the selection is that of a stable sort', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 3 * BLOCK }).chain((width) => fc.tuple(fc.array(fc.array(hard, { minLength: width, maxLength: width }), { minLength: 1, maxLength: 3 }), fc.integer({ min: 0, max: width + 1 }))),
      ([rows, k]) => {
        select(rows, k).forEach(({ entries }, r) => assert.deepEqual(entries, expected(rows[r]!, k)));
      },
    ),
    { numRuns: 200 },
  );
});

test('property: pruning as often as possible changes nothing', () => {
  fc.assert(
    fc.property(fc.array(hard, { minLength: 2 * BLOCK, maxLength: 5 * BLOCK }), fc.integer({ min: 0, max: 40 }), (row, k) => {
      const often = select([row], k, { full: k + 1, capacity: k + 1 + BLOCK });
      assert.deepEqual(often[0]!.entries, expected(row, k));
      assert.deepEqual(often, select([row], k));
    }),
    { numRuns: 100 },
  );
});

test('a near tie is found though its partner was pruned away, and is not found where there is none', () => {
  // The second largest comes last or first; the gap is 0.25.
  for (const place of [0, 1, 700]) {
    const row = Array.from({ length: 800 }, (_, i) => (i % 97) / 100);
    row[place] = 4.75;
    row[400] = 5;
    assert.equal(select([row], 1, { tolerance: 0.3 })[0]!.ties, 1);
    assert.equal(select([row], 1, { tolerance: 0.2 })[0]!.ties, 0);
  }
  // Fewer positive than k: what decides is the nearness to 0.
  assert.equal(select([[3, -0.1, -5]], 2, { tolerance: 0.2 })[0]!.ties, 1);
  assert.equal(select([[3, -0.3, -5]], 2, { tolerance: 0.2 })[0]!.ties, 0);
  assert.equal(select([[3, 0.1, -5]], 2, { tolerance: 0.2 })[0]!.ties, 1);
});

test('candidate buffers: never larger than all features need, always room for a block', () => {
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 5000 }), fc.integer({ min: 1, max: 200 }), (k, blocks) => {
      const effective = Math.min(k, blocks * BLOCK);
      const { keep, full, capacity } = decideCandidates(effective, blocks);
      assert.equal(keep, effective + 1);
      assert.ok(full >= keep);
      assert.ok(capacity <= blocks * BLOCK + 1);
      // Either a full row still takes a block, or no row ever is full.
      assert.ok(full + BLOCK <= capacity || full >= blocks * BLOCK);
    }),
  );
});

test('a first floor is below all that is among the largest, whatever lies in the row, and above most of the rest', () => {
  const value = fc.oneof(fc.constantFrom(0, -0, 1, -1, Infinity, -Infinity, NaN, FLT_MAX, -FLT_MAX, 1e-45), fc.float());
  const floorOf = (row: readonly number[], keep: number, floor: number): number => {
    const kernels = new Kernels(module);
    const state = kernels.alloc(32, 'state');
    const z = kernels.alloc(row.length * 4, 'z');
    kernels.f32(state, 2).set([0, floor]);
    kernels.f32(z, row.length).set(row);
    kernels.call.firstFloors(z, row.length * 4, 1, row.length, state, keep);
    return kernels.f32(state, 2)[1]!;
  };
  fc.assert(
    fc.property(fc.array(value, { minLength: 1, maxLength: 400 }), fc.integer({ min: 1, max: 70 }), fc.constantFrom(-1, 0), (row, keep, floor) => {
      const found = floorOf(row, keep, floor);
      assert.ok(found >= floor);
      // With NaN in a row there are no largest; it is refused for that.
      const sorted = row.filter((each) => !Number.isNaN(each)).map(Math.fround).sort((a, b) => b - a);
      for (const each of sorted.slice(0, keep)) assert.ok(each > found || found === floor, `${each} is among the ${keep} largest, floor ${found}`);
    }),
    { numRuns: 500 },
  );
  const row = Array.from({ length: 6144 }, (_, i) => Math.sin(i * i) * 3);
  const above = row.filter((each) => Math.fround(each) > floorOf(row, 33, 0)).length;
  assert.ok(above >= 33 && above < 70, `${above} of 6,144 are above the floor`);
});
