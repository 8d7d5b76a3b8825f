/** Products with selection on WebGPU in Deno (naga). */
import { createWebGpuBackend } from '../../gpu/backend.js';
import { opsSuite } from '../shared/ops-suite.js';

declare const Deno: { test(name: string, run: () => Promise<void>): void };

Deno.test('operations on WebGPU', async () => {
  const backend = await createWebGpuBackend();
  try {
    for (const { name, run } of opsSuite) {
      await run(backend).catch((cause: unknown) => {
        throw new Error(`${name}: ${(cause as Error).message}`, { cause });
      });
    }
  } finally {
    await backend.dispose();
  }
});
