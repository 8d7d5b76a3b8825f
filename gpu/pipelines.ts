/**
 * Compute pipelines of one device, each compiled once: a second request while
 * the first is under way waits for it. Bind group layouts are WebGPU's
 * automatic ones, taken from the WGSL.
 */
import { BackendError } from '../engine/errors.js';
import { type Device, message } from './device.js';
import { kernels, type KernelName } from './kernels.js';

export class Pipelines {
  readonly #device: Device;
  readonly #compiled = new Map<KernelName, Promise<GPUComputePipeline>>();

  constructor(device: Device) {
    this.#device = device;
  }

  /** @throws BackendError with the WGSL compiler's messages and lines */
  get(name: KernelName): Promise<GPUComputePipeline> {
    let pipeline = this.#compiled.get(name);
    if (pipeline === undefined) {
      pipeline = compile(this.#device, name, kernels[name]);
      this.#compiled.set(name, pipeline);
      // A failure is not kept: the next request tries again and gets its own error.
      pipeline.catch(() => this.#compiled.delete(name));
    }
    return pipeline;
  }

  /** Several at once, compiled side by side. */
  async all<K extends KernelName>(names: readonly K[]): Promise<Record<K, GPUComputePipeline>> {
    const pipelines = await Promise.all(names.map(async (name) => [name, await this.get(name)] as const));
    return Object.fromEntries(pipelines) as Record<K, GPUComputePipeline>;
  }
}

/**
 * Compiles a WGSL module with one compute entry point.
 * @throws BackendError: `encode.wgsl:12:7: unresolved value 'q'` and the line, for every message
 */
export async function compile(device: Device, name: string, code: string): Promise<GPUComputePipeline> {
  const { result: module, valid } = device.scoped(`${name}.wgsl`, () => device.gpu.createShaderModule({ label: name, code }));
  const { messages } = await device.guard(module.getCompilationInfo());
  const errors = messages.filter(({ type }) => type === 'error');
  if (errors.length > 0) {
    const lines = code.split('\n');
    const text = errors.map((error) => `${name}.wgsl:${error.lineNum}:${error.linePos}: ${error.message}\n    ${(lines[error.lineNum - 1] ?? '').trim()}`);
    throw new BackendError(`WebGPU: the device's WGSL compiler refuses ${name}.wgsl\n${text.join('\n')}`, { hint: 'Please report this with the output of `saekit doctor`; --backend wasm works without.' });
  }
  await valid;
  try {
    return await device.guard(device.gpu.createComputePipelineAsync({ label: name, layout: 'auto', compute: { module } }));
  } catch (cause) {
    if (!(cause instanceof BackendError)) throw cause;
    throw new BackendError(`WebGPU: no pipeline for ${name}.wgsl: ${message(cause)}`, { hint: cause.hint, cause });
  }
}
