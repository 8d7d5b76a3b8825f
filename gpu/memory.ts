/**
 * What a device is asked to hold, counted: weights, scratch, and the buffers that
 * results are read back through. WebGPU does not tell how much memory there is, and
 * some systems end a page that takes too much of it, so a budget may be set; it is
 * kept at every allocation. Padding that the driver adds is not in the figures.
 */
import { BackendError } from '../engine/errors.js';

export type MemoryUse = 'weights' | 'scratch' | 'readback';

/** Bytes and buffers that are allocated now, and the most bytes that ever were. */
export interface MemoryReport {
  readonly weights: number;
  /** Of kernels' inputs and outputs, those that wait for their next use included. */
  readonly scratch: number;
  readonly readback: number;
  readonly buffers: number;
  readonly peak: number;
  /** Null where none was set. */
  readonly budget: number | null;
}

/** An allocation that the budget, or the device, has no room for; fewer rows at a time may fit. */
export class NoRoomError extends BackendError {}

export class Memory {
  readonly #gpu: GPUDevice;
  readonly #budget: number;
  readonly #bytes: Record<MemoryUse, number> = { weights: 0, scratch: 0, readback: 0 };
  #reclaim: () => void = () => undefined;
  #buffers = 0;
  #peak = 0;

  /** @param budget bytes in all */
  constructor(gpu: GPUDevice, budget: number = Infinity) {
    this.#gpu = gpu;
    this.#budget = budget;
  }

  get total(): number {
    return this.#bytes.weights + this.#bytes.scratch + this.#bytes.readback;
  }

  get budget(): number {
    return this.#budget;
  }

  report(): MemoryReport {
    return { ...this.#bytes, buffers: this.#buffers, peak: this.#peak, budget: Number.isFinite(this.#budget) ? this.#budget : null };
  }

  /** @param reclaim frees what lies idle; called before the budget is said to have no room */
  onPressure(reclaim: () => void): void {
    this.#reclaim = reclaim;
  }

  /** Whether there is room for so many bytes more, what lies idle given up where that is needed. */
  fits(bytes: number): boolean {
    if (this.total + bytes > this.#budget) this.#reclaim();
    return this.total + bytes <= this.#budget;
  }

  /** @throws NoRoomError where the budget has no room for it */
  create(use: MemoryUse, size: number, usage: number, label?: string): GPUBuffer {
    if (!this.fits(size)) {
      const { weights, scratch, readback } = this.#bytes;
      throw new NoRoomError(
        `WebGPU: ${size} bytes more for ${label ?? use} pass the memory budget of ${this.#budget} bytes: weights take ${weights}, scratch ${scratch}, readback ${readback}`,
        { hint: `A budget of ${this.total + size} bytes would do for this; or use --backend wasm.` },
      );
    }
    const buffer = this.#gpu.createBuffer({ size, usage, ...(label === undefined ? {} : { label }) });
    this.#bytes[use] += size;
    this.#buffers++;
    this.#peak = Math.max(this.#peak, this.total);
    return buffer;
  }

  destroy(use: MemoryUse, buffer: GPUBuffer): void {
    this.#bytes[use] -= buffer.size;
    this.#buffers--;
    buffer.destroy();
  }
}
