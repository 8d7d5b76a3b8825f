/**
 * Top-k of dense rows by the selection kernels of the WASM module, which encode
 * uses block by block: rows are copied into linear memory a few at a time, their
 * candidates collected, and the k largest written. As in encode, what is selected
 * is above 0, and entries ascend by feature.
 */
import { compileKernels, Kernels } from '../../engine/wasm/loader.js';
import type { Peer, Sparse } from './peer.js';

/** Columns that one call of `collect` looks at. */
const COLUMNS = 256;
/** Bytes of rows in linear memory at a time: they stay in the second-level cache. */
const RESIDENT = 2 ** 19;
const RECORD_BYTES = 32;

export async function openSelection(): Promise<Peer> {
  const module = await compileKernels();
  return {
    name: 'saekit wasm',
    threads: 1,
    topk({ rows, n, k, z }) {
      if (n % 4 !== 0) throw new RangeError(`the kernels take rows of a multiple of 4, not ${n}`);
      const kernels = new Kernels(module);
      const chunk = Math.max(1, Math.min(rows, Math.floor(RESIDENT / (4 * n))));
      const keep = k + 1;
      // Pruned when twice as many again have come: measured, and the minimum is flat.
      const full = 3 * keep;
      const capacity = full + COLUMNS;
      const input = kernels.alloc(chunk * n * 4, 'rows');
      const state = kernels.alloc(chunk * RECORD_BYTES, 'records');
      const candidates = kernels.alloc(chunk * capacity * 8, 'candidates');
      const counts = kernels.alloc(chunk * 4, 'counts');
      const entries = kernels.alloc(chunk * k * 8, 'entries');
      return Promise.resolve({
        how: 'selection kernels',
        run() {
          const offsets = new Uint32Array(rows + 1);
          const features = new Uint32Array(rows * k);
          const values = new Float32Array(rows * k);
          let to = 0;
          for (let first = 0; first < rows; first += chunk) {
            const count = Math.min(chunk, rows - first);
            kernels.f32(input, count * n).set(z.subarray(first * n, (first + count) * n));
            // Tolerance 0, floor 0, nothing held, no ties, no flags.
            kernels.u32(state, (count * RECORD_BYTES) / 4).fill(0);
            kernels.call.firstFloors(input, 4 * n, count, n, state, keep);
            for (let begin = 0; begin < n; begin += COLUMNS) {
              kernels.call.collect(input + 4 * begin, 4 * n, count, Math.min(COLUMNS, n - begin), begin, state, keep, full, candidates, capacity);
            }
            const total = kernels.call.finish(count, k, state, candidates, capacity, counts, entries);
            const words = kernels.u32(entries, 2 * total);
            const floats = kernels.f32(entries, 2 * total);
            for (let at = 0; at < total; at++) {
              features[to + at] = words[2 * at]!;
              values[to + at] = floats[2 * at + 1]!;
            }
            kernels.u32(counts, count).forEach((each, row) => (offsets[first + row + 1] = offsets[first + row]! + each));
            to += total;
          }
          const result: Sparse = { offsets, features: features.subarray(0, to), values: values.subarray(0, to) };
          return Promise.resolve({ value: () => result });
        },
      });
    },
  };
}
