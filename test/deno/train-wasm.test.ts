/** Training on WASM in Deno, against float64, with and without relaxed SIMD. */
import { createWasmTrainBackend } from '../../engine/wasm/train/backend.js';
import { trainSuite } from '../shared/train-suite.js';
import { checkRelaxedTraining, wasmTrainSuite } from '../shared/train-wasm-suite.js';

declare const Deno: { test(name: string, run: () => Promise<void>): void };

trainSuite(() => createWasmTrainBackend(), (name, run) => Deno.test(`training on WASM: ${name}`, run));
for (const { name, run } of wasmTrainSuite) Deno.test(`training on WASM: ${name}`, run);
Deno.test('training on WASM with relaxed SIMD: against float64', async () => {
  if (!(await checkRelaxedTraining()).relaxed) throw new Error('it was not taken');
});
