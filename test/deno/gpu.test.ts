/** The WebGPU backend in Deno: WGSL compiled by naga, run by lavapipe or a real GPU. */
import { gpuSuite, openSuite, type GpuContext } from '../shared/gpu-suite.js';

declare const Deno: { test(name: string, run: () => Promise<void>): void };

let opened: Promise<GpuContext> | undefined;
for (const { name, run } of gpuSuite) {
  Deno.test(`WebGPU: ${name}`, async () => run(await (opened ??= openSuite('./'))));
}
Deno.test('WebGPU: the suite’s backend is disposed of', async () => {
  const { backend } = await opened!;
  await backend.dispose();
});
