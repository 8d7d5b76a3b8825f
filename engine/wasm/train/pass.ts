/**
 * One pass over a batch on WASM: entries, reconstructions, residuals, gradients. Rows go in
 * chunks, and each chunk through all of it before the next, except under batchtopk, whose
 * selection needs the whole batch, and AuxK, whose normalisation needs all residuals.
 */
import type { Pace } from '../../pace.js';
import type { Objective } from '../../train/objective.js';
import type { StepControls, StepResult } from '../../train/session.js';
import type { Pointer } from '../loader.js';
import { BatchSelection, allocEntries, chunks, isFinite, preactivations, selectRows, type Chunk, type Entries } from './entries.js';
import type { Layout } from './layout.js';
import { FLAG, MODE, PENALTY, PLAN, penaltyKind, weighsWithNorm } from './plan.js';

/** What a pass leaves besides the gradients in the layout. */
export interface Passed {
  readonly result: Omit<StepResult, 'gradientNorm'>;
  /** [rows] f64 and u32, in memory until the next call. */
  readonly rowErrors: Pointer;
  readonly rowL0: Pointer;
}

const empty = (): Entries => ({ ids: 0, zs: 0, fs: 0, offsets: 0 });

export class Pass {
  readonly #layout: Layout;
  readonly #objective: Objective;
  readonly #rows: number;
  readonly #controls: StepControls;
  /** False for a forward pass. */
  readonly #gradients: boolean;
  readonly #kind: number;
  /** s / B: what a squared error counts. */
  readonly #share: number;
  /** [rows, dp] each; the same where b_dec is not subtracted. */
  readonly #x: Pointer;
  readonly #xbar: Pointer;
  /** [rows, dp] x - xhat where something needs it, else 0. */
  readonly #errors: Pointer;
  readonly #rowErrors: Pointer;
  readonly #rowL0: Pointer;
  readonly #dead: number;
  readonly #aux: Entries;
  readonly #ghosts: Entries;
  #auxEnd = 0;
  #ghostEnd = 0;
  #auxiliary = 0;
  #finite = true;

