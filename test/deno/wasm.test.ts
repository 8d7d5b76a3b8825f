/** The WASM backend in Deno, from a bundle: goldens, oracle, and workers that split chunks find. */
import { createWasmBackend } from '../../engine/wasm/backend.js';
import { checkGoldenRf, checkGoldenStories, loadGoldenRf, loadGoldenStories } from '../shared/golden.js';
import { assertCodesMatch, assertDecodeMatches, makeSae, randomRows } from '../shared/oracle.js';
import { checkRelaxed } from '../shared/relaxed-suite.js';
import { checkThreads } from '../shared/threads-suite.js';

declare const Deno: { test(name: string, run: () => Promise<void>): void };

function equal(actual: unknown, expected: unknown): void {
  if (actual !== expected) throw new Error(`${String(actual)} is not ${String(expected)}`);
}

Deno.test('WASM: golden results', async () => {
  const backend = await createWasmBackend();
  await checkGoldenRf(backend, await loadGoldenRf('test/fixtures/rf-modulation-topk8/'));
  await checkGoldenStories(backend, await loadGoldenStories('examples/stories260k/sae/', 'test/fixtures/'));
  await backend.dispose();
});

for (const architecture of ['standard', 'topk', 'jumprelu'] as const) {
  Deno.test(`WASM, ${architecture}: as the oracle, and the same bits from a worker`, async () => {
    const [one, two] = [await createWasmBackend(), await createWasmBackend({ threads: 2 })];
    equal(two.info.details.threadsReason, undefined);
    equal(two.info.details.threads, 2);
    const sae = makeSae({ architecture, d_in: 67, d_sae: 1001, k: 11, seed: 5 });
    const [a, b] = [await one.load(sae), await two.load(sae)];
    const xbar = randomRows(601, 67, 6);
    const codes = await b.encode(xbar, 601);
    assertCodesMatch(sae, xbar, 601, codes);
    const alone = await a.encode(xbar, 601);
    equal(alone.features.join(), codes.features.join());
    equal(alone.values.join(), codes.values.join());
    equal(alone.offsets.join(), codes.offsets.join());
    assertDecodeMatches(sae, codes, await b.decode(codes));
    await one.dispose();
    await two.dispose();
  });
}

Deno.test('WASM threads: one memory for all, or one each', async () => {
  equal((await checkThreads(true)).sharedMemory, true);
  const { sharedMemory, reason } = await checkThreads(false);
  equal(sharedMemory, false);
  equal(reason, 'not asked for');
});

Deno.test('WASM with relaxed SIMD: as the oracle, the same on two threads', async () => {
  const { relaxed, threads } = await checkRelaxed();
  equal(relaxed, true);
  equal(threads, 2);
});
