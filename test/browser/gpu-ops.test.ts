/** Products with selection on WebGPU in Chromium (Tint) and on WASM there. */
import { createWasmBackend } from '../../engine/wasm/backend.js';
import { createWebGpuBackend } from '../../gpu/backend.js';
import { opsSuite } from '../shared/ops-suite.js';
import type { Backend } from '../../engine/backend.js';

for (const [kind, open] of [['WebGPU', createWebGpuBackend], ['WASM', createWasmBackend]] as const) {
  describe(`operations on ${kind}`, () => {
    let backend: Backend;
    before(async () => {
      backend = await open();
    });
    after(() => backend?.dispose());
    for (const { name, run } of opsSuite) it(name, () => run(backend));
  });
}
