/** Runs inside a framed page with a policy of its own, and tells its parent how the WASM backend fared there. */
import { createWasmBackend } from '../../engine/wasm/backend.js';
import { makeSae, randomRows } from '../shared/oracle.js';

export interface WasmProbe {
  readonly threads: number;
  readonly reason: string;
  readonly isolated: boolean;
  readonly sharedMemory: boolean;
  readonly sharedReason: string;
  /** Of a batch that is large enough to be split: features and the bits of values. */
  readonly codes: string;
  readonly error: string;
  readonly hint: string;
}

async function fare(): Promise<WasmProbe> {
  const backend = await createWasmBackend({ threads: 2 });
  const { threads, threadsReason, sharedMemory, sharedReason } = backend.info.details;
  const loaded = await backend.load(makeSae({ architecture: 'topk', d_in: 67, d_sae: 1001, k: 11, seed: 5 }));
  const { features, values } = await loaded.encode(randomRows(601, 67, 6), 601);
  const codes = `${features.join()} ${new Uint32Array(values.buffer).join()}`;
  await backend.dispose();
  return { threads: Number(threads), reason: String(threadsReason ?? ''), isolated: crossOriginIsolated, sharedMemory: sharedMemory === true, sharedReason: String(sharedReason ?? ''), codes, error: '', hint: '' };
}

const none = { threads: 0, reason: '', isolated: crossOriginIsolated, sharedMemory: false, sharedReason: '', codes: '' };
const result = await fare().catch((error: Error & { hint?: string }) => ({ ...none, error: `${error.name}: ${error.message}`, hint: error.hint ?? '' }));
parent.postMessage(result satisfies WasmProbe, '*');
