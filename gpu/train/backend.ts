/**
 * Training on WebGPU: engine/train/session.ts over WGSL kernels of its own, and the products of
 * the analysis. A backend outlives its device; a session does not.
 *
 *   plan.ts        how the problem is cut to the device's limits
 *   parameters.ts  what lies on the device        scratch.ts  what kernels leave to each other
 *   passes.ts      from rows to gradients         update.ts   from gradients to parameters
 *   figures.ts     what the host makes of a step's readback
 */
import type { BackendInfo } from '../../engine/backend.js';
import { checkObjective, checkOptimizer, checkTrainState } from '../../engine/train/checks.js';
import type { Objective, Optimizer } from '../../engine/train/objective.js';
import type { TrainBackend, TrainState } from '../../engine/train/session.js';
import type { ForcedChoice } from '../decide/kernels.js';
import { backendInfo, DeviceManager, type ManagerOptions } from '../manager.js';
import { GpuTrainSession } from './session.js';

export interface WebGpuTrainOptions extends ManagerOptions {
  /** For tests: the product that is to be chosen, where it is right and fits the device. */
  readonly kernels?: ForcedChoice | undefined;
}

/**
 * Opens a device.
 * @throws BackendError when the runtime has no WebGPU, the machine has no adapter, or it is
 *   a software one and those are not allowed; the hint says what to do
 */
export async function createWebGpuTrainBackend(options: WebGpuTrainOptions = {}): Promise<TrainBackend> {
  return new WebGpuTrainBackend(await DeviceManager.open(options), options.kernels);
}

class WebGpuTrainBackend implements TrainBackend {
  readonly #manager: DeviceManager;
  readonly #kernels: ForcedChoice | undefined;

  constructor(manager: DeviceManager, kernels: ForcedChoice | undefined) {
    this.#manager = manager;
    this.#kernels = kernels;
  }

  get info(): BackendInfo {
    return backendInfo(this.#manager.current);
  }

  async start(objective: Objective, optimizer: Optimizer, state: TrainState): Promise<GpuTrainSession> {
    checkObjective(objective);
    checkOptimizer(objective, optimizer);
    checkTrainState(objective, state, true);
    return GpuTrainSession.start(await this.#manager.alive(), objective, optimizer, state, this.#kernels);
  }

  dispose(): Promise<void> {
    this.#manager.dispose();
    return Promise.resolve();
  }
}
