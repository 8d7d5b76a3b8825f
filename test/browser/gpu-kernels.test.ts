/** Every choice of WGSL kernels in Chromium: compiled by Tint, run by SwiftShader or a real GPU. */
import { createWebGpuBackend, type WebGpuBackend } from '../../gpu/backend.js';
import { kernelSuite } from '../shared/gpu-kernels-suite.js';
import { screenSuite } from '../shared/gpu-screen-suite.js';

describe('WGSL kernels in the browser', () => {
  let backend: WebGpuBackend;
  before(async () => {
    backend = await createWebGpuBackend();
  });
  after(() => backend?.dispose());
  for (const { name, run } of [...kernelSuite, ...screenSuite]) it(name, () => run(backend));
});
