/**
 * Which backend trains: by the rule of choose-backend.ts, `auto` takes WebGPU where it
 * is a real GPU and else the WASM kernels, and says why. Each is loaded when it is wanted.
 */
import { openChosen, type BackendChoice } from './choose-backend.js';
import type { TrainBackend } from './train/session.js';

export interface ChooseTrainOptions {
  readonly backend: BackendChoice;
  /** WASM: relaxed SIMD where the runtime has it; faster, in other last bits. Default false. */
  readonly relaxed?: boolean | undefined;
  /** A line for the person who trains: which backend, where it is not the one they may expect; a GPU that was lost and replaced. */
  readonly notice?: ((message: string) => void) | undefined;
}

/**
 * @throws BackendError when the backend that was asked for cannot be had, or under `auto`
 *   when none can; its hint says what to do in this runtime
 */
export function chooseTrainBackend({ backend, relaxed, notice = () => undefined }: ChooseTrainOptions): Promise<TrainBackend> {
  return openChosen(
    backend,
    notice,
    async (softwareAllowed) => {
      const { createWebGpuTrainBackend } = await import('../gpu/train/backend.js');
      return createWebGpuTrainBackend({ softwareAllowed, notice });
    },
    async () => {
      const { createWasmTrainBackend } = await import('./wasm/train/backend.js');
      const wasm = await createWasmTrainBackend({ relaxed });
      const { relaxedReason } = wasm.info.details;
      if (relaxedReason !== undefined) notice(`WASM trains without relaxed SIMD: ${relaxedReason}`);
      return wasm;
    },
  );
}
