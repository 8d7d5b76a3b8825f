/** The benchmarks in a page: bundled, served by bench/runtimes.ts, and called by it. */
import type * as Ort from 'onnxruntime-web';
import { wasmFeatures } from '../engine/choose-backend.js';
import type { Host } from './host.js';
import type { Row } from './rows.js';
import { suites } from './suites/index.js';
import { adapterDescription } from './suites/webgpu.js';

/** Where the server has the packages. */
const ORT = '/ort/';
const TFJS = '/tfjs/';

const host: Host = {
  runtime: 'chromium',
  description: `Chromium ${/Chrom\w+\/([\d.]+)/.exec(navigator.userAgent)?.[1] ?? navigator.userAgent}`,
  cores: navigator.hardwareConcurrency,
  async ortWeb(build, threads) {
    if (threads > 1 && !crossOriginIsolated) throw new Error('the page is not isolated, so it has no shared memory');
    const ort = (await import(new URL(`${ORT}ort.${build}.min.mjs?threads=${threads}`, location.href).href)) as typeof Ort;
    ort.env.wasm.numThreads = threads;
    ort.env.wasm.wasmPaths = new URL(ORT, location.href).href;
    return ort;
  },
  tfjsFolder: TFJS,
  relaxedSimd: () => Promise.resolve(null),
  say: (line) => console.log(line),
};

export interface PageResult {
  readonly rows: readonly Row[];
  readonly description: string;
  readonly adapter: string | null;
}

async function benchmark(names: readonly string[], quick: boolean): Promise<PageResult> {
  if (!wasmFeatures().simd) throw new Error('this browser has no WASM SIMD');
  const rows: Row[] = [];
  for (const suite of suites) if (names.includes(suite.name)) rows.push(...(await suite.run(host, { quick })));
  const adapter = names.includes('webgpu') ? (await adapterDescription()).name : null;
  return { rows, description: host.description, adapter };
}

Object.assign(globalThis, { benchmark });
