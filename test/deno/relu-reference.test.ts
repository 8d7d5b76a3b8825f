/** The whole job against an independent run, on WebGPU. test/node has its counterpart on WASM. */
import { checkReluReference } from '../shared/relu-reference.js';

declare const Deno: { test(name: string, body: () => Promise<void>): void; cwd(): string };

Deno.test('406,395 tokens of stories260K with a ReLU SAE: the figures of numpy', async () => {
  const report = await checkReluReference(`${Deno.cwd()}/`, 'webgpu');
  console.log(`L0 ${report.l0}, FVU ${report.fvu}, ${report.classes.dead} dead, ${report.seconds.toFixed(1)} s, ${Math.round(report.tokens_per_second)} tokens/s`);
});
