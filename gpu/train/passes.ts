/**
 * The kernels of one call in their order. A pass is one reconstruction with what it gives to
 * the gradients: the main one, and those of gated's auxiliary loss, of AuxK and of ghosts.
 *
 *   z     every row's pre-activations, once
 *   cuts  where a selection ends (tally, walk): what is selected follows from z and the cut
 *   by chunks of rows: lists by row, figures, decoding; all residuals r, and s = dL/dxhat
 *   by chunks of rows: lists by feature, dL/df of each entry, and sums in the order of rows
 *
 * Nothing depends on the order in which threads run, so the same input gives the same bits.
 */
import type { Objective } from '../../engine/train/objective.js';
import type { StepControls } from '../../engine/train/session.js';
import { chooseKernels, type Core, type ForcedChoice } from '../decide/kernels.js';
import type { Generation } from '../manager.js';
import type { DeviceState } from './parameters.js';
import { commonParams, FLAG, indexDigits, MODE, type Params, paramsWords, PENALTY, SLOT, TOTAL, type TrainPlan } from './plan.js';
import type { Binding, Recording } from './recording.js';
import { type Scratch, type ScratchName, tiles } from './scratch.js';
import { slotOf, sumAll, sumRows } from './sums.js';

/** encode's flag for a product without bias (gpu/kernels/parts/params.wgsl). */
const BARE = 4;

/** The pipelines of the product, by core. */
export interface Products extends Readonly<Record<Core, GPUComputePipeline>> {
  readonly forced: ForcedChoice;
}

export interface Call {
  readonly objective: Objective;
  readonly plan: TrainPlan;
  readonly generation: Generation;
  readonly state: DeviceState;
  readonly scratch: Scratch;
  readonly products: Products;
  readonly rows: number;
  readonly k: number;
  /** Null for `forward`. */
  readonly controls: StepControls | null;
  /** Features that count as dead. */
  readonly dead: number;
}

/** Multiplies each group's residual in its gradient. Pure. */
export function factorsOf({ objective, rows }: Pick<Call, 'objective' | 'rows'>): number[] {
  const s = objective.mse === 'sum' ? 1 : 1 / objective.d;
  return objective.groupWeights.map((weight) => (2 * s * weight) / rows);
}

/** The factor of an auxiliary reconstruction's residual in its gradient; over a sum on the device where AuxK is normalised by variance. Pure. */
export function auxiliaryFactor({ objective, rows, dead }: Pick<Call, 'objective' | 'rows' | 'dead'>): number {
  const { auxk, d, mse } = objective;
  if (auxk === null) return (2 * (mse === 'sum' ? 1 : 1 / d)) / rows;
  const scale = auxk.coefficient * (auxk.scaleByDead ? Math.min(dead / auxk.k, 1) : 1);
  return (2 * scale) / (auxk.normalize === 'variance' ? 1 : rows);
}

export class Passes {
  readonly #call: Call;
  readonly #recording: Recording;
  readonly #common: Params;
  readonly #chunks: readonly { readonly first: number; readonly count: number }[];

  constructor(call: Call, recording: Recording) {
    const { objective, rows, controls, scratch } = call;
    this.#call = call;
    this.#recording = recording;
    const power = controls === null ? {} : { coefficient: controls.coefficient / rows, power: controls.p, next: controls.pNext ?? 1 };
    this.#common = { ...commonParams(objective), rows, ...(objective.penalty.kind === 'lp' ? power : { coefficient: power.coefficient ?? 0 }) };
    this.#chunks = Array.from({ length: Math.ceil(rows / scratch.chunk) }, (_, c) => ({ first: c * scratch.chunk, count: Math.min(scratch.chunk, rows - c * scratch.chunk) }));
  }

  /** Residuals, the rows' figures and, at the end of `fire` or `backward`, what fired. */
  forward(): void {
    const { objective, plan, rows, k } = this.#call;
    const { selection, groups } = objective;
    this.#encode();
    if (selection.kind === 'topk' || selection.kind === 'batchtopk') {
      const flags = this.#common.flags | (selection.byDecoderNorm ? FLAG.rankByNorm : 0);
      this.#select({ flags, need: selection.kind === 'topk' ? Math.min(k, plan.n) : Math.min(Math.floor(k * rows), rows * plan.n) }, 'cuts');
    }
    this.#reconstruct(this.#main(), 'cuts', this.#buffer('x'), { stride: plan.quads, offset: 0, sign: -1 }, 'r');
    const { parts, quads } = plan;
    this.#recording.run('dots', [rows * groups.length, quads, parts], [this.#buffer('r'), this.#buffer('r'), this.#buffer('rowDots')], rows * groups.length * parts);
  }

