/** Every choice of WGSL kernels in Deno: compiled by naga, run by lavapipe or a real GPU. */
import { createWebGpuBackend, type WebGpuBackend } from '../../gpu/backend.js';
import { kernelSuite } from '../shared/gpu-kernels-suite.js';

declare const Deno: { test(name: string, run: () => Promise<void>): void };

let opened: Promise<WebGpuBackend> | undefined;
for (const { name, run } of kernelSuite) {
  Deno.test(`WGSL: ${name}`, async () => run(await (opened ??= createWebGpuBackend())));
}
Deno.test('WGSL: the suite’s backend is disposed of', async () => (await opened!).dispose());
