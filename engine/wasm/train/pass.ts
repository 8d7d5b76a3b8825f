/**
 * One pass over a batch on WASM: entries, reconstructions, residuals, gradients. Rows go in
 * chunks as far as the residuals, and in spans of chunks through the gradients, except under
 * batchtopk, whose selection needs the whole batch, and AuxK, whose normalisation needs all residuals.
 */
import type { Pace } from '../../pace.js';
import type { Objective } from '../../train/objective.js';
import type { StepControls, StepResult } from '../../train/session.js';
import type { Pointer } from '../loader.js';
import { CHUNK } from '../shape.js';
import { Columns, pieces, SPAN, spans, type Rows, type Seen } from './columns.js';
import { BatchSelection, allocEntries, chunks, isFinite, mostOfRow, preactivations, selectRows, type Chunk, type Entries } from './entries.js';
import type { Layout } from './layout.js';
import { FLAG, MODE, PENALTY, PLAN, PLAN_WORDS, penaltyKind, weighsWithNorm } from './plan.js';

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
  /** [rows] f32, of a penalty that is a root. */
  readonly #rowScales: Pointer;
  /** [rows][groups][dp] the residuals that features see; [rows, dp] those of gated's second reconstruction. */
  readonly #seen: Pointer;
  readonly #gateSeen: Pointer;
  readonly #dead: number;
  readonly #aux: Entries;
  readonly #ghosts: Entries;
  #auxEnd = 0;
  #ghostEnd = 0;
  #auxiliary = 0;
  #finite = true;

  /** @param x [rows, d] */
  constructor(layout: Layout, x: Float32Array, rows: number, controls: StepControls, gradients: boolean) {
    const { kernels, d, dp, objective } = layout;
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
    this.#rowScales = layout.alloc(rows * 4, 'the rows');
    this.#seen = layout.alloc(rows * objective.groups.length * dp * 4, 'reconstructions');
    this.#gateSeen = objective.selection.kind === 'gated' ? layout.alloc(rows * dp * 4, 'reconstructions') : 0;
    this.#dead = gradients ? this.#listDead() : 0;
    const { auxk, ghost } = objective;
    const auxEntries = auxk === null ? 0 : rows * Math.min(auxk.k, this.#dead);
    const ghostEntries = ghost ? rows * this.#dead : 0;
    this.#errors = auxEntries + ghostEntries > 0 ? layout.alloc(rows * dp * 4, 'residuals') : 0;
    this.#aux = auxEntries > 0 ? allocEntries(layout, rows, auxEntries, true) : empty();
    this.#ghosts = ghostEntries > 0 ? allocEntries(layout, rows, ghostEntries, false) : empty();
    const staged = kernels.mark() >>> 0;
    const given = layout.alloc(rows * d * 4, 'the rows');
    layout.f32(given, rows * d).set(x.subarray(0, rows * d));
    kernels.centre(given, rows, d, dp, 0, this.#x);
    if (this.#xbar !== this.#x) kernels.centre(given, rows, d, dp, layout.slot('b_dec').p, this.#xbar);
    kernels.reset(staged);
    this.#clear();
  }

  async run(pace: Pace): Promise<Passed> {
    const { selection } = this.#objective;
    if (selection.kind === 'batchtopk') await this.#wholeBatch(pace, selection.byDecoderNorm);
    else await this.#rowByRow(pace, selection.kind === 'relu' || selection.kind === 'topk');
    if (this.#dead > 0) await this.#revive(pace);
    return { result: this.#result(), rowErrors: this.#rowErrors, rowL0: this.#rowL0 };
  }

  /** @param same whether activations are pre-activations */
  async #rowByRow(pace: Pace, same: boolean): Promise<void> {
    const { kernels } = this.#layout;
    const { k } = this.#controls;
    const most = mostOfRow(this.#layout, k);
    const entries = allocEntries(this.#layout, this.#rows, Math.min(SPAN + CHUNK * most, this.#rows * most), same);
    const mark = kernels.mark() >>> 0;
    let begin = 0;
    let count = 0;
    for (const { first, rows } of chunks(this.#rows)) {
      kernels.reset(mark);
      count = await this.#encode(pace, first, rows, (chunk) => selectRows(this.#layout, chunk, k, entries, count));
      kernels.reset(mark);
      await this.#reconstruct(pace, entries, { first, rows });
      const next = first + rows;
      if (count < SPAN && next < this.#rows) continue;
      await this.#backward(pace, entries, { first: begin, rows: next - begin });
      begin = next;
      count = 0;
    }
    kernels.reset(mark);
  }

  async #wholeBatch(pace: Pace, byDecoderNorm: boolean): Promise<void> {
    const { kernels } = this.#layout;
    const batch = new BatchSelection(this.#layout, this.#rows, this.#controls, byDecoderNorm);
    const mark = kernels.mark() >>> 0;
    for (const { first, rows } of chunks(this.#rows)) {
      kernels.reset(mark);
      await this.#encode(pace, first, rows, (chunk) => batch.add(chunk));
    }
    kernels.reset(mark);
    const entries = batch.finish();
    await this.#reconstruct(pace, entries, { first: 0, rows: this.#rows });
    for (const span of spans(this.#layout, entries, this.#rows)) await this.#backward(pace, entries, span);
  }

  /** A chunk's pre-activations, and all that is done while they are there. */
  async #encode<T>(pace: Pace, first: number, rows: number, select: (chunk: Chunk) => T): Promise<T> {
    const chunk = await preactivations(this.#layout, pace, this.#xbar + first * this.#layout.dp * 4, first, rows);
    const selected = select(chunk);
    this.#finite &&= isFinite(this.#layout, chunk);
    this.#forDead(chunk);
    return selected;
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
    const words = layout.u32(layout.plan, PLAN_WORDS);
    const floats = layout.f32(layout.plan, PLAN_WORDS);
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

  /** Figures and residuals of some rows' entries. */
  async #reconstruct(pace: Pace, entries: Entries, all: Rows): Promise<void> {
    const layout = this.#layout;
    const { kernels, dp, objective } = layout;
    const { selection, penalty, groups } = objective;
    const { ids, zs, fs } = entries;
    const threshold = selection.kind === 'jumprelu' ? layout.slot('threshold').p : 0;
    const penalised = selection.kind === 'gated' ? zs : fs;
    const bias = layout.slot('b_dec').p;
    const w = layout.slot('W_dec').p;
    for (const { first, rows } of pieces(layout, entries, all)) {
      if (pace.isDue) await pace.pause();
      const mark = kernels.mark() >>> 0;
      const offsets = entries.offsets + first * 4;
      kernels.measure(rows, offsets, ids, fs, zs, penalised, this.#kind, weighsWithNorm(objective) ? layout.norms : 0, threshold, this.#controls.p, this.#controls.pNext ?? 0, penalty.kind === 'tanh' ? penalty.scale : 0, layout.fired, this.#rowL0 + first * 4, this.#rowScales + first * 4, layout.figures);
      const y = this.#seen + first * groups.length * dp * 4;
      const x = this.#x + first * dp * 4;
      kernels.decodeGroups(rows, offsets, ids, fs, w, dp, bias, layout.widths, groups.length, y);
      kernels.residuals(rows, groups.length, dp, y, x, layout.factors, layout.totals, this.#errors === 0 ? 0 : this.#errors + first * dp * 4, this.#rowErrors + first * 8, this.#gradients ? layout.outer : 0);
      if (selection.kind === 'gated' && this.#gradients) {
        const second = this.#gateSeen + first * dp * 4;
        kernels.decodeGroups(rows, offsets, ids, zs, w, dp, bias, layout.whole, 1, second);
        kernels.residuals(rows, 1, dp, second, x, layout.wholeFactor, layout.wholeTotal, 0, layout.alloc(rows * 8, 'the rows'), selection.detachAuxDecoder ? 0 : layout.outer);
      }
      kernels.reset(mark);
    }
  }

  /** Gradients of a span's entries. */
  async #backward(pace: Pace, entries: Entries, span: Rows): Promise<void> {
    if (!this.#gradients) return;
    const layout = this.#layout;
    const { kernels, objective } = layout;
    const { selection, groups } = objective;
    const mark = kernels.mark() >>> 0;
    layout.u32(layout.plan, PLAN_WORDS)[PLAN.rowScales] = this.#rowScales + span.first * 4;
    const columns = new Columns(layout, entries, span);
    const seen: Seen = { fs: entries.fs, s: this.#seen, widths: layout.widths, groups: groups.length, xbar: this.#xbar, gdec: layout.slot('W_dec').g };
    await columns.backward(pace, selection.kind === 'gated' ? MODE.gated : selection.kind === 'jumprelu' ? MODE.jump : MODE.plain, seen);
    if (selection.kind === 'gated') {
      await columns.backward(pace, MODE.gateAlone, { ...seen, fs: entries.zs, s: this.#gateSeen, widths: layout.whole, groups: 1, gdec: selection.detachAuxDecoder ? 0 : seen.gdec });
    }
    kernels.reset(mark);
  }

  /** AuxK and ghost gradients, when all residuals are known. */
  async #revive(pace: Pace): Promise<void> {
    const layout = this.#layout;
    const { kernels, d, dp, objective } = layout;
    const { auxk } = objective;
    layout.u32(layout.plan, PLAN_WORDS)[PLAN.kind] = PENALTY.none;
    if (objective.ghost) {
      const inverse = 1 / (this.#rows * d);
      await this.#again(pace, MODE.ghost, this.#ghosts, 0, (rows, y, e) => {
        this.#auxiliary += inverse * kernels.ghostResiduals(rows, y, e, dp, d, inverse);
      });
    }
    if (auxk === null) return;
    const denominator = auxk.normalize === 'variance' ? this.#variance() : 1;
    const scale = auxk.scaleByDead ? Math.min(this.#dead / auxk.k, 1) : 1;
    const weight = denominator > 0 ? (auxk.coefficient * scale) / (denominator * this.#rows) : 0;
    if (weight === 0) return;
    const [bias, outer] = auxk.includeBDec ? [layout.slot('b_dec').p, layout.outer] : [0, 0];
    await this.#again(pace, MODE.plain, this.#aux, bias, (rows, y, e) => {
      this.#auxiliary += weight * kernels.auxiliary(rows, dp, y, e, 2 * weight, outer);
    });
  }

  /** Reconstructs residuals e from other entries, of which `residuals` makes what the entries see, in place. */
  async #again(pace: Pace, mode: number, entries: Entries, bias: Pointer, residuals: (rows: number, y: Pointer, e: Pointer) => void): Promise<void> {
    const layout = this.#layout;
    const { kernels, dp } = layout;
    const { p: w, g: gdec } = layout.slot('W_dec');
    for (const { first, rows } of pieces(layout, entries, { first: 0, rows: this.#rows })) {
      if (pace.isDue) await pace.pause();
      const y = this.#seen + first * dp * 4;
      kernels.decodeGroups(rows, entries.offsets + first * 4, entries.ids, entries.fs, w, dp, bias, layout.whole, 1, y);
      residuals(rows, y, this.#errors + first * dp * 4);
    }
    for (const span of spans(layout, entries, this.#rows)) {
      const mark = kernels.mark() >>> 0;
      await new Columns(layout, entries, span).backward(pace, mode, { fs: entries.fs, s: this.#seen, widths: layout.whole, groups: 1, xbar: this.#xbar, gdec });
      kernels.reset(mark);
    }
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
