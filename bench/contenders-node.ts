/** Native peers, and C compiled to WebAssembly: no rivals on the web, but they say what the machine can do. */
import { tryOpen } from './contenders.js';
import type { Host } from './host.js';
import { openNumpy } from './peers/numpy-node.js';
import { openOnnx } from './peers/onnx.js';
import type { Peer } from './peers/peer.js';
import type * as Ort from 'onnxruntime-web';

export async function openNativePeers(host: Host): Promise<Peer[]> {
  const peers: Peer[] = [];
  for (const threads of [1, 2].filter((count) => count <= host.cores)) {
    peers.push(
      ...(await tryOpen('onnxruntime-node', host, async () => {
        const module = (await import('onnxruntime-node-native')) as unknown as { default: typeof Ort };
        return openOnnx({ ort: module.default, name: `onnxruntime-node ${module.default.env.versions.common}`, provider: 'cpu', threads });
      })),
    );
  }
  for (const threads of [1, 2].filter((count) => count <= host.cores)) peers.push(...(await tryOpen('numpy', host, () => openNumpy(threads))));
  peers.push(...(await tryOpen('C by clang', host, async () => (await import('./peers/clang-node.js')).openClang())));
  return peers;
}
