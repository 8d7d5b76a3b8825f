/**
 * Buffers. Weights live as long as their SAE; everything else comes from a pool
 * and goes back to it as soon as its commands are submitted: later commands run
 * after earlier ones, so the next user of a buffer cannot disturb the last.
 * Only what the host maps stays out of the pool until it is unmapped.
 */
import { type Device, MAP_MODE_READ, Usage } from './device.js';

const SMALLEST = 256;
/** Bytes that wait unused. */
const MOST_IDLE = 512 * 2 ** 20;

export class BufferPool {
  readonly #device: Device;
  readonly #idle = new Map<string, GPUBuffer[]>();
  #idleBytes = 0;
  #bytes = 0;

  constructor(device: Device) {
    this.#device = device;
  }

  /** Bytes that the pool has allocated, idle ones included. */
  get byteLength(): number {
    return this.#bytes;
  }

  /** A buffer of at least `size` bytes, with whatever was in it. */
  acquire(size: number, usage: number): GPUBuffer {
    const bytes = this.#bucket(size);
    const buffer = this.#idle.get(`${usage}/${bytes}`)?.pop();
    if (buffer !== undefined) {
      this.#idleBytes -= bytes;
      return buffer;
    }
    this.#bytes += bytes;
    return this.#device.gpu.createBuffer({ size: bytes, usage });
  }

  release(buffer: GPUBuffer): void {
    if (this.#idleBytes + buffer.size > MOST_IDLE) {
      this.drop(buffer);
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
    for (const buffers of this.#idle.values()) for (const buffer of buffers) this.drop(buffer);
    this.#idle.clear();
    this.#idleBytes = 0;
  }

  /** Destroys a buffer that nobody may have again. */
  drop(buffer: GPUBuffer): void {
    this.#bytes -= buffer.size;
    buffer.destroy();
  }

  /** Powers of two, so that sizes that differ a little share buffers; never past the device's limit. */
  #bucket(size: number): number {
    const { maxBufferSize, maxStorageBufferBindingSize } = this.#device.limits;
    const power = 2 ** Math.ceil(Math.log2(Math.max(size, SMALLEST)));
    return power <= Math.min(maxBufferSize, maxStorageBufferBindingSize) ? power : Math.ceil(size / 4) * 4;
  }
}

/** The buffers of one submission: taken while commands are recorded, given back together. */
export class Loan {
  readonly #pool: BufferPool;
  readonly #queue: GPUQueue;
  readonly #buffers: GPUBuffer[] = [];

  constructor(pool: BufferPool, queue: GPUQueue) {
    this.#pool = pool;
    this.#queue = queue;
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
  }

  #take(bytes: number, usage: number): GPUBuffer {
    const buffer = this.#pool.acquire(bytes, usage);
    this.#buffers.push(buffer);
    return buffer;
  }
}

/** Collects what a submission leaves behind in one buffer, so that one mapping reads it all. */
export class Readback {
  readonly #device: Device;
  readonly #pool: BufferPool;
  readonly #buffer: GPUBuffer;
  readonly #size: number;
  #end = 0;

  /** @param size bytes in all */
  constructor(device: Device, pool: BufferPool, size: number) {
    this.#device = device;
    this.#pool = pool;
    this.#size = Math.max(4, size);
    this.#buffer = pool.acquire(this.#size, Usage.MAP_READ | Usage.COPY_DST);
  }

  /** Appends the first `bytes` of a buffer (a multiple of 4). @returns where they will be, in bytes */
  copy(encoder: GPUCommandEncoder, source: GPUBuffer, bytes: number): number {
    const at = this.#end;
    if (bytes > 0) encoder.copyBufferToBuffer(source, 0, this.#buffer, at, bytes);
    this.#end += bytes;
    return at;
  }

  /**
   * Waits for the GPU and hands the bytes to `use`; they are gone when it returns.
   * @param valid rejects when the submission was not valid
   * @throws BackendError
   */
  async read<T>(valid: Promise<void>, use: (bytes: ArrayBuffer) => T): Promise<T> {
    const mapped = this.#device.guard(this.#buffer.mapAsync(MAP_MODE_READ, 0, this.#size));
    mapped.catch(() => undefined);
    try {
      // An invalid submission also fails the mapping, but says less about why.
      await valid;
      await mapped;
    } catch (error) {
      this.#pool.drop(this.#buffer);
      this.#pool.clear();
      throw error;
    }
    try {
      return use(this.#buffer.getMappedRange(0, this.#size));
    } finally {
      this.#buffer.unmap();
      this.#pool.release(this.#buffer);
    }
  }
}

/** The queue copies at once, so the caller may reuse `data`. */
export function write(queue: GPUQueue, buffer: GPUBuffer, offset: number, data: Float32Array | Uint32Array): void {
  // WebGPU refuses shared memory; the worker's xbar may lie in it.
  const plain = data.buffer instanceof ArrayBuffer ? data : data.slice();
  queue.writeBuffer(buffer, offset, plain.buffer as ArrayBuffer, plain.byteOffset, plain.byteLength);
}
