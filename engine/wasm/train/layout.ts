/**
 * What a training session holds in linear memory from its beginning to its end. Rows of
 * the matrices are padded to a multiple of four values and the features to a multiple of
 * eight, with zeros that no kernel changes.
 */
import { BackendError } from '../../errors.js';
import { parametersOf, sizeOf, type Objective, type ParameterName } from '../../train/objective.js';
import type { Parameters, TrainState } from '../../train/session.js';
import { MEMORY_CEILING, mebibytes, type Pointer } from '../loader.js';
import type { TrainKernels } from './kernels.js';
import { PLAN_WORDS } from './plan.js';

/** A parameter, its gradient and its moments. */
export interface Slot {
  readonly p: Pointer;
  readonly g: Pointer;
  readonly m: Pointer;
  readonly v: Pointer;
  /** Values with padding, a multiple of four. */
  readonly count: number;
}

export class Layout {
  readonly kernels: TrainKernels;
  readonly objective: Objective;
  readonly names: readonly ParameterName[];
  readonly n: number;
  readonly d: number;
  /** d and n with padding. */
  readonly dp: number;
  readonly np: number;
  readonly slots: ReadonlyMap<ParameterName, Slot>;
  /** [np / 8][dp][8] W_enc in panels; [np] the bias of z, -FLT_MAX in the padding, so that nothing there is ever selected. */
  readonly panels: Pointer;
  readonly bias: Pointer;
  /** [np] f32 each. */
  readonly edges: Pointer;
  readonly norms: Pointer;
  readonly normSum: Pointer;
  readonly zsum: Pointer;
  readonly band: Pointer;
  readonly scales: Pointer;
  /** [np] u32 */
  readonly fired: Pointer;
  readonly deadList: Pointer;
  readonly deadKeys: Pointer;
  /** [np] u32: where each feature's entries end (backward.ts). */
  readonly ends: Pointer;
  readonly plan: Pointer;
  /** [dp] f64 the gradient of b_dec. */
  readonly outer: Pointer;
  /** By group: u32, f32, f64; and one group of everything. */
  readonly widths: Pointer;
  readonly factors: Pointer;
  readonly totals: Pointer;
  readonly whole: Pointer;
  readonly wholeFactor: Pointer;
  readonly wholeTotal: Pointer;
  readonly figures: Pointer;
  /** What a call needs begins here. */
  readonly base: Pointer;

  constructor(kernels: TrainKernels, objective: Objective) {
    this.kernels = kernels;
    this.objective = objective;
    this.names = parametersOf(objective);
    this.n = objective.d_sae;
    this.d = objective.d;
    this.dp = Math.ceil(this.d / 4) * 4;
    this.np = Math.ceil(this.n / 8) * 8;
    const slots = new Map<ParameterName, Slot>();
    for (const name of this.names) {
      const length = name === 'W_enc' || name === 'W_dec' ? this.np * this.dp : name === 'b_dec' ? this.dp : this.np;
      const [p, g, m, v] = Array.from({ length: 4 }, () => this.alloc(length * 4, name)) as [Pointer, Pointer, Pointer, Pointer];
      slots.set(name, { p, g, m, v, count: length });
    }
    this.slots = slots;
    const vector = (): Pointer => this.alloc(this.np * 4, 'vectors of d_sae');
    this.panels = this.alloc(this.np * this.dp * 4, 'the packed encoder');
    [this.bias, this.edges, this.norms, this.normSum, this.band, this.scales, this.fired, this.deadList, this.deadKeys, this.ends] = [vector(), vector(), vector(), vector(), vector(), vector(), vector(), vector(), vector(), vector()];
    // The sum of z's gradients is b_enc's gradient, but for gated, whose z is the gate's.
    this.zsum = objective.selection.kind === 'gated' ? vector() : this.slot('b_enc').g;
    this.plan = this.alloc(PLAN_WORDS * 4, 'the plan');
    this.outer = this.alloc(this.dp * 8, 'the gradient of b_dec');
    const groups = objective.groups.length;
    [this.widths, this.factors, this.totals] = [this.alloc(groups * 4, 'groups'), this.alloc(groups * 4, 'groups'), this.alloc(groups * 8, 'groups')];
    [this.whole, this.wholeFactor, this.wholeTotal, this.figures] = [this.alloc(4, 'groups'), this.alloc(4, 'groups'), this.alloc(8, 'groups'), this.alloc(48, 'figures')];
    this.u32(this.widths, groups).set(objective.groups);
    this.u32(this.whole, 1)[0] = this.n;
    this.base = kernels.mark() >>> 0;
  }

  slot(name: ParameterName): Slot {
    const slot = this.slots.get(name);
    if (slot === undefined) throw new BackendError(`WASM training: the objective has no ${name}`);
    return slot;
  }

  /** Zeroed room, 16-byte aligned. @throws BackendError where there is none */
  alloc(bytes: number, what: string): Pointer {
    const pointer = bytes < MEMORY_CEILING ? this.kernels.alloc(bytes) >>> 0 : 0;
    if (pointer === 0) throw new BackendError(`WASM training: no memory for ${what}: ${mebibytes(bytes)} on top of ${mebibytes(this.kernels.memory.buffer.byteLength)}, of at most 4096 MiB`, { hint: 'Take smaller batches (--batch), fewer features (--d-sae), or the WebGPU backend.' });
    if (this.base === undefined) new Uint8Array(this.kernels.memory.buffer, pointer, bytes).fill(0);
    return pointer;
  }

  f32(pointer: Pointer, length: number): Float32Array {
    return new Float32Array(this.kernels.memory.buffer, pointer, length);
  }

  u32(pointer: Pointer, length: number): Uint32Array {
    return new Uint32Array(this.kernels.memory.buffer, pointer, length);
  }

  f64(pointer: Pointer, length: number): Float64Array {
    return new Float64Array(this.kernels.memory.buffer, pointer, length);
  }

  /** A copy of one array without its padding. */
  read(name: ParameterName, pointer: Pointer): Float32Array {
    const { n, d, dp } = this;
    const values = new Float32Array(sizeOf(this.objective, name));
    if (name !== 'W_enc' && name !== 'W_dec') values.set(this.f32(pointer, values.length));
    else for (let i = 0; i < n; i++) values.set(this.f32(pointer + i * dp * 4, d), i * d);
    return values;
  }

  write(name: ParameterName, pointer: Pointer, values: Float32Array): void {
    const { n, d, dp } = this;
    if (name !== 'W_enc' && name !== 'W_dec') this.f32(pointer, values.length).set(values);
    else for (let i = 0; i < n; i++) this.f32(pointer + i * dp * 4, d).set(values.subarray(i * d, (i + 1) * d));
  }

  readAll(part: 'p' | 'g' | 'm' | 'v'): Parameters {
    return Object.fromEntries(this.names.map((name) => [name, this.read(name, this.slot(name)[part])]));
  }

  writeState({ parameters = {}, m = {}, v = {} }: Partial<TrainState>): void {
    for (const name of this.names) {
      const slot = this.slot(name);
      for (const [pointer, values] of [[slot.p, parameters[name]], [slot.m, m[name]], [slot.v, v[name]]] as const) {
        if (values !== undefined) this.write(name, pointer, values);
      }
    }
  }
}
