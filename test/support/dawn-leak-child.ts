/**
 * Run by test/node/gpu-dawn.test.ts with --expose-gc in a process of its own: 200
 * encodes and decodes on the npm package `webgpu`, and what is left of each kind of
 * memory after the first of them and after the last. Prints one JSON object.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { SaekitError } from '../../engine/errors.js';
import { findGpu } from '../../gpu/adapter.js';
import { createWebGpuBackend } from '../../gpu/backend.js';
import { observedGpu } from '../shared/gpu-support.js';
import { makeSae, randomRows } from '../shared/oracle.js';

const RUNS = 200;
/** Calls side by side, so that waits for the GPU overlap. */
const ABREAST = 10;
const [rows, d_in] = [64, 32];

declare const gc: () => void;

/** After everything that is dead is gone, bytes. */
async function settled(): Promise<{ heap: number; outside: number }> {
  for (let i = 0; i < 4; i++) {
    gc();
    await sleep(20);
  }
  const { heapUsed, external, arrayBuffers } = process.memoryUsage();
  return { heap: heapUsed, outside: Math.max(external, arrayBuffers) };
}

try {
  const gpu = observedGpu(await findGpu());
  const backend = await createWebGpuBackend({ gpu: gpu.gpu });
  const sae = makeSae({ architecture: 'standard', d_in, d_sae: 512, d_out: 32, seed: 1 });
  const loaded = await backend.load(sae);
  const xbar = randomRows(rows, d_in, 2);
  const round = async (): Promise<void> => {
    await Promise.all(Array.from({ length: ABREAST }, async () => loaded.decode(await loaded.encode(xbar, rows))));
  };
  for (let i = 0; i < 3; i++) await round();
  const before = { ...(await settled()), buffers: gpu.live(), bytes: gpu.liveBytes() };
  for (let i = 0; i < RUNS / ABREAST; i++) await round();
  const after = { ...(await settled()), buffers: gpu.live(), bytes: gpu.liveBytes() };
  const produced = RUNS * (await loaded.encode(xbar, rows)).values.byteLength;
  loaded.dispose();
  console.log(JSON.stringify({ before, after, produced, weightsLeft: backend.memory.weights }));
} catch (error) {
  console.log(JSON.stringify({ error: String(error), hint: error instanceof SaekitError ? error.hint : undefined }));
}
process.exit(0);
