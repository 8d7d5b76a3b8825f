/** Which kernels are chosen for a problem and a device, without either. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { DeviceLimits } from '../../gpu/capabilities.js';
import { chooseKernels, chooseSubgroups, FEW_ROWS, sampleOf, sliceOf } from '../../gpu/decide/kernels.js';
import { stepsOf } from '../../gpu/dispatch.js';
import { type KernelName, kernels, preludeOf, sourceOf, usesLanes } from '../../gpu/kernels.js';
import { variantKey, withParts } from '../../gpu/pipelines.js';
import { canScreen, outliersOf } from '../../gpu/screen.js';

const LIMITS: DeviceLimits = {
  maxStorageBufferBindingSize: 2 ** 27,
  maxBufferSize: 2 ** 28,
  maxComputeWorkgroupsPerDimension: 65_535,
  maxComputeWorkgroupStorageSize: 16_384,
  maxComputeInvocationsPerWorkgroup: 256,
  maxStorageBuffersPerShaderStage: 8,
};
const GPU = { software: false };
const SOFTWARE = { software: true };

test('chooseKernels: tiles on a GPU, registers on a software one, and row for a few rows', () => {
  const many = { rows: 1024, d_sae: 16_384, n: 16_384, keep: null };
  assert.deepEqual(chooseKernels(many, LIMITS, GPU), { core: 'tiled', fused: true, slice: 0, screened: false });
  assert.deepEqual(chooseKernels(many, LIMITS, SOFTWARE), { core: 'registers', fused: false, slice: 0, screened: false });
  for (const adapter of [GPU, SOFTWARE]) assert.equal(chooseKernels({ ...many, rows: FEW_ROWS }, LIMITS, adapter).core, 'row');
  assert.deepEqual(chooseKernels({ ...many, keep: 33 }, LIMITS, GPU), { core: 'tiled', fused: true, slice: 1152, screened: false });
  // A row's k + 1 largest of the first block bound nothing when the block has fewer columns.
  assert.equal(chooseKernels({ ...many, n: 20, keep: 33 }, LIMITS, GPU).fused, false);
  // Nothing would be left after the slice.
  assert.equal(chooseKernels({ ...many, keep: 16_384 }, LIMITS, GPU).fused, false);
});

test('chooseKernels: what the device has no room for is not chosen, forced or not', () => {
  const many = { rows: 1024, d_sae: 16_384, n: 16_384, keep: null };
  assert.equal(chooseKernels(many, { ...LIMITS, maxComputeWorkgroupStorageSize: 12_000 }, GPU, { core: 'tiled' }).core, 'registers');
  assert.equal(chooseKernels(many, { ...LIMITS, maxComputeInvocationsPerWorkgroup: 64 }, GPU).core, 'registers');
  assert.deepEqual(chooseKernels(many, { ...LIMITS, maxComputeWorkgroupStorageSize: 12_500 }, GPU), { core: 'tiled', fused: false, slice: 0, screened: false });
  assert.equal(chooseKernels(many, { ...LIMITS, maxStorageBuffersPerShaderStage: 7 }, GPU).fused, false);
  assert.equal(chooseKernels({ ...many, rows: 5 }, LIMITS, SOFTWARE, { core: 'row' }).core, 'registers');
});

test('chooseSubgroups: on GPUs that have them, of whatever size', () => {
  const sizes = { subgroups: { min: 4, max: 128 } };
  assert.equal(chooseSubgroups(sizes, GPU), true);
  assert.equal(chooseSubgroups(sizes, SOFTWARE), false);
  assert.equal(chooseSubgroups(sizes, SOFTWARE, { subgroups: true }), true);
  assert.equal(chooseSubgroups(sizes, GPU, { subgroups: false }), false);
  assert.equal(chooseSubgroups({ subgroups: null }, GPU), false);
  assert.equal(chooseSubgroups({ subgroups: null }, GPU, { subgroups: true }), false);
  assert.equal(chooseSubgroups({ subgroups: null }, GPU, { subgroups: 'fn subgroupAdd' }), 'fn subgroupAdd');
});

test('chooseKernels: screened on any adapter, where the bar is a bound', () => {
  const many = { rows: 1024, d_sae: 16_384, n: 16_384, keep: null, screened: true };
  for (const [adapter, core] of [[GPU, 'tiled'], [SOFTWARE, 'registers']] as const) {
    assert.deepEqual(chooseKernels(many, LIMITS, adapter), { core, fused: true, slice: 0, screened: true });
    assert.deepEqual(chooseKernels({ ...many, keep: 33 }, LIMITS, adapter), { core, fused: true, slice: 1152, screened: true });
  }
  // Nothing would be left after the slice; a row's k + 1 largest of a small block are no bound.
  assert.equal(chooseKernels({ ...many, keep: 16_384 }, LIMITS, GPU).screened, false);
  assert.equal(chooseKernels({ ...many, n: 20, keep: 33 }, LIMITS, GPU).screened, false);
  assert.equal(chooseKernels(many, { ...LIMITS, maxStorageBuffersPerShaderStage: 7 }, GPU).screened, false);
});

test('canScreen: integers that do not overflow, loops that llvmpipe finishes, no thresholds where rows are ranked', () => {
  assert.equal(canScreen({ architecture: 'jumprelu', threshold: new Float32Array(3), d_in: 4096 }), true);
  assert.equal(canScreen({ architecture: 'standard', threshold: null, d_in: 12_289 }), false);
  assert.equal(canScreen({ architecture: 'topk', threshold: null, d_in: 768 }), true);
  assert.equal(canScreen({ architecture: 'batchtopk', threshold: new Float32Array(3), d_in: 768 }), false);
});

test('outliersOf: dimensions with more than a sixteenth of the energy, the largest 8 of them', () => {
  const rows = (...values: number[]): Float32Array => Float32Array.from([...values, ...values]);
  assert.deepEqual(outliersOf(rows(1, 1, 100, 1), 2, 4), [2]);
  assert.deepEqual(outliersOf(rows(...Array<number>(20).fill(1)), 2, 20), []);
  assert.deepEqual(outliersOf(rows(...Array<number>(10).fill(1), 1.1, 1.2), 2, 12).length, 8);
  assert.deepEqual(outliersOf(rows(1, 1, 50, -100), 2, 4), [3, 2]);
  assert.deepEqual(outliersOf(rows(0, 0, 0, 0), 2, 4), []);
});

test('sliceOf and sampleOf: whole tiles, room for what is kept, within the block', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 200_000 }), fc.integer({ min: 1, max: 5000 }), fc.integer({ min: 1, max: 70_000 }), (n, wanted, rows) => {
      const keep = Math.min(wanted, n);
      const slice = sliceOf(n, keep);
      assert.ok(slice >= keep && slice <= n && (slice === n || slice % 128 === 0));
      assert.ok(slice === n || slice <= n / 2);
      const sample = sampleOf(rows, n);
      assert.ok(sample % 128 === 0 && sample < n + 128);
    }),
  );
});

test('stepsOf: what each way of encoding compiles, once', () => {
  const dense = { core: 'registers', fused: false, slice: 0, screened: false } as const;
  const fused = { core: 'tiled', fused: true, slice: 0, screened: false } as const;
  assert.deepEqual(stepsOf('jumprelu', [dense, dense]), ['registers', 'count', 'scan', 'scatter']);
  assert.deepEqual(stepsOf('topk', [{ ...fused, slice: 128 }]), ['tiled', 'select', 'fire', 'scan', 'gather', 'merge']);
  assert.deepEqual(stepsOf('topk', [{ ...dense, fused: true, slice: 128, screened: true }]), ['registers', 'select', 'pack-rows', 'screen', 'expand', 'settle', 'scan', 'gather', 'merge']);
  assert.deepEqual(stepsOf('batchtopk', [dense, fused]), ['registers', 'count', 'scan', 'scatter', 'tiled', 'fire', 'gather', 'bins']);
});

test('a kernel is built with subgroups only where it can use them, and is another pipeline then', () => {
  for (const name of Object.keys(kernels) as KernelName[]) {
    const [plain, lanes] = [withParts(name), withParts(name, { subgroups: true })];
    assert.deepEqual(plain.enable, []);
    assert.deepEqual(lanes.enable, usesLanes(name) ? ['subgroups'] : []);
    const source = (subgroups: boolean): string => preludeOf(name, 'f32', subgroups) + sourceOf(name, subgroups);
    assert.equal(source(true) !== source(false), usesLanes(name), name);
    assert.ok(!source(false).includes('subgroupAdd('), name);
    assert.equal(source(true).includes('subgroupAdd('), usesLanes(name), name);
  }
  assert.notEqual(variantKey('fire', { subgroups: true }), variantKey('fire', {}));
  assert.equal(variantKey('fire', { subgroups: false }), variantKey('fire', {}));
});
