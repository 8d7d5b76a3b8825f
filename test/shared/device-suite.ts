/**
 * The WebGPU backend's dealings with its device, for any runner: loss in mid-run,
 * what is asked of an adapter, memory, uploads, timings. Devices are real; they are
 * destroyed in earnest, or `lost` is made to settle as a driver's restart would.
 *
 * Every case that ends a device compares with a run that nothing disturbed, bit by bit.
 */
import type { LoadedSae } from '../../engine/backend.js';
import { joinCodes, type SparseCodes } from '../../engine/codes.js';
import { BackendError, DeviceLostError, NumericError, ShapeError } from '../../engine/errors.js';
import { withFallback } from '../../engine/run/encode-rows.js';
import type { Architecture, Sae } from '../../engine/sae.js';
import { createWasmBackend } from '../../engine/wasm/backend.js';
import { heldWeights, type WeightSource } from '../../engine/weight-source.js';
import { findGpu } from '../../gpu/adapter.js';
import { createWebGpuBackend, type WebGpuOptions } from '../../gpu/backend.js';
import { Device } from '../../gpu/device.js';
import { Pipelines } from '../../gpu/pipelines.js';
import { IN_FLIGHT } from '../../gpu/upload.js';
import { SLAB } from '../../gpu/weights.js';
import { check, equal, observedGpu, rejects, sameCodes, sameNumbers } from './gpu-support.js';
import { assertCodesMatch, makeSae, randomRows } from './oracle.js';

export interface DeviceCase {
  readonly name: string;
  run(): Promise<void>;
}

