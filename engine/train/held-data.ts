/**
 * Rows that are held in memory. A run goes through them in epochs: each epoch is a permutation
 * of its own, batches are consecutive pieces of one epoch after the other, and which rows a step has is
 * computed, not remembered.
 */
import { ShapeError } from '../errors.js';
import type { TrainData } from './data.js';
import { permutation } from './permutation.js';

export interface HeldRows {
  /** [rows, d] f32; referred to, not copied. */
  readonly x: Float32Array;
  readonly d: number;
  /** Of the order of rows. */
  readonly seed: number;
  readonly provenance?: Readonly<Record<string, unknown>> | undefined;
}

/** @throws ShapeError where x holds no whole number of rows, or none */
export function heldData({ x, d, seed, provenance = { kind: 'memory' } }: HeldRows): TrainData {
  const rows = x.length / d;
  if (!Number.isInteger(rows) || rows < 1) throw new ShapeError(`the training activations have ${x.length} values, expected at least one row of ${d}`);
  let epoch = -1;
  let order = (at: number): number => at;
  return {
    d,
    rows,
    provenance,
    batch(step, size) {
      const out = new Float32Array(size * d);
      for (let r = 0; r < size; r++) {
        const at = step * size + r;
        const now = Math.floor(at / rows);
        if (now !== epoch) {
          epoch = now;
          order = permutation(rows, seed, now);
        }
        const from = order(at % rows) * d;
        out.set(x.subarray(from, from + d), r * d);
      }
      return Promise.resolve(out);
    },
    async scan(visit, { size, limit = rows, signal }) {
      const end = Math.min(limit, rows);
      for (let first = 0; first < end; first += size) {
        signal?.throwIfAborted();
        const count = Math.min(size, end - first);
        await visit(x.subarray(first * d, (first + count) * d), count);
      }
      return end;
    },
    close: () => Promise.resolve(),
  };
}
