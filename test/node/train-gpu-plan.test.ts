/** How training on WebGPU is cut to a device: nothing is bound that does not fit, and no thread's loop is too long for llvmpipe. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { UsageError } from '../../engine/errors.js';
import { commonParams, FLAG, indexDigits, MODE, paramsWords, planTraining } from '../../gpu/train/plan.js';
import { scratchBytes } from '../../gpu/train/scratch.js';
import { plainObjective } from '../shared/train-cases.js';

const LIMITS = {
  maxStorageBufferBindingSize: 2 ** 27,
  maxBufferSize: 2 ** 28,
  maxComputeWorkgroupsPerDimension: 65_535,
  maxComputeWorkgroupStorageSize: 16_384,
  maxComputeInvocationsPerWorkgroup: 256,
  maxStorageBuffersPerShaderStage: 8,
};
const objective = (d: number, d_sae: number, groups = 1) => {
  const widths = Array.from({ length: groups }, (_, g) => Math.ceil(((g + 1) * d_sae) / groups));
  return plainObjective({ d, d_sae, selection: { kind: 'relu' }, groups: [...new Set(widths)] });
};

test('every buffer of the largest batch fits in a binding, and loops stay short', () => {
  let planned = 0;
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 8192 }), fc.integer({ min: 1, max: 200_000 }), fc.integer({ min: 1, max: 12 }), fc.integer({ min: 20, max: 30 }), (d, d_sae, groups, power) => {
      const limits = { ...LIMITS, maxStorageBufferBindingSize: 2 ** power, maxBufferSize: 2 ** 30 };
      const of = objective(d, d_sae, groups);
      let plan;
      try {
        plan = planTraining(of, limits, false);
      } catch (error) {
        assert.ok(error instanceof UsageError && error.message.includes(String(2 ** power)), String(error));
        return;
      }
      planned++;
      for (const [name, bytes] of scratchBytes(plan, plan.maxRows, of.groups.length)) {
        assert.ok(bytes <= 2 ** power, `${name} takes ${bytes} bytes of ${2 ** power} at d ${d}, d_sae ${d_sae}, ${of.groups.length} groups, ${plan.maxRows} rows`);
        assert.ok(bytes > 0 && bytes % 4 === 0, `${name} takes ${bytes} bytes`);
      }
      assert.ok(plan.chunk >= 1 && plan.chunk <= plan.maxRows && plan.width >= d_sae && plan.width % 128 === 0);
      assert.ok(Math.ceil(plan.chunk / 32) * plan.quads < 65_535);
    }),
    { numRuns: 500 },
  );
  assert.ok(planned > 100, `only ${planned} of 500 fit`);
});

test('a real dictionary: 24,576 features of 768 dimensions on the least device', () => {
  const plan = planTraining(objective(768, 24_576), LIMITS, false);
  assert.deepEqual(plan, { d: 768, n: 24_576, quads: 192, width: 24_576, parts: 8, maxRows: 1344, chunk: 341 });
  assert.throws(() => planTraining(objective(768, 65_536), LIMITS, false), /maxStorageBufferBindingSize is 134217728/);
  assert.throws(() => planTraining(objective(8, 60_001), LIMITS, true), /software WebGPU trains at most 60000/);
});

test('indices are shifted up to whole digits, and none is lost', () => {
  for (const count of [1, 2, 255, 256, 257, 65_536, 65_537, 2 ** 24, 2 ** 24 + 1, 2 ** 32 - 1]) {
    const { shift, digits } = indexDigits(count);
    assert.equal(shift + 8 * digits, 32);
    assert.ok(2 ** (8 * digits) >= count && (digits === 1 || 2 ** (8 * (digits - 1)) < count), `${count}: ${digits}`);
  }
});

test('uniforms have the words that params.wgsl declares', async () => {
  const { readFile } = await import('node:fs/promises');
  const wgsl = await readFile('gpu/train/kernels/parts/params.wgsl', 'utf8');
  const fields = [.../struct Params \{([^}]*)\}/.exec(wgsl)![1]!.matchAll(/^ {2}(\w+): (u32|f32),$/gm)].map(([, name, type]) => ({ name: name!, type }));
  const plan = planTraining(objective(9, 130), LIMITS, false);
  const values = { ...commonParams(objective(9, 130)), rows: 1, first: 2, count: 3, groups: 4, mode: 5, flags: 6, penalty: 7, need: 8, digit: 9, shift: 10, stride: 11, offset: 12, sign: 13, coefficient: 14, power: 15, next: 16, bandwidth: 17, scale: 18 };
  const known: Record<string, number> = { ...values, n: plan.n, width: plan.width, quads: plan.quads };
  const words = Uint32Array.from(paramsWords(values, plan));
  const floats = new Float32Array(words.buffer);
  assert.equal(words.length, fields.length);
  fields.forEach(({ name, type }, at) => assert.equal(type === 'u32' ? words[at] : floats[at], known[name], name));
  const constant = (name: string): number => Number(new RegExp(`const ${name} = (\\d+)u;`).exec(wgsl)?.[1]);
  assert.deepEqual(['RELU', 'ROW_CUT', 'BATCH_CUT', 'JUMP', 'GATED', 'GATE_ALONE', 'AUXK', 'GHOST', 'BELOW'].map(constant), Object.values(MODE));
  assert.deepEqual(['ONE_SIDED', 'TO_INPUT', 'RANK_BY_NORM', 'DETACHED', 'BIASED', 'HAS_GATE', 'AUX_RELU', 'NORMED', 'DIVIDED'].map(constant), Object.values(FLAG));
});
