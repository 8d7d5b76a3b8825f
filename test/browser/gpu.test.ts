/** The WebGPU backend in Chromium: WGSL compiled by Tint, run by SwiftShader or a real GPU. */
import { gpuSuite, openSuite, type GpuContext } from '../shared/gpu-suite.js';

describe('WebGPU in the browser', () => {
  let context: GpuContext;
  before(async () => {
    context = await openSuite(new URL('/', location.href).href);
  });
  after(() => context?.backend.dispose());
  for (const { name, run } of gpuSuite) it(name, () => run(context));
});
