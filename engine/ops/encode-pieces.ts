/** Codes of rows that are in memory under any SAE, a piece after the other, on a backend that has something else loaded. */
import type { Backend } from '../backend.js';
import { chooseBackend } from '../choose-backend.js';
import { ShapeError, withRowsFrom } from '../errors.js';
import { prepareInput } from '../prepare.js';
import { encodeRows } from '../run/encode-rows.js';
import type { Sae } from '../sae.js';
import type { EncodedRows, EncodeOptions } from './ops.js';

/** Entries of a piece where a quarter of all features fire: 32 MB of indices and values. */
const ENTRIES = 2 ** 22;
const MOST_ROWS = 8192;

/**
 * @param on null for WASM, opened and closed here
 * @throws ShapeError where x is not [rows, d_in]; NumericError naming the row of a value that is not finite
 */
export async function* encodePieces(on: Pick<Backend, 'load'> | null, sae: Sae, x: Float32Array, rows: number, { signal, rowsPerPiece }: EncodeOptions = {}): AsyncGenerator<EncodedRows, void, undefined> {
  if (x.length !== rows * sae.d_in) throw new ShapeError(`rows to encode: ${x.length} values, expected ${rows} x ${sae.d_in} (d_in of the SAE)`);
  const opened = on === null ? await chooseBackend({ backend: 'wasm' }) : null;
  try {
    const loaded = await (on ?? (opened as Backend)).load(sae, { signal });
    try {
      const size = Math.max(1, rowsPerPiece ?? Math.min(MOST_ROWS, Math.max(64, Math.floor((4 * ENTRIES) / sae.d_sae))));
      for (let first = 0; first < rows; first += size) {
        signal?.throwIfAborted();
        const count = Math.min(size, rows - first);
        const { xbar } = prepareInput(sae, x.subarray(first * sae.d_in, (first + count) * sae.d_in), count);
        const codes = await encodeRows(loaded, sae.d_sae, xbar, count, { signal }).catch((error: unknown) => {
          throw withRowsFrom(first, error);
        });
        yield { first, codes };
      }
    } finally {
      loaded.dispose();
    }
  } finally {
    await opened?.dispose();
  }
}
