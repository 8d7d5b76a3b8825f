/**
 * What a backend checks before its kernels run, because kernels do not look:
 * that an SAE's tensors have the lengths its shape says and hold finite
 * numbers, and that codes are the SAE's.
 */
import type { SparseCodes } from './codes.js';
import { NumericError, ShapeError } from './errors.js';
import type { Sae } from './sae.js';

/** Where a caller says results go. @throws ShapeError where there is not enough room */
export function checkOut(out: Float32Array, rows: number, d_sae: number): void {
  if (out.length < rows * d_sae) throw new ShapeError(`out has ${out.length} values, expected at least ${rows} rows x ${d_sae} (d_sae of the SAE)`);
}

/**
 * @param matrices false where W_enc and W_dec come from elsewhere (engine/weight-source.ts),
 *   and are checked as they come
 * @throws ShapeError for a tensor of the wrong length or a missing one; NumericError
 *   naming the tensor and place of a weight that is not finite
 */
export function checkSae(sae: Sae, matrices = true): void {
  const { d_in, d_sae, d_out, k } = sae;
  for (const [name, value] of Object.entries({ d_in, d_sae, d_out })) {
    if (!Number.isInteger(value) || value < 1) throw new ShapeError(`${name} is ${value}, expected a positive integer`);
  }
  const tensor = (name: string, values: Float32Array, length: number, width: number): void => {
    if (values.length !== length) throw new ShapeError(`${name} has ${values.length} values, expected ${length} (d_in ${d_in}, d_sae ${d_sae}, d_out ${d_out})`);
    const at = firstNonFinite(values);
    if (at >= 0) throw new NumericError(`${name}: ${values[at]} at ${width > 1 ? `row ${Math.floor(at / width)}, column ${at % width}` : `position ${at}`}`);
  };
  if (matrices) tensor('W_enc', sae.W_enc, d_in * d_sae, d_sae);
  tensor('b_enc', sae.b_enc, d_sae, 1);
  if (matrices) tensor('W_dec', sae.W_dec, d_sae * d_out, d_out);
  tensor('b_dec', sae.b_dec, d_out, 1);
  if (sae.architecture === 'jumprelu') {
    if (sae.threshold === null) throw new ShapeError('a jumprelu SAE needs a threshold for every feature');
    tensor('threshold', sae.threshold, d_sae, 1);
  }
  if (sae.architecture === 'gated') {
    if (!sae.gate) throw new ShapeError('a gated SAE needs its gate: r_mag and b_gate');
    tensor('r_mag', sae.gate.r_mag, d_sae, 1);
    tensor('b_gate', sae.gate.b_gate, d_sae, 1);
    const large = sae.gate.r_mag.findIndex((r) => !Number.isFinite(Math.fround(Math.exp(r))));
    if (large >= 0) throw new NumericError(`r_mag: exp(${sae.gate.r_mag[large]}) at position ${large} does not fit in f32`);
  }
  if (sae.architecture === 'batchtopk' && (k === null || !Number.isFinite(k) || k < 0)) throw new ShapeError(`a batchtopk SAE needs k, the average of a batch, a number of at least 0, not ${k}`);
  if (sae.architecture === 'topk' && (k === null || !Number.isInteger(k) || k < 0)) throw new ShapeError(`a topk SAE needs k, an integer of at least 0, not ${k}`);
}

/** @throws ShapeError where `rows` is out of range or `xbar` is not [rows, d_in] */
export function checkRows(xbar: Float32Array, rows: number, d_in: number, maxRows: number): void {
  if (!Number.isInteger(rows) || rows < 0 || rows > maxRows) throw new ShapeError(`encode takes 0 to ${maxRows} rows, not ${rows}`);
  if (xbar.length !== rows * d_in) throw new ShapeError(`xbar has ${xbar.length} values, expected ${rows} rows x d_in ${d_in}`);
}

/** @throws ShapeError where codes are of another SAE, or break what engine/codes.ts keeps true */
export function checkCodes(codes: SparseCodes, d_sae: number): void {
  const { rows, offsets, features, values } = codes;
  if (codes.d_sae !== d_sae) throw new ShapeError(`codes are of ${codes.d_sae} features, the SAE has ${d_sae}`);
  if (offsets.length !== rows + 1 || offsets[0] !== 0 || offsets[rows] !== features.length || features.length !== values.length) {
    throw new ShapeError(`codes of ${rows} rows: ${offsets.length} offsets from ${offsets[0]} to ${offsets[rows]}, ${features.length} features, ${values.length} values do not fit together`);
  }
  for (let r = 0; r < rows; r++) {
    if (offsets[r]! > offsets[r + 1]!) throw new ShapeError(`codes, row ${r}: offsets descend from ${offsets[r]} to ${offsets[r + 1]}`);
    let last = -1;
    for (let e = offsets[r]!; e < offsets[r + 1]!; e++) {
      const feature = features[e]!;
      if (feature <= last || feature >= d_sae) throw new ShapeError(`codes, row ${r}: feature ${feature} after ${last}, expected ascending features below ${d_sae}`);
      last = feature;
    }
  }
}

/** Place of the first value that is not finite, -1 when there is none. */
export function firstNonFinite(values: Float32Array): number {
  // A plain loop: findIndex with a callback takes ten times as long on a large SAE.
  for (let i = 0; i < values.length; i++) if (!Number.isFinite(values[i])) return i;
  return -1;
}
