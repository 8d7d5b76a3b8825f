/**
 * What the WebGPU backend does with a device's memory, for any runner: uploads from a
 * source, forced small limits, half precision, budgets, leaks. Codes are compared bit
 * by bit with those of a device without such constraints.
 */
import { BackendError, NumericError, ShapeError } from '../../engine/errors.js';
import type { Sae } from '../../engine/sae.js';
import { heldWeights, type WeightSource } from '../../engine/weight-source.js';
import { findGpu } from '../../gpu/adapter.js';
import { BufferPool, Loan } from '../../gpu/buffers.js';
import { decide } from '../../gpu/decide.js';
import { Device } from '../../gpu/device.js';
import { dispatch } from '../../gpu/dispatch.js';
import { halfBits, halfValue } from '../../gpu/half.js';
import { Memory } from '../../gpu/memory.js';
import { compile } from '../../gpu/pipelines.js';
import { IN_FLIGHT } from '../../gpu/upload.js';
import { SLAB, Weights } from '../../gpu/weights.js';
import { D_IN, type DeviceCase, open, ROWS, rowsOf, runOnce, sameRun } from './device-support.js';
import { check, equal, limitMemory, rejects } from './gpu-support.js';
import { assertCodesMatch, makeSae, randomRows } from './oracle.js';

/** Reads weights of 16 bits as f32, one a thread. */
const READ_HALVES = `
struct Params { n: u32 }
@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> w: array<f16>;
@group(0) @binding(2) var<storage, read_write> out: array<f32>;
@compute @workgroup_size(64)
fn widen(@builtin(global_invocation_id) id: vec3u) {
  if (id.x < p.n) { out[id.x] = f32(w[id.x]); }
}
`;

export const deviceMemorySuite: readonly DeviceCase[] = [
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
      // 157 tiles of 128 latents, and 70 rows: more than a side of the grid has workgroups.
      const [rows, d_in, d_sae, d_out] = [70, 4, 20_000, 4];
      const xbar = randomRows(rows, d_in, 15);
      for (const architecture of ['topk', 'jumprelu'] as const) {
        const sae = makeSae({ architecture, d_in, d_sae, d_out, k: 24, seed: 16 });
        sae.threshold?.fill(1.5);
        const whole = await open();
        const expected = await runOnce(await whole.backend.load(sae), xbar, rows);
        await whole.backend.dispose();
        const { backend } = await open({ limits: { maxComputeWorkgroupsPerDimension: 16 } });
        const loaded = await backend.load(sae);
        check(loaded.report().shards > 8, JSON.stringify(loaded.report()));
        sameRun(await runOnce(loaded, xbar, rows), expected);
        await backend.dispose();
      }
    },
  },
  {
    name: 'weights of 16 bits: half the bytes, each the nearest half, with a bound on what they cost; too large is an error',
    async run() {
      const adapter = await (await findGpu()).requestAdapter();
      const device = await Device.open(adapter!);
      const sae = makeSae({ architecture: 'standard', d_in: 6, d_sae: 200, d_out: 5, seed: 17, rescaleActsByDecoderNorm: false });
      // Halves of every kind: subnormal, rounded up to the next power, ties.
      sae.W_enc.set([3e-8, 6e-6, 2047.5, 2048.5, 2049.5, 65_519, -1 / 3, 0]);
      const plan = decide(sae, { ...device.limits, maxStorageBufferBindingSize: 32_768 });
      const memory = new Memory(device.gpu);
      const weights = await Weights.upload(device, memory, sae, plan, { source: heldWeights(sae), storage: 'f16' });
      equal(memory.report().weights, weights.byteLength, 'bytes counted');
      const whole = await Weights.upload(device, memory, sae, plan, { source: heldWeights(sae) });
      check(weights.byteLength < 0.75 * whole.byteLength, `${weights.byteLength} of ${whole.byteLength} bytes`);
      equal(whole.storageErrorPerNorm, null, 'cost of f32');
      let worst = 0;
      for (let i = 0; i < 200; i++) {
        let squares = 0;
        for (let d = 0; d < 6; d++) squares += (sae.W_enc[d * 200 + i]! - halfValue(halfBits(sae.W_enc[d * 200 + i]!))) ** 2;
        worst = Math.max(worst, Math.sqrt(squares));
      }
      check(worst > 0 && Math.abs(weights.storageErrorPerNorm! - worst) <= 1e-12 * worst, `${weights.storageErrorPerNorm}, expected ${worst}`);
      if (device.capabilities.f16) {
        const read = await compile(device, 'read', READ_HALVES, { enable: ['f16'] });
        const pool = new BufferPool(device, memory);
        for (const { first, n, stride, w } of weights.encode) {
          const count = 8 * stride;
          const loan = new Loan(pool, device.gpu.queue);
          const { result: readback, valid } = device.scoped('reading weights', () => {
            const readback = loan.readback(device, 4 * count, 'read');
            const out = loan.storage(4 * count);
            const commands = device.gpu.createCommandEncoder();
            const pass = commands.beginComputePass();
            dispatch(device.gpu, pass, read, [loan.uniform([count, 0, 0, 0]), w, out], [Math.ceil(count / 64), 1]);
            pass.end();
            readback.copy(commands, out, 4 * count);
            readback.submit(commands);
            loan.giveBack();
            return readback;
          });
          const got = await readback.read(valid, (bytes) => new Float32Array(bytes.slice(0, 4 * count)));
          for (let d = 0; d < 8; d++) for (let i = 0; i < stride; i++) equal(got[d * stride + i], d < 6 && i < n ? halfValue(halfBits(sae.W_enc[d * 200 + first + i]!)) : 0, `W_enc ${d}, ${first + i}`);
        }
      }
      weights.destroy();
      whole.destroy();
      equal(memory.report().weights, 0, 'bytes of weights');
      sae.W_enc[700] = 70_000;
      const error = await rejects(Weights.upload(device, memory, sae, plan, { source: heldWeights(sae), storage: 'f16' }), NumericError);
      check(/70000 is too large for f16/.test(error.message), error.message);
      equal(memory.report().weights, 0, 'bytes of weights');
      device.destroy();
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
    name: 'a device out of memory for a batch gets it in pieces, with the same codes; out of memory for the weights is an error',
    async run() {
      const sae = makeSae({ architecture: 'jumprelu', d_in: D_IN, d_sae: 1024, seed: 18 });
      const rows = 200;
      const xbar = randomRows(rows, D_IN, 19);
      const { backend, gpu } = await open();
      const loaded = await backend.load(sae);
      const expected = await runOnce(loaded, xbar, rows);
      loaded.dispose();
      equal(gpu.live(), 0, 'buffers after the SAE');
      // Pre-activations of 200 rows take 819,200 bytes.
      limitMemory(gpu.devices[0]!, 300_000);
      const again = await backend.load(sae);
      for (let i = 0; i < 2; i++) sameRun(await runOnce(again, xbar, rows), expected);
      again.dispose();
      equal(gpu.live(), 0, 'buffers after the SAE');
      limitMemory(gpu.devices[0]!, 50_000);
      const error = await rejects(backend.load(sae), BackendError);
      check(/out of memory for the weights/.test(error.message), error.message);
      equal(gpu.live(), 0, 'buffers');
      await backend.dispose();
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
