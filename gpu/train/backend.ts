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
import { backendInfo, DeviceManager, type ManagerOptions } from '../manager.js';
import { GpuTrainSession } from './session.js';

export type WebGpuTrainOptions = ManagerOptions;

/**
 * Opens a device.
 * @throws BackendError when the runtime has no WebGPU, the machine has no adapter, or it is
 *   a software one and those are not allowed; the hint says what to do
 */
export async function createWebGpuTrainBackend(options: WebGpuTrainOptions = {}): Promise<TrainBackend> {
  return new WebGpuTrainBackend(await DeviceManager.open(options));
}

class WebGpuTrainBackend implements TrainBackend {
  readonly #manager: DeviceManager;

  constructor(manager: DeviceManager) {
    this.#manager = manager;
  }

  get info(): BackendInfo {
    return backendInfo(this.#manager.current);
  }

  async start(objective: Objective, optimizer: Optimizer, state: TrainState): Promise<GpuTrainSession> {
    checkObjective(objective);
    checkOptimizer(objective, optimizer);
    checkTrainState(objective, state, true);
    return GpuTrainSession.start(await this.#manager.alive(), objective, optimizer, state);
  }

  dispose(): Promise<void> {
    this.#manager.dispose();
    return Promise.resolve();
  }
}
