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
import type { Pointer } from '../loader.js';
import type { TrainKernels } from './kernels.js';
import { Layout } from './layout.js';
import { Pass, type Passed } from './pass.js';

/** Bounds what a batch takes in memory; and a key of batch.ts has 32 bits for row and feature. */
const MAX_ROWS = 2 ** 20;
const MAX_KEYS = 2 ** 32 - 1;
/** Values between two looks at the clock: a millisecond or two. */
const PIECE = 2 ** 20;
/** In the padding 0 / (0 + eps) must be 0. */
const LEAST_EPS = 1e-38;

export class WasmTrainSession implements TrainSession {
  readonly info: BackendInfo;
  readonly objective: Objective;
  readonly maxRows: number;
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
    this.maxRows = Math.max(1, Math.min(MAX_ROWS, Math.floor(MAX_KEYS / objective.d_sae)));
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
      const pace = new Pace(undefined);
      const { result } = await this.#pass(pace, x, rows, controls, true);
      const norm = this.#gradientNorm();
      if (Number.isFinite(result.loss) && Number.isFinite(norm)) await this.#update(pace, controls, norm);
      return { ...result, gradientNorm: norm };
    });
  }

  gradients(x: Float32Array, rows: number, controls: StepControls): Promise<{ result: StepResult; gradients: Parameters }> {
    return this.#inTurn(async () => {
      const { result } = await this.#pass(new Pace(undefined), x, rows, controls, true);
      return { result: { ...result, gradientNorm: this.#gradientNorm() }, gradients: this.#layout.readAll('g') };
    });
  }

  forward(x: Float32Array, rows: number, { k }: Pick<StepControls, 'k'>): Promise<ForwardResult> {
    const controls = { step: 1, lr: 0, coefficient: 0, p: 1, pNext: null, k, dead: null };
    return this.#inTurn(async () => {
      const { result, rowErrors, rowL0 } = await this.#pass(new Pace(undefined), x, rows, controls, false);
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

  async #pass(pace: Pace, x: Float32Array, rows: number, controls: StepControls, gradients: boolean): Promise<Passed> {
    checkControls(this.objective, rows, x, controls);
    if (rows > this.maxRows) throw new BackendError(`a batch has ${rows} rows, expected at most ${this.maxRows}`);
    if (this.#stale) await this.#refresh(pace);
    return new Pass(this.#layout, x, rows, controls, gradients).run(pace);
  }

  /** The packed encoder, its bias, what selections compare with, and the decoder's norms. */
  async #refresh(pace: Pace): Promise<void> {
    const layout = this.#layout;
    const { kernels, np, n, dp } = layout;
    const { selection } = this.objective;
    const [encoder, decoder] = [layout.slot('W_enc').p, layout.slot('W_dec').p];
    for await (const { first, count } of pieces(pace, np, Math.ceil(PIECE / (dp * 8)) * 8)) {
      const at = first * dp * 4;
      kernels.packFeatures(encoder + at, count / 8, dp, layout.panels + at);
      kernels.norms(count, decoder + at, dp, layout.norms + first * 4);
    }
    const bias = layout.f32(layout.bias, np);
    bias.fill(-3.4028234663852886e38);
    bias.set(layout.f32(layout.slot(selection.kind === 'gated' ? 'b_gate' : 'b_enc').p, n));
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

  async #update(pace: Pace, { step, lr }: StepControls, norm: number): Promise<void> {
    const layout = this.#layout;
    const { kernels, n, dp } = layout;
    const { kind, betas, eps, momentum, clip, removeParallel, renormalize } = this.#optimizer;
    const factor = clip === null ? 1 : Math.min(1, clip / (norm + 1e-6));
    const [b1, b2] = betas;
    const features = Math.ceil(PIECE / dp);
    this.#stale = true;
    for (const name of this.#trained) {
      const slot = layout.slot(name);
      if (name === 'W_dec' && removeParallel) {
        for await (const { first, count } of pieces(pace, n, features)) kernels.removeParallel(count, dp, slot.p + first * dp * 4, slot.g + first * dp * 4);
      }
      for await (const { first, count } of pieces(pace, slot.count, PIECE)) {
        const [p, g, m, v] = [slot.p, slot.g, slot.m, slot.v].map((pointer) => pointer + first * 4) as [Pointer, Pointer, Pointer, Pointer];
        if (kind === 'sgd') kernels.descend(count, p, g, m, factor, momentum, lr);
        else kernels.adam(count, p, g, m, v, factor, b1, b2, lr / (1 - b1 ** step), 1 / Math.sqrt(1 - b2 ** step), Math.max(eps, LEAST_EPS));
      }
    }
    if (renormalize === 'never' || !this.#trained.includes('W_dec')) return;
    for await (const { first, count } of pieces(pace, n, features)) kernels.normalise(count, dp, layout.slot('W_dec').p + first * dp * 4, renormalize === 'at-most' ? 1 : 0);
  }
}

/** `total` in pieces of `size`, with events let in between them where it is time. */
async function* pieces(pace: Pace, total: number, size: number): AsyncGenerator<{ first: number; count: number }> {
  for (let first = 0; first < total; first += size) {
    if (pace.isDue) await pace.pause();
    yield { first, count: Math.min(size, total - first) };
  }
}

/** An f32 that z must exceed to have a gradient: not above theta - bandwidth / 2, nor above theta. */
function lower(theta: number, bandwidth: number): number {
  const edge = theta - bandwidth / 2;
  return edge - Math.abs(edge) * 1e-6 - 1e-40;
}
