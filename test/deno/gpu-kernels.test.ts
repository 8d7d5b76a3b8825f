/** Every choice of WGSL kernels in Deno: compiled by naga, run by lavapipe or a real GPU. */
import { createWebGpuBackend, type WebGpuBackend } from '../../gpu/backend.js';
import { findAdapter } from '../../gpu/adapter.js';
import { Device } from '../../gpu/device.js';
import { type KernelName, kernels, preludeOf, sourceOf, usesLanes } from '../../gpu/kernels.js';
import { kernelSuite } from '../shared/gpu-kernels-suite.js';
import { screenSuite } from '../shared/gpu-screen-suite.js';
import { assertCodesMatch, makeSae, randomRows } from '../shared/oracle.js';

declare const Deno: { test(name: string, run: () => Promise<void>): void };

let opened: Promise<WebGpuBackend> | undefined;
for (const { name, run } of [...kernelSuite, ...screenSuite]) {
  Deno.test(`WGSL: ${name}`, async () => run(await (opened ??= createWebGpuBackend())));
}
Deno.test('WGSL: naga reads the kernels with subgroups, and lacks nothing but the device’s', async () => {
  const device = await Device.open(await findAdapter());
  for (const name of (Object.keys(kernels) as KernelName[]).filter(usesLanes)) {
    // Its version of 2026 knows the functions, and not the directive that enables them.
    const module = () => device.gpu.createShaderModule({ code: preludeOf(name, 'f32', true) + sourceOf(name, true) });
    const { result, valid } = device.scoped(name, module);
    valid.catch(() => undefined);
    const errors = (await result.getCompilationInfo()).messages.filter(({ type }) => type === 'error').map(({ message }) => message);
    if (!errors.every((message) => message.includes('Capabilities(SUBGROUP)'))) throw new Error(`${name}: ${errors.join()}`);
  }
  device.destroy();
});
Deno.test('WGSL: a device with subgroups whose compiler does not know them does without', async () => {
  const real = await findAdapter();
  const features = new Set([...real.features, 'subgroups']);
  const adapter = {
    features,
    limits: real.limits,
    // Not software: subgroups would be chosen.
    info: { vendor: 'x', architecture: '', device: '', description: 'a GPU' },
    async requestDevice(descriptor: GPUDeviceDescriptor) {
      const device = await real.requestDevice({ ...descriptor, requiredFeatures: [...(descriptor.requiredFeatures ?? [])].filter((name) => real.features.has(name)) });
      return Object.defineProperty(device, 'features', { value: features });
    },
  } as unknown as GPUAdapter;
  const backend = await createWebGpuBackend({ adapter });
  if (backend.capabilities.subgroups === null) throw new Error('the device tells of no subgroups');
  const sae = makeSae({ architecture: 'topk', d_in: 5, d_sae: 1200, d_out: 3, seed: 1 });
  const xbar = randomRows(70, 5, 2);
  const loaded = await backend.load(sae);
  assertCodesMatch(sae, xbar, 70, await loaded.encode(xbar, 70));
  await backend.dispose();
});
Deno.test('WGSL: the suite’s backend is disposed of', async () => (await opened!).dispose());
