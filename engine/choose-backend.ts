/**
 * Which backend runs, and what the machine offers. The one file that knows both
 * backends; each is loaded when it is wanted, so a page that only shows packs
 * loads neither.
 *
 * `auto` takes WebGPU where it is a real GPU. On a software adapter the WASM
 * kernels are faster, so it takes those, and says why.
 */
import type { Backend, BackendInfo } from './backend.js';
import { BackendError } from './errors.js';

export type BackendChoice = 'auto' | 'webgpu' | 'wasm';

export interface ChooseOptions {
  readonly backend: BackendChoice;
  /** WASM threads, the calling one included. */
  readonly threads?: number | undefined;
  /** WASM: relaxed SIMD where the runtime has it; faster, in other last bits (engine/wasm/backend.ts). Default false. */
  readonly relaxed?: boolean | undefined;
  /** Bytes that weights and buffers may take on a GPU. Default: as much as there is. */
  readonly memoryBudget?: number | undefined;
  /** A line for the person who runs the analysis: which backend, where it is not the one they may expect; a GPU that was lost and replaced. */
  readonly notice?: ((message: string) => void) | undefined;
}

/**
 * @throws BackendError when the backend that was asked for cannot be had, or under `auto`
 *   when none can; its hint says what to do in this runtime
 */
export function chooseBackend(options: ChooseOptions): Promise<Backend> {
  const { notice = () => undefined } = options;
  return openChosen(options.backend, notice, (softwareAllowed) => openWebGpu(softwareAllowed, options, notice), () => openWasm(options, notice));
}

/**
 * The rule of the choice, for anything that has two backends (see choose-train-backend.ts).
 * @param webgpu, wasm open one each, and are called only where it is wanted
 * @throws BackendError as chooseBackend
 */
export async function openChosen<T extends { readonly info: BackendInfo }>(backend: BackendChoice, notice: (message: string) => void, webgpu: (softwareAllowed: boolean) => Promise<T>, wasm: () => Promise<T>): Promise<T> {
  if (backend === 'wasm') return wasm();
  if (backend === 'webgpu') {
    const gpu = await webgpu(true);
    if (gpu.info.software) notice(`WebGPU runs on the CPU here (${gpu.info.description}); --backend wasm is faster`);
    return gpu;
  }
  let reason: BackendError;
  try {
    await requireDevice();
    return await webgpu(false);
  } catch (error) {
    if (!(error instanceof BackendError)) throw error;
    reason = error;
  }
  try {
    const cpu = await wasm();
    notice(`running on ${cpu.info.description}. ${reason.message}`);
    return cpu;
  } catch (error) {
    if (!(error instanceof BackendError)) throw error;
    throw new BackendError(`There is no backend to run on. ${reason.message}. ${error.message}`, { hint: [reason.hint, error.hint].filter(Boolean).join(' '), cause: error });
  }
}

/** In Node under `auto`: no driver is asked where there is no device. @throws BackendError */
async function requireDevice(): Promise<void> {
  const { Deno, process } = globalThis as unknown as { Deno?: unknown; process?: { versions?: { node?: string } } };
  if (Deno !== undefined || process?.versions?.node === undefined) return;
  const { gpuPossible } = await import('./gpu-devices-node.js');
  if (!gpuPossible()) throw new BackendError('This machine has no GPU', { hint: 'Use --backend wasm, or --backend webgpu for a software adapter.' });
}

async function openWebGpu(softwareAllowed: boolean, { memoryBudget }: ChooseOptions, notice: (message: string) => void): Promise<Backend> {
  const { createWebGpuBackend } = await import('../gpu/backend.js');
  return createWebGpuBackend({ softwareAllowed, memoryBudget, notice });
}

async function openWasm({ threads, relaxed }: ChooseOptions, notice: (message: string) => void): Promise<Backend> {
  const { createWasmBackend } = await import('./wasm/backend.js');
  const wasm = await createWasmBackend({ threads, relaxed });
  const { threadsReason, relaxedReason } = wasm.info.details;
  if (threadsReason !== undefined) notice(`WASM runs on ${wasm.info.details.threads} of ${wasm.info.details.threadsAsked} threads: ${threadsReason}`);
  if (relaxedReason !== undefined) notice(`WASM runs without relaxed SIMD: ${relaxedReason}`);
  return wasm;
}

/** A GPU as `saekit doctor` shows it. Limits are in bytes and counts. */
export interface WebGpuEnvironment {
  readonly available: boolean;
  readonly adapter: string | null;
  readonly vendor: string | null;
  readonly architecture: string | null;
  readonly device: string | null;
  /** True where the adapter computes on the CPU. */
  readonly software: boolean | null;
  readonly limits: Readonly<Record<string, number>> | null;
  readonly features: Readonly<Record<string, boolean>> | null;
  /** What is missing, and what to do about it. */
  readonly problem: string | null;
  readonly remedy: string | null;
}

export interface WasmEnvironment {
  readonly available: boolean;
  readonly simd: boolean;
  readonly relaxed_simd: boolean;
  readonly threads: boolean;
  readonly problem: string | null;
  readonly remedy: string | null;
}

/** What this machine and runtime offer; plain JSON. */
export interface Environment {
  readonly runtime: string;
  readonly cores: number | null;
  /** Pages only: whether the page may share memory between threads. */
  readonly cross_origin_isolated: boolean | null;
  /** What `auto` takes. */
  readonly backend: 'webgpu' | 'wasm' | null;
  readonly webgpu: WebGpuEnvironment;
  readonly wasm: WasmEnvironment;
}

