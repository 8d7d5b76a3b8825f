/**
 * A training session on WASM: the parameters live in linear memory, a step passes over the
 * batch (pass.ts) and updates them. One thread: bits do not depend on how many there are.
 */
import type { BackendInfo } from '../../backend.js';
import { BackendError } from '../../errors.js';
import { Pace } from '../../pace.js';
import { checkControls, checkTrainState } from '../../train/checks.js';
import type { Objective, Optimizer, ParameterName } from '../../train/objective.js';
import type { ForwardResult, Parameters, StepControls, StepResult, TrainSession, TrainState } from '../../train/session.js';
import type { TrainKernels } from './kernels.js';
import { Layout } from './layout.js';
import { Pass, type Passed } from './pass.js';

/** Bounds what a batch takes in memory. */
const MAX_ROWS = 2 ** 20;
/** In the padding 0 / (0 + eps) must be 0. */
const LEAST_EPS = 1e-38;

export class WasmTrainSession implements TrainSession {
  readonly info: BackendInfo;
  readonly objective: Objective;
  readonly maxRows = MAX_ROWS;
  readonly #layout: Layout;
  readonly #optimizer: Optimizer;
  readonly #trained: readonly ParameterName[];
  /** Calls follow each other: they have the same memory. */
  #turn: Promise<unknown> = Promise.resolve();
  #disposed = false;
  /** Whether what is derived from the parameters is to be derived anew. */
  #stale = true;

  constructor(info: BackendInfo, kernels: TrainKernels, objective: Objective, optimizer: Optimizer, state: TrainState) {
    this.info = info;
    this.objective = objective;
    this.#optimizer = optimizer;
    this.#layout = new Layout(kernels, objective);
    this.#trained = this.#layout.names.filter((name) => !optimizer.frozen.includes(name));
    this.#layout.writeState(state);
  }

  /** Bytes of linear memory, for tests of what the steady state asks for: nothing. */
  get byteLength(): number {
    return this.#layout.kernels.memory.buffer.byteLength;
  }

  step(x: Float32Array, rows: number, controls: StepControls): Promise<StepResult> {
    return this.#inTurn(async () => {
      const { result } = await this.#pass(x, rows, controls, true);
      const norm = this.#gradientNorm();
      if (Number.isFinite(result.loss) && Number.isFinite(norm)) this.#update(controls, norm);
      return { ...result, gradientNorm: norm };
    });
  }

  gradients(x: Float32Array, rows: number, controls: StepControls): Promise<{ result: StepResult; gradients: Parameters }> {
    return this.#inTurn(async () => {
      const { result } = await this.#pass(x, rows, controls, true);
      return { result: { ...result, gradientNorm: this.#gradientNorm() }, gradients: this.#layout.readAll('g') };
    });
  }

  forward(x: Float32Array, rows: number, { k }: Pick<StepControls, 'k'>): Promise<ForwardResult> {
    const controls = { step: 1, lr: 0, coefficient: 0, p: 1, pNext: null, k, dead: null };
    return this.#inTurn(async () => {
      const { result, rowErrors, rowL0 } = await this.#pass(x, rows, controls, false);
      return { rowErrors: Float32Array.from(this.#layout.f64(rowErrors, rows)), rowL0: this.#layout.u32(rowL0, rows).slice(), fired: result.fired };
    });
  }

  read(): Promise<TrainState> {
    return this.#inTurn(() => ({ parameters: this.#layout.readAll('p'), m: this.#layout.readAll('m'), v: this.#layout.readAll('v') }));
  }

  write(state: Partial<TrainState>): Promise<void> {
    return this.#inTurn(() => {
      checkTrainState(this.objective, state);
      this.#layout.writeState(state);
      this.#stale = true;
    });
  }

  dispose(): void {
    this.#disposed = true;
  }

  #inTurn<T>(work: () => T | Promise<T>): Promise<T> {
    const call = this.#turn.then(() => {
      if (this.#disposed) throw new BackendError('the training session was disposed of');
      return work();
    });
    this.#turn = call.catch(() => undefined);
    return call;
  }

  #pass(x: Float32Array, rows: number, controls: StepControls, gradients: boolean): Promise<Passed> {
    checkControls(this.objective, rows, x, controls);
    if (rows > MAX_ROWS) throw new BackendError(`a batch has ${rows} rows, expected at most ${MAX_ROWS}`);
    if (this.#stale) this.#refresh();
    return new Pass(this.#layout, x, rows, controls, gradients).run(new Pace(undefined));
  }

  /** The packed encoder, its bias, what selections compare with, and the decoder's norms. */
  #refresh(): void {
    const layout = this.#layout;
    const { kernels, np, n, dp } = layout;
    const { selection } = this.objective;
    kernels.packFeatures(layout.slot('W_enc').p, np / 8, dp, layout.panels);
    const bias = layout.f32(layout.bias, np);
    bias.fill(-3.4028234663852886e38);
    bias.set(layout.f32(layout.slot(selection.kind === 'gated' ? 'b_gate' : 'b_enc').p, n));
    kernels.norms(np, layout.slot('W_dec').p, dp, layout.norms);
    if (selection.kind === 'jumprelu') {
      // What is within half a bandwidth below the threshold has a gradient too.
      const threshold = layout.f32(layout.slot('threshold').p, n);
      const edges = layout.f32(layout.edges, np);
      for (let i = 0; i < n; i++) edges[i] = lower(threshold[i]!, selection.bandwidth);
    }
    if (selection.kind === 'gated') {
      const r = layout.f32(layout.slot('r_mag').p, n);
      const scales = layout.f32(layout.scales, np);
      for (let i = 0; i < n; i++) scales[i] = Math.exp(r[i]!);
    }
    this.#stale = false;
  }

  #gradientNorm(): number {
    const { kernels } = this.#layout;
    return Math.sqrt(this.#trained.reduce((sum, name) => sum + kernels.squares(this.#layout.slot(name).count, this.#layout.slot(name).g), 0));
  }

  #update({ step, lr }: StepControls, norm: number): void {
    const layout = this.#layout;
    const { kernels, n, dp } = layout;
    const { kind, betas, eps, momentum, clip, removeParallel, renormalize } = this.#optimizer;
    const factor = clip === null ? 1 : Math.min(1, clip / (norm + 1e-6));
    const [b1, b2] = betas;
    for (const name of this.#trained) {
      const { p, g, m, v, count } = layout.slot(name);
      if (name === 'W_dec' && removeParallel) kernels.removeParallel(n, dp, p, g);
      if (kind === 'sgd') kernels.descend(count, p, g, m, factor, momentum, lr);
      else kernels.adam(count, p, g, m, v, factor, b1, b2, lr / (1 - b1 ** step), 1 / Math.sqrt(1 - b2 ** step), Math.max(eps, LEAST_EPS));
    }
    if (renormalize !== 'never' && this.#trained.includes('W_dec')) kernels.normalise(n, dp, layout.slot('W_dec').p, renormalize === 'at-most' ? 1 : 0);
    this.#stale = true;
  }
}

/** An f32 that z must exceed to have a gradient: not above theta - bandwidth / 2, nor above theta. */
function lower(theta: number, bandwidth: number): number {
  const edge = theta - bandwidth / 2;
  return edge - Math.abs(edge) * 1e-6 - 1e-40;
}
