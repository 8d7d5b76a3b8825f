/**
 * A training session on a device: the state lies there, and a step is one submission and one
 * readback of its figures. A device that is lost takes the state with it, which nothing here
 * can replay: the error says to resume from a checkpoint.
 */
import type { BackendInfo } from '../../engine/backend.js';
import { BackendError, DeviceLostError } from '../../engine/errors.js';
import { checkControls, checkTrainState } from '../../engine/train/checks.js';
import type { Objective, Optimizer, ParameterName } from '../../engine/train/objective.js';
import type { ForwardResult, Parameters, StepControls, StepResult, TrainSession, TrainState } from '../../engine/train/session.js';
import { Loan, write } from '../buffers.js';
import { backendInfo, type Generation } from '../manager.js';
import { NoRoomError } from '../memory.js';
import type { ForcedChoice } from '../decide/kernels.js';
import { forwardResult, type Left, stepResult } from './figures.js';
import { trainPipelines, type TrainPipelines } from './kernels.js';
import { auxiliaryFactor, type Call, factorsOf, Passes, type Products } from './passes.js';
import { DeviceState } from './parameters.js';
import { planTraining, SLOTS, TOTALS, type TrainPlan } from './plan.js';
import { Recording } from './recording.js';
import { Scratch, type ScratchName } from './scratch.js';
import { gradientOf, recordUpdate, recordVerdict } from './update.js';

type Mode = 'forward' | 'gradients' | 'step';

/** Scratch that begins at zero in every call. */
const CLEARED: readonly ScratchName[] = ['bins', 'fired', 'sums', 'totals', 'g_W_enc', 'g_W_dec', 'g_b_dec'];

export class GpuTrainSession implements TrainSession {
  readonly info: BackendInfo;
  readonly objective: Objective;
  readonly maxRows: number;
  readonly #optimizer: Optimizer;
  readonly #generation: Generation;
  readonly #plan: TrainPlan;
  readonly #pipelines: TrainPipelines;
  readonly #products: Products;
  readonly #state: DeviceState;
  readonly #scratch: Scratch;
  #disposed = false;

  static async start(generation: Generation, objective: Objective, optimizer: Optimizer, state: TrainState, kernels: ForcedChoice = {}): Promise<GpuTrainSession> {
    const { device, adapter, pipelines } = generation;
    const plan = planTraining(objective, device.limits, adapter.software);
    const storage = 'f32';
    const [own, registers, tiled, row] = await Promise.all([
      trainPipelines(device),
      pipelines.get('encode', { storage }),
      // Software adapters take seconds for a kernel that they are given by tests alone.
      adapter.software && kernels.core !== 'tiled' ? null : pipelines.get('tile', { storage }),
      pipelines.get('row', { storage }),
    ]);
    const parameters = new DeviceState(generation, objective, plan);
    try {
      await parameters.allocate();
      await parameters.write(state);
    } catch (error) {
      parameters.dispose();
      throw error;
    }
    return new GpuTrainSession(generation, objective, optimizer, plan, own, { registers, tiled: tiled ?? registers, row, forced: kernels }, parameters);
  }

  private constructor(generation: Generation, objective: Objective, optimizer: Optimizer, plan: TrainPlan, pipelines: TrainPipelines, products: Products, state: DeviceState) {
    this.info = backendInfo(generation);
    this.objective = objective;
    this.maxRows = plan.maxRows;
    this.#optimizer = optimizer;
    this.#generation = generation;
    this.#plan = plan;
    this.#pipelines = pipelines;
    this.#products = products;
    this.#state = state;
    this.#scratch = new Scratch(generation.memory, plan, objective.groups.length);
  }

  async step(x: Float32Array, rows: number, controls: StepControls): Promise<StepResult> {
    return this.#call('step', x, rows, controls, (left, dead) => stepResult(this.objective, this.#plan, rows, dead, controls, left));
  }

  async gradients(x: Float32Array, rows: number, controls: StepControls): Promise<{ result: StepResult; gradients: Parameters }> {
    return this.#call('gradients', x, rows, controls, (left, dead, gradients) => ({ result: stepResult(this.objective, this.#plan, rows, dead, controls, left), gradients }));
  }

  async forward(x: Float32Array, rows: number, controls: Pick<StepControls, 'k'>): Promise<ForwardResult> {
    return this.#call('forward', x, rows, controls, (left) => forwardResult(this.objective, this.#plan, rows, left));
  }

  read(): Promise<TrainState> {
    return this.#living(() => this.#state.read());
  }

