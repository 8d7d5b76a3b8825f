/**
 * What training on WebGPU owes to its device, for any runner: small limits, the product of
 * real GPUs, exact selections of many equals, loss, and memory. Devices are real.
 */
import { DeviceLostError, ShapeError, UsageError } from '../../engine/errors.js';
import { parametersOf, type Objective } from '../../engine/train/objective.js';
import { findGpu } from '../../gpu/adapter.js';
import { NoRoomError } from '../../gpu/memory.js';
import { createWebGpuTrainBackend, type WebGpuTrainOptions } from '../../gpu/train/backend.js';
import { check, equal, observedGpu, rejects, sameNumbers } from './gpu-support.js';
import { uniform } from './random.js';
import { plainObjective, randomParameters, randomRows, trainCases } from './train-cases.js';
import { emptyMoments, gradientsOf } from './train-oracle.js';
import { ADAM, nearAll, nearResult, within } from './train-suite.js';

export interface GpuTrainCase {
  readonly name: string;
  run(): Promise<void>;
}

/** A backend on a device of its own, observed. */
async function open(options: WebGpuTrainOptions = {}) {
  const gpu = observedGpu(await findGpu());
  return { backend: await createWebGpuTrainBackend({ gpu: gpu.gpu, ...options }), gpu };
}

const CONTROLS = { step: 1, lr: 1e-2, coefficient: 0.1, p: 1, pNext: null, k: 3, dead: null };