  /** Counts what fired, where nothing else does. */
  fire(): void {
    for (const chunk of this.#chunks) this.#list({ ...this.#main(), ...chunk }, 'cuts');
  }

  /** All gradients, and the sums that the loss and the verdict are made of. */
  backward(): void {
    const { objective, plan, rows, state } = this.#call;
    const { quads } = plan;
    const groups = objective.groups.length;
    const main = this.#main();
    sumRows(this.#sums(), { m: this.#buffer('figures'), rows, quads: 2 }, this.#buffer('totals'), TOTAL.figures);
    sumAll(this.#sums(), { m: this.#buffer('r'), rows, quads: groups * quads, squared: true }, TOTAL.rows);
    this.#suffix('r', groups, 'factors', main.flags);
    this.#collect(main, 'cuts', groups);
    sumRows(this.#sums(), { m: this.#buffer('s'), rows, quads, stride: groups * quads }, this.#buffer('g_b_dec'), 0, true);
    this.#auxiliary();
    if (objective.applyBDecToInput) {
      const weights = slotOf(this.#buffer('sums'), SLOT.z, plan);
      sumRows(this.#sums(), { m: state.get('parameters', 'W_enc'), rows: plan.width, quads, weights }, this.#buffer('g_b_dec'), 0, true);
    }
    if ((main.flags & FLAG.normed) !== 0 || main.penalty === PENALTY.l0 || main.penalty === PENALTY['l0-target']) {
      this.#run('finish', main, [state.get('parameters', 'W_dec'), this.#buffer('table'), this.#buffer('totals'), this.#buffer('g_W_dec'), this.#buffer('sums')], plan.n * quads);
    }
  }

  #auxiliary(): void {
    const { objective, dead } = this.#call;
    const { selection, auxk, ghost, preActivationCoefficient } = objective;
    if (selection.kind === 'gated') this.#gateAlone(selection.detachAuxDecoder);
    if (dead === 0) return;
    if (auxk !== null) this.#auxk(auxk);
    if (ghost) this.#ghosts();
    if (preActivationCoefficient > 0) this.#below(preActivationCoefficient);
  }

  #gateAlone(detached: boolean): void {
    const { plan, rows } = this.#call;
    const pass = this.#second(MODE.gateAlone, FLAG.biased | FLAG.gate | (detached ? FLAG.detached : 0));
    this.#reconstruct(pass, 'cuts', this.#buffer('x'), { stride: plan.quads, offset: 0, sign: -1 }, 'second');
    this.#finishSecond(pass, 'cuts', !detached, rows);
  }

  #auxk({ k, relu, normalize, includeBDec }: NonNullable<Objective['auxk']>): void {
    const { objective, plan, rows, dead } = this.#call;
    const { quads } = plan;
    const last = { stride: objective.groups.length * quads, offset: (objective.groups.length - 1) * quads };
    const variance = normalize === 'variance';
    const pass = this.#second(MODE.auxk, (relu ? FLAG.auxRelu : 0) | (includeBDec ? FLAG.biased : 0) | (variance ? FLAG.divided : 0));
    if (variance) {
      sumRows(this.#sums(), { m: this.#buffer('r'), rows, quads, ...last }, this.#buffer('mean'), 0);
      sumAll(this.#sums(), { m: this.#buffer('r'), rows, quads, ...last, squared: true, mean: this.#buffer('mean'), scale: 1 / rows }, TOTAL.variance);
    }
    this.#select({ ...pass, need: Math.min(k, dead) }, 'auxCuts');
    // The residual is xhat - x: added, e = x - xhat is taken off.
    this.#reconstruct(pass, 'auxCuts', this.#buffer('r'), { ...last, sign: 1 }, 'second');
    this.#finishSecond(pass, 'auxCuts', includeBDec, rows);
  }

  #finishSecond(pass: Params, cuts: 'cuts' | 'auxCuts', biased: boolean, rows: number): void {
    const { quads } = this.#call.plan;
    sumAll(this.#sums(), { m: this.#buffer('second'), rows, quads, squared: true }, TOTAL.auxiliary);
    this.#suffix('second', 1, 'auxiliaryFactor', pass.flags);
    this.#collect(pass, cuts, 1);
    if (biased) sumRows(this.#sums(), { m: this.#buffer('s'), rows, quads }, this.#buffer('g_b_dec'), 0, true);
  }

  #ghosts(): void {
    const { objective, plan, rows } = this.#call;
    const { quads, parts } = plan;
    const groups = objective.groups.length;
    const pass = this.#second(MODE.ghost, 0);
    this.#reconstruct(pass, 'cuts', this.#buffer('x'), { stride: 0, offset: 0, sign: 0 }, 'second');
    this.#recording.run('dots', [rows, quads, parts], [this.#buffer('second'), this.#buffer('second'), this.#buffer('secondDots')], rows * parts);
    const words = { ...pass, groups, need: parts, stride: groups * quads, offset: (groups - 1) * quads, scale: 2 / (rows * plan.d) };
    this.#run('ghost', words, [this.#buffer('r'), this.#buffer('rowDots'), this.#buffer('secondDots'), this.#buffer('second'), this.#buffer('s')], rows * quads);
    sumAll(this.#sums(), { m: this.#buffer('second'), rows, quads }, TOTAL.ghost);
    this.#collect(pass, 'cuts', 1);
  }

  #below(coefficient: number): void {
    const { plan, rows } = this.#call;
    this.#collect({ ...this.#second(MODE.below, FLAG.detached), coefficient: coefficient / rows }, 'cuts', 1);
    sumRows(this.#sums(), { m: slotOf(this.#buffer('sums'), SLOT.below, plan), rows: plan.width / 4, quads: 1 }, this.#buffer('totals'), TOTAL.below);
  }

  /** xbar, z and the features' table. */
  #encode(): void {
    const { objective, plan, generation, state, products, rows } = this.#call;
    const { n, quads, width, parts } = plan;
    const { selection } = objective;
    const weighs = (this.#common.flags & FLAG.normed) !== 0 || ('byDecoderNorm' in selection && selection.byDecoderNorm) || objective.preActivationCoefficient > 0;
    const W_dec = state.get('parameters', 'W_dec');
    const zeros = this.#buffer('zeros');
    if (weighs) this.#recording.run('dots', [width, quads, parts], [W_dec, W_dec, this.#buffer('norms')], width * parts);
    const second = selection.kind === 'jumprelu' ? state.get('parameters', 'threshold') : selection.kind === 'gated' ? state.get('parameters', 'r_mag') : zeros;
    const gate = selection.kind === 'gated' ? state.get('parameters', 'b_gate') : zeros;
    this.#run('table', { ...this.#common, stride: weighs ? parts : 0 }, [state.get('parameters', 'b_enc'), second, gate, weighs ? this.#buffer('norms') : zeros, this.#buffer('table')], width);
    this.#run('transpose', this.#common, [state.get('parameters', 'W_enc'), this.#buffer('transposed')], (width / 4) * quads);
    const centre = { ...this.#common, count: tiles(rows), stride: plan.d, sign: objective.applyBDecToInput ? 1 : 0 };
    this.#run('centre', centre, [this.#buffer('raw'), state.get('parameters', 'b_dec'), this.#buffer('x'), this.#buffer('xbar')], tiles(rows) * quads);
    const { core } = chooseKernels({ rows, d_sae: n, n, keep: null }, generation.device.limits, generation.adapter, products.forced);
    const grid = { registers: [width / 128, Math.ceil(rows / 32)], tiled: [Math.ceil(rows / 64), width / 128], row: [Math.ceil(width / 128), 1] } as const;
    const words = [rows, n, width, 0, 0, quads, 0, width, 0, selection.kind === 'gated' ? BARE : 0, 0];
    this.#recording.dispatch(products[core], words, [this.#buffer('xbar'), this.#buffer('transposed'), this.#buffer('table'), this.#buffer('z')], grid[core]);
  }

  /** Where the `need` largest end: of each row, or of all (kernels/walk.wgsl). */
  #select(of: Partial<Params>, to: 'cuts' | 'auxCuts'): void {
    const { plan, rows } = this.#call;
    const batch = (of.mode ?? this.#common.mode) === MODE.batchtopk;
    const { shift, digits } = indexDigits(batch ? rows * plan.n : plan.n);
    for (let pass = 0; pass < 4 + digits; pass++) {
      const params = { ...this.#common, ...of, digit: pass, shift };
      this.#run('tally', params, [this.#buffer('z'), this.#buffer('table'), this.#buffer('marks'), this.#buffer(to), this.#buffer('bins')], (rows * plan.width) / 4);
      if (batch) this.#recording.groups('fold', null, [this.#buffer('bins')], 4);
      this.#run('walk', params, [this.#buffer('bins'), this.#buffer(to)], batch ? 1 : rows);
    }
  }

  /** r = the reconstruction + sign * target, of all rows. */
  #reconstruct(pass: Params, cuts: 'cuts' | 'auxCuts', target: GPUBuffer, place: Pick<Params, 'stride' | 'offset' | 'sign'>, to: 'r' | 'second'): void {
    const { plan, state } = this.#call;
    const { width, quads } = plan;
    const [z, table, marks, list, counts] = (['z', 'table', 'marks', 'list', 'counts'] as const).map((name) => this.#buffer(name)) as [GPUBuffer, GPUBuffer, GPUBuffer, GPUBuffer, GPUBuffer];
    for (const chunk of this.#chunks) {
      const params = { ...pass, ...chunk };
      this.#run('rows', params, [z, table, marks, this.#buffer(cuts), list, counts], chunk.count * (width / 64));
      this.#run('figures', params, [z, table, list, counts, this.#buffer('figures')], chunk.count);
      this.#run('decode', { ...params, ...place }, [list, counts, state.get('parameters', 'W_dec'), state.get('parameters', 'b_dec'), marks, target, this.#buffer(to)], chunk.count * quads);
    }
  }

  #suffix(r: 'r' | 'second', groups: number, factors: 'factors' | 'auxiliaryFactor', flags: number): void {
    const { rows, plan } = this.#call;
    this.#run('suffix', { ...this.#common, groups, flags }, [this.#buffer(r), this.#buffer(factors), this.#buffer('totals'), this.#buffer('s')], rows * plan.quads);
  }

  /** What the entries of a pass give to the gradients, from s. */
  #collect(pass: Params, cuts: 'cuts' | 'auxCuts', groups: number): void {
    const { plan, state, scratch } = this.#call;
    const [table, marks, s, lists, sizes] = (['table', 'marks', 's', 'lists', 'sizes'] as const).map((name) => this.#buffer(name)) as [GPUBuffer, GPUBuffer, GPUBuffer, GPUBuffer, GPUBuffer];
    for (const chunk of this.#chunks) {
      const params = { ...pass, ...chunk, groups, stride: scratch.chunk };
      this.#list(params, cuts);
      this.#recording.groups('entries', paramsWords(params, plan), [s, state.get('parameters', 'W_dec'), table, marks, this.#buffer('figures'), sizes, lists], plan.n);
      this.#run('scalars', params, [lists, sizes, table, this.#buffer('sums')], plan.n);
      this.#run('accumulate', params, [lists, sizes, table, marks, s, this.#buffer('xbar'), this.#buffer('g_W_dec'), this.#buffer('g_W_enc')], plan.n * plan.quads);
    }
  }

  #list(params: Params, cuts: 'cuts' | 'auxCuts'): void {
    const { plan, scratch } = this.#call;
    const buffers = [this.#buffer('z'), this.#buffer('table'), this.#buffer('marks'), this.#buffer(cuts), this.#buffer('lists'), this.#buffer('sizes'), this.#buffer('fired')];
    this.#run('columns', { ...params, stride: scratch.chunk }, buffers, plan.width);
  }

  /** Of the first pass. */
  #main(): Params {
    const { selection } = this.#call.objective;
    const byNorm = 'byDecoderNorm' in selection && selection.byDecoderNorm;
    const { shift } = indexDigits(selection.kind === 'batchtopk' ? this.#call.rows * this.#call.plan.n : this.#call.plan.n);
    return { ...this.#common, shift, flags: this.#common.flags | FLAG.biased | (byNorm ? FLAG.rankByNorm : 0) };
  }

  /** Of one of the others, which have no penalty. */
  #second(mode: number, flags: number): Params {
    return { ...this.#common, mode, flags, groups: 1, penalty: PENALTY.none, coefficient: 0, shift: indexDigits(this.#call.plan.n).shift };
  }

  #sums(): { recording: Recording; scratch: Scratch } {
    return { recording: this.#recording, scratch: this.#call.scratch };
  }

  #run(kernel: Parameters<Recording['run']>[0], params: Params, buffers: readonly Binding[], count: number): void {
    this.#recording.run(kernel, paramsWords(params, this.#call.plan), buffers, count);
  }

  #buffer(name: ScratchName): GPUBuffer {
    return this.#call.scratch.get(name);
  }
}
