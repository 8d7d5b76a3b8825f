/** What browsers and Deno are asked of threads, with shared memory and without; runner-neutral. Node's tests go further (wasm-teams). */
import type { SparseCodes } from '../../engine/codes.js';
import { NumericError } from '../../engine/errors.js';
import type { Architecture } from '../../engine/sae.js';
import { createWasmBackend } from '../../engine/wasm/backend.js';
import { assertCodesMatch, makeSae, randomRows } from './oracle.js';

const D_IN = 67;
const D_SAE = 1001;
const ROWS = 601;

function text({ offsets, features, values, nearTies }: SparseCodes): string {
  return [offsets.join(), features.join(), new Uint32Array(values.slice().buffer).join(), nearTies].join(' ');
}

/**
 * Three threads against one and the oracle, with every architecture and screened;
 * errors, an abort, and the end of the threads in the middle of a call.
 *
 * @param shared what is asked for
 * @returns whether the threads shared a memory, and why not
 * @throws Error where anything differs
 */
export async function checkThreads(shared: boolean): Promise<{ sharedMemory: boolean; reason: string }> {
  const alone = await createWasmBackend();
  const threads = await createWasmBackend({ threads: 3, shared });
  const { details } = threads.info;
  if (details.threads !== 3) throw new Error(`${details.threads} threads: ${details.threadsReason}`);
  const xbar = randomRows(ROWS, D_IN, 6);
  for (const architecture of ['standard', 'topk', 'jumprelu', 'gated', 'batchtopk'] as Architecture[]) {
    const sae = makeSae({ architecture, d_in: D_IN, d_sae: D_SAE, k: 11, seed: 5, d_out: 3 });
    const one = await alone.load(sae, { screen: 'off' });
    const wanted = await one.encode(xbar, ROWS);
    if (architecture !== 'batchtopk') assertCodesMatch(sae, xbar, ROWS, wanted);
    for (const screen of ['off', 'on'] as const) {
      const loaded = await threads.load(sae, { screen });
      for (let call = 0; call < 2; call++) {
        if (text(await loaded.encode(xbar, ROWS)) !== text(wanted)) throw new Error(`${architecture}, screen ${screen}, call ${call}: threads and one differ`);
      }
      loaded.dispose();
    }
    one.dispose();
  }

  const sae = makeSae({ architecture: 'topk', d_in: D_IN, d_sae: D_SAE, k: 11, seed: 5, d_out: 3 });
  const loaded = await threads.load(sae);
  const bad = xbar.slice();
  bad[590 * D_IN] = NaN;
  bad[333 * D_IN] = NaN;
  const error = await loaded.encode(bad, ROWS).catch((thrown: unknown) => thrown);
  if (!(error instanceof NumericError && /xbar, row 333:/.test(error.message))) throw new Error(`not the lowest row: ${String(error)}`);

  const rows = 20_000;
  const many = randomRows(rows, D_IN, 7);
  const abort = new AbortController();
  const reason = new Error('enough');
  const pending = loaded.encode(many, rows, { signal: abort.signal }).catch((thrown: unknown) => thrown);
  setTimeout(() => abort.abort(reason), 5);
  if ((await pending) !== reason) throw new Error('not aborted');

  const last = loaded.encode(many, rows);
  await threads.dispose();
  const one = await alone.load(sae);
  if (text(await last) !== text(await one.encode(many, rows))) throw new Error('codes of ended threads differ');
  await alone.dispose();
  return { sharedMemory: details.sharedMemory === true, reason: String(details.sharedReason ?? '') };
}