export const gpuTrainSuite: readonly GpuTrainCase[] = [
  {
    name: 'rows in chunks, grids in two dimensions, and the tiled product: gradients against float64',
    async run() {
      const { backend } = await open({ limits: { maxStorageBufferBindingSize: 65_536, maxComputeWorkgroupsPerDimension: 4 }, kernels: { core: 'tiled' } });
      for (const { name, objective, parameters, x, rows, controls } of trainCases([[40, 5, 9]], true)) {
        const oracle = gradientsOf(objective, parameters, x, rows, controls);
        await within(backend, objective, ADAM, emptyMoments(objective, parameters), async (session) => {
          equal(session.maxRows, 64, 'rows that fit');
          const { result, gradients } = await session.gradients(x, rows, controls);
          nearResult(result, oracle, name);
          for (const parameter of parametersOf(objective)) nearAll(gradients[parameter], oracle.gradients.get(parameter)!, `${name}: gradient of ${parameter}`);
          const { fired } = await session.forward(x, rows, controls);
          sameNumbers(fired, oracle.result.fired, `${name}: fired`);
        });
      }
      await backend.dispose();
    },
  },
  ...(['topk', 'batchtopk'] as const).map((kind) => ({
    name: `${kind}: of many equals exactly the first, in more rows than there are copies of a bin`,
    async run() {
      const [rows, d, d_sae] = [130, 4, 700];
      const objective = plainObjective({ d, d_sae, selection: { kind, byDecoderNorm: false }, groups: [d_sae], applyBDecToInput: false });
      const parameters = randomParameters(objective, 1);
      const draw = uniform(5);
      // Small integers: every z is exact, and most are equal to many others.
      parameters.W_enc!.forEach((_, at) => (parameters.W_enc![at] = Math.floor(draw() * 3) - 1));
      parameters.b_enc!.fill(0);
      const x = Float32Array.from({ length: rows * d }, () => Math.floor(draw() * 4) - 1);
      const { backend } = await open();
      await within(backend, objective, ADAM, emptyMoments(objective, parameters), async (session) => {
        for (const k of [1, 31, 256]) {
          const { fired, rowL0 } = await session.forward(x, rows, { k });
          const expected = selectExactly(parameters.W_enc!, x, rows, d, d_sae, kind, k);
          sameNumbers(fired, expected.fired, `fired at k ${k}`);
          sameNumbers(rowL0, expected.rowL0, `l0 at k ${k}`);
        }
      });
      await backend.dispose();
    },
  })),
  {
    name: 'what does not fit in a binding is refused, and the limit named',
    async run() {
      const { backend } = await open({ limits: { maxStorageBufferBindingSize: 65_536 } });
      const wide = objectiveOf(200, 300);
      const error = await rejects(backend.start(wide, ADAM, emptyMoments(wide, randomParameters(wide, 1))), UsageError);
      check(error.message.includes('maxStorageBufferBindingSize is 65536') && error.message.includes('d 200 x d_sae 300'), error.message);
      const objective = objectiveOf(3, 5);
      await within(backend, objective, ADAM, emptyMoments(objective, randomParameters(objective, 1)), async (session) => {
        const rows = session.maxRows + 1;
        const { message } = await rejects(session.forward(randomRows(rows, 3, 1), rows, CONTROLS), ShapeError);
        check(message.includes('1 to 64'), message);
      });
      await backend.dispose();
    },
  },
  {
    name: 'a device that is lost ends its sessions, and says to resume; the backend starts others on the next',
    async run() {
      const { backend, gpu } = await open();
      const objective = objectiveOf(6, 20);
      const state = emptyMoments(objective, randomParameters(objective, 2));
      const x = randomRows(10, 6, 3);
      const session = await backend.start(objective, ADAM, state);
      await session.step(x, 10, CONTROLS);
      const saved = await session.read();
      const expected = await session.step(x, 10, { ...CONTROLS, step: 2 });
      const pending = session.step(x, 10, { ...CONTROLS, step: 3 });
      gpu.devices[0]!.destroy();
      for (const call of [() => pending, () => session.step(x, 10, CONTROLS), () => session.read(), () => session.write(state)]) {
        const error = await rejects<DeviceLostError>(call(), DeviceLostError);
        check(error.hint?.includes('last checkpoint') === true && !error.retryable, `${error.message} (${error.hint})`);
      }
      session.dispose();
      const next = await backend.start(objective, ADAM, saved);
      const { loss, gradientNorm } = await next.step(x, 10, { ...CONTROLS, step: 2 });
      sameNumbers([loss, gradientNorm], [expected.loss, expected.gradientNorm], 'figures of the step that was made again');
      equal(gpu.devices.length, 2, 'devices');
      await backend.dispose();
    },
  },
  {
    name: 'a session that is disposed of leaves nothing on the device; a batch that has no room leaves the session usable',
    async run() {
      const objective = objectiveOf(6, 20);
      const state = emptyMoments(objective, randomParameters(objective, 2));
      const { backend, gpu } = await open({ memoryBudget: 2_500_000 });
      const left: number[] = [];
      for (let again = 0; again < 3; again++) {
        await within(backend, objective, ADAM, state, async (session) => {
          const { loss } = await session.step(randomRows(10, 6, 3), 10, CONTROLS);
          await rejects(session.step(randomRows(4000, 6, 3), 4000, { ...CONTROLS, step: 2 }), NoRoomError);
          await session.write(state);
          equal((await session.step(randomRows(10, 6, 3), 10, CONTROLS)).loss, loss, 'loss after a batch that had no room');
        });
        left.push(gpu.liveBytes());
      }
      // What is left is the readback's staging buffer, which the next session uses again.
      check(left[2] === left[0] && left[0]! < 20_000, `bytes left: ${left.join()}`);
      await backend.dispose();
    },
  },
];

function objectiveOf(d: number, d_sae: number): Objective {
  return plainObjective({ d, d_sae, selection: { kind: 'relu' }, penalty: { kind: 'l1', byDecoderNorm: false }, groups: [d_sae] });
}

/** By sorting, of z that are exact. */
function selectExactly(W_enc: Float32Array, x: Float32Array, rows: number, d: number, n: number, kind: 'topk' | 'batchtopk', k: number): { fired: Uint32Array; rowL0: Uint32Array } {
  const entries = Array.from({ length: rows }, (_, r) =>
    Array.from({ length: n }, (_unused, i) => {
      let z = 0;
      for (let c = 0; c < d; c++) z += W_enc[i * d + c]! * x[r * d + c]!;
      return { r, i, z };
    }).filter(({ z }) => z > 0),
  );
  // Sorting is stable, and entries come by row and feature.
  const largest = (of: { r: number; i: number; z: number }[], keep: number) => of.sort((a, b) => b.z - a.z).slice(0, keep);
  const selected = kind === 'topk' ? entries.flatMap((of) => largest(of, k)) : largest(entries.flat(), k * rows);
  const [fired, rowL0] = [new Uint32Array(n), new Uint32Array(rows)];
  for (const { r, i } of selected) {
    fired[i]!++;
    rowL0[r]!++;
  }
  return { fired, rowL0 };
}
