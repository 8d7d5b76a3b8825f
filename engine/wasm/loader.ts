/**
 * Loading the AssemblyScript module (assembly/): compiling it once, and giving
 * out instances, each with a memory of its own or a stretch of one that threads
 * share. There are no generated bindings: pointers are plain numbers, and arrays are views on linear memory
 * that are made anew for each use, because growing the memory detaches them.
 */
import plain from '../../build/wasm/kernels.wasm';
import { BackendError } from '../errors.js';

/** A byte address in an instance's memory. */
export type Pointer = number;

/** The module's exports (assembly/index.ts); each kernel's contract is at its definition. */
export interface KernelExports {
  readonly memory: WebAssembly.Memory;
  mark(): Pointer;
  reset(to: Pointer): void;
  bound(begin: Pointer, end: Pointer): void;
  alloc(bytes: number): Pointer;
  packWeights(row: Pointer, panels: number, d: number, d_in: number, w: Pointer): void;
  packRows(x: Pointer, rows: number, d_in: number, out: Pointer, state: Pointer, perNorm: number, constant: number): void;
  dense(x: Pointer, quads: number, w: Pointer, panels: number, d_in: number, bias: Pointer, z: Pointer, stride: number): void;
  denseShuffled(x: Pointer, quads: number, w: Pointer, panels: number, d_in: number, bias: Pointer, z: Pointer, stride: number): void;
  denseRow(x: Pointer, w: Pointer, panels: number, d_in: number, bias: Pointer, z: Pointer): void;
  packScreen(w: Pointer, panels: number, d_in: number, wq: Pointer, scale: Pointer, norm: Pointer, error: Pointer): void;
  roundRows(plan: Pointer, rows: number, energy: Pointer, relative: number, limit: number): number;
  boundAbove(plan: Pointer, rows: number, first: number, panels: number, u: Pointer, stride: number): void;
  settle(plan: Pointer, rows: number, first: number, panels: number, z: Pointer, stride: number): number;
  raiseFloors(rows: number, keep: number, bounded: Pointer, candidates: Pointer, capacity: number, state: Pointer, widths: Pointer): void;
  compact(z: Pointer, stride: number, rows: number, columns: number, first: number, threshold: Pointer, state: Pointer, counts: Pointer, out: Pointer): number;
  compactGated(z: Pointer, stride: number, rows: number, columns: number, first: number, gates: Pointer, scales: Pointer, biases: Pointer, state: Pointer, counts: Pointer, out: Pointer): number;
  collect(z: Pointer, stride: number, rows: number, columns: number, first: number, state: Pointer, keep: number, full: number, candidates: Pointer, capacity: number): void;
  firstFloors(z: Pointer, stride: number, rows: number, columns: number, state: Pointer, keep: number): void;
  finish(rows: number, k: number, state: Pointer, candidates: Pointer, capacity: number, counts: Pointer, out: Pointer): number;
  decode(offsets: Pointer, rows: number, features: Pointer, values: Pointer, w: Pointer, stride: number, bias: Pointer, y: Pointer): void;
}

/**
 * Whether the runtime compares the address of every load with the memory's size, where others
 * leave it to guard pages: Deno does. There the dense product with fewer loads is up to 1.5 times
 * as fast, elsewhere it is up to a tenth slower; the bits are the same. A rule and not a probe:
 * what a first millisecond measures is the engine's baseline compiler.
 */
export const CHECKS_BOUNDS: boolean = 'Deno' in globalThis;

/** One instance of the module: its kernels, and its memory as an arena of typed arrays. */
export class Kernels {
  readonly call: KernelExports;
  /** In a memory that is shared: this instance's arena, which does not grow. */
  #stretch: Stretch | null = null;

  /** @param memory what a module for threads shares with other instances; `bound` says where its arena is */
  constructor(module: WebAssembly.Module, memory?: WebAssembly.Memory) {
    this.call = new WebAssembly.Instance(module, memory === undefined ? {} : { env: { memory } }).exports as unknown as KernelExports;
  }

  /** From now on the arena is this stretch of the memory, and empty. */
  bound(stretch: Stretch): void {
    this.#stretch = stretch;
    this.call.bound(stretch.begin, stretch.end);
  }

