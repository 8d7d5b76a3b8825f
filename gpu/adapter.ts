/**
 * Finding a GPU: `navigator.gpu` in pages, workers and Deno; in Node the
 * optional npm package `webgpu` (Dawn). And telling hardware from software:
 * SwiftShader, lavapipe and WARP are WebGPU adapters too, on which the WASM
 * backend is the faster one.
 */
import { BackendError } from '../engine/errors.js';

export interface AdapterChoice {
  /** Instead of the runtime's own. */
  readonly gpu?: GPU | undefined;
  /** Instead of asking `gpu` for one. */
  readonly adapter?: GPUAdapter | undefined;
}

export type Runtime = 'browser' | 'deno' | 'node';

export interface RuntimeInfo {
  readonly runtime: Runtime;
  /** `Node 20.20.2`, `Deno 2.9.5`, the browser's user agent. */
  readonly description: string;
}

/** Plain description of an adapter. */
export interface AdapterDescription {
  /** For people: `SwiftShader driver 5.0.0 (google)`. */
  readonly name: string;
  readonly vendor: string;
  readonly architecture: string;
  readonly device: string;
  /** True where the arithmetic runs on the CPU after all. */
  readonly software: boolean;
}

interface Globals {
  Deno?: { version?: { deno: string } };
  process?: { versions?: { node?: string }; version?: string };
  navigator?: Navigator;
}

/** Where this code runs. Deno has a `process` too, so it is asked first. */
export function detectRuntime(): RuntimeInfo {
  const { Deno, process, navigator } = globalThis as unknown as Globals;
  if (Deno?.version !== undefined) return { runtime: 'deno', description: `Deno ${Deno.version.deno}` };
  if (process?.versions?.node !== undefined) return { runtime: 'node', description: `Node ${process.versions.node}` };
  return { runtime: 'browser', description: navigator?.userAgent ?? 'unknown' };
}

/** In a sentence: what a browser calls itself is a line of its forebears' names. */
const named = (runtime: RuntimeInfo['runtime'], description: string): string => (runtime === 'browser' ? 'This browser' : description);

const DRIVER = 'Install the driver of the GPU (on Linux its Vulkan driver)';

/** What to do in a runtime that lacks WebGPU itself, or an adapter. */
export function remedy(runtime: Runtime, missing: 'webgpu' | 'adapter'): string {
  switch (runtime) {
    case 'deno':
      return missing === 'webgpu' ? 'Update Deno: 2 has WebGPU built in; or use --backend wasm.' : `${DRIVER}; or use --backend wasm.`;
    case 'node':
      return missing === 'webgpu' ? 'Run `npm install webgpu`; or run under Deno, which has WebGPU built in; or use --backend wasm.' : `${DRIVER}; or use --backend wasm.`;
    case 'browser':
      return missing === 'webgpu'
        ? 'Use a browser with WebGPU (Chrome or Edge 113, Firefox 141, Safari 26, or newer) and open the page by https: or from localhost.'
        : `${DRIVER}. Chromium on Linux may need --enable-unsafe-webgpu --enable-features=Vulkan; chrome://gpu says why there is none.`;
  }
}

/** Dawn's instance must stay referenced, or its devices end; one is enough for a process. It does not keep the process alive. */
let dawn: Promise<GPU> | undefined;

/**
 * The runtime's WebGPU.
 * @throws BackendError saying what is missing and what to do
 */
export async function findGpu(): Promise<GPU> {
  const { navigator } = globalThis as unknown as Globals;
  const built = navigator?.gpu as GPU | undefined;
  if (built) return built;
  const { runtime, description } = detectRuntime();
  if (runtime !== 'node') throw new BackendError(`${named(runtime, description)} has no WebGPU`, { hint: remedy(runtime, 'webgpu') });
  dawn ??= startDawn().catch((cause: unknown) => {
    dawn = undefined;
    throw new BackendError('Node has no WebGPU of its own, and the npm package `webgpu` cannot be loaded', { hint: remedy('node', 'webgpu'), cause });
  });
  return dawn;
}

async function startDawn(): Promise<GPU> {
  // Optional, so no bundler and no type checker must look for it.
  const name = 'webgpu';
  const { create } = (await import(/* @vite-ignore */ /* webpackIgnore: true */ name)) as { create(flags: string[]): GPU };
  return create([]);
}

/**
 * An adapter, the fast one where there are two.
 * @throws BackendError when the machine has none
 */
export async function findAdapter(choice: AdapterChoice = {}): Promise<GPUAdapter> {
  if (choice.adapter !== undefined) return choice.adapter;
  const gpu = choice.gpu ?? (await findGpu());
  const { runtime, description } = detectRuntime();
  let adapter: GPUAdapter | null;
  try {
    adapter = await gpu.requestAdapter({ powerPreference: 'high-performance' });
  } catch (cause) {
    throw new BackendError(`${named(runtime, description)}: WebGPU gave no adapter`, { hint: remedy(runtime, 'adapter'), cause });
  }
  if (adapter === null) throw new BackendError(`${named(runtime, description)}: WebGPU is there, but it finds no adapter (no GPU, or no driver for it)`, { hint: remedy(runtime, 'adapter') });
  return adapter;
}

/** WGSL's optional features in this runtime; they belong to no adapter. Empty where the runtime does not tell. */
export async function wgslFeatures(choice: AdapterChoice = {}): Promise<ReadonlySet<string>> {
  const { navigator } = globalThis as unknown as Globals;
  const here = choice.gpu ?? (navigator?.gpu as GPU | undefined);
  // An adapter that was handed in needs no search for its runtime.
  const gpu: Partial<GPU> = here ?? (choice.adapter === undefined ? await findGpu() : {});
  return new Set(gpu.wgslLanguageFeatures ?? []);
}

const SOFTWARE = /swiftshader|llvmpipe|lavapipe|softpipe|basic render|\bwarp\b|software/i;

/** Describes an adapter. Deno gives the vendor as a number, some browsers give empty strings. */
export function describeAdapter(adapter: GPUAdapter): AdapterDescription {
  const info = (adapter.info ?? {}) as Partial<GPUAdapterInfo>;
  const text = (value: unknown): string => (value === undefined || value === null ? '' : String(value));
  const vendor = text(info.vendor);
  const architecture = text(info.architecture);
  const device = text(info.device);
  const description = text(info.description);
  const fallback = info.isFallbackAdapter === true || (adapter as { isFallbackAdapter?: boolean }).isFallbackAdapter === true;
  const title = description || [architecture, device].filter((part) => part !== '' && part !== '0').join(' ') || 'GPU';
  return {
    name: vendor === '' || /^\d+$/.test(vendor) ? title : `${title} (${vendor})`,
    vendor,
    architecture,
    device,
    software: fallback || [vendor, architecture, device, description].some((part) => SOFTWARE.test(part)),
  };
}
