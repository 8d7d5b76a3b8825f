/** What every runtime's tests ask of the relaxed module; runner-neutral. */
import type { SparseCodes } from '../../engine/codes.js';
import { createWasmBackend } from '../../engine/wasm/backend.js';
import { assertCodesMatch, assertDecodeMatches, makeSae, randomRows } from './oracle.js';

/**
 * Encodes and decodes with `relaxed` asked for, against the oracle, alone, on two threads and screened.
 * @throws Error where a value leaves its bound, or threads or screened codes differ
 */
export async function checkRelaxed(): Promise<{ relaxed: boolean; threads: number; reason?: string }> {
  const backend = await createWasmBackend({ relaxed: true, threads: 2 });
  const alone = await createWasmBackend({ relaxed: true });
  try {
    for (const architecture of ['standard', 'topk', 'jumprelu', 'gated'] as const) {
      for (const [rows, d_in, d_sae] of [[1, 37, 65], [300, 300, 513]] as const) {
        const sae = makeSae({ architecture, d_in, d_sae, seed: rows + d_in });
        const xbar = randomRows(rows, d_in, 5);
        const encoded: SparseCodes[] = [];
        for (const [on, screen] of [[backend, 'off'], [alone, 'off'], [alone, 'on']] as const) {
          const loaded = await on.load(sae, { screen });
          const codes = await loaded.encode(xbar, rows);
          assertCodesMatch(sae, xbar, rows, codes);
          assertDecodeMatches(sae, codes, await loaded.decode(codes));
          loaded.dispose();
          encoded.push(codes);
        }
        const [a, b, c] = encoded.map(({ features, values }) => `${features.join()} ${values.join()}`);
        if (a !== b) throw new Error(`${architecture}, ${rows} rows: two threads and one differ`);
        if (b !== c) throw new Error(`${architecture}, ${rows} rows: screened and dense differ`);
      }
    }
    const { relaxed, threads, relaxedReason } = backend.info.details;
    return { relaxed: relaxed === true, threads: Number(threads), ...(relaxedReason === undefined ? {} : { reason: String(relaxedReason) }) };
  } finally {
    await backend.dispose();
    await alone.dispose();
  }
}