  /**
   * Room for `bytes` bytes, 16-byte aligned, not initialised.
   * @throws BackendError when the browser does not give the memory, or it would pass 4 GiB; StretchFull where the arena is a stretch, and full
   */
  alloc(bytes: number, what: string): Pointer {
    // A 32-bit pointer comes back signed, and a size past 4 GiB would wrap.
    const pointer = bytes < MEMORY_CEILING ? this.call.alloc(bytes) >>> 0 : 0;
    if (pointer !== 0) return pointer;
    if (this.#stretch !== null) throw new StretchFull(what, bytes, this.#stretch);
    const held = this.call.memory.buffer.byteLength;
    throw new BackendError(`WASM: no memory for ${what}: ${mebibytes(bytes)} on top of ${mebibytes(held)}, of at most 4096 MiB`, {
      hint: 'Use the WebGPU backend, or fewer threads (each holds the encoder).',
    });
  }

  mark(): Pointer {
    return this.call.mark() >>> 0;
  }

  reset(to: Pointer): void {
    this.call.reset(to);
  }

  /** A view that is good until the next `alloc`. */
  f32(pointer: Pointer, length: number): Float32Array {
    return new Float32Array(this.call.memory.buffer, pointer, length);
  }

  /** A view that is good until the next `alloc`. */
  u32(pointer: Pointer, length: number): Uint32Array {
    return new Uint32Array(this.call.memory.buffer, pointer, length);
  }
}

/** A part of a memory, 16-byte aligned. */
export interface Stretch {
  readonly begin: Pointer;
  readonly end: Pointer;
}

/** A thread's stretch of a shared memory has no room for this: a smaller piece of work may fit. */
export class StretchFull extends BackendError {
  constructor(what: string, bytes: number, { begin, end }: Stretch) {
    super(`WASM: no memory for ${what}: ${mebibytes(bytes)} in a thread's ${mebibytes(end - begin)}`);
  }
}

/** What a 32-bit memory can address. */
export const MEMORY_CEILING = 2 ** 32;

export function mebibytes(size: number): string {
  return `${Math.ceil(size / 2 ** 20)} MiB`;
}

/** Which of the two modules: `relaxed` may fuse multiplication and addition (assembly/gemm.ts). */
export type KernelModule = 'plain' | 'relaxed';

const compiled = new Map<string, Promise<WebAssembly.Module>>();

/**
 * Compiles a module, once per realm.
 * @param shared the build whose memory is imported, and shared by threads
 * @throws BackendError saying whether WebAssembly, its SIMD or relaxed SIMD, or the page's permission is missing
 */
export function compileKernels(kind: KernelModule = 'plain', shared = false): Promise<WebAssembly.Module> {
  const name = shared ? `shared ${kind}` : kind;
  let module = compiled.get(name);
  if (module === undefined) {
    module = compile(kind, shared).catch((error: unknown) => {
      compiled.delete(name);
      throw error;
    });
    compiled.set(name, module);
  }
  return module;
}

/** Only the plain module comes with the backend; the others are loaded where they are wanted. */
async function bytesOf(kind: KernelModule, shared: boolean): Promise<BufferSource> {
  if (shared) return (await (kind === 'plain' ? import('./shared.js') : import('./shared-relaxed.js'))).default;
  return kind === 'plain' ? plain : (await import('./relaxed.js')).default;
}

async function compile(kind: KernelModule, shared: boolean): Promise<WebAssembly.Module> {
  if (typeof WebAssembly === 'undefined') {
    throw new BackendError('WebAssembly is switched off in this browser', { hint: "Lockdown modes do that; allow it for this site. Cards from a pack work without." });
  }
  const bytes = await bytesOf(kind, shared);
  if (!WebAssembly.validate(bytes)) {
    if (shared) throw new BackendError('This runtime has no shared WebAssembly memory');
    throw kind === 'plain'
      ? new BackendError('This browser has no WebAssembly SIMD', { hint: 'It came with Chrome 91, Firefox 89, Safari 16.4, Node 16.4: update.' })
      : new BackendError('This runtime has no relaxed WebAssembly SIMD', { hint: 'Chrome 114, Firefox 145 and Deno have it; Node 20 with --experimental-wasm-relaxed-simd.' });
  }
  try {
    return await WebAssembly.compile(bytes);
  } catch (cause) {
    // The module is valid, so what refuses it is the page's policy.
    throw new BackendError("The page's Content-Security-Policy does not let WebAssembly be compiled", {
      hint: "Add 'wasm-unsafe-eval' to its script-src. Cards from a pack work without.",
      cause,
    });
  }
}
