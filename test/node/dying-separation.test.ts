/** Proofs of separation: both answers checked on the rows, faces of the hull, Cover's chance, and the simplex against a sweep in two dimensions. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { frameRows } from '../../engine/dying/frame-rows.js';
import { hullDistance } from '../../engine/dying/hull-simplex.js';
import { separableByChance, separate, silentAxes, type Separation } from '../../engine/dying/separation.js';
import { gaussian } from '../shared/random.js';

const rowsOf = (m: number, d: number, value: (c: number, r: number) => number): Float32Array => Float32Array.from({ length: m * d }, (_, at) => value(at % d, Math.floor(at / d)));

/** Checks whichever proof is given, by the definitions. */
function check(x: Float32Array, d: number, origin: readonly number[], { verdict, w, certificate, epsilon }: Separation): void {
  const m = x.length / d;
  const entry = (r: number, c: number): number => x[r * d + c]! - origin[c]!;
  const scale = x.reduce((most, _, at) => Math.max(most, Math.abs(entry(Math.floor(at / d), at % d))), 0);
  if (w !== null) {
    const norm = Math.sqrt(w.reduce((sum, value) => sum + value * value, 0));
    assert.ok(Math.abs(norm - 1) < 1e-12);
    for (let r = 0; r < m; r++) {
      const z = w.reduce((sum, value, c) => sum + value * entry(r, c), 0);
      assert.ok(verdict === 'strict' ? z < 0 : z <= 1e-8 * scale, `row ${r} has z ${z}`);
    }
  }
  if (certificate !== null) {
    const { rows, lambda } = certificate;
    assert.ok(lambda.every((value) => value > 0));
    assert.ok(Math.abs(lambda.reduce((a, b) => a + b, 0) - 1) < 1e-12);
    for (let c = 0; c < d; c++) assert.ok(Math.abs(rows.reduce((sum, r, at) => sum + lambda[at]! * entry(r, c), 0)) <= 1e-9 * scale);
    assert.ok(rows.length <= d + 1);
  }
  assert.ok(epsilon.high >= epsilon.low - 1e-12 * scale);
}

