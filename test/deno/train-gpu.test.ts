/** Training on WebGPU in Deno (naga), against float64. */
import { createWebGpuTrainBackend } from '../../gpu/train/backend.js';
import { gpuTrainSuite } from '../shared/train-gpu-suite.js';
import { trainSuite } from '../shared/train-suite.js';
import type { TrainBackend } from '../../engine/train/session.js';

declare const Deno: { test(name: string, run: () => Promise<void>): void };

let opened: Promise<TrainBackend> | undefined;
const open = (): Promise<TrainBackend> => (opened ??= createWebGpuTrainBackend());

trainSuite(open, (name, run) => Deno.test(`training on WebGPU: ${name}`, run));
Deno.test('training on WebGPU: the suite’s backend is disposed of', async () => (await open()).dispose());
for (const { name, run } of gpuTrainSuite) Deno.test(`training on WebGPU: ${name}`, run);
