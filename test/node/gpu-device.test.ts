/** What the WebGPU backend knows of devices without having one: pure decisions, and life and death on devices that are made up. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { BackendError, DeviceLostError, NumericError, withRowsFrom } from '../../engine/errors.js';
import { bucket, BufferPool, Loan } from '../../gpu/buffers.js';
import { capabilitiesOf, type DeviceLimits, deviceRequest } from '../../gpu/capabilities.js';
import { Device } from '../../gpu/device.js';
import { halfBits, halfValue } from '../../gpu/half.js';
import { Memory, NoRoomError } from '../../gpu/memory.js';
import { needsNudge, waitForMap } from '../../gpu/nudge.js';
import { variantKey } from '../../gpu/pipelines.js';
import { createWebGpuBackend } from '../../gpu/backend.js';

const LIMITS: DeviceLimits = {
  maxStorageBufferBindingSize: 2 ** 27,
  maxBufferSize: 2 ** 28,
  maxComputeWorkgroupsPerDimension: 65_535,
  maxComputeWorkgroupStorageSize: 16_384,
  maxComputeInvocationsPerWorkgroup: 256,
  maxStorageBuffersPerShaderStage: 8,
};

test('negotiation: the least of what the adapter has, what is used, and what is allowed', () => {
  const rich = { ...LIMITS, maxStorageBufferBindingSize: 2 ** 31, maxBufferSize: 2 ** 33, maxComputeWorkgroupStorageSize: 65_536, maxComputeInvocationsPerWorkgroup: 1024, maxTextureDimension2D: 16_384 };
  const adapter = { limits: rich as unknown as GPUSupportedLimits, features: new Set(['shader-f16', 'timestamp-query', 'texture-compression-bc']) as unknown as GPUSupportedFeatures };
  const { requiredFeatures, requiredLimits } = deviceRequest(adapter);
  assert.deepEqual(requiredFeatures, ['shader-f16', 'timestamp-query']);
  assert.deepEqual(requiredLimits, { ...LIMITS, maxStorageBufferBindingSize: 2 ** 30, maxBufferSize: 2 ** 30, maxComputeWorkgroupStorageSize: 32_768 });
  assert.deepEqual(deviceRequest(adapter, { without: ['f16'] }).requiredFeatures, ['timestamp-query']);
  // A runtime that does not know a limit is not asked for it.
  const old = { ...LIMITS, maxStorageBuffersPerShaderStage: undefined };
  assert.ok(!('maxStorageBuffersPerShaderStage' in deviceRequest({ ...adapter, limits: old as unknown as GPUSupportedLimits }).requiredLimits));
});

test('capabilities: subgroup sizes that are not told are those WebGPU allows; what is left out is not there', () => {
  const device = (...features: string[]) => ({ limits: LIMITS as unknown as GPUSupportedLimits, features: new Set(features) as unknown as GPUSupportedFeatures });
  const info = (subgroupMinSize?: number, subgroupMaxSize?: number) => ({ subgroupMinSize, subgroupMaxSize }) as Partial<GPUAdapterInfo>;
  const sizes = (told: Partial<GPUAdapterInfo> | undefined) => capabilitiesOf(device('subgroups'), told, undefined).subgroups;
  assert.deepEqual(sizes(info(32, 32)), { min: 32, max: 32 });
  assert.deepEqual(sizes(info(8, 32)), { min: 8, max: 32 });
  for (const silent of [info(), undefined, info(0, 0), info(NaN, NaN), info(64, 32)]) assert.deepEqual(sizes(silent), { min: 4, max: 128 });
  // Deno tells sizes of an adapter that has no subgroups to use.
  assert.equal(capabilitiesOf(device(), info(8, 8), undefined).subgroups, null);
  const language = new Set(['packed_4x8_integer_dot_product']);
  const all = device('shader-f16', 'subgroups', 'timestamp-query');
  assert.deepEqual(capabilitiesOf(all, info(4, 4), language), { f16: true, subgroups: { min: 4, max: 4 }, timestamps: true, packedDot: true, limits: LIMITS });
  const none = capabilitiesOf(all, info(4, 4), language, { without: ['f16', 'subgroups', 'timestamps', 'packedDot'], limits: { maxBufferSize: 5, maxStorageBufferBindingSize: 2 ** 40 } });
  assert.deepEqual(none, { f16: false, subgroups: null, timestamps: false, packedDot: false, limits: { ...LIMITS, maxBufferSize: 5 } });
});

test('bucket: enough, at most a quarter over, shared by sizes near each other, within the limit', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 2 ** 30 }), fc.integer({ min: 1, max: 2 ** 30 }), (size, limit) => {
      const bytes = bucket(size, limit);
      assert.ok(bytes >= size && bytes % 4 === 0);
      assert.ok(bytes <= Math.max(limit, size + 3) && bytes <= Math.max(1.25 * size, size + 256));
      assert.equal(bucket(bytes, limit), bytes);
    }),
  );
  assert.equal(new Set(Array.from({ length: 1000 }, (_, i) => bucket(1_000_000 + 100 * i, Infinity))).size, 2);
});

test('half: every half is itself, and any f32 becomes the nearest, ties to even', () => {
  for (let bits = 0; bits < 0x10000; bits++) {
    const value = halfValue(bits);
    if (!Number.isNaN(value)) assert.equal(halfBits(value), bits);
  }
  fc.assert(
    fc.property(fc.float({ min: Math.fround(-65_519), max: Math.fround(65_519), noNaN: true }), (value) => {
      const bits = halfBits(value);
      const error = Math.abs(halfValue(bits) - value);
      for (const near of [bits - 1, bits + 1]) {
        if (((near ^ bits) & 0x8000) !== 0 || (near & 0x7fff) > 0x7bff) continue;
        const other = Math.abs(halfValue(near) - value);
        assert.ok(error < other || (error === other && bits % 2 === 0), `${value}: ${bits} or ${near}`);
      }
    }),
    { numRuns: 5000 },
  );
  assert.equal(halfBits(65_519), 0x7bff);
  assert.equal(halfBits(65_520), 0x7c00);
  assert.equal(halfBits(-1e30), 0xfc00);
  assert.equal(halfBits(-0), 0x8000);
  assert.equal(halfBits(2 ** -25), 0);
  assert.equal(halfBits(3 * 2 ** -26), 1);
});

test('a variant’s key: the same whatever the order, another for another constant, extension or prelude', () => {
  const key = variantKey('encode', { constants: { a: 1, b: 2 }, enable: ['subgroups', 'f16'] });
  assert.equal(variantKey('encode', { enable: ['f16', 'subgroups', 'f16'], constants: { b: 2, a: 1 }, prelude: '' }), key);
  const others = [variantKey('count', { constants: { a: 1, b: 2 }, enable: ['f16', 'subgroups'] }), variantKey('encode', { constants: { a: 1 } }), variantKey('encode', { prelude: 'x' }), variantKey('encode', {})];
  assert.equal(new Set([key, ...others]).size, 5);
  assert.equal(variantKey('encode', {}), variantKey('encode', { constants: {}, enable: [] }));
});

test('rows of a piece are named as rows of the batch; nothing else is touched', () => {
  const error = new NumericError('xbar, row 3: a value is not finite', { hint: 'h' });
  const moved = withRowsFrom(100, error) as NumericError;
  assert.deepEqual([moved.message, moved.hint, moved instanceof NumericError], ['xbar, row 103: a value is not finite', 'h', true]);
  assert.equal(withRowsFrom(0, error), error);
  const other = new BackendError('xbar, row 3: lost');
  assert.equal(withRowsFrom(5, other), other);
});

test('memory: counted by use, the peak kept, the budget too', () => {
  const { gpu, live } = fakeDevice();
  const memory = new Memory(gpu, 1000);
  const weights = memory.create('weights', 600, 128);
  let idle: GPUBuffer | null = memory.create('scratch', 300, 128);
  assert.equal(memory.fits(101), false);
  assert.throws(() => memory.create('readback', 200, 9), (error) => error instanceof NoRoomError && /200 bytes more for readback/.test(error.message) && error.hint!.includes('1100 bytes'));
  memory.onPressure(() => {
    if (idle) memory.destroy('scratch', idle);
    idle = null;
  });
  const staging = memory.create('readback', 200, 9);
  assert.deepEqual(memory.report(), { weights: 600, scratch: 0, readback: 200, buffers: 2, peak: 900, budget: 1000 });
  memory.destroy('weights', weights);
  memory.destroy('readback', staging);
  assert.deepEqual([memory.total, live()], [0, 0]);
  assert.equal(new Memory(gpu).report().budget, null);
});

test('the ring keeps three staging buffers, whatever is under way; a pool gives back what was lent', async () => {
  const { adapter, live } = fakeDevice();
  const device = await Device.open(adapter);
  const pool = new BufferPool(device);
  const taken = [1, 2, 3, 4, 5].map((i) => pool.ring.take(i * 5000));
  assert.equal(live(), 5);
  for (const slot of taken) pool.ring.giveBack(slot);
  assert.equal(live(), 3);
  // One that is large enough is used again; of three that are too small one makes room.
  pool.ring.giveBack(pool.ring.take(100));
  assert.equal(live(), 3);
  const large = pool.ring.take(1e6);
  assert.equal(live(), 3);
  pool.ring.giveBack(large);
  const { readback, buffers } = pool.memory.report();
  assert.deepEqual([readback, buffers], [pool.memory.total, 3]);

  const loan = new Loan(pool, device.gpu.queue);
  loan.storage(1000);
  loan.uniform([1, 2, 3]);
  loan.readback(device, 64, 'test');
  assert.ok(pool.bytesInUse >= 1000);
  const before = live();
  loan.giveBack();
  assert.equal(pool.bytesInUse, 0);
  assert.equal(live(), before);
  // What was not submitted gave its staging buffer back: three more fit the ring.
  for (const slot of [1, 2, 3].map(() => pool.ring.take(10))) pool.ring.giveBack(slot);
  assert.equal(live(), before);
  pool.clear();
  assert.equal(pool.byteLength, 0);
});

test('a device that is lost rejects what waits with a retryable error, also where the runtime’s own promise was first', async () => {
  const { adapter, lose } = fakeDevice();
  const device = await Device.open(adapter);
  const waiting = device.guard(new Promise<void>(() => undefined));
  let reject!: (error: Error) => void;
  const early = device.guard(new Promise<void>((_, no) => (reject = no)));
  reject(new Error('Instance dropped'));
  const told = await early.catch((error: unknown) => error);
  assert.ok(told instanceof BackendError && !(told instanceof DeviceLostError));
  const isLost = device.isLost();
  lose({ reason: 'unknown', message: 'the driver restarted' } as GPUDeviceLostInfo);
  assert.equal(await isLost, true);
  await assert.rejects(waiting, (error) => error instanceof DeviceLostError && error.retryable && /unknown: the driver restarted/.test(error.message));
  assert.throws(() => device.check(), DeviceLostError);
  // Not lost, only slow to fail: that is known after a while.
  const other = await Device.open(fakeDevice().adapter);
  assert.equal(await other.isLost(5), false);
  other.destroy();
  assert.deepEqual([other.lost, await other.isLost()], [false, false]);
});

test('an adapter that was handed in and gives no second device: lost for good, and the error says why', async () => {
  const { adapter, lose } = fakeDevice();
  const notices: string[] = [];
  const backend = await createWebGpuBackend({ adapter, notice: (text) => notices.push(text) });
  assert.equal(backend.info.description, 'made-up (nobody)');
  lose({ reason: 'unknown', message: '' } as GPUDeviceLostInfo);
  await new Promise((resolve) => setTimeout(resolve, 0));
  const sae = { architecture: 'standard', d_in: 1, d_sae: 1, d_out: 1, W_enc: Float32Array.of(1), b_enc: Float32Array.of(1), W_dec: Float32Array.of(1), b_dec: Float32Array.of(1), threshold: null, k: null, applyBDecToInput: false, normalizeActivations: 'none', rescaleActsByDecoderNorm: false, metadata: { name: '', model_name: null, hook_name: null, source: '', format: '', sha256: null }, conventions: [] } as const;
  await assert.rejects(backend.load(sae), (error) => error instanceof DeviceLostError && !error.retryable && /device was lost \(unknown: no message\), and no other can be had: .*consumed/.test(error.message));
  assert.deepEqual(notices, []);
});

test('Firefox is nudged while a mapping is waited for, and not after; others are not', async () => {
  const firefox = 'Mozilla/5.0 (X11; Linux x86_64; rv:153.0) Gecko/20100101 Firefox/153.0';
  assert.equal(needsNudge(firefox), true);
  for (const other of [undefined, '', 'Mozilla/5.0 AppleWebKit/537.36 (KHTML, like Gecko) Chrome/156.0.0.0 Safari/537.36', 'Deno/2.9.5']) assert.equal(needsNudge(other), false);
  const { gpu, submissions } = fakeDevice();
  let settle!: () => void;
  const mapped = new Promise<undefined>((resolve) => (settle = () => resolve(undefined)));
  const waiting = waitForMap(gpu, mapped, true);
  await new Promise((resolve) => setTimeout(resolve, 30));
  const during = submissions();
  assert.ok(during >= 2, `${during} submissions`);
  settle();
  await waiting;
  await new Promise((resolve) => setTimeout(resolve, 30));
  assert.equal(submissions(), during);
  await waitForMap(gpu, Promise.resolve(undefined), false);
  assert.equal(submissions(), during);
});

/** An adapter with one device, of which buffers are counted and whose end is at hand; it computes nothing. */
function fakeDevice() {
  const buffers = new Set<object>();
  let lose!: (info: GPUDeviceLostInfo) => void;
  let submitted = 0;
  const gpu = {
    limits: LIMITS,
    features: new Set<string>(),
    lost: new Promise<GPUDeviceLostInfo>((resolve) => (lose = resolve)),
    queue: { writeBuffer: () => undefined, submit: () => void submitted++ },
    addEventListener: () => undefined,
    createBuffer({ size, usage }: GPUBufferDescriptor) {
      const buffer = { size, usage, destroy: () => void buffers.delete(buffer) };
      buffers.add(buffer);
      return buffer;
    },
    destroy: () => undefined,
  } as unknown as GPUDevice;
  let given = false;
  const adapter = {
    limits: LIMITS,
    features: new Set<string>(),
    info: { vendor: 'nobody', architecture: 'made-up' },
    requestDevice() {
      if (given) return Promise.reject(new Error('the adapter is consumed'));
      given = true;
      return Promise.resolve(gpu);
    },
  } as unknown as GPUAdapter;
  return { adapter, gpu, lose, live: () => buffers.size, submissions: () => submitted };
}