const LIMITS = [
  'maxStorageBufferBindingSize',
  'maxBufferSize',
  'maxComputeWorkgroupsPerDimension',
  'maxComputeInvocationsPerWorkgroup',
  'maxComputeWorkgroupStorageSize',
  'maxStorageBuffersPerShaderStage',
] as const;
const FEATURES = ['shader-f16', 'subgroups', 'timestamp-query'] as const;
/** WGSL's, which the runtime has and not the adapter. */
const LANGUAGE = ['packed_4x8_integer_dot_product'] as const;

/** Looks for every backend without using one; never throws. */
export async function describeEnvironment(): Promise<Environment> {
  const { detectRuntime } = await import('../gpu/adapter.js');
  const { runtime, description } = detectRuntime();
  const webgpu = await describeWebGpu();
  const wasm = await describeWasm();
  const { crossOriginIsolated } = globalThis as { crossOriginIsolated?: boolean };
  return {
    runtime: description,
    cores: await countCores(runtime === 'node'),
    cross_origin_isolated: runtime === 'browser' ? crossOriginIsolated === true : null,
    backend: webgpu.available && webgpu.software === false ? 'webgpu' : wasm.available ? 'wasm' : null,
    webgpu,
    wasm,
  };
}

async function describeWebGpu(): Promise<WebGpuEnvironment> {
  const { describeAdapter, findAdapter, wgslFeatures } = await import('../gpu/adapter.js');
  try {
    const adapter = await findAdapter();
    const { name, vendor, architecture, device, software } = describeAdapter(adapter);
    const language = await wgslFeatures();
    return {
      available: true,
      adapter: name,
      vendor,
      architecture,
      device,
      software,
      limits: Object.fromEntries(LIMITS.map((limit) => [limit, adapter.limits[limit]])),
      features: Object.fromEntries([...FEATURES.map((feature) => [feature, adapter.features.has(feature)]), ...LANGUAGE.map((feature) => [feature, language.has(feature)])]),
      problem: software ? 'The adapter computes on the CPU, slower than WASM does.' : null,
      remedy: software ? 'Where there is a GPU, install its driver (on Linux its Vulkan driver); until then `auto` takes WASM.' : null,
    };
  } catch (error) {
    const { message, hint } = error as BackendError;
    return { available: false, adapter: null, vendor: null, architecture: null, device: null, software: null, limits: null, features: null, problem: message, remedy: hint ?? null };
  }
}

async function describeWasm(): Promise<WasmEnvironment> {
  const features = wasmFeatures();
  try {
    // Compiling shows what validating cannot: a policy that forbids it.
    const { compileKernels } = await import('./wasm/loader.js');
    await compileKernels();
  } catch (error) {
    const { message, hint } = error as BackendError;
    return { available: false, ...features, problem: message, remedy: hint ?? null };
  }
  const problem = features.threads ? null : 'Threads cannot share a memory: each has the weights for itself.';
  return { available: true, ...features, problem, remedy: features.threads ? null : 'Serve the page with Cross-Origin-Opener-Policy: same-origin and Cross-Origin-Embedder-Policy: require-corp.' };
}

const HEADER = [0, 0x61, 0x73, 0x6d, 1, 0, 0, 0];
/** Modules of one function each that are valid only where a feature is on. */
const PROBES = {
  // () -> v128: i32.const 0, i8x16.splat, i8x16.popcnt
  simd: [1, 5, 1, 0x60, 0, 1, 0x7b, 3, 2, 1, 0, 10, 10, 1, 8, 0, 0x41, 0, 0xfd, 15, 0xfd, 98, 11],
  // () -> v128: two i8x16.splat, i8x16.relaxed_swizzle
  relaxed_simd: [1, 5, 1, 0x60, 0, 1, 0x7b, 3, 2, 1, 0, 10, 15, 1, 13, 0, 0x41, 1, 0xfd, 15, 0x41, 2, 0xfd, 15, 0xfd, 128, 2, 11],
  // shared memory of one page; () -> (): i32.const 0, i32.atomic.load, drop
  threads: [1, 4, 1, 0x60, 0, 0, 3, 2, 1, 0, 5, 4, 1, 3, 1, 1, 10, 11, 1, 9, 0, 0x41, 0, 0xfe, 16, 2, 0, 26, 11],
};

/** Features of this runtime's WebAssembly, by asking it whether small modules are valid. */
export function wasmFeatures(): { simd: boolean; relaxed_simd: boolean; threads: boolean } {
  const valid = (probe: readonly number[]): boolean => typeof WebAssembly !== 'undefined' && WebAssembly.validate(Uint8Array.from([...HEADER, ...probe]));
  return {
    simd: valid(PROBES.simd),
    relaxed_simd: valid(PROBES.relaxed_simd),
    // A page that is not isolated knows the opcodes, but may not share memory.
    threads: valid(PROBES.threads) && typeof SharedArrayBuffer !== 'undefined',
  };
}

/** Logical cores. Node 20 has no `navigator`. */
async function countCores(node: boolean): Promise<number | null> {
  const cores = (globalThis as { navigator?: { hardwareConcurrency?: number } }).navigator?.hardwareConcurrency;
  if (cores !== undefined || !node) return cores ?? null;
  const name = 'node:os';
  const { availableParallelism } = (await import(/* @vite-ignore */ /* webpackIgnore: true */ name)) as typeof import('node:os');
  return availableParallelism();
}
