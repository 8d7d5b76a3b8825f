/**
 * Parameters, moments and gradients on the device. Matrices are padded to `width` rows of
 * `quads` vec4 with zeros, which stay zero: their gradients are.
 */
import { parametersOf, sizeOf, type Objective, type ParameterName } from '../../engine/train/objective.js';
import type { Parameters, TrainState } from '../../engine/train/session.js';
import { Loan, write } from '../buffers.js';
import { Usage } from '../device.js';
import type { Generation } from '../manager.js';
import type { TrainPlan } from './plan.js';

const PARTS = ['parameters', 'm', 'v'] as const;

export class DeviceState {
  readonly names: readonly ParameterName[];
  readonly #objective: Objective;
  readonly #plan: TrainPlan;
  readonly #generation: Generation;
  readonly #buffers = new Map<string, GPUBuffer>();

  constructor(generation: Generation, objective: Objective, plan: TrainPlan) {
    this.names = parametersOf(objective);
    this.#objective = objective;
    this.#plan = plan;
    this.#generation = generation;
  }

  /** @throws NoRoomError, or BackendError where the device has no memory for it */
  async allocate(): Promise<void> {
    const { device, memory } = this.#generation;
    const { valid } = device.scoped('weights for training', () => {
      for (const name of this.names) {
        for (const part of PARTS) this.#buffers.set(`${part} ${name}`, memory.create('weights', this.bytesOf(name), Usage.STORAGE | Usage.COPY_SRC | Usage.COPY_DST, `${part} ${name}`));
      }
    });
    await valid;
  }

  /** What a parameter takes: [width, quads] vec4, [quads] vec4, or [width] f32. */
  bytesOf(name: ParameterName): number {
    const { width, quads } = this.#plan;
    if (name === 'W_enc' || name === 'W_dec') return width * quads * 16;
    return name === 'b_dec' ? quads * 16 : width * 4;
  }

  get(part: (typeof PARTS)[number], name: ParameterName): GPUBuffer {
    const buffer = this.#buffers.get(`${part} ${name}`);
    if (buffer === undefined) throw new TypeError(`no ${part} of ${name}`);
    return buffer;
  }

  has(name: ParameterName): boolean {
    return this.#buffers.has(`parameters ${name}`);
  }

  /** What `state` leaves out stays. */
  async write(state: Partial<TrainState>): Promise<void> {
    const { device } = this.#generation;
    const { valid } = device.scoped('upload of a training state', () => {
      for (const part of PARTS) {
        for (const name of this.names) {
          const values = state[part]?.[name];
          if (values !== undefined) write(device.gpu.queue, this.get(part, name), 0, this.#padded(name, values));
        }
      }
    });
    await valid;
  }

  async read(): Promise<TrainState> {
    const state: Partial<Record<(typeof PARTS)[number], Parameters>> = {};
    for (const part of PARTS) {
      const arrays: Partial<Record<ParameterName, Float32Array>> = {};
      for (const name of this.names) arrays[name] = await this.#download(name, this.get(part, name));
      state[part] = arrays;
    }
    return state as TrainState;
  }

  /** A parameter's values from memory that is laid out as the device has it. */
  unpadded(name: ParameterName, values: Float32Array): Float32Array {
    const { d, quads } = this.#plan;
    const size = sizeOf(this.#objective, name);
    const rows = size / d;
    if (!name.startsWith('W') || d === quads * 4) return values.slice(0, size);
    const out = new Float32Array(size);
    for (let i = 0; i < rows; i++) out.set(values.subarray(i * quads * 4, i * quads * 4 + d), i * d);
    return out;
  }

  dispose(): void {
    for (const buffer of this.#buffers.values()) this.#generation.memory.destroy('weights', buffer);
    this.#buffers.clear();
  }

  #padded(name: ParameterName, values: Float32Array): Float32Array {
    const { d, n, quads } = this.#plan;
    const out = new Float32Array(this.bytesOf(name) / 4);
    if (!name.startsWith('W') || d === quads * 4) out.set(values);
    else for (let i = 0; i < n; i++) out.set(values.subarray(i * d, (i + 1) * d), i * quads * 4);
    return out;
  }

  async #download(name: ParameterName, buffer: GPUBuffer): Promise<Float32Array> {
    const { device, pool } = this.#generation;
    const bytes = this.bytesOf(name);
    const loan = new Loan(pool, device.gpu.queue);
    const { result, valid } = device.scoped('training state', () => {
      try {
        const readback = loan.readback(device, bytes, 'training state');
        const commands = device.gpu.createCommandEncoder();
        readback.copy(commands, buffer, bytes);
        readback.submit(commands);
        return readback;
      } finally {
        loan.giveBack();
      }
    });
    return result.read(valid, (mapped) => this.unpadded(name, new Float32Array(mapped, 0, bytes / 4)));
  }
}
