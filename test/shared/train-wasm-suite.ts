/** What training on WASM promises besides the contract, for any runner: memory that stays, calls that follow each other, events that are let in, relaxed SIMD. */
import { BackendError } from '../../engine/errors.js';
import type { Objective, Selection } from '../../engine/train/objective.js';
import type { StepControls, TrainState } from '../../engine/train/session.js';
import { createWasmTrainBackend } from '../../engine/wasm/train/backend.js';
import { SPAN } from '../../engine/wasm/train/columns.js';
import type { WasmTrainSession } from '../../engine/wasm/train/session.js';
import { plainObjective, randomParameters, randomRows, type CaseShape } from './train-cases.js';
import { emptyMoments } from './train-oracle.js';
import { ADAM, sameParameters, throws, trainSuite, within } from './train-suite.js';

/** Chunks of 128 rows, tiles of 4 rows and 8 features, blocks of 256 dimensions, 1024 columns collected at a time; ± 1. */
export const WASM_SHAPES: readonly CaseShape[] = [[1, 1, 1], [2, 3, 5], [31, 16, 33], [33, 5, 65], [127, 3, 7], [128, 4, 8], [129, 5, 9], [2, 255, 15], [3, 256, 16], [2, 257, 17], [2, 2, 1023], [1, 3, 1025]];

const CONTROLS: StepControls = { step: 1, lr: 1e-3, coefficient: 0.1, p: 1, pNext: null, k: 4, dead: null };
const AUXK = { k: 6, coefficient: 0.1, relu: true, scaleByDead: false, normalize: 'variance', includeBDec: false } as const;

function objectiveOf(selection: Selection, rest: Partial<Objective> = {}): Objective {
  return plainObjective({ selection, d: 16, d_sae: 96, groups: [96], ...rest });
}

