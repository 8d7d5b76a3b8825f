/**
 * The float64 oracle of training: the loss (train-oracle-loss.ts), its gradients
 * (train-oracle-gradients.ts), the optimiser (train-oracle-update.ts), and from these a
 * whole training backend, so that everything above a backend can be tested without one.
 */
import type { BackendInfo } from '../../engine/backend.js';
import { BackendError } from '../../engine/errors.js';
import { checkControls, checkObjective, checkOptimizer, checkTrainState } from '../../engine/train/checks.js';
import { parametersOf, type Objective, type Optimizer } from '../../engine/train/objective.js';
import type { ForwardResult, Parameters, StepControls, StepResult, TrainBackend, TrainSession, TrainState } from '../../engine/train/session.js';
import { forward } from './train-oracle-forward.js';
import { firedOf, gradientsOf, type Gradients } from './train-oracle-gradients.js';
import { update, type Arrays, type State64 } from './train-oracle-update.js';

export { gradientsOf, type Gradients } from './train-oracle-gradients.js';
export { lossOf } from './train-oracle-loss.js';
export { gradientNorm, update, type Arrays, type State64 } from './train-oracle-update.js';

const INFO: BackendInfo = { kind: 'wasm', description: 'float64 oracle', software: true, details: {} };

/**
 * A backend in plain float64 TypeScript. Between steps its state is f32, as every
 * session's is: a run that is resumed from `read` equals one that was not interrupted.
 */
export function createOracleTrainBackend(): TrainBackend {
  return {
    info: INFO,
    async start(objective, optimizer, state) {
      checkObjective(objective);
      checkOptimizer(objective, optimizer);
      checkTrainState(objective, state, true);
      return new OracleSession(objective, optimizer, state);
    },
    dispose: () => Promise.resolve(),
  };
}

/** Gradients as plain arrays. */
export function arraysOf({ gradients }: Gradients): Arrays {
  return Object.fromEntries([...gradients].map(([name, { v }]) => [name, v]));
}

/** f32 arrays as float64 ones. */
export function widen(state: TrainState): State64 {
  const each = (arrays: Parameters): Arrays => Object.fromEntries(Object.entries(arrays).map(([name, values]) => [name, Float64Array.from(values)]));
  return { parameters: each(state.parameters), m: each(state.m), v: each(state.v) };
}

/** Float64 arrays rounded to f32. */
export function narrow(arrays: Arrays): Parameters {
  return Object.fromEntries(Object.entries(arrays).map(([name, values]) => [name, Float32Array.from(values)]));
}

class OracleSession implements TrainSession {
  readonly info = INFO;
  readonly objective: Objective;
  readonly maxRows = 2 ** 20;
  readonly #optimizer: Optimizer;
  #state: TrainState;
  #disposed = false;

  constructor(objective: Objective, optimizer: Optimizer, state: TrainState) {
    this.objective = objective;
    this.#optimizer = optimizer;
    this.#state = copyOf(state);
  }

  async step(x: Float32Array, rows: number, controls: StepControls): Promise<StepResult> {
    const gradients = this.#gradients(x, rows, controls);
    const { loss, gradientNorm } = gradients.result;
    // What overflows f32 is not finite on a backend.
    if (Number.isFinite(Math.fround(loss)) && Number.isFinite(Math.fround(gradientNorm))) {
      const next = update(this.objective, this.#optimizer, widen(this.#state), arraysOf(gradients), controls);
      this.#state = { parameters: narrow(next.parameters), m: narrow(next.m), v: narrow(next.v) };
      return gradients.result;
    }
    return { ...gradients.result, loss: Math.fround(loss), gradientNorm: Math.fround(gradientNorm) };
  }

  async gradients(x: Float32Array, rows: number, controls: StepControls): Promise<{ result: StepResult; gradients: Parameters }> {
    const gradients = this.#gradients(x, rows, controls);
    return { result: gradients.result, gradients: narrow(arraysOf(gradients)) };
  }

  async forward(x: Float32Array, rows: number, controls: Pick<StepControls, 'k'>): Promise<ForwardResult> {
    this.#check(x, rows, controls);
    const { d } = this.objective;
    const pass = forward(this.objective, this.#state.parameters, x, rows, controls.k);
    const { f, shape, residuals } = pass;
    const sum = (values: Float64Array, each: (value: number) => number): number => values.reduce((total, value) => total + each(value), 0);
    return {
      rowErrors: Float32Array.from({ length: rows }, (_, r) => sum(residuals.at(-1)!.v.subarray(r * d, (r + 1) * d), (value) => value * value)),
      rowL0: Uint32Array.from({ length: rows }, (_, r) => sum(f.v.subarray(r * shape.n, (r + 1) * shape.n), (value) => Number(value > 0))),
      fired: firedOf(pass),
    };
  }

  async read(): Promise<TrainState> {
    this.#open();
    return copyOf(this.#state);
  }

  async write(state: Partial<TrainState>): Promise<void> {
    this.#open();
    checkTrainState(this.objective, state);
    const { parameters, m, v } = this.#state;
    this.#state = copyOf({ parameters: { ...parameters, ...state.parameters }, m: { ...m, ...state.m }, v: { ...v, ...state.v } });
  }

  dispose(): void {
    this.#disposed = true;
  }

  #gradients(x: Float32Array, rows: number, controls: StepControls): Gradients {
    this.#check(x, rows, controls);
    return gradientsOf(this.objective, this.#state.parameters, x, rows, controls, { frozen: this.#optimizer.frozen });
  }

  #check(x: Float32Array, rows: number, controls: StepControls | Pick<StepControls, 'k'>): void {
    this.#open();
    checkControls(this.objective, rows, x, controls, this.maxRows);
  }

  #open(): void {
    if (this.#disposed) throw new BackendError('the training session was disposed of');
  }
}

function copyOf(state: TrainState): TrainState {
  const each = (arrays: Parameters): Parameters => Object.fromEntries(Object.entries(arrays).map(([name, values]) => [name, values.slice()]));
  return { parameters: each(state.parameters), m: each(state.m), v: each(state.v) };
}

/** Moments of zeros for an objective. */
export function emptyMoments(objective: Objective, parameters: Parameters): TrainState {
  const none = (): Parameters => Object.fromEntries(parametersOf(objective).map((name) => [name, new Float32Array(parameters[name]!.length)]));
  return { parameters, m: none(), v: none() };
}
