/**
 * Run by test/node/gpu-dawn.test.ts in a process of its own: encodes and decodes
 * on the npm package `webgpu`, prints one JSON object, and must then end by
 * itself, with the backend still open.
 */
import { SaekitError } from '../../engine/errors.js';
import { createWebGpuBackend } from '../../gpu/backend.js';
import { assertCodesMatch, assertDecodeMatches, makeSae, randomRows } from '../shared/oracle.js';

try {
  const backend = await createWebGpuBackend();
  for (const architecture of ['standard', 'topk'] as const) {
    const sae = makeSae({ architecture, d_in: 7, d_sae: 130, d_out: 5, seed: 1 });
    const xbar = randomRows(33, 7, 2);
    const loaded = await backend.load(sae);
    const codes = await loaded.encode(xbar, 33);
    assertCodesMatch(sae, xbar, 33, codes);
    assertDecodeMatches(sae, codes, await loaded.decode(codes));
  }
  console.log(JSON.stringify({ adapter: backend.info.description, ended: performance.now() }));
} catch (error) {
  console.log(JSON.stringify({ error: String(error), hint: error instanceof SaekitError ? error.hint : undefined }));
}
