/** Runs inside a framed page with a policy of its own, and tells its parent how the WASM backend fared there. */
import { createWasmBackend } from '../../engine/wasm/backend.js';

export interface WasmProbe {
  readonly threads: number;
  readonly reason: string;
  readonly error: string;
  readonly hint: string;
}

const result = await createWasmBackend({ threads: 2 }).then(
  ({ info }) => ({ threads: Number(info.details.threads), reason: String(info.details.threadsReason ?? ''), error: '', hint: '' }),
  (error: Error & { hint?: string }) => ({ threads: 0, reason: '', error: `${error.name}: ${error.message}`, hint: error.hint ?? '' }),
);
parent.postMessage(result satisfies WasmProbe, '*');
