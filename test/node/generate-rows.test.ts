/** What holds for every kind of generator: rows that depend on nothing but their number, and truth that makes them. */
import assert from 'node:assert/strict';
import { readdir, readFile } from 'node:fs/promises';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { UsageError } from '../../engine/errors.js';
import { openSafetensors } from '../../engine/formats/safetensors.js';
import { generate, generatedData } from '../../engine/generate/generate.js';
import { GENERATOR_KINDS, resolveGenerator, type GeneratorSpec } from '../../engine/generate/generators.js';
import { PRESETS } from '../../engine/generate/presets.js';
import { generatedFiles } from '../../engine/generate/save.js';
import { bytesSource } from '../../engine/io/bytes.js';
import { checkGolden, goldens } from '../shared/generate-golden.js';

/** One small world of each kind, with its options on. */
const WORLDS: readonly GeneratorSpec[] = [
  { kind: 'gaussian', d: 5, decay: 1, gamma: 2 },
  { kind: 'orthant', d: 5, law: 'exponential' },
  { kind: 'heavy-tails', d: 5, nu: 3 },
  { kind: 'heavy-tails', d: 5, law: 'laplace', elliptical: false },
  { kind: 'superposition', d: 9, features: 40, p_high: 0.3, bias: 1, dense: 2, groups: 2, group_size: 4, group_rank: 2 },
  { kind: 'superposition', d: 9, features: 60, p_high: 0.4, p_low: 0.05, roots: 4, branching: 3, depth: 2, exclusive: true, scale_children: true, correlation: 0.2, correlation_rank: 5, magnitude: 'uniform', magnitude_sd_spread: 0.3 },
  { kind: 'shifted', d: 6, gamma: 4, gamma_rows: 512, base: { kind: 'spiked', features: 20, active: 3 } },
  { kind: 'spiked', d: 7, features: 30, active: 4, rho: 0.5, signed: true },
  { kind: 'rare', d: 8, probabilities: [0.2, 0.01], copies: 3, base: { kind: 'superposition', features: 12 } },
  { kind: 'shared-direction', d: 8, group: 6, p_high: 0.5, p_low: 0.01, base: { kind: 'gaussian' } },
  { kind: 'shared-direction', d: 8, group: 6, nested: false, p_high: 0.5, base: { kind: 'spiked', features: 9, active: 2 } },
  { kind: 'tasks', d: 12, tasks: 4, attributes: 5, items: 6, active: 2 },
];
const world = fc.constantFrom(...WORLDS);

