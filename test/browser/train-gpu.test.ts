/** Training on WebGPU in Chromium: compiled by Tint, run by SwiftShader or a real GPU, against float64. */
import { createWebGpuTrainBackend } from '../../gpu/train/backend.js';
import { gpuTrainSuite } from '../shared/train-gpu-suite.js';
import { trainSuite } from '../shared/train-suite.js';
import type { TrainBackend } from '../../engine/train/session.js';

describe('training on WebGPU in the browser', () => {
  let backend: TrainBackend;
  before(async () => {
    backend = await createWebGpuTrainBackend();
  });
  after(() => backend?.dispose());
  trainSuite(() => Promise.resolve(backend), it);
  for (const { name, run } of gpuTrainSuite) it(name, run);
});
