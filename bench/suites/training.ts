/**
 * Suite 6: a step of training, forward, backward and Adam, rows in and a loss out, against the
 * same model and optimiser elsewhere; and how a TopK step grows with d_sae beside
 * the encode that it contains.
 */
import { createWasmBackend } from '../../engine/wasm/backend.js';
import { createWasmTrainBackend } from '../../engine/wasm/train/backend.js';
import { createWebGpuTrainBackend } from '../../gpu/train/backend.js';
import { sameLosses } from '../agreement.js';
import { encoderWeights, gaussians, normalQuantile, plantedRows, saeOf } from '../arrays.js';
import { closeAll, tryOpen } from '../contenders.js';
import { hold } from '../contest.js';
import type { Host } from '../host.js';
import { compare, interleave, type Timing } from '../measure.js';
import type { Peer, Task } from '../peers/peer.js';
import { openSaekitTrain } from '../peers/train-saekit.js';
import type { TrainProblem } from '../peers/training.js';
import type { Row } from '../rows.js';
import { rounded } from '../statistics.js';
import { budgetFor, label, type Suite, type SuiteOptions } from './suite.js';
import { adapterDescription } from './webgpu.js';

interface Case {
  readonly rule: string;
  readonly rows: number;
  readonly d: number;
  readonly d_sae: number;
  readonly k: number | null;
  readonly l1: number;
  /** Share of the features that fires at first: how much a sparse backward pass has to do. */
  readonly density: number;
}

const TOPK = { rule: 'TopK-32', k: 32, l1: 0, density: 0.5 } as const;
const L1 = { rule: 'L1', k: null, l1: 0.5 } as const;
const CASES: Readonly<Record<'quick' | 'full', readonly Case[]>> = {
  quick: [{ ...TOPK, rule: 'TopK-8', k: 8, rows: 48, d: 32, d_sae: 256 }, { ...L1, rows: 48, d: 16, d_sae: 128, density: 0.05 }],
  full: [
    { ...TOPK, rows: 1024, d: 256, d_sae: 4096 },
    // As it is at first, and as a trained SAE has it.
    { ...L1, rule: 'L1, half of the features fire', rows: 2048, d: 64, d_sae: 1024, density: 0.5 },
    { ...L1, rule: 'L1, 2 % of the features fire', rows: 2048, d: 64, d_sae: 1024, density: 0.02 },
  ],
};
const GROWTH = { quick: { rows: 32, d: 32, d_sae: 128, k: 8 }, full: { rows: 1024, d: 256, d_sae: 4096, k: 32 } } as const;
const SIZES = [1, 2, 4] as const;

/** Rows made of other features than the SAE begins with; a decoder of unit rows, and its transpose as the encoder. */
export function trainProblem({ rows, d, d_sae, k, l1, density }: Omit<Case, 'rule'>, batches = 4): TrainProblem {
  const truth = encoderWeights(d, d_sae, 11).W_enc;
  const D = gaussians(d_sae * d, 5, 1 / Math.sqrt(d));
  for (let i = 0; i < d_sae; i++) {
    const row = D.subarray(i * d, (i + 1) * d);
    const norm = Math.hypot(...row);
    row.forEach((value, j) => (row[j] = value / norm));
  }
  const scale = 1 / Math.sqrt(32);
  const xs = Array.from({ length: batches }, (_, at) => plantedRows(rows, d, d_sae, truth, 8, 31 + at).map((value) => scale * value));
  // Pre-activations of rows of length s are about normal with deviation s / sqrt(d).
  const deviation = Math.sqrt(xs[0]!.reduce((sum, value) => sum + value * value, 0) / rows / d);
  const b = new Float32Array(d_sae).fill(density === 0.5 ? 0 : -deviation * normalQuantile(density));
  return { rows, d, d_sae, k, l1, lr: 1e-3, batches: xs, W: D.slice(), b, D };
}

async function openOurs(host: Host, { quick }: SuiteOptions): Promise<Peer[]> {
  const subjects = [openSaekitTrain(await createWasmTrainBackend(), 'saekit wasm', 1)];
  const flag = await host.relaxedSimd();
  const relaxed = await createWasmTrainBackend({ relaxed: true });
  if (relaxed.info.details.relaxed === true) subjects.push(openSaekitTrain(relaxed, 'saekit wasm relaxed', 1, flag ?? undefined));
  else host.say(`  without relaxed SIMD: ${String(relaxed.info.details.relaxedReason)}`);
  if (host.runtime === 'node') return subjects;
  try {
    const { name, software } = await adapterDescription();
    // On a CPU a step of the full shapes takes minutes, and says nothing about a GPU.
    if (software && !quick) host.say(`  without WebGPU: ${name} is a software adapter`);
    else subjects.push(openSaekitTrain(await createWebGpuTrainBackend(), 'saekit webgpu', 0, `${name}${software ? ', a software adapter: no figure of a GPU' : ''}`));
  } catch (error) {
    host.say(`  without WebGPU: ${(error as Error).message}`);
  }
  return subjects;
}

