/** Node and Deno as hosts. Deno runs this through its own `node:` modules. */
import { readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { setFlagsFromString } from 'node:v8';
import type * as Ort from 'onnxruntime-web';
import { wasmFeatures } from '../engine/choose-backend.js';
import { detectRuntime } from '../gpu/adapter.js';
import type { Host } from './host.js';

/** @param root the repository's folder, as a `file:` URL */
export function nodeHost(root: string, say: (line: string) => void): Host {
  const { runtime, description } = detectRuntime();
  const deno = runtime === 'deno';
  const dist = new URL('node_modules/onnxruntime-web/dist/', root);
  return {
    runtime: deno ? 'deno' : 'node',
    description,
    cores: availableParallelism(),
    async ortWeb(build, threads) {
      if (build === 'webgpu') return (await import(new URL('ort.webgpu.min.mjs', dist).href)) as typeof Ort;
      if (deno && threads > 1) throw new Error('onnxruntime-web starts no threads in Deno');
      // Its build for Node is the one that starts threads there, but only one copy of that can be loaded.
      const file = threads > 1 ? 'ort.node.min.mjs' : 'ort.wasm.min.mjs';
      const ort = (await import(new URL(`${file}?threads=${threads}`, dist).href)) as typeof Ort;
      ort.env.wasm.numThreads = threads;
      if (threads === 1) {
        const wasm = new URL('ort-wasm-simd-threaded.wasm', dist);
        ort.env.wasm.wasmPaths = { mjs: new URL('ort-wasm-simd-threaded.mjs', dist).href, wasm: wasm.href };
        // Given, because Node's fetch reads no files.
        ort.env.wasm.wasmBinary = readFileSync(wasm);
      }
      return ort;
    },
    tfjsFolder: undefined,
    relaxedSimd() {
      if (wasmFeatures().relaxed_simd) return Promise.resolve(null);
      // Node 20 has it behind a flag, which V8 takes at run time too.
      if (!deno) setFlagsFromString('--experimental-wasm-relaxed-simd');
      return Promise.resolve("with V8's flag for relaxed SIMD, which Node 20 needs");
    },
    say,
  };
}
