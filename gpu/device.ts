/**
 * A device and its end. Everything asynchronous that waits for the GPU goes
 * through `guard`, so that a device that is lost, fails or is disposed of
 * rejects every waiting call with a BackendError, whatever the runtime's own
 * promises do. Nothing is retried here: that is manager.ts.
 */
import { BackendError, DeviceLostError } from '../engine/errors.js';
import { capabilitiesOf, type Capabilities, type Ceilings, type DeviceLimits, deviceRequest } from './capabilities.js';
import { NoRoomError } from './memory.js';

/** Bits of GPUBufferUsage and GPUMapMode; Node has no such globals. */
export const Usage = { MAP_READ: 1, COPY_SRC: 4, COPY_DST: 8, UNIFORM: 64, STORAGE: 128, QUERY_RESOLVE: 512 } as const;
export const MAP_MODE_READ = 1;

export interface DeviceOptions extends Ceilings {
  /** WGSL's optional features in this runtime. */
  readonly language?: ReadonlySet<string> | undefined;
}

export class Device {
  readonly gpu: GPUDevice;
  readonly capabilities: Capabilities;
  #failure: BackendError | null = null;
  readonly #waiting = new Set<(error: BackendError) => void>();
  readonly #ended: Promise<void>;

  /** @throws BackendError when the adapter refuses */
  static async open(adapter: GPUAdapter, options: DeviceOptions = {}): Promise<Device> {
    let gpu: GPUDevice;
    try {
      gpu = await adapter.requestDevice({ label: 'saekit', ...deviceRequest(adapter, options) });
    } catch (cause) {
      throw new BackendError(`WebGPU: the adapter gave no device (${message(cause)})`, { hint: 'Close other programs that use the GPU, or use --backend wasm.', cause });
    }
    return new Device(gpu, capabilitiesOf(gpu, adapter.info, options.language, options));
  }

  private constructor(gpu: GPUDevice, capabilities: Capabilities) {
    this.gpu = gpu;
    this.capabilities = capabilities;
    this.#ended = gpu.lost.then(({ reason, message }) =>
      this.#fail(new DeviceLostError(`WebGPU: the device was lost (${reason || 'unknown'}: ${message || 'no message'})`, { retryable: true, hint: 'Run again, or use --backend wasm.' })),
    );
    gpu.addEventListener('uncapturederror', (event) => this.#fail(new BackendError(`WebGPU: ${event.error.message}`)));
  }

  /** The limits to plan with. */
  get limits(): DeviceLimits {
    return this.capabilities.limits;
  }

  /** @throws BackendError once the device is lost, failed or disposed of */
  check(): void {
    if (this.#failure !== null) throw this.#failure;
  }

  /** True once the device was lost, which is not the same as failed or disposed of. */
  get lost(): boolean {
    return this.#failure instanceof DeviceLostError;
  }

  /**
   * Whether a failure that was just seen is the device's loss: a runtime may reject
   * what waits for a GPU before it says that the GPU is gone.
   */
  async isLost(patience = 100): Promise<boolean> {
    if (this.#failure === null) {
      let timer: ReturnType<typeof setTimeout> | undefined;
      await Promise.race([this.#ended, new Promise((resolve) => (timer = setTimeout(resolve, patience)))]);
      clearTimeout(timer);
    }
    return this.lost;
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
   * @returns what `work` gave, and a promise that rejects with a BackendError: a NoRoomError where memory was not found
   * @throws what `work` throws, an exception of WebGPU's as a BackendError
   */
  scoped<T>(what: string, work: () => T): { result: T; valid: Promise<void> } {
    this.check();
    this.gpu.pushErrorScope('validation');
    this.gpu.pushErrorScope('out-of-memory');
    let result: T;
    const scopes: Promise<GPUError | null>[] = [];
    try {
      result = work();
    } catch (cause) {
      if (!isDomException(cause)) throw cause;
      throw new BackendError(`WebGPU: ${what}: ${message(cause)}`, { cause });
    } finally {
      scopes.push(this.gpu.popErrorScope(), this.gpu.popErrorScope());
      // When `work` throws, nobody waits for these.
      for (const scope of scopes) scope.catch(() => undefined);
    }
    const valid = this.guard(Promise.all(scopes)).then(([memory, validation]) => {
      if (memory) throw new NoRoomError(`WebGPU: out of memory for ${what} (${memory.message})`, { hint: 'Use --backend wasm.' });
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

/** WebGPU's own exceptions (OperationError, GPUPipelineError, ...), but no defect of ours. */
function isDomException(error: unknown): boolean {
  return typeof DOMException !== 'undefined' && error instanceof DOMException;
}

export function message(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
