/**
 * Golden results on real SAEs, for any backend: numbers that other programs
 * computed (numpy in float64, and the SAE's own author), on real activations.
 * The fixtures' origins are in test/fixtures/NOTICE.md.
 */
import type { Backend } from '../../engine/backend.js';
import type { SparseCodes } from '../../engine/codes.js';
import { loadSae } from '../../engine/formats/load-sae.js';
import { openTensor } from '../../engine/formats/tensor-file.js';
import { openRef } from '../../engine/io/open.js';
import { prepareInput } from '../../engine/prepare.js';
import type { Sae } from '../../engine/sae.js';

/** A topk SAE, rows for it, and which features must fire with which values, strongest first. */
export interface Golden {
  readonly sae: Sae;
  /** [rows, d_in] raw activations. */
  readonly activations: Float32Array;
  /** [rows][k] */
  readonly indices: readonly (readonly number[])[];
  /** [rows][k] */
  readonly values: readonly (readonly number[])[];
}

export interface GoldenRf extends Golden {
  /** FVU over all rows. */
  readonly fvu: number;
  /** xhat of the first rows, [any, d_in]. */
  readonly reconstruction: Float32Array;
}

/** What a check measured, to be shown: it throws when the result is wrong. */
export interface GoldenReport {
  readonly rows: number;
  /** The largest difference from an expected value. */
  readonly valueError: number;
  readonly fvu: number;
}

/** The radio-modulation SAE (256 -> 128, k 8) and its 1,408 rows. `base` is a folder or URL with a slash at its end. */
export async function loadGoldenRf(base: string): Promise<GoldenRf> {
  const file = `${base}activations_and_expected.safetensors`;
  const expected = (await readJson(`${base}expected.json`)) as { fvu_on_these_rows: number };
  const indices = await readTensor(`${file}#topk_indices`);
  const values = await readTensor(`${file}#topk_values`);
  return {
    sae: await loadSae(base),
    activations: await readTensor(`${file}#activations`),
    indices: inRows(indices, 8),
    values: inRows(values, 8),
    fvu: expected.fvu_on_these_rows,
    reconstruction: await readTensor(`${file}#reconstruction_first_64`),
  };
}

/** The embedded example's SAE (64 -> 512, k 16) on three prompts. Arguments are folders or URLs with a slash at their end. */
export async function loadGoldenStories(sae: string, fixtures: string): Promise<Golden> {
  const expected = (await readJson(`${fixtures}stories260k-topk16/expected.json`)) as { prompts: { topk_indices: number[][]; topk_values: number[][] }[] };
  const activations: number[] = [];
  for (const p of expected.prompts.keys()) {
    activations.push(...(await readTensor(`${fixtures}stories260k/prompts.resid_post.safetensors#p${p}.blocks.2.resid_post`)));
  }
  return {
    sae: await loadSae(sae),
    activations: Float32Array.from(activations),
    indices: expected.prompts.flatMap((prompt) => prompt.topk_indices),
    values: expected.prompts.flatMap((prompt) => prompt.topk_values),
  };
}

/** All rows: the same 8 features, their values, the FVU, the first reconstructions. @throws Error */
export async function checkGoldenRf(backend: Backend, golden: GoldenRf): Promise<GoldenReport> {
  const { report, xhat } = await check(backend, golden, 5e-4);
  if (!(Math.abs(report.fvu - golden.fvu) <= 1e-7)) throw new Error(`FVU ${report.fvu}, expected ${golden.fvu} within 1e-7`);
  golden.reconstruction.forEach((value, at) => {
    if (!(Math.abs(xhat[at]! - value) <= 5e-4)) throw new Error(`reconstruction, row ${Math.floor(at / golden.sae.d_out)}: ${xhat[at]}, expected ${value}`);
  });
  return report;
}

/** All positions of the three prompts: the same 16 features, values to 1e-4. @throws Error */
export async function checkGoldenStories(backend: Backend, golden: Golden): Promise<GoldenReport> {
  return (await check(backend, golden, 1e-4)).report;
}

async function check(backend: Backend, golden: Golden, tolerance: number): Promise<{ report: GoldenReport; xhat: Float32Array }> {
  const { sae, activations } = golden;
  const rows = golden.indices.length;
  const loaded = await backend.load(sae);
  try {
    const { xbar, restore } = prepareInput(sae, activations, rows);
    const pieces: Float32Array[] = [];
    let valueError = 0;
    // No batch larger than the backend takes.
    for (let first = 0; first < rows; first += loaded.maxRows) {
      const count = Math.min(loaded.maxRows, rows - first);
      const codes = await loaded.encode(xbar.slice(first * sae.d_in, (first + count) * sae.d_in), count);
      for (let r = 0; r < count; r++) valueError = Math.max(valueError, compareRow(golden, codes, r, first + r, tolerance));
      pieces.push(await loaded.decode(codes));
    }
    const xhat = new Float32Array(rows * sae.d_out);
    let at = 0;
    for (const piece of pieces) {
      xhat.set(piece, at);
      at += piece.length;
    }
    restore(xhat);
    return { report: { rows, valueError, fvu: fvu(activations, xhat, rows) }, xhat };
  } finally {
    loaded.dispose();
  }
}

function compareRow(golden: Golden, codes: SparseCodes, r: number, row: number, tolerance: number): number {
  const expected = new Map(golden.indices[row]!.map((feature, rank) => [feature, golden.values[row]![rank]!]));
  const features = Array.from(codes.features.subarray(codes.offsets[r]!, codes.offsets[r + 1]!));
  const wanted = [...expected.keys()].sort((a, b) => a - b);
  if (features.join() !== wanted.join()) throw new Error(`row ${row}: features ${features.join(' ')}, expected ${wanted.join(' ')}`);
  let worst = 0;
  features.forEach((feature, at) => {
    const value = codes.values[codes.offsets[r]! + at]!;
    const error = Math.abs(value - expected.get(feature)!);
    if (!(error <= tolerance)) throw new Error(`row ${row}, feature ${feature}: ${value}, expected ${expected.get(feature)} within ${tolerance}`);
    worst = Math.max(worst, error);
  });
  return worst;
}

/** E||x - xhat||^2 / (E||x||^2 - ||E x||^2), in float64. */
function fvu(x: Float32Array, xhat: Float32Array, rows: number): number {
  const d = x.length / rows;
  const mean = new Float64Array(d);
  x.forEach((value, at) => {
    mean[at % d]! += value / rows;
  });
  let error = 0;
  let variance = 0;
  x.forEach((value, at) => {
    error += (value - xhat[at]!) ** 2;
    variance += (value - mean[at % d]!) ** 2;
  });
  return error / variance;
}

function inRows(flat: Float32Array, width: number): number[][] {
  return Array.from({ length: flat.length / width }, (_, r) => Array.from(flat.subarray(r * width, (r + 1) * width)));
}

async function readTensor(ref: string): Promise<Float32Array> {
  const { tensor, close } = await openTensor(ref);
  try {
    // Indices are i64 in the file.
    return tensor.dtype.startsWith('f') ? await tensor.read() : Float32Array.from(await tensor.integers(0, tensor.size));
  } finally {
    await close();
  }
}

async function readJson(ref: string): Promise<unknown> {
  const source = await openRef(ref);
  try {
    return JSON.parse(new TextDecoder().decode(await source.slice(0, source.byteLength)));
  } finally {
    await source.close?.();
  }
}
