/** Training on WASM in Chromium, against float64, with and without relaxed SIMD. */
import { expect } from '@esm-bundle/chai';
import { createWasmTrainBackend } from '../../engine/wasm/train/backend.js';
import { trainSuite } from '../shared/train-suite.js';
import { checkRelaxedTraining, wasmTrainSuite } from '../shared/train-wasm-suite.js';

describe('training on WASM in the browser', () => {
  trainSuite(() => createWasmTrainBackend(), it);
  for (const { name, run } of wasmTrainSuite) it(name, run);
  it('relaxed SIMD: against float64', async () => {
    expect((await checkRelaxedTraining()).relaxed).to.equal(true);
  });
});
