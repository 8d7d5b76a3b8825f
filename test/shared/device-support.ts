/** Backends on observed devices of their own, and runs to compare, for the suites about devices. */
import type { LoadedSae } from '../../engine/backend.js';
import { joinCodes, type SparseCodes } from '../../engine/codes.js';
import { findGpu } from '../../gpu/adapter.js';
import { createWebGpuBackend, type WebGpuOptions } from '../../gpu/backend.js';
import { check, equal, observedGpu, sameCodes, sameNumbers } from './gpu-support.js';
import { randomRows } from './oracle.js';

export interface DeviceCase {
  readonly name: string;
  run(): Promise<void>;
}

export const D_IN = 24;
export const ROWS = 33;
const BATCHES = 6;

/** A backend on a device of its own, observed. */
export async function open(options: WebGpuOptions = {}) {
  const gpu = observedGpu(await findGpu());
  const notices: string[] = [];
  const backend = await createWebGpuBackend({ gpu: gpu.gpu, notice: (text) => notices.push(text), ...options });
  return { backend, gpu, notices };
}

export interface Result {
  readonly codes: SparseCodes;
  readonly y: Float32Array;
}

export const rowsOf = (batch: number): Float32Array => randomRows(ROWS, D_IN, 100 + batch);

/** `disturb` is called when a batch's encode was begun. */
export async function runBatches(loaded: LoadedSae, disturb: (batch: number) => void = () => undefined): Promise<Result[]> {
  const results: Result[] = [];
  for (let batch = 0; batch < BATCHES; batch++) {
    const encoding = loaded.encode(rowsOf(batch), ROWS);
    encoding.catch(() => undefined);
    // The call has recorded and submitted its work by then, and waits.
    await new Promise((resolve) => setTimeout(resolve, 0));
    disturb(batch);
    const codes = await encoding;
    results.push({ codes, y: await loaded.decode(codes) });
  }
  return results;
}

export async function runOnce(loaded: LoadedSae, xbar: Float32Array, rows: number): Promise<Result> {
  const codes = await loaded.encode(xbar, rows);
  return { codes, y: await loaded.decode(codes) };
}

export function sameRun(got: Result, expected: Result): void {
  sameCodes(got.codes, expected.codes);
  equal(got.codes.nearTies, expected.codes.nearTies, 'near ties');
  sameNumbers(got.y, expected.y, 'decoded');
}

export function sameRuns(got: readonly Result[], expected: readonly Result[]): void {
  equal(got.length, expected.length, 'batches');
  got.forEach((result, batch) => sameRun(result, expected[batch]!));
  check(joinCodes(got.map(({ codes }) => codes), got[0]!.codes.d_sae).features.length > 0, 'something fires');
}
