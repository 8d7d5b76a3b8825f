/** From gradients to parameters: the verdict on the batch, and the optimiser (engine/train/objective.ts). */
import type { Optimizer, ParameterName } from '../../engine/train/objective.js';
import type { StepControls } from '../../engine/train/session.js';
import type { DeviceState } from './parameters.js';
import { bits, MOST_PARAMETERS, SLOT, TOTAL, TOTALS, type TrainPlan } from './plan.js';
import type { Binding, Recording } from './recording.js';
import type { Scratch } from './scratch.js';
import { slotOf, sumAll } from './sums.js';

const FLAG = { adam: 1, parallel: 2, atMost: 4, clipped: 8 } as const;

export interface UpdateContext {
  readonly recording: Recording;
  readonly scratch: Scratch;
  readonly state: DeviceState;
  readonly plan: TrainPlan;
  readonly optimizer: Optimizer;
}

interface Gradient {
  readonly g: Binding;
  readonly rows: number;
  readonly quads: number;
}

/** Where a parameter's gradient lies. */
export function gradientOf(name: ParameterName, scratch: Scratch, plan: TrainPlan): Gradient {
  const { width, quads } = plan;
  if (name === 'W_enc' || name === 'W_dec') return { g: scratch.get(`g_${name}`), rows: width, quads };
  if (name === 'b_dec') return { g: scratch.get('g_b_dec'), rows: quads, quads: 1 };
  const slot = name === 'b_enc' ? SLOT.b_enc : name === 'b_gate' ? SLOT.gate : SLOT.second;
  return { g: slotOf(scratch.get('sums'), slot, plan), rows: width / 4, quads: 1 };
}

/** The norm of what is trained, whether all is finite, and what clipping multiplies by. */
export function recordVerdict({ recording, scratch, state, plan, optimizer }: UpdateContext): void {
  state.names.forEach((name, index) => {
    if (!optimizer.frozen.includes(name)) {
      const { g, rows, quads } = gradientOf(name, scratch, plan);
      sumAll({ recording, scratch }, { m: g, rows, quads, squared: true }, TOTAL.squares + index);
    }
  });
  const words = settings({ size: TOTALS, quads: MOST_PARAMETERS, parts: 0, flags: optimizer.clip === null ? 0 : FLAG.clipped }, { clip: optimizer.clip ?? 0 });
  recording.groups('verdict', words, [scratch.get('totals'), scratch.get('verdict')], 1);
}

/** The update, which kernels leave out where the verdict is against it. */
export function recordUpdate({ recording, scratch, state, plan, optimizer }: UpdateContext, { step, lr }: Pick<StepControls, 'step' | 'lr'>): void {
  const { width, quads, parts } = plan;
  const [b1, b2] = optimizer.betas;
  const adam = optimizer.kind === 'adam';
  const rates = adam ? { b1, b2, rate: lr / (1 - b1 ** step), root: 1 / Math.sqrt(1 - b2 ** step), eps: optimizer.eps } : { b1: optimizer.momentum, rate: lr };
  const [zeros, verdict, norms, along] = (['zeros', 'verdict', 'norms', 'along'] as const).map((name) => scratch.get(name)) as [GPUBuffer, GPUBuffer, GPUBuffer, GPUBuffer];
  const W_dec = state.get('parameters', 'W_dec');
  const squares = (): void => recording.run('dots', [width, quads, parts], [W_dec, W_dec, norms], width * parts);
  for (const name of state.names) {
    if (optimizer.frozen.includes(name)) continue;
    const { g, rows, quads: columns } = gradientOf(name, scratch, plan);
    const parallel = name === 'W_dec' && optimizer.removeParallel;
    if (parallel) {
      squares();
      recording.run('dots', [width, quads, parts], [g, W_dec, along], width * parts);
    }
    const words = settings({ size: rows * columns, quads: columns, parts, flags: (adam ? FLAG.adam : 0) | (parallel ? FLAG.parallel : 0) }, rates);
    recording.run('update', words, [g, verdict, parallel ? along : zeros, parallel ? norms : zeros, state.get('parameters', name), state.get('m', name), state.get('v', name)], rows * columns);
  }
  if (optimizer.renormalize === 'never' || optimizer.frozen.includes('W_dec')) return;
  squares();
  const words = settings({ size: width * quads, quads, parts, flags: optimizer.renormalize === 'at-most' ? FLAG.atMost : 0 }, {});
  recording.run('renormalize', words, [verdict, norms, W_dec], width * quads);
}

/** Words of `Update` (kernels/parts/update.wgsl). */
function settings(
  { size, quads, parts, flags }: { size: number; quads: number; parts: number; flags: number },
  { b1 = 0, b2 = 0, rate = 0, root = 0, eps = 0, clip = 0 }: { b1?: number; b2?: number; rate?: number; root?: number; eps?: number; clip?: number },
): number[] {
  return [size, quads, parts, flags, ...[b1, b2, rate, root, eps, clip, 1 - b1, 1 - b2].map(bits)];
}