  write(state: Partial<TrainState>): Promise<void> {
    return this.#living(() => {
      checkTrainState(this.objective, state);
      return this.#state.write(state);
    });
  }

  dispose(): void {
    if (this.#disposed) return;
    this.#disposed = true;
    this.#state.dispose();
    this.#scratch.dispose();
  }

  #call<T>(mode: Mode, x: Float32Array, rows: number, controls: StepControls | Pick<StepControls, 'k'>, use: (left: Left, dead: number, gradients: Parameters) => T): Promise<T> {
    return this.#living(async () => {
      checkControls(this.objective, rows, x, controls, this.maxRows);
      const { device, pool } = this.#generation;
      const loan = new Loan(pool, device.gpu.queue);
      const step = 'lr' in controls ? controls : null;
      const deadList = this.#uses && step !== null ? step.dead : null;
      const dead = deadList === null ? 0 : deadList.reduce((sum, value) => sum + (value === 0 ? 0 : 1), 0);
      const { result, valid } = device.scoped('a training step', () => {
        try {
          return this.#record(loan, mode, x, rows, controls.k, step, deadList, dead);
        } finally {
          loan.giveBack();
        }
      });
      return result.readback.read(valid, (mapped) => {
        const floats = (name: ScratchName): Float32Array => result.view(mapped, name);
        const fired = floats('fired');
        const left: Left = {
          figures: floats('figures'),
          rowDots: floats('rowDots'),
          fired: new Uint32Array(fired.buffer, fired.byteOffset, fired.length),
          totals: mode === 'forward' ? new Float32Array(TOTALS * 4) : floats('totals'),
          verdict: mode === 'forward' ? new Float32Array(4) : floats('verdict'),
        };
        return use(left, dead, mode === 'gradients' ? this.#gradients(floats) : {});
      });
    });
  }

  #record(loan: Loan, mode: Mode, x: Float32Array, rows: number, k: number, controls: StepControls | null, deadList: Uint8Array | null, dead: number) {
    const { device } = this.#generation;
    const { gpu } = device;
    const scratch = this.#scratch;
    scratch.reserve(rows);
    const call: Call = { objective: this.objective, plan: this.#plan, generation: this.#generation, state: this.#state, scratch, products: this.#products, rows, k, controls, dead };
    const queue = gpu.queue;
    write(queue, scratch.get('raw'), 0, x);
    write(queue, scratch.get('marks'), 0, this.#marks(deadList));
    write(queue, scratch.get('factors'), 0, Float32Array.from(factorsOf(call)));
    write(queue, scratch.get('auxiliaryFactor'), 0, Float32Array.of(auxiliaryFactor(call)));
    const names = this.#leaves(mode, rows);
    const readback = loan.readback(device, [...names.values()].reduce((sum, bytes) => sum + bytes, 0), 'training');
    const commands = gpu.createCommandEncoder({ label: 'training step' });
    for (const name of CLEARED) commands.clearBuffer(scratch.get(name));
    const recording = new Recording(gpu, this.#pipelines, commands.beginComputePass(readback.timed()), device.limits.maxComputeWorkgroupsPerDimension, scratch.get('uniforms'));
    const passes = new Passes(call, recording);
    passes.forward();
    if (mode === 'forward') passes.fire();
    else {
      passes.backward();
      const context = { recording, scratch, state: this.#state, plan: this.#plan, optimizer: this.#optimizer };
      recordVerdict(context);
      if (mode === 'step') recordUpdate(context, controls!);
    }
    recording.end();
    const places = new Map([...names].map(([name, bytes]) => [name, { at: readback.copy(commands, scratch.get(name), bytes), bytes }]));
    readback.submit(commands);
    const view = (mapped: ArrayBuffer, name: ScratchName): Float32Array => {
      const place = places.get(name);
      if (place === undefined) throw new TypeError(`${name} was not read back`);
      return new Float32Array(mapped, place.at, place.bytes / 4);
    };
    return { readback, view };
  }

  /** What a call reads back, in bytes. */
  #leaves(mode: Mode, rows: number): Map<ScratchName, number> {
    const { width, parts } = this.#plan;
    const leaves = new Map<ScratchName, number>([
      ['figures', rows * 32],
      ['rowDots', rows * this.objective.groups.length * parts * 4],
      ['fired', width * 4],
    ]);
    if (mode === 'forward') return leaves;
    leaves.set('totals', TOTALS * 16).set('verdict', 16);
    if (mode === 'gradients') {
      for (const name of ['W_enc', 'W_dec', 'b_dec'] as const) leaves.set(`g_${name}`, this.#state.bytesOf(name));
      leaves.set('sums', SLOTS * width * 4);
    }
    return leaves;
  }

  #gradients(floats: (name: ScratchName) => Float32Array): Parameters {
    const gradients: Partial<Record<ParameterName, Float32Array>> = {};
    for (const name of this.#state.names) {
      const { g } = gradientOf(name, this.#scratch, this.#plan);
      const values = 'buffer' in g ? floats('sums').subarray(g.offset / 4, (g.offset + g.size) / 4) : floats(name === 'W_enc' ? 'g_W_enc' : name === 'W_dec' ? 'g_W_dec' : 'g_b_dec');
      gradients[name] = this.#state.unpadded(name, values);
    }
    return gradients;
  }

  /** group << 1 | dead, by feature. */
  #marks(dead: Uint8Array | null): Uint32Array {
    const { groups } = this.objective;
    const marks = new Uint32Array(this.#plan.width);
    let group = 0;
    for (let i = 0; i < this.#plan.n; i++) {
      while (i >= groups[group]!) group++;
      marks[i] = (group << 1) | (dead !== null && dead[i] !== 0 ? 1 : 0);
    }
    return marks;
  }

  /** Whether the objective looks at dead features. */
  get #uses(): boolean {
    const { auxk, ghost, preActivationCoefficient } = this.objective;
    return auxk !== null || ghost || preActivationCoefficient > 0;
  }

  async #living<T>(work: () => T | Promise<T>): Promise<T> {
    if (this.#disposed) throw new BackendError('the training session was disposed of');
    try {
      this.#generation.device.check();
      return await work();
    } catch (error) {
      // What was allocated is worth nothing; fewer rows may fit.
      if (error instanceof NoRoomError) this.#scratch.dispose();
      if (!(error instanceof BackendError) || !(error instanceof DeviceLostError || (await this.#generation.device.isLost()))) throw error;
      throw new DeviceLostError(`${error.message}; the parameters that were trained on it are gone`, { retryable: false, hint: 'Resume from the last checkpoint (saekit train --resume).', cause: error });
    }
  }
}
