/**
 * The device of a backend, and the next one when it is lost. Everything that lives
 * on a device (buffers, pipelines, weights) belongs to a generation, and goes with
 * it; a new generation begins empty. Who holds weights keeps their source, and
 * uploads them again (resident.ts).
 *
 * A driver that restarts takes every device with it, and the adapter too: the next
 * generation asks for an adapter anew, which may be another one.
 */
import type { BackendInfo } from '../engine/backend.js';
import { BackendError, DeviceLostError } from '../engine/errors.js';
import { type AdapterChoice, type AdapterDescription, describeAdapter, findAdapter, wgslFeatures } from './adapter.js';
import { BufferPool } from './buffers.js';
import type { Ceilings } from './capabilities.js';
import { Device, message } from './device.js';
import { Memory } from './memory.js';
import { Pipelines } from './pipelines.js';
import { Timings } from './timings.js';

/** Milliseconds before each try to find another adapter: a GPU process or driver that restarts has none for a while. */
const TRIES = [0, 200, 800];

export interface ManagerOptions extends AdapterChoice, Ceilings {
  /** False: refuse SwiftShader, lavapipe and WARP. Default true. */
  readonly softwareAllowed?: boolean | undefined;
  /** Bytes that weights and buffers may take on the device, all SAEs together. Default: as much as there is. */
  readonly memoryBudget?: number | undefined;
  /** Time every submission. Default false. */
  readonly timings?: boolean | undefined;
  /** False: a device that is lost stays lost. Default true. */
  readonly recover?: boolean | undefined;
  /** A line for the person who runs the analysis: the device was lost, and another was found. */
  readonly notice?: ((message: string) => void) | undefined;
}

/** A device and what lives on it. */
export interface Generation {
  /** 1 for the first device of a backend, 2 for the one after it was lost. */
  readonly number: number;
  readonly adapter: AdapterDescription;
  readonly device: Device;
  readonly memory: Memory;
  readonly pool: BufferPool;
  readonly pipelines: Pipelines;
}

export class DeviceManager {
  readonly timings: Timings | null;
  readonly #options: ManagerOptions;
  #current: Generation;
  /** While a device is being opened in the place of a lost one. */
  #opening: Promise<Generation> | null = null;
  #disposed = false;

  /** @throws BackendError when there is no adapter, it is a software one and those are not allowed, or it gives no device */
  static async open(options: ManagerOptions): Promise<DeviceManager> {
    const timings = options.timings === true ? new Timings() : null;
    return new DeviceManager(options, timings, await openGeneration(options, timings, 1, await findAdapter(options)));
  }

  private constructor(options: ManagerOptions, timings: Timings | null, first: Generation) {
    this.#options = options;
    this.timings = timings;
    this.#current = first;
  }

  /** Whether a lost device is replaced. */
  get recovers(): boolean {
    return !this.#disposed && this.#options.recover !== false;
  }

  /** The generation of the moment, whose device may be lost. */
  get current(): Generation {
    return this.#current;
  }

  /**
   * A generation whose device is not known to be lost: the current one, or the next.
   * Calls side by side get the same.
   * @throws BackendError when disposed of or failed; DeviceLostError, not retryable, when there is no next one
   */
  alive(): Promise<Generation> {
    const lost = this.#current;
    if (!this.recovers || !lost.device.lost) {
      try {
        lost.device.check();
        return Promise.resolve(lost);
      } catch (error) {
        return Promise.reject(error as Error);
      }
    }
    this.#opening ??= this.#next(lost).finally(() => (this.#opening = null));
    return this.#opening;
  }

  dispose(): void {
    this.#disposed = true;
    this.#current.device.destroy();
  }

  async #next(lost: Generation): Promise<Generation> {
    const why = reason(lost.device);
    let next: Generation | null = null;
    let cause: BackendError | null = null;
    for (const pause of TRIES) {
      if (pause > 0) await new Promise((resolve) => setTimeout(resolve, pause));
      if (this.#disposed) lost.device.check();
      try {
        next = await openGeneration(this.#options, this.timings, lost.number + 1, await anotherAdapter(this.#options));
        break;
      } catch (error) {
        if (!(error instanceof BackendError)) throw error;
        cause = error;
      }
    }
    if (next === null) throw new DeviceLostError(`${why}, and no other can be had: ${cause?.message}`, { retryable: false, hint: cause?.hint, cause });
    if (this.#disposed) {
      next.device.destroy();
      lost.device.check();
    }
    this.#current = next;
    this.#options.notice?.(`${why}; going on with a new one (${next.adapter.name})`);
    return next;
  }
}

async function openGeneration(options: ManagerOptions, timings: Timings | null, number: number, gpuAdapter: GPUAdapter): Promise<Generation> {
  const adapter = describeAdapter(gpuAdapter);
  if (options.softwareAllowed === false && adapter.software) {
    throw new BackendError(`WebGPU runs on the CPU here: the only adapter is ${adapter.name}`, { hint: 'Install the driver of a GPU, or use --backend webgpu to run on it all the same.' });
  }
  const device = await Device.open(gpuAdapter, { limits: options.limits, without: options.without, language: await wgslFeatures(options) });
  const memory = new Memory(device.gpu, options.memoryBudget);
  return { number, adapter, device, memory, pool: new BufferPool(device, memory, timings), pipelines: new Pipelines(device) };
}

/** An adapter gives one device, so that one that was handed in serves again only where its runtime allows it. */
function anotherAdapter(options: ManagerOptions): Promise<GPUAdapter> {
  return findAdapter(options.gpu === undefined ? options : { gpu: options.gpu });
}

function reason(device: Device): string {
  try {
    device.check();
    return 'WebGPU: the device was lost';
  } catch (error) {
    return message(error);
  }
}

/** What a backend says of its device. */
export function backendInfo({ adapter, device, memory, number }: Generation): BackendInfo {
  const { f16, subgroups, timestamps, packedDot, limits } = device.capabilities;
  const { budget } = memory.report();
  return {
    kind: 'webgpu',
    description: adapter.name,
    software: adapter.software,
    details: {
      vendor: adapter.vendor,
      architecture: adapter.architecture,
      device: adapter.device,
      generation: number,
      f16,
      subgroups: subgroups === null ? false : subgroups.min === subgroups.max ? subgroups.min : `${subgroups.min} to ${subgroups.max}`,
      timestamps,
      packedDot,
      ...limits,
      ...(budget === null ? {} : { memoryBudget: budget }),
    },
  };
}