export const wasmTrainSuite: readonly { readonly name: string; run(): Promise<void> }[] = [
  {
    name: '200 steps of batches of all sizes leave linear memory as the largest made it',
    async run() {
      const backend = await createWasmTrainBackend();
      for (const objective of [
        objectiveOf({ kind: 'relu' }, { ghost: true, penalty: { kind: 'l1', byDecoderNorm: true } }),
        objectiveOf({ kind: 'topk', byDecoderNorm: true }, { auxk: AUXK, groups: [40, 96], groupWeights: [1, 1] }),
        objectiveOf({ kind: 'batchtopk', byDecoderNorm: false }, { auxk: AUXK }),
        objectiveOf({ kind: 'gated', detachAuxDecoder: true }, { penalty: { kind: 'l1', byDecoderNorm: false } }),
      ]) {
        await within(backend, objective, ADAM, emptyMoments(objective, randomParameters(objective, 1)), async (session) => {
          const dead = new Uint8Array(96).fill(1);
          await session.step(randomRows(300, 16, 2), 300, { ...CONTROLS, dead });
          const { byteLength } = session as WasmTrainSession;
          for (let step = 2; step <= 200; step++) {
            const rows = 1 + ((step * 37) % 300);
            await session.step(randomRows(rows, 16, step), rows, { ...CONTROLS, step, dead: dead.map((_, i) => Number((i + step) % 3 === 0)) });
          }
          const now = (session as WasmTrainSession).byteLength;
          if (now !== byteLength) throw new Error(`${objective.selection.kind}: ${now} bytes, ${byteLength} after the first step`);
        });
      }
      await backend.dispose();
    },
  },
  {
    name: 'calls that are not waited for follow each other',
    async run() {
      const backend = await createWasmTrainBackend();
      const objective = objectiveOf({ kind: 'batchtopk', byDecoderNorm: false });
      const start = emptyMoments(objective, randomParameters(objective, 3));
      const batches = [5, 6, 7].map((seed) => randomRows(200, 16, seed));
      const waited = await within(backend, objective, ADAM, start, async (session) => {
        for (const [at, x] of batches.entries()) await session.step(x, 200, { ...CONTROLS, step: at + 1 });
        return session.read();
      });
      const together = await within(backend, objective, ADAM, start, async (session) => {
        const steps = batches.map((x, at) => session.step(x, 200, { ...CONTROLS, step: at + 1 }));
        const state = await session.read();
        await Promise.all(steps);
        return state;
      });
      for (const part of ['parameters', 'm', 'v'] as const) sameParameters(together[part], waited[part], part);
      await backend.dispose();
    },
  },
  {
    name: 'gradients of more entries than a span are the mean of those of two halves, which are less',
    async run() {
      const backend = await createWasmTrainBackend();
      const [d, d_sae, rows] = [3, 1000, 900];
      const l1 = { kind: 'l1', byDecoderNorm: false } as const;
      for (const [selection, penalty] of [[{ kind: 'relu' }, l1], [{ kind: 'gated', detachAuxDecoder: false }, l1], [{ kind: 'batchtopk', byDecoderNorm: false }, { kind: 'none' }]] as const) {
        const objective = plainObjective({ selection, penalty, d, d_sae, groups: [d_sae] });
        const [parameters, x] = [randomParameters(objective, 5), randomRows(rows, d, 6)];
        // batchtopk keeps all that is positive, so that halves keep the same.
        const controls = { ...CONTROLS, k: d_sae };
        await within(backend, objective, ADAM, emptyMoments(objective, parameters), async (session) => {
          const whole = await session.gradients(x, rows, controls);
          const halves = [await session.gradients(x.subarray(0, (rows / 2) * d), rows / 2, controls), await session.gradients(x.subarray((rows / 2) * d), rows / 2, controls)];
          const entries = halves.map(({ result }) => (result.l0 * rows) / 2);
          if (whole.result.l0 * rows < 1.3 * SPAN || entries.some((count) => count > SPAN)) throw new Error(`${entries.join(' and ')} entries say nothing about spans of ${SPAN}`);
          for (const [name, values] of Object.entries(whole.gradients)) {
            const means = values.map((_, e) => (halves[0]!.gradients[name as 'W_enc']![e]! + halves[1]!.gradients[name as 'W_enc']![e]!) / 2);
            const [off, size] = [Math.hypot(...values.map((value, e) => value - means[e]!)), Math.hypot(...means)];
            if (!(size > 0 && off < 1e-5 * size)) throw new Error(`${selection.kind}: the gradient of ${name} is ${off} from the halves', of ${size}`);
          }
        });
      }
      await backend.dispose();
    },
  },
  {
    name: 'a batch of more rows than there are keys is refused',
    async run() {
      const backend = await createWasmTrainBackend();
      const objective = plainObjective({ selection: { kind: 'relu' }, d: 1, d_sae: 2 ** 16, groups: [2 ** 16] });
      await within(backend, objective, ADAM, emptyMoments(objective, randomParameters(objective, 4)), async (session) => {
        if (session.maxRows !== 65_535) throw new Error(`maxRows is ${session.maxRows}`);
        await throws(() => session.step(new Float32Array(65_536), 65_536, CONTROLS), BackendError, '65536 rows, expected at most 65535');
      });
      await backend.dispose();
    },
  },
  {
    name: 'a long step lets events in, and they change no bit',
    async run() {
      const backend = await createWasmTrainBackend();
      const [d, d_sae, rows] = [128, 2048, 2048];
      const objective = plainObjective({ selection: { kind: 'relu' }, penalty: { kind: 'l1', byDecoderNorm: false }, d, d_sae, groups: [d_sae] });
      const start = emptyMoments(objective, randomParameters(objective, 8));
      const x = randomRows(rows, d, 9);
      const step = (): Promise<TrainState> =>
        within(backend, objective, ADAM, start, async (session) => {
          await session.step(x, rows, CONTROLS);
          return session.read();
        });
      const began = performance.now();
      const alone = await step();
      const milliseconds = performance.now() - began;
      let events = 0;
      const timer = setInterval(() => events++, 1);
      const watched = await step();
      clearInterval(timer);
      // A task ends after 40 ms or little more; a machine that is busy makes it more.
      if (events < Math.max(1, milliseconds / 400)) throw new Error(`${events} events in a step of ${milliseconds.toFixed()} ms`);
      for (const part of ['parameters', 'm', 'v'] as const) sameParameters(watched[part], alone[part], part);
      await backend.dispose();
    },
  },
];

/**
 * The whole suite with relaxed SIMD asked for. Where its sums have one rounding instead of
 * two, the bounds hold all the more.
 */
export async function checkRelaxedTraining(): Promise<{ relaxed: boolean; tests: number; reason?: string }> {
  const backend = await createWasmTrainBackend({ relaxed: true });
  const bodies: { name: string; body: () => Promise<void> }[] = [];
  trainSuite(() => Promise.resolve(backend), (name, body) => bodies.push({ name, body }));
  for (const { name, body } of bodies) {
    await body().catch((cause: unknown) => {
      throw new Error(`relaxed, ${name}: ${String(cause)}`, { cause });
    });
  }
  await backend.dispose();
  const { relaxed, relaxedReason } = backend.info.details;
  return { relaxed: relaxed === true, tests: bodies.length, ...(relaxedReason === undefined ? {} : { reason: String(relaxedReason) }) };
}
