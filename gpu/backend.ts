/**
 * The WebGPU backend: the `Backend` contract over the WGSL kernels.
 *
 *   adapter.ts     which GPU, and is it one
 *   device.ts      its end: lost, failed, disposed of
 *   decide.ts      how the problem is cut to its limits
 *   encoder.ts     encode        decoder.ts  decode
 *
 * Codes do not depend on the batch a row came in. A device that is lost rejects
 * what waits and every later call with a BackendError; the run then goes on
 * with another backend.
 */
import type { Backend, BackendInfo, LoadedSae } from '../engine/backend.js';
import { checkSae } from '../engine/checks.js';
import type { SparseCodes } from '../engine/codes.js';
import { BackendError } from '../engine/errors.js';
import type { Sae } from '../engine/sae.js';
import { type AdapterChoice, type AdapterDescription, describeAdapter, findAdapter } from './adapter.js';
import { BufferPool } from './buffers.js';
import { decide, type Plan, type PlanLimits } from './decide.js';
import { Decoder } from './decoder.js';
import { Device } from './device.js';
import { encodePipelines } from './dispatch.js';
import { Encoder } from './encoder.js';
import { Pipelines } from './pipelines.js';
import { Weights } from './weights.js';

export interface WebGpuOptions extends AdapterChoice {
  /** Plan with less than the device has: bytes a binding, bytes a buffer, workgroups a dimension. */
  readonly limits?: Partial<PlanLimits> | undefined;
  /** False: refuse SwiftShader, lavapipe and WARP. Default true. */
  readonly softwareAllowed?: boolean | undefined;
}

/** Bounds what a batch takes in host memory, as in the WASM backend. */
const MAX_ROWS = 65_536;

/**
 * Opens a device.
 * @throws BackendError when the runtime has no WebGPU, the machine has no adapter, or it is
 *   a software one and those are not allowed; the hint says what to do
 */
export async function createWebGpuBackend(options: WebGpuOptions = {}): Promise<Backend> {
  const adapter = await findAdapter(options);
  const description = describeAdapter(adapter);
  if (options.softwareAllowed === false && description.software) {
    throw new BackendError(`WebGPU runs on the CPU here: the only adapter is ${description.name}`, { hint: 'Install the driver of a GPU, or use --backend webgpu to run on it all the same.' });
  }
  return new WebGpuBackend(await Device.open(adapter, { limits: options.limits }), description);
}

class WebGpuBackend implements Backend {
  readonly info: BackendInfo;
  readonly #device: Device;
  readonly #pool: BufferPool;
  readonly #pipelines: Pipelines;

  constructor(device: Device, adapter: AdapterDescription) {
    this.#device = device;
    this.#pool = new BufferPool(device);
    this.#pipelines = new Pipelines(device);
    this.info = {
      kind: 'webgpu',
      description: adapter.name,
      software: adapter.software,
      details: {
        vendor: adapter.vendor,
        architecture: adapter.architecture,
        device: adapter.device,
        maxStorageBufferBindingSize: device.limits.maxStorageBufferBindingSize,
        maxBufferSize: device.limits.maxBufferSize,
      },
    };
  }

  async load(sae: Sae, options: CallOptions = {}): Promise<LoadedSae> {
    const { signal } = options;
    signal?.throwIfAborted();
    this.#device.check();
    checkSae(sae);
    const plan = decide(sae, this.#device.limits, { software: this.info.software });
    const { result: weights, valid } = this.#device.scoped('the weights', () => new Weights(this.#device, sae, plan));
    try {
      const [pipelines, decode] = await Promise.all([encodePipelines(this.#pipelines, sae.architecture), this.#pipelines.get('decode'), valid]);
      signal?.throwIfAborted();
      const encoder = new Encoder(this.#device, this.#pool, pipelines, plan.encode, weights.encode, sae);
      const decoder = new Decoder(this.#device, this.#pool, decode, plan.decode, weights, sae);
      return new LoadedGpuSae(this.#device, encoder, decoder, weights, plan);
    } catch (error) {
      weights.destroy();
      throw error;
    }
  }

  dispose(): Promise<void> {
    this.#device.destroy();
    return Promise.resolve();
  }
}

type CallOptions = { signal?: AbortSignal | undefined };

class LoadedGpuSae implements LoadedSae {
  readonly maxRows = MAX_ROWS;
  /** How the SAE was cut, for tests. */
  readonly plan: Plan;
  readonly #device: Device;
  readonly #encoder: Encoder;
  readonly #decoder: Decoder;
  readonly #weights: Weights;
  #disposed = false;

  constructor(device: Device, encoder: Encoder, decoder: Decoder, weights: Weights, plan: Plan) {
    this.plan = plan;
    this.#device = device;
    this.#encoder = encoder;
    this.#decoder = decoder;
    this.#weights = weights;
  }

  async encode(xbar: Float32Array, rows: number, options: CallOptions = {}): Promise<SparseCodes> {
    this.#check(options.signal);
    return this.#encoder.encode(xbar, rows, this.maxRows, options.signal);
  }

  async decode(codes: SparseCodes, options: CallOptions = {}): Promise<Float32Array> {
    this.#check(options.signal);
    return this.#decoder.decode(codes, options.signal);
  }

  dispose(): void {
    if (this.#disposed) return;
    this.#disposed = true;
    this.#weights.destroy();
  }

  #check(signal: AbortSignal | undefined): void {
    if (this.#disposed) throw new BackendError('the SAE was disposed of');
    this.#device.check();
    signal?.throwIfAborted();
  }
}
