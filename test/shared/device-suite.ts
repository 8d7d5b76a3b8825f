/**
 * The WebGPU backend's dealings with its device, for any runner: loss in mid-run,
 * what is asked of an adapter, pipelines, timings. Devices are real; they are
 * destroyed in earnest, or `lost` is made to settle as a driver's restart would.
 *
 * Every case that ends a device compares with a run that nothing disturbed, bit by bit.
 */
import { BackendError, DeviceLostError } from '../../engine/errors.js';
import { withFallback } from '../../engine/run/encode-rows.js';
import type { Architecture } from '../../engine/sae.js';
import { createWasmBackend } from '../../engine/wasm/backend.js';
import { heldWeights, type WeightSource } from '../../engine/weight-source.js';
import { findGpu } from '../../gpu/adapter.js';
import { Device } from '../../gpu/device.js';
import { Pipelines } from '../../gpu/pipelines.js';
import { D_IN, type DeviceCase, open, ROWS, rowsOf, runBatches, sameRuns } from './device-support.js';
import { check, equal, rejects, sameCodes, sameNumbers } from './gpu-support.js';
import { assertCodesMatch, makeSae } from './oracle.js';

export const deviceSuite: readonly DeviceCase[] = [
  ...(['standard', 'topk', 'jumprelu'] as const satisfies readonly Architecture[]).map((architecture) => ({
    name: `${architecture}: the device is destroyed in mid-run, and the run ends with the same codes and decoded rows`,
    async run() {
      const sae = makeSae({ architecture, d_in: D_IN, d_sae: 300, d_out: 10, k: 8, seed: 1 });
      const undisturbed = await open();
      const expected = await runBatches(await undisturbed.backend.load(sae));
      await undisturbed.backend.dispose();

      const { backend, gpu, notices } = await open();
      const loaded = await backend.load(sae);
      const got = await runBatches(loaded, (batch) => {
        // Once while an encode is under way, once between two batches.
        if (batch === 2 || batch === 4) gpu.devices[gpu.devices.length - 1]!.destroy();
      });
      sameRuns(got, expected);
      equal(gpu.devices.length, 3, 'devices');
      equal(loaded.report().generation, 3, 'generation');
      equal(notices.length, 2, 'notices');
      check(/device was lost \(destroyed/.test(notices[0]!) && /going on with a new one/.test(notices[0]!), notices[0]!);
      equal(backend.info.details['generation'], 3, 'generation in the description');
      loaded.dispose();
      await backend.dispose();
    },
  })),
  {
    name: 'lost for a reason unknown, with encodes and decodes side by side: all are made again, on one new device',
    async run() {
      const sae = makeSae({ architecture: 'topk', d_in: D_IN, d_sae: 200, k: 5, seed: 2 });
      const { backend, gpu, notices } = await open();
      const loaded = await backend.load(sae);
      const other = await backend.load({ ...sae, b_enc: sae.b_enc.map((b) => b + 0.25) });
      const first = await loaded.encode(rowsOf(0), ROWS);
      const y = await loaded.decode(first);
      const shifted = await other.encode(rowsOf(0), ROWS);
      const calls = [loaded.encode(rowsOf(0), ROWS), loaded.encode(rowsOf(0), ROWS), other.encode(rowsOf(0), ROWS)] as const;
      const decoding = loaded.decode(first);
      gpu.lose();
      sameCodes(await calls[0], first);
      sameCodes(await calls[1], first);
      sameCodes(await calls[2], shifted);
      sameNumbers(await decoding, y, 'decoded');
      equal(gpu.devices.length, 2, 'devices');
      equal(notices.length, 1, 'notices');
      check(/unknown: the driver restarted/.test(notices[0]!), notices[0]!);
      await backend.dispose();
    },
  },
  {
    name: 'no adapter for a while, as when a driver restarts: it is asked again',
    async run() {
      const sae = makeSae({ architecture: 'jumprelu', d_in: D_IN, d_sae: 90, seed: 14 });
      const { backend, gpu } = await open();
      const loaded = await backend.load(sae);
      const expected = await loaded.encode(rowsOf(0), ROWS);
      gpu.refuse(1);
      gpu.lose();
      sameCodes(await loaded.encode(rowsOf(0), ROWS), expected);
      equal(loaded.report().generation, 2, 'generation');
      await backend.dispose();
    },
  },
  {
    name: 'lost while the weights are uploaded: loading begins again',
    async run() {
      const sae = makeSae({ architecture: 'standard', d_in: D_IN, d_sae: 90, seed: 3 });
      const { backend, gpu } = await open();
      const held = heldWeights(sae);
      let reads = 0;
      const weights: WeightSource = {
        ...held,
        encoderRows(first, count) {
          if (reads++ === 0) gpu.devices[0]!.destroy();
          return held.encoderRows(first, count);
        },
      };
      const loaded = await backend.load(sae, { weights });
      equal(loaded.report().generation, 2, 'generation');
      assertCodesMatch(sae, rowsOf(0), ROWS, await loaded.encode(rowsOf(0), ROWS));
      await backend.dispose();
    },
  },
  {
    name: 'lost again at the second try: a typed error; the next call may succeed',
    async run() {
      const sae = makeSae({ architecture: 'standard', d_in: D_IN, d_sae: 90, seed: 4 });
      const { backend, gpu } = await open();
      const held = heldWeights(sae);
      let armed = false;
      const weights: WeightSource = {
        ...held,
        decoderRows(first, count) {
          if (armed) gpu.lose();
          return held.decoderRows(first, count);
        },
      };
      const loaded = await backend.load(sae, { weights });
      const expected = await loaded.encode(rowsOf(0), ROWS);
      armed = true;
      gpu.lose();
      const error = await rejects(loaded.encode(rowsOf(0), ROWS), DeviceLostError);
      check(error.retryable, 'retryable');
      armed = false;
      sameCodes(await loaded.encode(rowsOf(0), ROWS), expected);
      await backend.dispose();
    },
  },
  {
    name: 'no other device: the error says so and is not retryable, and the run ends on WASM with the same features',
    async run() {
      const sae = makeSae({ architecture: 'topk', d_in: D_IN, d_sae: 200, k: 5, seed: 5 });
      const { backend, gpu } = await open();
      const alone = await backend.load(sae);
      const wasm = await createWasmBackend({ threads: 1 });
      const reasons: BackendError[] = [];
      const loaded = withFallback(await backend.load(sae), sae, (error) => (reasons.push(error), wasm.load(sae)));
      const expected = await runBatches(await wasm.load(sae));
      const got = await runBatches(loaded, (batch) => {
        if (batch !== 2) return;
        gpu.refuse();
        gpu.devices[0]!.destroy();
      });
      got.forEach(({ codes }, batch) => {
        sameNumbers(codes.offsets, expected[batch]!.codes.offsets, `offsets of batch ${batch}`);
        sameNumbers(codes.features, expected[batch]!.codes.features, `features of batch ${batch}`);
      });
      equal(reasons.length, 1, 'fallbacks');
      const error = await rejects(alone.encode(rowsOf(0), ROWS), DeviceLostError);
      check(!error.retryable && /device was lost/.test(error.message) && /no other can be had/.test(error.message), error.message);
      await backend.dispose();
      await wasm.dispose();
    },
  },
  {
    name: 'disposed of while a new device is sought: the call fails, and no device is left',
    async run() {
      const sae = makeSae({ architecture: 'standard', d_in: D_IN, d_sae: 90, seed: 6 });
      const { backend, gpu } = await open();
      const loaded = await backend.load(sae);
      gpu.devices[0]!.destroy();
      await gpu.devices[0]!.lost;
      const running = loaded.encode(rowsOf(0), ROWS);
      running.catch(() => undefined);
      await backend.dispose();
      await rejects(running, BackendError);
      await Promise.all(gpu.devices.map(({ lost }) => lost));
      await rejects(backend.load(sae), BackendError);
    },
  },
  {
    name: 'features that are left out are not asked for, and those that are there are told',
    async run() {
      const whole = await open();
      const { capabilities } = whole.backend;
      const { adapter } = { adapter: (await (await findGpu()).requestAdapter())! };
      equal(capabilities.f16, adapter.features.has('shader-f16'), 'f16');
      equal(capabilities.timestamps, adapter.features.has('timestamp-query'), 'timestamps');
      equal(capabilities.subgroups !== null, adapter.features.has('subgroups' as GPUFeatureName), 'subgroups');
      const { subgroups } = capabilities;
      check(subgroups === null || (subgroups.min >= 4 && subgroups.max <= 128 && subgroups.min <= subgroups.max), JSON.stringify(subgroups));
      check(capabilities.packedDot, 'packed dot products (Tint and naga have them)');
      await whole.backend.dispose();
      const none = await open({ without: ['f16', 'subgroups', 'timestamps', 'packedDot'], timings: true });
      const { limits: _, ...features } = none.backend.capabilities;
      equal(JSON.stringify(features), '{"f16":false,"subgroups":null,"timestamps":false,"packedDot":false}', 'features');
      for (const feature of ['shader-f16', 'subgroups', 'timestamp-query']) check(!none.gpu.devices[0]!.features.has(feature as GPUFeatureName), `the device has ${feature}`);
      await none.backend.dispose();
    },
  },
  {
    name: 'submissions are timed: by the clock, by timestamps where the device has them, and how long reading back takes',
    async run() {
      const sae = makeSae({ architecture: 'standard', d_in: D_IN, d_sae: 500, seed: 7 });
      for (const without of [[], ['timestamps']] as const) {
        const { backend } = await open({ timings: true, without });
        const loaded = await backend.load(sae);
        const codes = await loaded.encode(rowsOf(0), ROWS);
        backend.resetTimings();
        for (let i = 0; i < 3; i++) sameCodes(await loaded.encode(rowsOf(0), ROWS), codes);
        await loaded.decode(codes);
        const { encode, decode } = backend.timings!;
        equal(encode!.submissions, 3, 'submissions');
        equal(decode!.submissions, 1, 'submissions');
        check(encode!.wallSeconds > 0 && encode!.mapSeconds > 0 && encode!.longestMapSeconds <= encode!.mapSeconds, JSON.stringify(encode));
        if (backend.capabilities.timestamps) check(encode!.gpuSeconds! > 0 && encode!.gpuSeconds! <= encode!.wallSeconds, JSON.stringify(encode));
        else equal(encode!.gpuSeconds, null, 'seconds on the GPU without timestamps');
        await backend.dispose();
      }
      const { backend } = await open();
      equal(backend.timings, null, 'timings that nobody asked for');
      await backend.dispose();
    },
  },
  {
    name: 'pipelines: asked for twice while compiling, compiled once; other constants are another pipeline; errors show the line',
    async run() {
      const adapter = await (await findGpu()).requestAdapter();
      const device = await Device.open(adapter!);
      const pipelines = new Pipelines(device);
      const [a, b] = await Promise.all([pipelines.get('count'), pipelines.get('count')]);
      check(a === b && a === (await pipelines.get('count')), 'one pipeline');
      equal(pipelines.compilations, 1, 'compilations');
      const again = await pipelines.get('count', { prelude: 'const UNUSED = 1u;' });
      check(again !== a, 'another pipeline');
      equal(pipelines.compilations, 2, 'compilations');
      // An override that the kernel has not is an error of that variant alone, and is not kept.
      const error = await rejects(pipelines.get('count', { constants: { nowhere: 1 } }), BackendError);
      check(error.message.includes('count.wgsl (nowhere = 1)'), error.message);
      check((await pipelines.get('count')) === a, 'the first pipeline');
      const prelude = await rejects(pipelines.get('count', { prelude: 'const A = 1u;\nconst B = nowhere;' }), BackendError);
      check(/count\.wgsl \(prelude\):\d+:\d+: /.test(prelude.message) && prelude.message.includes('const B = nowhere;'), prelude.message);
      device.destroy();
      await rejects(pipelines.get('scan'), BackendError);
    },
  },
];