const D_IN = 24;
const ROWS = 33;
const BATCHES = 6;

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
      check(/count\.wgsl \(prelude\):2:\d+: /.test(prelude.message) && prelude.message.includes('const B = nowhere;'), prelude.message);
      device.destroy();
      await rejects(pipelines.get('scan'), BackendError);
    },
  },
  {
    name: 'weights from a source: read once, in order, in slabs; nothing is held whole; forced 1 MiB bindings give the same codes',
    async run() {
      const [d_in, d_sae, d_out] = [300, 12_000, 300];
      const sae = makeSae({ architecture: 'topk', d_in, d_sae, d_out, k: 16, seed: 8 });
      const xbar = randomRows(3, d_in, 9);
      const whole = await open();
      const expected = await runOnce(await whole.backend.load(sae), xbar, 3);
      await whole.backend.dispose();

      const { backend, gpu } = await open({ limits: { maxStorageBufferBindingSize: 2 ** 20, maxBufferSize: 2 ** 20 } });
      const { source, reads } = counted(heldWeights(sae));
      const streamed: Sae = { ...sae, W_enc: new Float32Array(0), W_dec: new Float32Array(0) };
      const loaded = await backend.load(streamed, { weights: source });
      const report = loaded.report();
      check(report.shards > 12 && report.decodeShards > 12, JSON.stringify(report));
      equal(reads.encoder, d_in, 'rows of W_enc that were read');
      equal(reads.decoder, d_sae, 'rows of W_dec that were read');
      check(reads.largest * 4 <= SLAB, `the largest slab has ${reads.largest * 4} bytes`);
      check(gpu.writes.total >= 2 * 4 * d_in * d_sae, `${gpu.writes.total} bytes written`);
      check(gpu.writes.largest <= 2 ** 20 && gpu.writes.most <= IN_FLIGHT, JSON.stringify(gpu.writes));
      sameRun(await runOnce(loaded, xbar, 3), expected);
      assertCodesMatch(sae, xbar, 3, expected.codes);
      await backend.dispose();
    },
  },
  {
    name: 'wide SAEs on a device whose grids are small: dispatches fold, blocks are cut, nothing changes',
    async run() {
      // 70,000 latents are 547 tiles of 128, and more rows than a side of the grid.
      const [rows, d_in, d_sae, d_out] = [70, 4, 70_000, 4];
      const xbar = randomRows(rows, d_in, 15);
      for (const architecture of ['topk', 'jumprelu'] as const) {
        const sae = makeSae({ architecture, d_in, d_sae, d_out, k: 24, seed: 16 });
        sae.threshold?.fill(1.5);
        const whole = await open();
        const expected = await runOnce(await whole.backend.load(sae), xbar, rows);
        await whole.backend.dispose();
        const { backend } = await open({ limits: { maxComputeWorkgroupsPerDimension: 64 } });
        const loaded = await backend.load(sae);
        check(loaded.report().shards > 8, JSON.stringify(loaded.report()));
        sameRun(await runOnce(loaded, xbar, rows), expected);
        await backend.dispose();
      }
    },
  },
  {
    name: 'what a source gives is checked: lengths, finite values; nothing stays allocated',
    async run() {
      const sae = makeSae({ architecture: 'standard', d_in: D_IN, d_sae: 90, d_out: 7, seed: 10 });
      const { backend, gpu } = await open();
      const held = heldWeights(sae);
      const poison = (rows: Float32Array, at: number): Float32Array => rows.map((w, i) => (i === at ? NaN : w));
      const enc = await rejects(backend.load(sae, { weights: { ...held, encoderRows: () => poison(sae.W_enc, 5 * 90 + 3) } }), NumericError);
      check(enc.message.includes('W_enc: NaN at row 5, column 3'), enc.message);
      const dec = await rejects(backend.load(sae, { weights: { ...held, decoderRows: () => poison(sae.W_dec, 7 * 8 + 2) } }), NumericError);
      check(dec.message.includes('W_dec: NaN at row 8, column 2'), dec.message);
      await rejects(backend.load(sae, { weights: { ...held, decoderRows: () => new Float32Array(3) } }), ShapeError);
      await rejects(backend.load({ ...sae, W_enc: new Float32Array(5) }), ShapeError);
      await rejects(backend.load(sae, { weights: { ...held, encoderRows: () => Promise.reject(new TypeError('the file is gone')) } }), TypeError);
      equal(gpu.live(), 0, 'buffers');
      await backend.dispose();
    },
  },
  {
    name: 'a memory budget is kept: batches come in pieces, with the same codes; too small for the weights is an error that says what fits',
    async run() {
      const sae = makeSae({ architecture: 'standard', d_in: D_IN, d_sae: 1024, seed: 11 });
      const rows = 200;
      const xbar = randomRows(rows, D_IN, 12);
      const free = await open();
      const loaded = await free.backend.load(sae);
      const expected = await runOnce(loaded, xbar, rows);
      const { weightBytes } = loaded.report();
      const { peak } = free.backend.memory;
      equal(free.gpu.liveBytes(), free.backend.memory.weights + free.backend.memory.scratch + free.backend.memory.readback, 'bytes counted');
      await free.backend.dispose();

      const memoryBudget = weightBytes + Math.floor((peak - weightBytes) / 3);
      const tight = await open({ memoryBudget });
      const within = await tight.backend.load(sae);
      for (let i = 0; i < 2; i++) sameRun(await runOnce(within, xbar, rows), expected);
      const { memory } = within.report();
      check(memory.peak <= memoryBudget && memory.peak > weightBytes, `${JSON.stringify(memory)}`);
      equal(memory.budget, memoryBudget, 'budget');
      equal(tight.backend.info.details['memoryBudget'], memoryBudget, 'budget in the description');
      const large = await rejects(tight.backend.load(makeSae({ architecture: 'standard', d_in: D_IN, d_sae: 8192, seed: 11 })), BackendError);
      check(/of its 8192 latents would fit/.test(large.message), large.message);
      sameRun(await runOnce(within, xbar, rows), expected);
      within.dispose();
      await tight.backend.dispose();

      const small = await open({ memoryBudget: weightBytes / 2 });
      const error = await rejects(small.backend.load(sae), BackendError);
      check(/about 512 of its 1024 latents would fit/.test(error.message) && error.hint!.includes(String(weightBytes)), `${error.message} ${error.hint}`);
      equal(small.gpu.live(), 0, 'buffers');
      await small.backend.dispose();
    },
  },
  {
    name: 'nothing is left behind: buffers and bytes after 40 runs are those after the first',
    async run() {
      const sae = makeSae({ architecture: 'jumprelu', d_in: D_IN, d_sae: 400, seed: 13 });
      const { backend, gpu } = await open({ timings: true });
      const loaded = await backend.load(sae);
      const side = async (): Promise<void> => void (await Promise.all([runOnce(loaded, rowsOf(0), ROWS), runOnce(loaded, rowsOf(1), ROWS)]));
      await side();
      await side();
      const before = [gpu.live(), gpu.liveBytes()];
      for (let i = 0; i < 20; i++) await side();
      equal([gpu.live(), gpu.liveBytes()].join(), before.join(), 'buffers and bytes');
      loaded.dispose();
      equal(backend.memory.weights, 0, 'bytes of weights');
      await backend.dispose();
    },
  },
];