  /** @param x [rows, d] */
  constructor(layout: Layout, x: Float32Array, rows: number, controls: StepControls, gradients: boolean) {
    const { kernels, d, dp, n, objective } = layout;
    this.#layout = layout;
    this.#objective = objective;
    this.#rows = rows;
    this.#controls = controls;
    this.#gradients = gradients;
    this.#kind = gradients ? penaltyKind(objective) : PENALTY.none;
    this.#share = (objective.mse === 'sum' ? 1 : 1 / d) / rows;
    kernels.reset(layout.base);
    this.#x = layout.alloc(rows * dp * 4, 'the rows');
    this.#xbar = objective.applyBDecToInput ? layout.alloc(rows * dp * 4, 'the rows') : this.#x;
    this.#rowErrors = layout.alloc(rows * 8, 'the rows');
    this.#rowL0 = layout.alloc(rows * 4, 'the rows');
    this.#dead = gradients ? this.#listDead() : 0;
    const { auxk, ghost } = objective;
    const auxEntries = auxk === null ? 0 : rows * Math.min(auxk.k, this.#dead);
    const ghostEntries = ghost ? rows * this.#dead : 0;
    this.#errors = auxEntries + ghostEntries > 0 ? layout.alloc(rows * dp * 4, 'residuals') : 0;
    this.#aux = auxEntries > 0 ? allocEntries(layout, rows, auxEntries, true) : empty();
    this.#ghosts = ghostEntries > 0 ? allocEntries(layout, rows, ghostEntries, false) : empty();
    if (rows * n >= 2 ** 32) throw new RangeError(`WASM training: ${rows} rows x ${n} features are more than 2^32`);
    const staged = kernels.mark() >>> 0;
    const given = layout.alloc(rows * d * 4, 'the rows');
    layout.f32(given, rows * d).set(x.subarray(0, rows * d));
    kernels.centre(given, rows, d, dp, 0, this.#x);
    if (this.#xbar !== this.#x) kernels.centre(given, rows, d, dp, layout.slot('b_dec').p, this.#xbar);
    kernels.reset(staged);
    this.#clear();
  }

  async run(pace: Pace): Promise<Passed> {
    const { kernels } = this.#layout;
    const { selection } = this.#objective;
    const batch = selection.kind === 'batchtopk' ? new BatchSelection(this.#layout, this.#rows, this.#controls, selection.byDecoderNorm) : null;
    const mark = kernels.mark() >>> 0;
    for (const { first, rows } of chunks(this.#rows)) {
      if (pace.isDue) await pace.pause();
      kernels.reset(mark);
      const chunk = preactivations(this.#layout, this.#xbar + first * this.#layout.dp * 4, first, rows);
      if (batch !== null) batch.add(chunk);
      const entries = batch === null ? selectRows(this.#layout, chunk, this.#controls.k) : null;
      this.#finite &&= isFinite(this.#layout, chunk);
      this.#forDead(chunk);
      if (entries !== null) this.#reconstruct(entries, first, rows);
    }
    if (batch !== null) {
      kernels.reset(mark);
      const entries = batch.finish();
      const inner = kernels.mark() >>> 0;
      for (const { first, rows } of chunks(this.#rows)) {
        if (pace.isDue) await pace.pause();
        kernels.reset(inner);
        this.#reconstruct({ ...entries, offsets: entries.offsets + first * 4 }, first, rows);
      }
    }
    if (this.#dead > 0) await this.#revive(pace, mark);
    return { result: this.#result(), rowErrors: this.#rowErrors, rowL0: this.#rowL0 };
  }

  #listDead(): number {
    const { auxk, ghost, preActivationCoefficient } = this.#objective;
    const { dead } = this.#controls;
    if (dead === null || (auxk === null && !ghost && preActivationCoefficient === 0)) return 0;
    const list = this.#layout.u32(this.#layout.deadList, this.#layout.n);
    let count = 0;
    for (let i = 0; i < dead.length; i++) if (dead[i] !== 0) list[count++] = i;
    return count;
  }

  /** Gradients and figures begin at zero, and the kernels' plan is written. */
  #clear(): void {
    const layout = this.#layout;
    const { np, dp, objective } = layout;
    const { penalty, selection, groups, groupWeights } = objective;
    if (this.#gradients) {
      for (const { g, count } of layout.slots.values()) layout.f32(g, count).fill(0);
      for (const vector of [layout.zsum, layout.normSum, layout.band]) layout.f32(vector, np).fill(0);
      layout.f64(layout.outer, dp).fill(0);
    }
    layout.u32(layout.fired, np).fill(0);
    layout.f64(layout.totals, groups.length).fill(0);
    layout.f64(layout.wholeTotal, 1).fill(0);
    layout.f64(layout.figures, 6).set([0, 0, 0, 0, 0, Infinity]);
    layout.f32(layout.factors, groups.length).set(groupWeights.map((weight) => 2 * this.#share * weight));
    layout.f32(layout.wholeFactor, 1)[0] = 2 * this.#share;
    const words = layout.u32(layout.plan, 17);
    const floats = layout.f32(layout.plan, 17);
    words.fill(0);
    words[PLAN.kind] = this.#kind;
    floats[PLAN.coefficient] = this.#controls.coefficient / this.#rows;
    floats[PLAN.power] = this.#controls.p;
    words[PLAN.norms] = weighsWithNorm(objective) ? layout.norms : 0;
    words[PLAN.normSum] = layout.normSum;
    if (penalty.kind === 'tanh') floats[PLAN.tanhScale] = penalty.scale;
    if (selection.kind === 'jumprelu') {
      const { p, g } = layout.slot('threshold');
      [words[PLAN.theta], words[PLAN.gTheta], words[PLAN.band]] = [p, g, layout.band];
      floats[PLAN.bandwidth] = selection.bandwidth;
      words[PLAN.flags] = (selection.oneSided ? FLAG.oneSided : 0) | (selection.steToInput ? FLAG.toInput : 0);
    }
    if (selection.kind === 'gated') {
      [words[PLAN.scales], words[PLAN.gates]] = [layout.scales, layout.slot('b_gate').p];
      [words[PLAN.gBias], words[PLAN.gR], words[PLAN.gGate]] = [layout.slot('b_enc').g, layout.slot('r_mag').g, layout.slot('b_gate').g];
    }
  }

  /** What dead features' pre-activations are needed for, while they are there. */
  #forDead({ z, stride, rows, first }: Chunk): void {
    if (this.#dead === 0) return;
    const layout = this.#layout;
    const { kernels, dp, objective } = layout;
    const { auxk, ghost, preActivationCoefficient } = objective;
    const [list, count] = [layout.deadList, this.#dead];
    if (auxk !== null) {
      const { ids, zs, offsets } = this.#aux;
      this.#auxEnd = kernels.dead(z, stride, rows, list, count, Math.min(auxk.k, count), auxk.relu ? 1 : 0, layout.deadKeys, ids, zs, offsets + first * 4, this.#auxEnd);
    }
    if (ghost) {
      const { ids, zs, fs, offsets } = this.#ghosts;
      this.#ghostEnd = kernels.ghostEntries(z, stride, rows, list, count, ids, zs, fs, offsets + first * 4, this.#ghostEnd);
    }
    if (preActivationCoefficient > 0) {
      const coefficient = preActivationCoefficient / this.#rows;
      const { p, g } = layout.slot('threshold');
      this.#auxiliary += coefficient * kernels.preactivationLoss(z, stride, rows, list, count, p, layout.norms, coefficient, dp, this.#xbar + first * dp * 4, layout.slot('W_enc').g, layout.zsum, g);
    }
  }

  /** Figures, residuals and gradients of a chunk's entries. */
  #reconstruct(entries: Entries, first: number, rows: number): void {
    const layout = this.#layout;
    const { kernels, dp, objective } = layout;
    const { selection, penalty, groups } = objective;
    const { ids, zs, fs, offsets } = entries;
    const rowScales = layout.alloc(rows * 4, 'the rows');
    const threshold = selection.kind === 'jumprelu' ? layout.slot('threshold').p : 0;
    const penalised = selection.kind === 'gated' ? zs : fs;
    kernels.measure(rows, offsets, ids, fs, zs, penalised, this.#kind, weighsWithNorm(objective) ? layout.norms : 0, threshold, this.#controls.p, this.#controls.pNext ?? 0, penalty.kind === 'tanh' ? penalty.scale : 0, layout.fired, this.#rowL0 + first * 4, rowScales, layout.figures);
    layout.u32(layout.plan, 17)[PLAN.rowScales] = rowScales;
    const y = layout.alloc(rows * groups.length * dp * 4, 'reconstructions');
    const [x, xbar] = [this.#x + first * dp * 4, this.#xbar + first * dp * 4];
    const bias = layout.slot('b_dec').p;
    const { p: w, g: gdec } = layout.slot('W_dec');
    kernels.decodeGroups(rows, offsets, ids, fs, w, dp, bias, layout.widths, groups.length, y);
    kernels.residuals(rows, groups.length, dp, y, x, layout.factors, layout.totals, this.#errors === 0 ? 0 : this.#errors + first * dp * 4, this.#rowErrors + first * 8, this.#gradients ? layout.outer : 0);
    if (!this.#gradients) return;
    const genc = layout.slot('W_enc').g;
    const mode = selection.kind === 'gated' ? MODE.gated : selection.kind === 'jumprelu' ? MODE.jump : MODE.plain;
    kernels.backward(mode, rows, offsets, ids, fs, zs, y, layout.widths, groups.length, dp, xbar, w, gdec, genc, layout.zsum, layout.plan);
    if (selection.kind !== 'gated') return;
    const detached = selection.detachAuxDecoder;
    const scratch = layout.alloc(rows * 8, 'the rows');
    kernels.decodeGroups(rows, offsets, ids, zs, w, dp, bias, layout.whole, 1, y);
    kernels.residuals(rows, 1, dp, y, x, layout.wholeFactor, layout.wholeTotal, 0, scratch, detached ? 0 : layout.outer);
    kernels.backward(MODE.gateAlone, rows, offsets, ids, zs, zs, y, layout.whole, 1, dp, xbar, w, detached ? 0 : gdec, genc, layout.zsum, layout.plan);
  }

  /** AuxK and ghost gradients, when all residuals are known. */
  async #revive(pace: Pace, mark: Pointer): Promise<void> {
    const layout = this.#layout;
    const { kernels, d, dp, objective } = layout;
    const { auxk } = objective;
    const { p: w, g: gdec } = layout.slot('W_dec');
    const genc = layout.slot('W_enc').g;
    layout.u32(layout.plan, 17)[PLAN.kind] = PENALTY.none;
    let aux = 0;
    let denominator = 1;
    let weight = 0;
    if (auxk !== null) {
      if (auxk.normalize === 'variance') denominator = this.#variance();
      const scale = auxk.scaleByDead ? Math.min(this.#dead / auxk.k, 1) : 1;
      weight = denominator > 0 ? (auxk.coefficient * scale) / (denominator * this.#rows) : 0;
    }
    for (const { first, rows } of chunks(this.#rows)) {
      if (pace.isDue) await pace.pause();
      kernels.reset(mark);
      const [xbar, e] = [this.#xbar + first * dp * 4, this.#errors + first * dp * 4];
      const y = layout.alloc(rows * dp * 4, 'reconstructions');
      if (auxk !== null && weight > 0) {
        const { ids, zs, fs, offsets } = this.#aux;
        kernels.decodeGroups(rows, offsets + first * 4, ids, fs, w, dp, auxk.includeBDec ? layout.slot('b_dec').p : 0, layout.whole, 1, y);
        aux += kernels.auxiliary(rows, dp, y, e, 2 * weight, auxk.includeBDec ? layout.outer : 0);
        kernels.backward(MODE.plain, rows, offsets + first * 4, ids, fs, zs, y, layout.whole, 1, dp, xbar, w, gdec, genc, layout.zsum, layout.plan);
      }
      if (objective.ghost) {
        const { ids, zs, fs, offsets } = this.#ghosts;
        const inverse = 1 / (this.#rows * d);
        kernels.decodeGroups(rows, offsets + first * 4, ids, fs, w, dp, 0, layout.whole, 1, y);
        this.#auxiliary += inverse * kernels.ghostResiduals(rows, y, e, dp, d, inverse);
        kernels.backward(MODE.ghost, rows, offsets + first * 4, ids, fs, zs, y, layout.whole, 1, dp, xbar, w, gdec, genc, layout.zsum, layout.plan);
      }
    }
    this.#auxiliary += weight * aux;
  }

  /** mean_rows ||e - mean_rows e||^2, in f64. */
  #variance(): number {
    const { d, dp } = this.#layout;
    const e = this.#layout.f32(this.#errors, this.#rows * dp);
    const mean = new Float64Array(d);
    for (let r = 0, at = 0; r < this.#rows; r++, at += dp) for (let c = 0; c < d; c++) mean[c] = mean[c]! + e[at + c]!;
    for (let c = 0; c < d; c++) mean[c] = mean[c]! / this.#rows;
    let sum = 0;
    for (let r = 0, at = 0; r < this.#rows; r++, at += dp) for (let c = 0; c < d; c++) sum += (e[at + c]! - mean[c]!) ** 2;
    return sum / this.#rows;
  }

  #result(): Passed['result'] {
    const layout = this.#layout;
    const { penalty, groups, groupWeights, selection } = this.#objective;
    const rows = this.#rows;
    const [active = 0, penalties = 0, next = 0, leastSum = 0, leastRows = 0, least = 0] = layout.f64(layout.figures, 6);
    const totals = layout.f64(layout.totals, groups.length);
    const whole = layout.f64(layout.wholeTotal, 1)[0]!;
    const auxiliary = this.#auxiliary + (selection.kind === 'gated' ? this.#share * whole : 0);
    const mean = penalties / rows;
    const cost = penalty.kind === 'l0-target' ? (mean / penalty.target - 1) ** 2 : mean;
    const squares = groupWeights.reduce((sum, weight, g) => sum + weight * this.#share * totals[g]!, 0);
    const ranked = selection.kind === 'topk' || selection.kind === 'batchtopk';
    // A NaN is above no edge: what was not selected for it must not look like a good step.
    const loss = this.#finite ? squares + this.#controls.coefficient * cost + auxiliary : NaN;
    if (this.#gradients) this.#finishGradients(mean);
    return {
      loss,
      squaredError: totals[groups.length - 1]! / rows,
      penalty: cost,
      penaltyNext: this.#controls.pNext === null ? null : next / rows,
      auxiliary,
      l0: active / rows,
      fired: layout.u32(layout.fired, layout.n).slice(),
      leastActive: ranked ? least : null,
      meanLeastActive: ranked ? (leastRows > 0 ? leastSum / leastRows : Infinity) : null,
    };
  }

  /** What is known only when the batch is through. @param l0 mean_rows of [z > theta], where the penalty counts it */
  #finishGradients(l0: number): void {
    const layout = this.#layout;
    const { kernels, n, np, d, dp, objective } = layout;
    const { penalty, selection } = objective;
    const coefficient = this.#controls.coefficient / this.#rows;
    const { p: w, g: gdec } = layout.slot('W_dec');
    if (weighsWithNorm(objective)) kernels.alongDecoder(n, dp, w, layout.norms, layout.normSum, coefficient, gdec);
    if (selection.kind === 'jumprelu' && this.#kind === PENALTY.l0) {
      const slope = penalty.kind === 'l0-target' ? (2 * (l0 / penalty.target - 1)) / penalty.target : 1;
      const gradient = layout.f32(layout.slot('threshold').g, np);
      const band = layout.f32(layout.band, np);
      for (let i = 0; i < n; i++) gradient[i] = gradient[i]! - ((coefficient * slope) / selection.bandwidth) * band[i]!;
    }
    if (objective.applyBDecToInput) kernels.throughInput(n, dp, layout.slot('W_enc').p, layout.zsum, layout.outer);
    layout.f32(layout.slot('b_dec').g, d).set(layout.f64(layout.outer, d));
  }
}
