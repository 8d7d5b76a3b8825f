/**
 * Measuring what engine/cost-model.ts predicts with: each backend encodes random
 * rows with small random SAEs of a few shapes, chosen so that each is dominated
 * by another term of the model. One or two seconds in all; a backend that has not
 * given its first result by then (a software GPU compiles for many) is left out,
 * and says so.
 */
import type { Backend, BackendKind, LoadedSae } from './backend.js';
import { loadCalibration, machineName, saveCalibration } from './cost-cache.js';
import type { BackendCalibration, Calibration, CostFit, CostPoint, EncodeMethod, SelectionRule } from './cost-model.js';
import { FEWEST_POINTS, fitTerms } from './cost-model.js';
import { BackendError, isAbort } from './errors.js';
import { createRandom } from './random.js';
import type { Sae } from './sae.js';
import { VERSION } from './version.js';

export interface CalibrateOptions {
  /** Names the machine and runtime in the key (engine/cost-cache.ts has one). */
  readonly machine: string;
  /** Seconds for measuring, all backends together; default 3. */
  readonly budget?: number;
  /** Seconds that a backend may take to its first result; default its part of the budget. */
  readonly patience?: number;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Rows, d_in, d_sae; by what each is dominated. Rows and work enough that threads
 * share the large ones.
 */
const SHAPES: readonly (readonly [rows: number, d_in: number, d_sae: number])[] = [
  [1, 32, 256], // launch
  [256, 256, 2048], // product
  [512, 16, 4096], // select
  [1, 512, 2048], // weights
  [1024, 256, 128], // input
  [32, 256, 1024], // some of all
];
const L0 = 32;
/** z of a standard normal number that L0 of 2,048 pass, about; what fires does not matter to a cost, how many does a little. */
const THRESHOLD = 2.15;

export interface ObtainOptions extends Omit<CalibrateOptions, 'machine'> {
  /** Measure even if a calibration is kept. */
  readonly again?: boolean;
}

/** The calibration of these backends: the one that is kept for this machine, or one that is measured now and kept. */
export async function obtainCalibration(backends: readonly Backend[], options: ObtainOptions = {}): Promise<{ calibration: Calibration; kept: 'read' | 'written' | 'not kept' }> {
  const { again = false, ...rest } = options;
  const machine = await machineName();
  const found = again ? null : await loadCalibration(calibrationKey(machine, backends));
  if (found !== null) return { kept: 'read', calibration: found };
  const calibration = await calibrate(backends, { machine, ...rest });
  return { kept: (await saveCalibration(calibration)) ? 'written' : 'not kept', calibration };
}

/** What a calibration of these backends would be called. */
export function calibrationKey(machine: string, backends: readonly Backend[]): string {
  return JSON.stringify([VERSION, machine, ...backends.map(({ info }) => [info.kind, info.description])]);
}

/**
 * Measures. A backend that fails is in the result with its problem, and without fits.
 * @throws what the signal is aborted with
 */
export async function calibrate(backends: readonly Backend[], options: CalibrateOptions): Promise<Calibration> {
  const { machine, budget = 3, signal } = options;
  const started = performance.now();
  const measured: BackendCalibration[] = [];
  for (const backend of backends) {
    const left = Math.max(0.05, budget - measured.reduce((sum, { setUpSeconds }) => sum + (options.patience === undefined ? setUpSeconds : 0), 0));
    const share = left / backends.length;
    try {
      measured.push(await calibrateBackend(backend, share, options.patience ?? share, signal));
    } catch (error) {
      signal?.throwIfAborted();
      if (!(error instanceof BackendError) && !isAbort(error)) throw error;
      const { kind, description, software } = backend.info;
      measured.push({ backend: kind, description, software: kind === 'webgpu' && software, setUpSeconds: 0, loadSecondsPerWeight: 0, fits: [], problem: error instanceof Error ? error.message : String(error) });
    }
  }
  return { format: 1, key: calibrationKey(machine, backends), seconds: (performance.now() - started) / 1000, backends: measured };
}

async function calibrateBackend(backend: Backend, budget: number, patience: number, signal: AbortSignal | undefined): Promise<BackendCalibration> {
  const { kind, description, software } = backend.info;
  const began = performance.now();
  // The pipelines of both rules, as a run would compile them.
  for (const rule of RULES) await withPatience(first(backend, rule), patience, `its kernels were still compiling after ${patience.toPrecision(2)} s`);
  const setUpSeconds = (performance.now() - began) / 1000;
  const deadline = performance.now() + 1000 * Math.max(0.25 * budget, budget - setUpSeconds);
  const giveUp = began + 1000 * Math.max(patience, 1.5 * budget);

  // Dense first: without it there is nothing, without the others there is less.
  const jobs: { method: EncodeMethod; rule: SelectionRule }[] = methodsOf(kind).flatMap((method) => RULES.map((rule) => ({ method, rule })));
  const fits: CostFit[] = [];
  const loads: number[] = [];
  const total = jobs.length * SHAPES.length;
  let done = 0;
  jobs: for (const { method, rule } of jobs) {
    const points: CostPoint[] = [];
    let survivorRatio: number | null = null;
    for (const [rows, d_in, d_sae] of SHAPES) {
      signal?.throwIfAborted();
      const late = performance.now() > deadline;
      // Fewer points would give a fit that means nothing.
      if (performance.now() > giveUp && fits.length >= RULES.length) break jobs;
      if (performance.now() > giveUp) throw new BackendError(`it is too slow to be measured in ${((giveUp - began) / 1000).toPrecision(2)} s`);
      const sae = randomSae(rule, d_in, d_sae);
      const before = performance.now();
      const loaded = await backend.load(sae, { screen: method === 'screened' ? 'on' : 'off', signal });
      loads.push((performance.now() - before) / 1000 / (2 * d_in * d_sae));
      try {
        // Asked for and not there: a backend, or a shape, without a screen.
        if (method === 'screened' && (loaded.report?.().screen ?? null) === null) continue;
        const seconds = Math.max(0, (deadline - performance.now()) / 1000 / (total - done));
        points.push({ rows, d_in, d_sae, seconds: await timeEncode(loaded, numbers(rows * d_in, 1), rows, seconds, late ? 1 : 3) });
        if (method === 'screened' && d_sae === 2048) survivorRatio = loaded.report?.().screen?.survivorRatio ?? null;
      } finally {
        loaded.dispose();
        done++;
      }
    }
    if (points.length >= FEWEST_POINTS) fits.push({ method, rule, ...fitTerms(points), points, survivorRatio });
  }
  loads.sort((a, b) => a - b);
  return { backend: kind, description, software: kind === 'webgpu' && software, setUpSeconds, loadSecondsPerWeight: loads[0] ?? 0, fits, problem: null };
}

const RULES: readonly SelectionRule[] = ['threshold', 'topk'];
/** WebGPU screens where it is asked to, and never by itself (docs/decisions/0012): nothing is to be predicted from that. */
const methodsOf = (kind: BackendKind): readonly EncodeMethod[] => (kind === 'webgpu' ? ['dense'] : ['dense', 'screened']);

/** From loading to the first codes. */
async function first(backend: Backend, rule: SelectionRule): Promise<void> {
  const loaded = await backend.load(randomSae(rule, 32, 256), { screen: 'off' });
  try {
    await loaded.encode(numbers(4 * 32, 1), 4);
  } finally {
    loaded.dispose();
  }
}

async function withPatience(work: Promise<void>, seconds: number, problem: string): Promise<void> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new BackendError(problem)), 1000 * seconds);
  });
  // Left behind it may still fail, and nobody is there to hear it.
  work.catch(() => undefined);
  try {
    await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}

