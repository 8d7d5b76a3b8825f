/**
 * Uploading with a bounded peak: `writeBuffer` copies what it is given into memory
 * that the browser holds until the GPU has taken it, so an upload that never
 * waited would hold the whole matrix once more. Here at most IN_FLIGHT bytes are
 * under way, and at most one packed slab is on the host.
 */
import { NumericError } from '../engine/errors.js';
import { write } from './buffers.js';
import type { Device } from './device.js';
import { halfBits, halfValue } from './half.js';

/** f16 halves what weights take; sums are f32 in either case. */
export type Storage = 'f32' | 'f16';

/** Bytes that may wait for the GPU. */
export const IN_FLIGHT = 32 * 2 ** 20;

/** Where a slab of W_enc lies in its matrix, for the columns' errors. */
interface Columns {
  readonly first: number;
  readonly stride: number;
  readonly d_sae: number;
}

export class Uploader {
  readonly #device: Device;
  readonly #storage: Storage;
  readonly #signal: AbortSignal | undefined;
  #slab = new Float32Array(0);
  #halves = new Uint16Array(0);
  #underWay = 0;
  #valid: Promise<void>[] = [];
  /** Sum of squares of W - f16(W) by column; empty for f32. */
  #errors = new Float64Array(0);

  constructor(device: Device, storage: Storage, signal: AbortSignal | undefined) {
    this.#device = device;
    this.#storage = storage;
    this.#signal = signal;
  }

  /** A scratch array of `length` values with whatever was in it, until the next call. */
  slab(length: number): Float32Array {
    if (this.#slab.length < length) this.#slab = new Float32Array(length);
    return this.#slab.subarray(0, length);
  }

  /**
   * Writes part of a matrix, as it is stored.
   * @param at index of its first value in the buffer
   * @param what names the part in errors
   * @param columns for W_enc: what f16 costs is counted by column
   */
  async matrix(buffer: GPUBuffer, at: number, values: Float32Array, what: string, columns?: Columns): Promise<void> {
    if (this.#storage === 'f32') return this.#write(buffer, at * 4, values);
    if (this.#halves.length < values.length) this.#halves = new Uint16Array(values.length);
    const halves = this.#halves.subarray(0, values.length);
    if (columns !== undefined && this.#errors.length === 0) this.#errors = new Float64Array(columns.d_sae);
    for (let i = 0; i < values.length; i++) {
      const value = values[i]!;
      const bits = halfBits(value);
      if ((bits & 0x7fff) === 0x7c00) throw new NumericError(`${what}: ${value} is too large for f16 (65,504)`, { hint: 'Store the weights as f32.' });
      halves[i] = bits;
      if (columns === undefined) continue;
      const error = value - halfValue(bits);
      // Past the block's own columns there are zeros, which are exact.
      if (error !== 0) this.#errors[columns.first + (i % columns.stride)]! += error * error;
    }
    return this.#write(buffer, at * 2, halves);
  }

  /** Writes a vector, in f32. */
  vector(buffer: GPUBuffer, values: Float32Array): Promise<void> {
    return this.#write(buffer, 0, values);
  }

  /** max_i ||W[:,i] - f16(W[:,i])||; null for f32. */
  largestColumnError(): number | null {
    if (this.#storage === 'f32') return null;
    return Math.sqrt(this.#errors.reduce((most, sum) => Math.max(most, sum), 0));
  }

  /** Waits until the device has everything. @throws BackendError */
  async drain(): Promise<void> {
    const { queue } = this.#device.gpu;
    // wgpu begins to copy at a submission, and not before.
    queue.submit([]);
    const done = this.#device.guard(queue.onSubmittedWorkDone());
    const valid = this.#valid;
    this.#valid = [];
    this.#underWay = 0;
    await Promise.all([...valid, done]);
    this.#signal?.throwIfAborted();
  }

  async #write(buffer: GPUBuffer, offset: number, values: Float32Array | Uint16Array): Promise<void> {
    if (this.#underWay > 0 && this.#underWay + values.byteLength > IN_FLIGHT) await this.drain();
    const { valid } = this.#device.scoped('the weights', () => write(this.#device.gpu.queue, buffer, offset, values));
    this.#valid.push(valid);
    this.#underWay += values.byteLength;
  }
}