/** A backend on a device of its own, observed. */
async function open(options: WebGpuOptions = {}) {
  const gpu = observedGpu(await findGpu());
  const notices: string[] = [];
  const backend = await createWebGpuBackend({ gpu: gpu.gpu, notice: (text) => notices.push(text), ...options });
  return { backend, gpu, notices };
}

interface Result {
  readonly codes: SparseCodes;
  readonly y: Float32Array;
}

const rowsOf = (batch: number): Float32Array => randomRows(ROWS, D_IN, 100 + batch);

/** `disturb` is called when a batch's encode was begun. */
async function runBatches(loaded: LoadedSae, disturb: (batch: number) => void = () => undefined): Promise<Result[]> {
  const results: Result[] = [];
  for (let batch = 0; batch < BATCHES; batch++) {
    const encoding = loaded.encode(rowsOf(batch), ROWS);
    encoding.catch(() => undefined);
    // The call has recorded and submitted its work by then, and waits.
    await new Promise((resolve) => setTimeout(resolve, 0));
    disturb(batch);
    const codes = await encoding;
    results.push({ codes, y: await loaded.decode(codes) });
  }
  return results;
}

async function runOnce(loaded: LoadedSae, xbar: Float32Array, rows: number): Promise<Result> {
  const codes = await loaded.encode(xbar, rows);
  return { codes, y: await loaded.decode(codes) };
}

function sameRun(got: Result, expected: Result): void {
  sameCodes(got.codes, expected.codes);
  equal(got.codes.nearTies, expected.codes.nearTies, 'near ties');
  sameNumbers(got.y, expected.y, 'decoded');
}

function sameRuns(got: readonly Result[], expected: readonly Result[]): void {
  equal(got.length, expected.length, 'batches');
  got.forEach((result, batch) => sameRun(result, expected[batch]!));
  check(joinCodes(got.map(({ codes }) => codes), got[0]!.codes.d_sae).features.length > 0, 'something fires');
}

/** The source, and how much was read of it. */
function counted(held: WeightSource): { source: WeightSource; reads: { encoder: number; decoder: number; largest: number } } {
  const reads = { encoder: 0, decoder: 0, largest: 0 };
  const source: WeightSource = {
    encoderColumns: (first, count) => held.encoderColumns(first, count),
    async encoderRows(first, count) {
      equal(first, reads.encoder, 'first row of W_enc');
      reads.encoder += count;
      const rows = await held.encoderRows(first, count);
      reads.largest = Math.max(reads.largest, rows.length);
      return rows.slice();
    },
    async decoderRows(first, count) {
      equal(first, reads.decoder, 'first row of W_dec');
      reads.decoder += count;
      const rows = await held.decoderRows(first, count);
      reads.largest = Math.max(reads.largest, rows.length);
      return rows.slice();
    },
  };
  return { source, reads };
}
