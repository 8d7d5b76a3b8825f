/** Training on WASM: `TrainBackend` over the AssemblyScript kernels of assembly/train/. */
import type { BackendInfo } from '../../backend.js';
import { BackendError } from '../../errors.js';
import { checkObjective, checkOptimizer, checkTrainState } from '../../train/checks.js';
import type { Objective, Optimizer } from '../../train/objective.js';
import type { TrainBackend, TrainSession, TrainState } from '../../train/session.js';
import type { KernelModule } from '../loader.js';
import { compileTrainKernels, type TrainKernels } from './kernels.js';
import { WasmTrainSession } from './session.js';

export interface WasmTrainOptions {
  /** Relaxed SIMD where the runtime has it: faster, in other last bits (docs/decisions/0010-relaxed-simd.md). Default false. */
  readonly relaxed?: boolean | undefined;
}

/** @throws BackendError when WebAssembly, its SIMD or the page's permission is missing */
export async function createWasmTrainBackend({ relaxed = false }: WasmTrainOptions = {}): Promise<TrainBackend> {
  let kind: KernelModule = 'plain';
  let module: WebAssembly.Module | null = null;
  let relaxedReason: string | undefined;
  if (relaxed) {
    try {
      module = await compileTrainKernels('relaxed');
      kind = 'relaxed';
    } catch (error) {
      relaxedReason = error instanceof Error ? error.message : String(error);
    }
  }
  const compiled = module ?? (await compileTrainKernels('plain'));
  const info: BackendInfo = {
    kind: 'wasm',
    description: `WASM ${kind === 'relaxed' ? 'relaxed ' : ''}SIMD, 1 thread`,
    software: true,
    details: { simd: true, relaxed: kind === 'relaxed', ...(relaxedReason === undefined ? {} : { relaxedReason }) },
  };
  let disposed = false;
  return {
    info,
    async start(objective: Objective, optimizer: Optimizer, state: TrainState): Promise<TrainSession> {
      if (disposed) throw new BackendError('the training backend was disposed of');
      checkObjective(objective);
      checkOptimizer(objective, optimizer);
      checkTrainState(objective, state, true);
      const kernels = new WebAssembly.Instance(compiled, {}).exports as unknown as TrainKernels;
      return new WasmTrainSession(info, kernels, objective, optimizer, state);
    },
    dispose() {
      disposed = true;
      return Promise.resolve();
    },
  };
}
