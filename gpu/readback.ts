/**
 * Reading back. Everything that a submission leaves behind is copied into one
 * staging buffer, and one mapping reads it: a mapping takes 1 to 25 ms whatever
 * its size. The staging buffers are a ring of three, one for each submission
 * that `pipelined` has under way, so that mapping one, computing the next and
 * recording a third overlap. Nothing is ever read synchronously.
 */
import type { BufferPool } from './buffers.js';
import { type Device, MAP_MODE_READ, Usage } from './device.js';
import type { Memory } from './memory.js';
import { waitForMap } from './nudge.js';
import { DEPTH } from './pipelined.js';
import { PassTimer, TIMESTAMP_BYTES, type Timings } from './timings.js';

/** Staging buffers that are kept. */
const RING = DEPTH;
const SMALLEST = 4096;

interface Slot {
  readonly buffer: GPUBuffer;
  /** Null where submissions are not timed. */
  readonly timer: PassTimer | null;
}

export class ReadbackRing {
  readonly timings: Timings | null;
  readonly #device: Device;
  readonly #memory: Memory;
  #idle: Slot[] = [];
  #busy = 0;

  /** @param timings where submissions are timed; null: nowhere */
  constructor(device: Device, memory: Memory, timings: Timings | null) {
    this.timings = timings;
    this.#device = device;
    this.#memory = memory;
  }

  /**
   * A slot whose buffer holds at least `size` bytes: the smallest idle one that does, else
   * a new one in the place of the largest that does not. Calls side by side may have more
   * than three under way; the ring keeps three of them.
   * @throws NoRoomError
   */
  take(size: number): Slot {
    const fitting = this.#idle.filter(({ buffer }) => buffer.size >= size).sort((a, b) => a.buffer.size - b.buffer.size)[0];
    if (fitting !== undefined) {
      this.#idle.splice(this.#idle.indexOf(fitting), 1);
      this.#busy++;
      return fitting;
    }
    if (this.#idle.length + this.#busy >= RING) {
      const small = this.#idle.sort((a, b) => a.buffer.size - b.buffer.size).pop();
      if (small !== undefined) this.#destroy(small);
    }
    const { limits, capabilities } = this.#device;
    const power = 2 ** Math.ceil(Math.log2(Math.max(size, SMALLEST)));
    const bytes = power <= limits.maxBufferSize && this.#memory.fits(power) ? power : size;
    const buffer = this.#memory.create('readback', bytes, Usage.MAP_READ | Usage.COPY_DST, 'readback');
    this.#busy++;
    return { buffer, timer: this.timings !== null && capabilities.timestamps ? new PassTimer(this.#device) : null };
  }

  giveBack(slot: Slot): void {
    this.#busy--;
    if (this.#idle.length + this.#busy >= RING) this.#destroy(slot);
    else this.#idle.push(slot);
  }

  /** Destroys a slot that nobody may have again. */
  drop(slot: Slot): void {
    this.#busy--;
    this.#destroy(slot);
  }

  clear(): void {
    for (const slot of this.#idle) this.#destroy(slot);
    this.#idle = [];
  }

  #destroy({ buffer, timer }: Slot): void {
    this.#memory.destroy('readback', buffer);
    timer?.destroy();
  }
}

/** What one submission leaves behind, in one staging buffer. */
export class Readback {
  readonly #device: Device;
  readonly #pool: BufferPool;
  readonly #slot: Slot;
  readonly #size: number;
  readonly #label: string;
  #end = 0;
  #isSubmitted = false;
  /** The work is done, and its time is noted; settled where submissions are not timed. */
  #timed: Promise<void> = Promise.resolve();

  /**
   * @param size bytes in all, a multiple of 4
   * @param label what the submission is timed as
   */
  constructor(device: Device, pool: BufferPool, size: number, label = 'other') {
    this.#device = device;
    this.#pool = pool;
    this.#label = label;
    // Timestamps come behind, where BigUint64Array can have them.
    this.#size = Math.max(8, Math.ceil(size / 8) * 8);
    this.#slot = pool.ring.take(this.#size + (device.capabilities.timestamps && pool.ring.timings !== null ? TIMESTAMP_BYTES : 0));
    this.#slot.timer?.begin();
  }

  /** For `beginComputePass`: has the pass timed, where submissions are. */
  timed(label: string = this.#label): GPUComputePassDescriptor {
    const timestampWrites = this.#slot.timer?.next();
    return timestampWrites === undefined ? { label } : { label, timestampWrites };
  }

  /** Appends the first `bytes` of a buffer (a multiple of 4). @returns where they will be, in bytes */
  copy(encoder: GPUCommandEncoder, source: GPUBuffer, bytes: number): number {
    const at = this.#end;
    if (bytes > 0) encoder.copyBufferToBuffer(source, 0, this.#slot.buffer, at, bytes);
    this.#end += bytes;
    return at;
  }

  /** Submits the commands, with their timestamps. */
  submit(commands: GPUCommandEncoder): void {
    const { queue } = this.#device.gpu;
    this.#slot.timer?.resolve(commands, this.#slot.buffer, this.#size);
    queue.submit([commands.finish()]);
    this.#isSubmitted = true;
    const { timings } = this.#pool.ring;
    if (timings === null) return;
    const submitted = performance.now();
    this.#timed = this.#device.guard(queue.onSubmittedWorkDone()).then(() => timings.wall(this.#label, performance.now() - submitted));
    // `read` waits for it, after other promises.
    this.#timed.catch(() => undefined);
  }

  /** Gives the staging buffer back where nothing was submitted: an allocation failed before. */
  abandonUnsubmitted(): void {
    if (!this.#isSubmitted) this.#pool.ring.giveBack(this.#slot);
  }

  /**
   * Waits for the GPU and hands the bytes to `use`; they are gone when it returns.
   * @param valid rejects when the submission was not valid
   * @throws BackendError
   */
  async read<T>(valid: Promise<void>, use: (bytes: ArrayBuffer) => T): Promise<T> {
    const { ring } = this.#pool;
    const { buffer, timer } = this.#slot;
    const timed = timer !== null && this.#isSubmitted;
    const size = this.#size + (timed ? TIMESTAMP_BYTES : 0);
    const asked = performance.now();
    const mapped = this.#device.guard(waitForMap(this.#device.gpu, buffer.mapAsync(MAP_MODE_READ, 0, size)));
    mapped.catch(() => undefined);
    try {
      // An invalid submission also fails the mapping, but says less about why.
      await valid;
      await mapped;
      ring.timings?.mapped(this.#label, performance.now() - asked);
      await this.#timed;
    } catch (error) {
      ring.drop(this.#slot);
      ring.clear();
      this.#pool.clear();
      throw error;
    }
    try {
      // Two ranges: kernels' words end where the timestamps begin.
      ring.timings?.gpu(this.#label, timed ? timer.read(buffer.getMappedRange(this.#size, TIMESTAMP_BYTES)) : null);
      return use(buffer.getMappedRange(0, this.#size));
    } finally {
      buffer.unmap();
      ring.giveBack(this.#slot);
    }
  }
}
