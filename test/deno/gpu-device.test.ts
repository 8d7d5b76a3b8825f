/** Loss, limits, memory and timings of a device in Deno (naga; lavapipe or a real GPU). */
import { deviceMemorySuite } from '../shared/device-memory-suite.js';
import { deviceSuite } from '../shared/device-suite.js';

declare const Deno: { test(name: string, run: () => Promise<void>): void };

for (const { name, run } of [...deviceSuite, ...deviceMemorySuite]) Deno.test(`WebGPU devices: ${name}`, () => run());
