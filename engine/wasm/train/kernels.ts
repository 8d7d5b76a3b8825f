/** The training module (assembly/train/): compiled once, and typed. */
import plain from '../../../build/wasm/train.wasm';
import { BackendError } from '../../errors.js';
import { compileKernels, type KernelModule, type Pointer } from '../loader.js';

/** The module's exports; each kernel's contract is at its definition. */
export interface TrainKernels {
  readonly memory: WebAssembly.Memory;
  mark(): Pointer;
  reset(to: Pointer): void;
  alloc(bytes: number): Pointer;
  packRows(x: Pointer, rows: number, d_in: number, out: Pointer, state: Pointer, perNorm: number, constant: number): void;
  dense(x: Pointer, quads: number, w: Pointer, panels: number, d_in: number, bias: Pointer, z: Pointer, stride: number): void;
  denseShuffled(x: Pointer, quads: number, w: Pointer, panels: number, d_in: number, bias: Pointer, z: Pointer, stride: number): void;
  collect(z: Pointer, stride: number, rows: number, columns: number, first: number, state: Pointer, keep: number, full: number, candidates: Pointer, capacity: number): void;
  finish(rows: number, k: number, state: Pointer, candidates: Pointer, capacity: number, counts: Pointer, out: Pointer): number;
  firstFloors(z: Pointer, stride: number, rows: number, columns: number, state: Pointer, keep: number): void;
  above(z: Pointer, stride: number, rows: number, columns: number, edges: Pointer, state: Pointer, ids: Pointer, zs: Pointer, offsets: Pointer, at: number): number;
  centre(x: Pointer, rows: number, d: number, dp: number, bias: Pointer, out: Pointer): void;
  packFeatures(w: Pointer, panels: number, dp: number, out: Pointer): void;
  scaleColumns(z: Pointer, stride: number, rows: number, columns: number, norms: Pointer, out: Pointer): void;
  unpair(z: Pointer, stride: number, rows: number, counts: Pointer, pairs: Pointer, ids: Pointer, zs: Pointer, offsets: Pointer, at: number): number;
  keep(z: Pointer, ranks: Pointer, stride: number, rows: number, columns: number, first: number, n: number, floor: number, state: Pointer, keys: Pointer, zs: Pointer, at: number): number;
  keepLargest(keys: Pointer, zs: Pointer, count: number, wanted: number): number;
  spreadKeys(keys: Pointer, count: number, rows: number, n: number, ids: Pointer, offsets: Pointer): void;
  jump(count: number, ids: Pointer, zs: Pointer, theta: Pointer, fs: Pointer): void;
  magnitudes(count: number, ids: Pointer, zs: Pointer, gates: Pointer, scales: Pointer, biases: Pointer, fs: Pointer): void;
  measure(rows: number, offsets: Pointer, ids: Pointer, fs: Pointer, zs: Pointer, ps: Pointer, kind: number, norms: Pointer, theta: Pointer, p: number, next: number, scale: number, fired: Pointer, rowL0: Pointer, rowScales: Pointer, figures: Pointer): void;
  decodeGroups(rows: number, offsets: Pointer, ids: Pointer, fs: Pointer, w: Pointer, dp: number, bias: Pointer, widths: Pointer, groups: number, y: Pointer): void;
  residuals(rows: number, groups: number, dp: number, y: Pointer, x: Pointer, factors: Pointer, totals: Pointer, errors: Pointer, rowErrors: Pointer, outer: Pointer): void;
  transpose(rows: number, offsets: Pointer, ids: Pointer, n: number, ends: Pointer, columns: Pointer): void;
  backward(mode: number, from: number, n: number, budget: number, ends: Pointer, columns: Pointer, fs: Pointer, zs: Pointer, s: Pointer, widths: Pointer, groups: number, dp: number, x: Pointer, w: Pointer, gdec: Pointer, genc: Pointer, zsum: Pointer, list: Pointer, plan: Pointer): number;
  dead(z: Pointer, stride: number, rows: number, list: Pointer, count: number, k: number, relu: number, keys: Pointer, ids: Pointer, zs: Pointer, offsets: Pointer, at: number): number;
  auxiliary(rows: number, dp: number, y: Pointer, e: Pointer, factor: number, outer: Pointer): number;
  ghostEntries(z: Pointer, stride: number, rows: number, list: Pointer, count: number, ids: Pointer, zs: Pointer, fs: Pointer, offsets: Pointer, at: number): number;
  ghostResiduals(rows: number, y: Pointer, e: Pointer, dp: number, d: number, inverse: number): number;
  preactivationLoss(z: Pointer, stride: number, rows: number, list: Pointer, count: number, theta: Pointer, norms: Pointer, coefficient: number, dp: number, x: Pointer, genc: Pointer, zsum: Pointer, gtheta: Pointer): number;
  norms(n: number, w: Pointer, dp: number, out: Pointer): void;
  squares(count: number, g: Pointer): number;
  alongDecoder(n: number, dp: number, w: Pointer, norm: Pointer, normSum: Pointer, coefficient: number, gdec: Pointer): void;
  throughInput(n: number, dp: number, w: Pointer, zsum: Pointer, outer: Pointer): void;
  removeParallel(n: number, dp: number, w: Pointer, g: Pointer): void;
  normalise(n: number, dp: number, w: Pointer, most: number): void;
  adam(count: number, p: Pointer, g: Pointer, m: Pointer, v: Pointer, factor: number, b1: number, b2: number, rate: number, root: number, eps: number): void;
  descend(count: number, p: Pointer, g: Pointer, m: Pointer, factor: number, momentum: number, lr: number): void;
}

const compiled = new Map<KernelModule, Promise<WebAssembly.Module>>();

/**
 * The training module, compiled once per realm.
 * @throws BackendError as `compileKernels`, whose small module is compiled first for its reasons
 */
export function compileTrainKernels(kind: KernelModule): Promise<WebAssembly.Module> {
  let module = compiled.get(kind);
  if (module === undefined) {
    module = compileKernels(kind).then(async () => {
      const bytes = kind === 'plain' ? plain : (await import('./relaxed.js')).default;
      try {
        return await WebAssembly.compile(bytes);
      } catch (cause) {
        throw new BackendError('The WebAssembly module for training could not be compiled', { cause });
      }
    });
    module.catch(() => compiled.delete(kind));
    compiled.set(kind, module);
  }
  return module;
}