async function openCpu(host: Host): Promise<Peer[]> {
  return [
    ...(await tryOpen('tfjs-backend-wasm', host, async () => (await import('../peers/train-tfjs.js')).openTfjsWasmTrain(host.tfjsFolder))),
    ...(host.runtime === 'node' ? await tryOpen('numpy', host, async () => (await import('../peers/numpy-node.js')).openNumpy(1)) : []),
  ];
}

export const trainingSuite: Suite = {
  name: 'training',
  title: 'a step of training with Adam: TopK and L1 SAEs',
  runtimes: ['node', 'deno', 'chromium'],
  byDefault: ['node'],
  async run(host, options) {
    // Before our ways, as for every suite: the flag for relaxed SIMD must not meet a peer that asks what there is.
    const peers = await openCpu(host);
    const subjects = await openOurs(host, options);
    if (subjects.some(({ threads }) => threads === 0)) peers.push(...(await openGpu(host)));
    const rows: Row[] = [];
    try {
      for (const one of CASES[options.quick ? 'quick' : 'full']) {
        const name = label(host, `${one.rows}x${one.d}x${one.d_sae}`, one.rule);
        host.say(name);
        const problem = trainProblem(one);
        rows.push(
          ...(await hold<Float64Array>({
            suite: 'training',
            label: name,
            entrants: [...subjects, ...peers].map((peer) => ({ peer, ours: subjects.includes(peer), make: async (who) => (who.train === undefined ? [] : [await who.train(problem)]) })),
            budget: budgetFor(options, true),
            check: (who, ours, theirs) => sameLosses(`${who}, ${name}`, ours, theirs),
            own: [{ subject: 'saekit wasm relaxed, 1 thread', peer: 'saekit wasm, 1 thread', note: 'fused multiply-add against mul and add' }],
            tokens: one.rows,
            say: host.say,
          })),
        );
      }
      rows.push(...(await growth(host, options)));
    } finally {
      await closeAll([...subjects, ...peers]);
    }
    return rows;
  },
};

async function openGpu(host: Host): Promise<Peer[]> {
  return tryOpen('tfjs-backend-webgpu', host, async () => (await import('../peers/train-tfjs.js')).openTfjsWebGpuTrain());
}

/**
 * A TopK step beside the encode of the same rows as d_sae doubles and doubles again, all of
 * them timed in the same rounds. In the last row the peer is what the step would take had it
 * grown as the encode did.
 */
async function growth(host: Host, options: SuiteOptions): Promise<Row[]> {
  const base = GROWTH[options.quick ? 'quick' : 'full'];
  const training = openSaekitTrain(await createWasmTrainBackend(), 'saekit wasm', 1);
  const backend = await createWasmBackend({ threads: 1 });
  const tasks: Task<Float64Array>[] = [];
  const loaded: { dispose(): void }[] = [];
  try {
    const contenders = [];
    for (const times of SIZES) {
      const d_sae = base.d_sae * times;
      const problem = trainProblem({ ...base, d_sae, l1: 0, density: 0.5 }, 2);
      const step = await training.train!(problem);
      tasks.push(step);
      const W_enc = new Float32Array(d_sae * base.d);
      problem.W.forEach((value, e) => (W_enc[(e % base.d) * d_sae + Math.floor(e / base.d)] = value));
      const encoder = await backend.load(saeOf({ architecture: 'topk', d_in: base.d, d_sae, W_enc, b_enc: problem.b, k: base.k }), { screen: 'off' });
      loaded.push(encoder);
      contenders.push({ name: `step, d_sae x${times}`, run: async () => void (await step.run()) }, { name: `encode, d_sae x${times}`, run: async () => void (await encoder.encode(problem.batches[0]!, base.rows)) });
    }
    const name = label(host, `TopK-${base.k}`, `${base.rows}x${base.d}x${base.d_sae}`);
    host.say(`${name}, d_sae x${SIZES.join(', x')}`);
    const timings = await interleave(contenders, budgetFor(options, true));
    const of = (what: 'step' | 'encode', times: number): Timing => timings.find((timing) => timing.name === `${what}, d_sae x${times}`)!;
    const grown = (what: 'step' | 'encode', times: number): number => of(what, times).median / of(what, 1).median;
    const rows = SIZES.map((times) => compare('training', `${name}, d_sae x${times}`, of('step', times), of('encode', times), `a whole step beside its encode: ${rounded(grown('step', times))} and ${rounded(grown('encode', times))} times what they are at x1`));
    const most = SIZES.at(-1)!;
    const scale = of('step', 1).median / of('encode', 1).median;
    const peer: Timing = { name: 'had it grown as the encode', note: '', times: of('encode', most).times.map((time) => time * scale), median: of('encode', most).median * scale };
    return [...rows, compare('training', `${name}, growth to x${most}`, of('step', most), peer, `from x1 to x${most} the step grows ${rounded(grown('step', most))} times, the encode ${rounded(grown('encode', most))} times`)];
  } finally {
    for (const each of [...tasks, ...loaded]) await each.dispose?.();
    await training.dispose?.();
    await backend.dispose();
  }
}
