/**
 * A device and its end. Everything asynchronous that waits for the GPU goes
 * through `guard`, so that a device that is lost, fails or is disposed of
 * rejects every waiting call with a BackendError, whatever the runtime's own
 * promises do. Nothing is retried here: the run falls back to another backend.
 */
import { BackendError } from '../engine/errors.js';
import type { PlanLimits } from './decide.js';

/** Bits of GPUBufferUsage and GPUMapMode; Node has no such globals. */
export const Usage = { MAP_READ: 1, COPY_SRC: 4, COPY_DST: 8, UNIFORM: 64, STORAGE: 128 } as const;
export const MAP_MODE_READ = 1;

/** More than this is never asked of an adapter: larger weights are cut into blocks. */
const MOST_BYTES = 2 ** 30;

export class Device {
  readonly gpu: GPUDevice;
  readonly limits: PlanLimits;
  #failure: BackendError | null = null;
  readonly #waiting = new Set<(error: BackendError) => void>();

  /**
   * @param ceilings limits to plan with where they are below the device's own: for tests, and to leave room for others
   * @throws BackendError when the adapter refuses
   */
  static async open(adapter: GPUAdapter, ceilings: Partial<PlanLimits> = {}): Promise<Device> {
    const { maxStorageBufferBindingSize, maxBufferSize } = adapter.limits;
    let gpu: GPUDevice;
    try {
      gpu = await adapter.requestDevice({
        label: 'saekit',
        requiredLimits: {
          maxStorageBufferBindingSize: Math.min(maxStorageBufferBindingSize, MOST_BYTES),
          maxBufferSize: Math.min(maxBufferSize, MOST_BYTES),
        },
      });
    } catch (cause) {
      throw new BackendError(`WebGPU: the adapter gave no device (${message(cause)})`, { hint: 'Close other programs that use the GPU, or use --backend wasm.', cause });
    }
    return new Device(gpu, ceilings);
  }

  private constructor(gpu: GPUDevice, ceilings: Partial<PlanLimits>) {
    this.gpu = gpu;
    const { limits } = gpu;
    const least = (name: keyof PlanLimits): number => Math.min(limits[name], ceilings[name] ?? Infinity);
    this.limits = {
      maxStorageBufferBindingSize: least('maxStorageBufferBindingSize'),
      maxBufferSize: least('maxBufferSize'),
      maxComputeWorkgroupsPerDimension: least('maxComputeWorkgroupsPerDimension'),
    };
    void gpu.lost.then((info) => this.#fail(new BackendError(`WebGPU: the device was lost (${info.reason || 'unknown'}: ${info.message || 'no message'})`, { hint: 'Run again, or use --backend wasm.' })));
    gpu.addEventListener('uncapturederror', (event) => this.#fail(new BackendError(`WebGPU: ${event.error.message}`)));
  }

  /** @throws BackendError once the device is lost, failed or disposed of */
  check(): void {
    if (this.#failure !== null) throw this.#failure;
  }

  /** The same promise, but rejected with a BackendError as soon as the device ends. */
  guard<T>(promise: Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      if (this.#failure !== null) {
        promise.catch(() => undefined);
        return reject(this.#failure);
      }
      this.#waiting.add(reject);
      promise.then(resolve, (cause: unknown) => reject(this.#failure ?? (cause instanceof BackendError ? cause : new BackendError(`WebGPU: ${message(cause)}`, { cause })))).finally(() => this.#waiting.delete(reject));
    });
  }

  /**
   * Runs synchronous GPU calls, and tells afterwards whether they were valid and found memory.
   * @returns what `work` gave, and a promise that rejects with a BackendError
   */
  scoped<T>(what: string, work: () => T): { result: T; valid: Promise<void> } {
    this.check();
    this.gpu.pushErrorScope('validation');
    this.gpu.pushErrorScope('out-of-memory');
    let result: T;
    const scopes: Promise<GPUError | null>[] = [];
    try {
      result = work();
    } finally {
      scopes.push(this.gpu.popErrorScope(), this.gpu.popErrorScope());
      // When `work` throws, nobody waits for these.
      for (const scope of scopes) scope.catch(() => undefined);
    }
    const valid = this.guard(Promise.all(scopes)).then(([memory, validation]) => {
      if (memory) throw new BackendError(`WebGPU: out of memory for ${what} (${memory.message})`, { hint: 'Use --backend wasm.' });
      if (validation) throw new BackendError(`WebGPU: ${what}: ${validation.message}`);
    });
    // Callers await it after other promises; it must not count as unhandled until then.
    valid.catch(() => undefined);
    return { result, valid };
  }

  /** Ends the device; whatever waits is rejected. */
  destroy(): void {
    this.#fail(new BackendError('the WebGPU backend was disposed of'));
    this.gpu.destroy();
  }

  #fail(error: BackendError): void {
    // The first reason is the one that helps.
    this.#failure ??= error;
    for (const reject of this.#waiting) reject(this.#failure);
    this.#waiting.clear();
  }
}

export function message(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