describe('separation', () => {
  it('proves what it says, on random rows of every kind', async () => {
    const seen = new Set<string>();
    await fc.assert(
      fc.asyncProperty(fc.nat(1e6), fc.integer({ min: 1, max: 6 }), fc.integer({ min: 1, max: 60 }), fc.constantFrom(0, 0.4, 1.5), fc.boolean(), async (seed, d, m, shift, grid) => {
        const next = gaussian(seed);
        // Whole numbers: ties, rows at the origin, and hulls with the origin on a face.
        const x = rowsOf(m, d, () => (grid ? Math.round(next() + shift) : next() + shift));
        const origin = Array.from({ length: d }, (_, c) => (grid ? 0 : Math.fround(c / 10)));
        const found = await separate(frameRows(x, d, { origin }));
        seen.add(found.verdict);
        assert.notEqual(found.verdict, 'unknown');
        check(x, d, origin, found);
        // None: a certificate whose rows leave no direction.
        if (found.verdict === 'none') assert.equal(found.free, 0);
      }),
      { numRuns: 300 },
    );
    assert.deepEqual([...seen].sort(), ['none', 'strict', 'weak']);
  });

  it('agrees with a sweep over angles in the plane', async () => {
    await fc.assert(
      fc.asyncProperty(fc.nat(1e6), fc.integer({ min: 3, max: 12 }), async (seed, m) => {
        const next = gaussian(seed);
        const x = rowsOf(m, 2, () => next() + 0.8);
        const { verdict, epsilon } = await separate(frameRows(x, 2));
        // max over the square |w_j| <= 1 of -max_r w . x_r: on its border, finely.
        let best = -Infinity;
        const steps = 20_000;
        for (let i = 0; i < steps; i++) {
          const t = (8 * i) / steps;
          const side = Math.floor(t / 2);
          const u = (t % 2) - 1;
          const [a, b] = [[u, -1], [1, u], [-u, 1], [-1, -u]][side] as [number, number];
          let worst = -Infinity;
          for (let r = 0; r < m; r++) worst = Math.max(worst, a * x[2 * r]! + b * x[2 * r + 1]!);
          best = Math.max(best, -worst);
        }
        if (verdict === 'strict') assert.ok(Math.abs(epsilon.low - best) < 2e-3 && epsilon.low >= best - 1e-9, `${epsilon.low}, swept ${best}`);
        else assert.ok(best <= 1e-9, `swept ${best}`);
        assert.ok(epsilon.high - epsilon.low < 1e-9);
      }),
      { numRuns: 60 },
    );
  });

  it('tells faces of the hull from its inside', async () => {
    const next = gaussian(3);
    const d = 5;
    const orthant = rowsOf(400, d, () => Math.max(0, next()));
    orthant.fill(0, 0, d);
    const corner = await separate(frameRows(orthant, d));
    assert.equal(corner.verdict, 'weak');
    assert.equal(corner.worst, 0);
    // Two coordinates free, three on one side, some rows on the face: w lies in the three.
    const half = rowsOf(400, d, (c, r) => (c < 2 ? next() : r < 30 ? 0 : Math.abs(next())));
    const face = await separate(frameRows(half, d));
    assert.equal(face.verdict, 'weak');
    assert.equal(face.free, 3);
    assert.ok(Math.abs(face.w![0]!) < 1e-9 && Math.abs(face.w![1]!) < 1e-9);
    // Rows in a plane through the origin, all around: the third direction is 0 on all of them.
    const flat = rowsOf(200, 3, (c) => (c === 2 ? 0 : next()));
    const plane = await separate(frameRows(flat, 3));
    assert.equal(plane.verdict, 'weak');
    assert.ok(Math.abs(Math.abs(plane.w![2]!) - 1) < 1e-9);
  });

  it('MLP-like rows, 4000 in 32 dimensions: no direction is needed but the negative orthant; shifted by b_dec inside, none', async () => {
    const next = gaussian(9);
    const d = 32;
    const x = rowsOf(4000, d, () => Math.max(0, next()));
    const zero = await separate(frameRows(x, d));
    assert.equal(zero.verdict, 'strict');
    check(x, d, new Array<number>(d).fill(0), zero);
    assert.equal(silentAxes(frameRows(x, d)).join(), new Array<number>(d).fill(-1).join());
    const mean = Array.from({ length: d }, (_, c) => x.reduce((sum, value, at) => (at % d === c ? sum + value / 4000 : sum), 0));
    const inside = await separate(frameRows(x, d, { origin: mean }));
    assert.equal(inside.verdict, 'none');
    check(x, d, mean, inside);
    assert.ok(silentAxes(frameRows(x, d, { origin: mean })).every((sign) => sign === 0));
  });

  it("Cover's probability: counts of dichotomies, and rows drawn", async () => {
    // C(n, d) = 2 sum_{k < d} C(n - 1, k) of the 2^n.
    assert.ok(Math.abs(separableByChance(10, 3) - 46 / 512) < 1e-14);
    assert.ok(Math.abs(separableByChance(4, 2) - 0.5) < 1e-14);
    assert.equal(separableByChance(5, 5), 1);
    assert.ok(Math.abs(separableByChance(40_000, 20_000) - 0.5) < 1e-3);
    const next = gaussian(4);
    let separable = 0;
    for (let i = 0; i < 300; i++) if ((await separate(frameRows(rowsOf(9, 4, () => next()), 4))).verdict === 'strict') separable++;
    const expected = separableByChance(9, 4);
    assert.ok(Math.abs(separable / 300 - expected) < 4 * Math.sqrt((expected * (1 - expected)) / 300), `${separable} of 300, expected ${expected}`);
  });

  it('says that it does not know when its pivots run out, and bounds all the same', async () => {
    const next = gaussian(8);
    const x = rowsOf(500, 20, () => next());
    const cut = await hullDistance(frameRows(x, 20), 4, { pivots: 5 });
    assert.equal(cut.solved, false);
    assert.ok(cut.low <= 0 && cut.high > 0);
    assert.equal((await separate(frameRows(x, 20), { pivots: 5 })).verdict, 'unknown');
  });

  it('stops when it is aborted', async () => {
    const next = gaussian(8);
    const controller = new AbortController();
    const work = separate(frameRows(rowsOf(60_000, 60, () => next() + 0.1), 60), { signal: controller.signal });
    setTimeout(() => controller.abort(new Error('enough')), 30);
    await assert.rejects(work, /enough/);
  });
});
