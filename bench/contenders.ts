/**
 * Who takes part: saekit's ways, and the peers that can be had here. A package
 * that is missing is said once, with what installs it, and its rows are left out.
 */
import type { Backend } from '../engine/backend.js';
import { wasmFeatures } from '../engine/choose-backend.js';
import { createWasmBackend } from '../engine/wasm/backend.js';
import { messageOf } from './contest.js';
import type { Host } from './host.js';
import { openOnnx } from './peers/onnx.js';
import type { Peer } from './peers/peer.js';
import { openPlain } from './peers/plain.js';
import { openSaekit } from './peers/saekit.js';

const VERSION = '1.30.0';

/** What to do about a package that cannot be imported. */
export const INSTALL = 'npm ci --prefix bench';

/** Opens a peer, or says why it takes no part. */
export async function tryOpen(name: string, host: Host, open: () => Promise<Peer | null>): Promise<Peer[]> {
  try {
    const peer = await open();
    if (peer !== null) return [peer];
    host.say(`  without ${name}: it is not installed here`);
  } catch (error) {
    const { code } = error as { code?: string };
    const missing = code === 'ERR_MODULE_NOT_FOUND' || /Cannot find (module|package)|Failed to resolve module/.test(messageOf(error));
    host.say(`  without ${name}: ${missing ? `the package is not installed; run \`${INSTALL}\`` : messageOf(error).split('\n')[0]}`);
  }
  return [];
}

export interface Ways {
  readonly screened?: boolean;
  readonly relaxed?: boolean;
  readonly threads?: readonly number[];
}

/** saekit on WASM: plain SIMD by threads first (the reference of every comparison), then screened, then relaxed. */
export async function openSubjects(host: Host, { screened = false, relaxed = false, threads = [1, 2] }: Ways): Promise<Peer[]> {
  const subjects: Peer[] = [];
  const wanted = threads.filter((count) => count === 1 || host.cores >= count);
  for (const count of wanted) {
    const backend = await createWasmBackend({ threads: count });
    if (backend.info.details.threads !== count) {
      host.say(`  without ${count} threads: ${String(backend.info.details.threadsReason)}`);
      await backend.dispose();
      continue;
    }
    subjects.push(openSaekit({ backend, name: 'saekit wasm', threads: count, load: { screen: 'off' } }));
    if (screened) subjects.push(openSaekit({ backend: kept(backend), name: 'saekit wasm screened', threads: count, load: { screen: 'on' } }));
  }
  if (relaxed) subjects.push(...(await openRelaxed(host, wanted)));
  return subjects;
}

async function openRelaxed(host: Host, threads: readonly number[]): Promise<Peer[]> {
  const subjects: Peer[] = [];
  const how = await host.relaxedSimd();
  if (!wasmFeatures().relaxed_simd) {
    host.say('  without relaxed SIMD: this runtime has none');
    return [];
  }
  for (const count of threads) {
    const backend = await createWasmBackend({ threads: count, relaxed: true } as Parameters<typeof createWasmBackend>[0]);
    if (backend.info.details.relaxed !== true || backend.info.details.threads !== count) {
      host.say(`  without relaxed SIMD on ${count} threads`);
      await backend.dispose();
      continue;
    }
    subjects.push(openSaekit({ backend, name: 'saekit wasm relaxed', threads: count, load: { screen: 'off' }, ...(how === null ? {} : { note: how }) }));
  }
  return subjects;
}

/** A second way on a backend that the first one disposes of. */
const kept = (backend: Backend): Backend => ({ info: backend.info, load: (sae, options) => backend.load(sae, options), dispose: () => Promise.resolve() });

/** Everybody else on the CPU, in the table's order. Opened before our ways: the flag for relaxed SIMD must not meet a peer that asks what there is. */
export async function openCpuPeers(host: Host): Promise<Peer[]> {
  const peers: Peer[] = [];
  for (const threads of [1, 2]) {
    if (threads > host.cores || (host.runtime === 'deno' && threads > 1)) continue;
    peers.push(...(await tryOpen(`onnxruntime-web, ${threads} threads`, host, async () => openOnnx({ ort: await host.ortWeb('wasm', threads), name: `onnxruntime-web ${VERSION} wasm`, provider: 'wasm', threads }))));
  }
  peers.push(...(await tryOpen('tfjs-backend-wasm', host, async () => (await import('./peers/tfjs.js')).openTfjsWasm(1, host.tfjsFolder))));
  if (host.runtime !== 'chromium') peers.push(...(await tryOpen('jax-js', host, async () => (await import('./peers/jax.js')).openJax('wasm', 1))));
  if (host.runtime === 'node') peers.push(...(await (await import('./contenders-node.js')).openNativePeers(host)));
  peers.push(openPlain());
  return peers;
}

export async function closeAll(peers: readonly Peer[]): Promise<void> {
  for (const peer of peers) await peer.dispose?.();
}
