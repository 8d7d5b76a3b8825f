/**
 * Buffers. Weights live as long as their SAE; everything else comes from a pool
 * and goes back to it as soon as its commands are submitted: later commands run
 * after earlier ones, so the next user of a buffer cannot disturb the last.
 * Only what the host maps has a ring of its own (readback.ts).
 */
import { type Device, Usage } from './device.js';
import { Memory } from './memory.js';
import { Readback, ReadbackRing } from './readback.js';
import type { Timings } from './timings.js';

const SMALLEST = 256;
/** Bytes that wait unused. */
const MOST_IDLE = 512 * 2 ** 20;

export class BufferPool {
  readonly memory: Memory;
  readonly ring: ReadbackRing;
  readonly #device: Device;
  /** By usage and size. */
  readonly #idle = new Map<string, GPUBuffer[]>();
  #idleBytes = 0;
  #bytes = 0;

  /**
   * @param memory where bytes are counted; default: without a budget
   * @param timings where submissions are timed; default: nowhere
   */
  constructor(device: Device, memory: Memory = new Memory(device.gpu), timings: Timings | null = null) {
    this.#device = device;
    this.memory = memory;
    this.ring = new ReadbackRing(device, memory, timings);
    memory.onPressure(() => {
      this.clear();
      this.ring.clear();
    });
  }

  /** Bytes that the pool has allocated, idle ones included. */
  get byteLength(): number {
    return this.#bytes;
  }

  /** Bytes of buffers that are lent at this moment. */
  get bytesInUse(): number {
    return this.#bytes - this.#idleBytes;
  }

  /**
   * A buffer of at least `size` bytes, with whatever was in it.
   * @throws NoRoomError where the budget has no room for it, even without what lies idle
   */
  acquire(size: number, usage: number): GPUBuffer {
    const bytes = bucket(size, Math.min(this.#device.limits.maxBufferSize, this.#device.limits.maxStorageBufferBindingSize));
    const buffer = this.#idle.get(`${usage}/${bytes}`)?.pop();
    if (buffer !== undefined) {
      this.#idleBytes -= bytes;
      return buffer;
    }
    const made = this.memory.create('scratch', bytes, usage);
    this.#bytes += bytes;
    return made;
  }

  release(buffer: GPUBuffer): void {
    if (this.#idleBytes + buffer.size > MOST_IDLE) {
      this.#drop(buffer);
      return;
    }
    const key = `${buffer.usage}/${buffer.size}`;
    const idle = this.#idle.get(key);
    if (idle === undefined) this.#idle.set(key, [buffer]);
    else idle.push(buffer);
    this.#idleBytes += buffer.size;
  }

  /** Destroys everything idle: after an error, one of them may be invalid. */
  clear(): void {
    for (const buffers of this.#idle.values()) for (const buffer of buffers) this.#drop(buffer);
    this.#idle.clear();
    this.#idleBytes = 0;
  }

  #drop(buffer: GPUBuffer): void {
    this.#bytes -= buffer.size;
    this.memory.destroy('scratch', buffer);
  }
}

/**
 * The size that is allocated for a buffer of `size` bytes: sizes that differ a little
 * share buffers, and at most a fifth is waste. Never past `limit` unless `size` is. Pure.
 */
export function bucket(size: number, limit: number): number {
  const least = Math.max(size, SMALLEST);
  const step = Math.max(SMALLEST, 2 ** (Math.floor(Math.log2(least)) - 2));
  const rounded = Math.ceil(least / step) * step;
  return rounded <= limit ? rounded : Math.ceil(size / 4) * 4;
}

/** The buffers of one submission: taken while commands are recorded, given back together. */
export class Loan {
  readonly #pool: BufferPool;
  readonly #queue: GPUQueue;
  readonly #buffers: GPUBuffer[] = [];
  #readback: Readback | null = null;

  constructor(pool: BufferPool, queue: GPUQueue) {
    this.#pool = pool;
    this.#queue = queue;
  }

  /**
   * The submission's one staging buffer; given back with the rest where nothing was submitted.
   * @param bytes in all
   * @param label what the submission is timed as
   */
  readback(device: Device, bytes: number, label: string): Readback {
    this.#readback = new Readback(device, this.#pool, bytes, label);
    return this.#readback;
  }

  /** For kernels and copies; its content is undefined. */
  storage(bytes: number): GPUBuffer {
    return this.#take(bytes, Usage.STORAGE | Usage.COPY_SRC | Usage.COPY_DST);
  }

  /** For kernels, with data at its beginning. */
  upload(data: Float32Array | Uint32Array, bytes: number = data.byteLength): GPUBuffer {
    const buffer = this.storage(bytes);
    write(this.#queue, buffer, 0, data);
    return buffer;
  }

  /** A uniform buffer of u32 words. */
  uniform(words: readonly number[]): GPUBuffer {
    const buffer = this.#take(words.length * 4, Usage.UNIFORM | Usage.COPY_DST);
    write(this.#queue, buffer, 0, Uint32Array.from(words));
    return buffer;
  }

  giveBack(): void {
    for (const buffer of this.#buffers) this.#pool.release(buffer);
    this.#buffers.length = 0;
    this.#readback?.abandonUnsubmitted();
  }

  #take(bytes: number, usage: number): GPUBuffer {
    const buffer = this.#pool.acquire(bytes, usage);
    this.#buffers.push(buffer);
    return buffer;
  }
}

/** The queue copies at once, so the caller may reuse `data`. */
export function write(queue: GPUQueue, buffer: GPUBuffer, offset: number, data: Float32Array | Uint32Array | Uint16Array): void {
  // WebGPU refuses shared memory; the worker's xbar may lie in it.
  const plain = data.buffer instanceof ArrayBuffer ? data : data.slice();
  queue.writeBuffer(buffer, offset, plain.buffer as ArrayBuffer, plain.byteOffset, plain.byteLength);
}