/** The median of as many calls as fit, at least `least`, after one to warm up. */
async function timeEncode(loaded: LoadedSae, xbar: Float32Array, rows: number, seconds: number, least: number): Promise<number> {
  await loaded.encode(xbar, rows);
  const times: number[] = [];
  const end = performance.now() + 1000 * seconds;
  do {
    const before = performance.now();
    await loaded.encode(xbar, rows);
    times.push((performance.now() - before) / 1000);
  } while (times.length < least || (times.length < 25 && performance.now() < end));
  times.sort((a, b) => a - b);
  // A browser's clock may be as coarse as a tenth of a millisecond: no time is no time.
  return Math.max(times[times.length >> 1] ?? 0, 1e-6);
}

let pool: Float32Array | undefined;

/** About standard normal numbers (sums of four uniform ones), the same each time; the first call draws them. */
function numbers(length: number, scale: number): Float32Array {
  if (pool === undefined) {
    const random = createRandom(1);
    const draw = (): number => random.uint32() / 2 ** 31 - 1;
    // 65,536 of them, again and again from another place: a cost does not see the difference.
    pool = Float32Array.from({ length: 2 ** 16 }, () => (draw() + draw() + draw() + draw()) * Math.sqrt(3 / 4));
  }
  const source = pool;
  return Float32Array.from({ length }, (_, at) => scale * source[(at + 7 * (at >>> 16)) & 0xffff]!);
}

function randomSae(rule: SelectionRule, d_in: number, d_sae: number): Sae {
  return {
    architecture: rule === 'topk' ? 'topk' : 'jumprelu',
    d_in,
    d_sae,
    d_out: d_in,
    W_enc: numbers(d_in * d_sae, 1 / Math.sqrt(d_in)),
    b_enc: new Float32Array(d_sae),
    W_dec: new Float32Array(d_sae * d_in),
    b_dec: new Float32Array(d_in),
    threshold: rule === 'topk' ? null : new Float32Array(d_sae).fill(THRESHOLD),
    k: rule === 'topk' ? Math.min(L0, d_sae) : null,
    applyBDecToInput: false,
    normalizeActivations: 'none',
    rescaleActsByDecoderNorm: false,
    metadata: { name: 'calibration', model_name: null, hook_name: null, source: 'engine/calibrate.ts', format: 'random', sha256: null },
    conventions: [],
  };
}