describe('rows', () => {
  it('there is a world of each kind here', () => {
    assert.deepEqual([...new Set(WORLDS.map(({ kind }) => kind))].sort(), [...GENERATOR_KINDS].sort());
  });

  it('are what they have always been', () => goldens.forEach(checkGolden));

  it('are the same however batches are cut, and alone', async () => {
    await fc.assert(fc.asyncProperty(world, fc.nat({ max: 2 ** 32 - 1 }), fc.integer({ min: 1, max: 9 }), fc.nat({ max: 200 }), async (spec, seed, size, first) => {
      const own = { ...spec, seed } as GeneratorSpec;
      const { x, d, codes } = generate(own, 12, { first });
      const data = generatedData(own);
      // A batch in the middle, asked for before an earlier one.
      const step = Math.floor((first + 11) / size);
      await data.batch(step + 1, size);
      const batch = await data.batch(step, size);
      const row = step * size;
      if (row >= first) assert.deepEqual(batch.slice(0, d), x.slice((row - first) * d, (row - first + 1) * d));
      const alone = generate(own, 1, { first: first + 7 });
      assert.deepEqual(alone.x, x.slice(7 * d, 8 * d));
      if (codes !== null) assert.deepEqual([...alone.codes!.values], [...codes.values.slice(codes.offsets[7], codes.offsets[8])]);
      const held = generate(own, 12, { first, heldOut: true });
      assert.notDeepEqual(held.x, x, 'the held-out stream is another');
    }), { numRuns: 60 });
  });

  it('scan gives the held-out rows in order, whatever its pieces, and wants a limit', async () => {
    for (const spec of WORLDS) {
      const data = generatedData(spec);
      const expected = generate(spec, 25, { heldOut: true }).x;
      for (const size of [4, 25, 100]) {
        const pieces: number[] = [];
        const rows = await data.scan((x, count) => void pieces.push(...x.subarray(0, count * data.d)), { size, limit: 25 });
        assert.equal(rows, 25);
        assert.deepEqual(Float32Array.from(pieces), expected);
      }
      await assert.rejects(data.scan(() => undefined, { size: 4 }), UsageError);
      await assert.rejects(data.scan(() => undefined, { size: 4, limit: 8, signal: AbortSignal.abort() }), { name: 'AbortError' });
      await assert.rejects(data.batch(0, 4, AbortSignal.abort()), { name: 'AbortError' });
      assert.equal(data.rows, null);
      assert.deepEqual(JSON.parse(JSON.stringify(data.provenance)), { kind: 'generated', spec: resolveGenerator(spec) });
      await data.close();
    }
  });

  it('codes @ directions + offset are the rows, but for noise', () => {
    fc.assert(fc.property(world, fc.nat(), (spec, seed) => {
      const { x, d, rows, truth, codes } = generate({ ...spec, seed } as GeneratorSpec, 40);
      // Rows that features were planted in may have no dictionary.
      if (truth === null || (spec.kind === 'shared-direction' && spec.base?.kind === 'gaussian')) return;
      for (let r = 0; r < rows; r++) {
        const sum = truth.offset.slice();
        let size = Math.hypot(...sum);
        for (let at = codes!.offsets[r]!; at < codes!.offsets[r + 1]!; at++) {
          size += Math.abs(codes!.values[at]!);
          for (let c = 0; c < d; c++) sum[c] = sum[c]! + codes!.values[at]! * truth.directions[codes!.features[at]! * d + c]!;
        }
        for (let c = 0; c < d; c++) assert.ok(Math.abs(sum[c]! - x[r * d + c]!) <= 1e-6 * (1 + size), `row ${r}, ${c}: ${sum[c]} and ${x[r * d + c]}`);
      }
    }), { numRuns: 80 });
  });

  it('directions have length 1, and a world is its seed', () => {
    for (const spec of WORLDS) {
      const a = generatedData(spec);
      const b = generatedData({ ...spec, seed: 1 } as GeneratorSpec);
      if (a.truth === null) continue;
      const { directions, features, d, probabilities } = a.truth;
      for (let i = 0; i < features; i++) assert.ok(Math.abs(Math.hypot(...directions.subarray(i * d, (i + 1) * d)) - 1) < 1e-6);
      assert.notDeepEqual(b.truth!.directions, directions);
      assert.deepEqual(generatedData(spec).truth!.directions, directions);
      assert.ok(probabilities === null || probabilities.every((p) => p >= 0 && p <= 1));
    }
  });
});

describe('descriptions', () => {
  it('a complete one comes from any, stays itself through JSON, and gives the same rows', () => {
    for (const spec of WORLDS) {
      const resolved = resolveGenerator(spec);
      const again = JSON.parse(JSON.stringify(resolved)) as GeneratorSpec;
      assert.deepEqual(resolveGenerator(again), resolved);
      assert.deepEqual(generate(again, 3).x, generate(spec, 3).x);
    }
  });

  it('wrong fields are named, with what was expected', () => {
    const wrong: readonly (readonly [unknown, RegExp])[] = [
      [null, /expected an object/],
      [{}, /"kind" is missing/],
      [{ kind: 'nope', d: 4 }, /"kind" is "nope"/],
      [{ kind: 'gaussian' }, /gaussian: "d" is missing; expected a whole number from 1/],
      [{ kind: 'gaussian', d: 2.5 }, /"d" is 2.5/],
      [{ kind: 'gaussian', d: 2, seed: -1 }, /"seed" is -1/],
      [{ kind: 'gaussian', d: 2, mean: [1] }, /"mean" is \[1\]; expected a list of 2 numbers/],
      [{ kind: 'gaussian', d: 2, mean: [1, 2], gamma: 1 }, /"gamma".*nothing where "mean"/],
      [{ kind: 'gaussian', d: 2, covariance: [[1, 2], [3, 1]] }, /\[1\]\[0\] is 3, \[0\]\[1\] is 2/],
      [{ kind: 'gaussian', d: 2, spectrum: [1, -1] }, /"spectrum".*found -1/],
      [{ kind: 'gaussian', d: 2, spectrum: [1, 1], decay: 1 }, /one of "covariance", "spectrum" and "decay"/],
      [{ kind: 'gaussian', d: 2, typo: 1 }, /no field "typo"/],
      [{ kind: 'orthant', d: 2, law: 'flat' }, /"law" is "flat"; expected one of half-normal, exponential/],
      [{ kind: 'heavy-tails', d: 2, nu: 2, gamma: 1 }, /nu is at most 2/],
      [{ kind: 'superposition', d: 2, p_high: 0.1, p_low: 0.2 }, /"p_low" is 0.2/],
      [{ kind: 'superposition', d: 2, features: 3, orthogonal: true }, /3 directions of 2 dimensions/],
      [{ kind: 'superposition', d: 2, features: 3, probabilities: [1, 1] }, /"probabilities"/],
      [{ kind: 'superposition', d: 2, exclusive: 1 }, /"exclusive" is 1; expected true or false/],
      [{ kind: 'spiked', d: 2, rho: 1 }, /"rho" is 1; expected a number of at least 0 and below 1/],
      [{ kind: 'spiked', d: 2, active: 5, features: 4 }, /"active" is 5; expected a whole number from 1 to 4/],
      [{ kind: 'spiked', d: 2, low: 3, high: 3 }, /"high" is 3; expected a number above 3/],
      [{ kind: 'shifted', d: 2 }, /shifted: "gamma" is missing/],
      [{ kind: 'shifted', d: 2, gamma: 1, base: { kind: 'gaussian', d: 3 } }, /"base" has d 3; expected 2/],
      [{ kind: 'shifted', d: 2, gamma: 1, base: 7 }, /"base" is 7/],
      [{ kind: 'rare', d: 2, probabilities: [0] }, /"probabilities"/],
      [{ kind: 'gaussian', preset: 'spiked-sweep' }, /of the kind spiked/],
      [{ preset: 'none' }, /no preset "none"/],
    ];
    for (const [spec, message] of wrong) {
      assert.throws(() => resolveGenerator(spec as GeneratorSpec), (error: Error) => error instanceof UsageError && message.test(error.message), JSON.stringify(spec));
    }
    assert.throws(() => generate({ kind: 'gaussian', d: 65536 }, 2 ** 20), UsageError);
  });

  it('presets are complete, and files of examples are what they say', async () => {
    for (const name of Object.keys(PRESETS)) {
      const spec = resolveGenerator({ preset: name, seed: 3 } as Readonly<Record<string, unknown>>);
      assert.equal(spec.seed, 3);
    }
    const bench = resolveGenerator({ preset: 'synthsaebench-16k', d: 64 } as Readonly<Record<string, unknown>>);
    assert.ok(bench.kind === 'superposition' && bench.features === 16384 && bench.d === 64, 'a given field wins');
    const folder = 'examples/generators';
    for (const file of await readdir(folder)) {
      if (!file.endsWith('.json')) continue;
      const text = await readFile(`${folder}/${file}`, 'utf8');
      assert.deepEqual(resolveGenerator(JSON.parse(text) as GeneratorSpec), JSON.parse(text), `${file} is complete`);
    }
  });
});

