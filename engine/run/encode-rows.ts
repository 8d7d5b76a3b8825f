/**
 * Encoding any number of rows with a backend that takes `maxRows` at a time, and
 * going on with another backend when the first is lost.
 */
import type { LoadedSae } from '../backend.js';
import { joinCodes, sliceCodes, type SparseCodes } from '../codes.js';
import { BackendError, withRowsFrom } from '../errors.js';

interface CallOptions {
  readonly signal?: AbortSignal | undefined;
}

/** Codes of `rows` prepared rows, encoded in chunks of at most `loaded.maxRows`. */
export async function encodeRows(loaded: LoadedSae, d_sae: number, xbar: Float32Array, rows: number, options: CallOptions = {}): Promise<SparseCodes> {
  const d = rows === 0 ? 0 : xbar.length / rows;
  const parts: SparseCodes[] = [];
  for (let row = 0; row < rows; ) {
    const count = Math.min(loaded.maxRows, rows - row);
    try {
      parts.push(await loaded.encode(xbar.subarray(row * d, (row + count) * d), count, options));
    } catch (error) {
      throw withRowsFrom(row, error);
    }
    row += count;
  }
  return joinCodes(parts, d_sae);
}

/**
 * A loaded SAE that repeats a call elsewhere when its backend fails (a lost
 * device, no memory), and stays there. Calls depend on nothing but their
 * arguments, so that nothing is counted twice.
 *
 * @param shape of the SAE
 * @param fallback loads the SAE elsewhere; called once, at the first BackendError, with that error
 */
export function withFallback(first: LoadedSae, shape: { readonly d_sae: number; readonly d_out: number }, fallback: (error: BackendError) => Promise<LoadedSae>): LoadedSae {
  let current = first;
  let second: Promise<LoadedSae> | null = null;
  const attempt = async <T>(work: (loaded: LoadedSae) => Promise<T>): Promise<T> => {
    const used = current;
    try {
      return await work(used);
    } catch (error) {
      if (!(error instanceof BackendError) || used !== first) throw error;
      second ??= fallback(error);
      current = await second;
      return work(current);
    }
  };
  return {
    get maxRows() {
      return current.maxRows;
    },
    // The second backend may take fewer rows at a time than the first was given.
    encode: (xbar, rows, options) => attempt((loaded) => (rows <= loaded.maxRows ? loaded.encode(xbar, rows, options) : encodeRows(loaded, shape.d_sae, xbar, rows, options))),
    decode: (codes, options) => attempt((loaded) => decodeRows(loaded, codes, shape.d_out, options)),
    ...(first.report === undefined ? {} : { report: () => current.report?.() ?? first.report!() }),
    dispose() {
      first.dispose();
      if (current !== first) current.dispose();
    },
  };
}

/** Decodes any number of rows, at most `maxRows` at a time. @returns [rows, d_out] */
export async function decodeRows(loaded: LoadedSae, codes: SparseCodes, d_out: number, options: CallOptions = {}): Promise<Float32Array> {
  if (codes.rows <= loaded.maxRows) return codes.rows === 0 ? new Float32Array(0) : loaded.decode(codes, options);
  const y = new Float32Array(codes.rows * d_out);
  for (let row = 0; row < codes.rows; ) {
    const count = Math.min(loaded.maxRows, codes.rows - row);
    y.set(await loaded.decode(sliceCodes(codes, row, count), options), row * d_out);
    row += count;
  }
  return y;
}
