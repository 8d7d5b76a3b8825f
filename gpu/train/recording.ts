/**
 * The commands of one call: kernels in the order in which they are asked for, in one pass,
 * their uniforms in one buffer that is written once.
 */
import { write } from '../buffers.js';
import type { TrainKernel, TrainPipelines } from './kernels.js';

/** WebGPU's largest alignment of a uniform's offset. */
const UNIFORM_BYTES = 256;
const THREADS = 64;

/** A buffer, or a part of one. */
export type Binding = GPUBuffer | { readonly buffer: GPUBuffer; readonly offset: number; readonly size: number };

export class Recording {
  readonly #gpu: GPUDevice;
  readonly #pipelines: TrainPipelines;
  readonly #pass: GPUComputePassEncoder;
  readonly #limit: number;
  readonly #uniforms: GPUBuffer;
  readonly #words: Uint32Array;
  /** Where words that were asked for before lie. */
  readonly #places = new Map<string, number>();

  /**
   * @param limit workgroups in one dimension
   * @param uniforms for as many different uniforms as there is room for
   */
  constructor(gpu: GPUDevice, pipelines: TrainPipelines, pass: GPUComputePassEncoder, limit: number, uniforms: GPUBuffer) {
    this.#gpu = gpu;
    this.#pipelines = pipelines;
    this.#pass = pass;
    this.#limit = limit;
    this.#uniforms = uniforms;
    this.#words = new Uint32Array(uniforms.size / 4);
  }

  /** Threads, of workgroups of 64, each for one of `count` things. */
  run(kernel: TrainKernel, words: readonly number[] | null, buffers: readonly Binding[], count: number): void {
    this.groups(kernel, words, buffers, Math.ceil(count / THREADS));
  }

  /** So many workgroups, in two dimensions where one has no room. */
  groups(kernel: TrainKernel, words: readonly number[] | null, buffers: readonly Binding[], groups: number): void {
    const x = Math.min(groups, this.#limit);
    this.dispatch(this.#pipelines[kernel], words, buffers, [x, Math.ceil(groups / x)]);
  }

  dispatch(pipeline: GPUComputePipeline, words: readonly number[] | null, buffers: readonly Binding[], [x, y]: readonly [number, number]): void {
    const bindings = [...(words === null ? [] : [this.#uniform(words)]), ...buffers];
    this.#pass.setPipeline(pipeline);
    this.#pass.setBindGroup(
      0,
      this.#gpu.createBindGroup({
        layout: pipeline.getBindGroupLayout(0),
        entries: bindings.map((resource, binding) => ({ binding, resource: 'buffer' in resource ? resource : { buffer: resource } })),
      }),
    );
    this.#pass.dispatchWorkgroups(x, y);
  }

  /** Ends the pass, and writes the uniforms, which must be before the commands are submitted. */
  end(): void {
    this.#pass.end();
    const used = this.#places.size * UNIFORM_BYTES;
    if (used > 0) write(this.#gpu.queue, this.#uniforms, 0, this.#words.subarray(0, used / 4));
  }

  #uniform(words: readonly number[]): Binding {
    const key = words.join();
    let offset = this.#places.get(key);
    if (offset === undefined) {
      offset = this.#places.size * UNIFORM_BYTES;
      if (offset + UNIFORM_BYTES > this.#uniforms.size) throw new RangeError(`more than ${this.#places.size} uniforms in one recording`);
      this.#places.set(key, offset);
      this.#words.set(words, offset / 4);
    }
    return { buffer: this.#uniforms, offset, size: Math.ceil(words.length / 4) * 16 };
  }
}

/** Uniforms that a step over so many chunks may need: some for each chunk of each of four passes, and some for all. */
export function uniformBytes(chunks: number): number {
  return (256 + 16 * chunks) * UNIFORM_BYTES;
}