describe('files', () => {
  it('hold the rows, the truth and the description', async () => {
    for (const spec of WORLDS) {
      const { x, truth, moments, codes } = generate(spec, 33);
      const { files, report } = await generatedFiles(spec, 33);
      assert.deepEqual([...files.keys()], ['activations.safetensors', 'truth.safetensors', 'spec.json']);
      const open = (name: string) => openSafetensors(bytesSource(name, files.get(name)!));
      const activations = (await open('activations.safetensors')).tensors.get('activations')!;
      assert.deepEqual([activations.shape, activations.dtype], [[33, report.d], 'f32']);
      assert.deepEqual(await activations.read(), x);
      const answers = (await open('truth.safetensors')).tensors;
      const names = [...answers.keys()].sort();
      const expected = [
        ...(truth === null ? [] : ['directions', 'offset', 'code_offsets', 'code_features', 'code_values']),
        ...((truth?.probabilities ?? null) === null ? [] : ['probabilities']),
        ...((truth?.parents ?? null) === null ? [] : ['parents']),
        ...((truth?.shared ?? null) === null ? [] : ['shared']),
        ...(moments === null ? [] : moments.covariance === null ? ['mean'] : ['mean', 'covariance']),
      ];
      assert.deepEqual(names, expected.sort(), spec.kind);
      if (truth !== null) {
        assert.deepEqual(await answers.get('directions')!.read(), truth.directions);
        assert.deepEqual(await answers.get('code_values')!.read(), codes!.values);
        assert.equal(report.l0, codes!.features.length / 33);
      } else assert.equal(report.l0, null);
      assert.deepEqual(JSON.parse(new TextDecoder().decode(files.get('spec.json'))), resolveGenerator(spec));
    }
  });

  it('nothing appears when it is stopped', async () => {
    let open = 0;
    const { saveGenerated } = await import('../../engine/generate/save.js');
    const target = { write: () => Promise.resolve(), commit: () => Promise.reject(new Error('must not be')), abort: () => Promise.resolve(void open--) };
    await assert.rejects(
      saveGenerated({ kind: 'gaussian', d: 64 }, 10_000_000, () => Promise.resolve(void open++).then(() => target), { signal: AbortSignal.timeout(150) }),
      { name: 'TimeoutError' },
    );
    assert.equal(open, 0);
  });
});
