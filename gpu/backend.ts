/**
 * The WebGPU backend: the `Backend` contract over the WGSL kernels.
 *
 *   adapter.ts       which GPU, and is it one
 *   capabilities.ts  what is asked of it, and what it then has
 *   device.ts        its end: lost, failed, disposed of
 *   manager.ts       the next device, when it is lost
 *   loaded.ts        an SAE that outlives its device
 *   decide.ts        how the problem is cut to the device's limits
 *   encoder.ts       encode        decoder.ts  decode
 *
 * Codes do not depend on the batch a row came in, nor on the device's generation.
 */
import type { Backend, BackendInfo, LoadOptions } from '../engine/backend.js';
import { checkSae } from '../engine/checks.js';
import { BackendError } from '../engine/errors.js';
import type { Sae } from '../engine/sae.js';
import { type WeightSource, weightsOf } from '../engine/weight-source.js';
import type { Capabilities } from './capabilities.js';
import type { ForcedChoice } from './decide/kernels.js';
import { LoadedGpuSae } from './loaded.js';
import { backendInfo, DeviceManager, type ManagerOptions } from './manager.js';
import type { MemoryReport } from './memory.js';
import type { TimingReport } from './timings.js';

export type { GpuLoadReport } from './loaded.js';

export type WebGpuOptions = ManagerOptions;

export interface WebGpuLoadOptions extends LoadOptions {
  /**
   * Where W_enc and W_dec are read from, instead of the SAE's arrays, which may then be empty.
   * It is read again when the device is lost, and must be open until the SAE is disposed of.
   */
  readonly weights?: WeightSource | undefined;
  /** For tests: the kernels that are to be chosen, where they are right and fit the device. */
  readonly kernels?: ForcedChoice | undefined;
}

export interface WebGpuBackend extends Backend {
  readonly info: BackendInfo;
  /** Of the device of the moment. */
  readonly capabilities: Capabilities;
  /** What the device holds. */
  readonly memory: MemoryReport;
  /** By kind of submission since the beginning or `resetTimings`; null unless `timings` was asked for. */
  readonly timings: TimingReport | null;
  resetTimings(): void;
  /**
   * As `Backend.load`. The backend refers to the SAE's arrays until it is disposed of, since a
   * device that is lost takes the uploaded ones with it.
   */
  load(sae: Sae, options?: WebGpuLoadOptions): Promise<LoadedGpuSae>;
}

/**
 * Opens a device.
 * @throws BackendError when the runtime has no WebGPU, the machine has no adapter, or it is
 *   a software one and those are not allowed; the hint says what to do
 */
export async function createWebGpuBackend(options: WebGpuOptions = {}): Promise<WebGpuBackend> {
  return new ManagedBackend(await DeviceManager.open(options));
}

class ManagedBackend implements WebGpuBackend {
  readonly #manager: DeviceManager;

  constructor(manager: DeviceManager) {
    this.#manager = manager;
  }

  get info(): BackendInfo {
    return backendInfo(this.#manager.current);
  }

  get capabilities(): Capabilities {
    return this.#manager.current.device.capabilities;
  }

  get memory(): MemoryReport {
    return this.#manager.current.memory.report();
  }

  get timings(): TimingReport | null {
    return this.#manager.timings?.report() ?? null;
  }

  resetTimings(): void {
    this.#manager.timings?.reset();
  }

  async load(sae: Sae, options: WebGpuLoadOptions = {}): Promise<LoadedGpuSae> {
    const { signal, storage, weights, tolerance, kernels, screen } = options;
    signal?.throwIfAborted();
    checkSae(sae, false);
    if (storage === 'f16' && !this.capabilities.f16) throw new BackendError(`WebGPU: ${this.info.description} has no arithmetic of 16 bits (shader-f16)`, { hint: 'Store the weights as f32.' });
    return LoadedGpuSae.load(this.#manager, sae, { source: weights ?? weightsOf(sae), storage, signal, tolerance, kernels, screen: screen === 'on' });
  }

  dispose(): Promise<void> {
    this.#manager.dispose();
    return Promise.resolve();
  }
}
