/**
 * Run in a page by test/node/gpu-crash.test.ts, which ends the browser's GPU process
 * meanwhile: encodes and decodes the same rows over and over until the SAE is on
 * its second device, and then ten times more. `crashPage.ready` is set once a first
 * result is known, `crashPage.result` at the end.
 */
import { createWebGpuBackend } from '../../gpu/backend.js';
import { sameCodes, sameNumbers } from '../shared/gpu-support.js';
import { makeSae, randomRows } from '../shared/oracle.js';

export interface CrashResult {
  readonly runs: number;
  readonly generation: number;
  readonly notices: readonly string[];
  readonly error: string | null;
}

const state: { ready: boolean; result: CrashResult | null } = { ready: false, result: null };
Object.assign(globalThis, { crashPage: state });

const [rows, d_in] = [48, 32];
const PATIENCE = 20_000;
const notices: string[] = [];
let runs = 0;
let generation = 0;
try {
  const backend = await createWebGpuBackend({ notice: (text) => notices.push(text) });
  const loaded = await backend.load(makeSae({ architecture: 'topk', d_in, d_sae: 600, k: 8, seed: 1 }));
  const xbar = randomRows(rows, d_in, 2);
  const expected = await loaded.encode(xbar, rows);
  const decoded = await loaded.decode(expected);
  state.ready = true;
  const started = performance.now();
  for (let after = 0; after < 10 && performance.now() - started < PATIENCE; runs++) {
    const codes = await loaded.encode(xbar, rows);
    sameCodes(codes, expected);
    sameNumbers(await loaded.decode(codes), decoded, 'decoded');
    generation = loaded.report().generation;
    if (generation > 1) after++;
  }
  state.result = { runs, generation, notices, error: null };
} catch (error) {
  state.result = { runs, generation, notices, error: String(error) };
}
