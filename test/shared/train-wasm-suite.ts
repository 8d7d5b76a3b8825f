/** What training on WASM promises besides the contract, for any runner: memory that stays, calls that follow each other, events that are let in, relaxed SIMD. */
import type { Objective, Selection } from '../../engine/train/objective.js';
import type { StepControls, TrainState } from '../../engine/train/session.js';
import { createWasmTrainBackend } from '../../engine/wasm/train/backend.js';
import type { WasmTrainSession } from '../../engine/wasm/train/session.js';
import { plainObjective, randomParameters, randomRows, type CaseShape } from './train-cases.js';
import { emptyMoments } from './train-oracle.js';
import { ADAM, sameParameters, trainSuite, within } from './train-suite.js';

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
