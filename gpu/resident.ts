/**
 * An SAE on one device: the plan, the weights, and the kernels that run on them.
 * When the device is lost all of it is, and it is built again on the next.
 */
import { BackendError } from '../engine/errors.js';
import type { Sae } from '../engine/sae.js';
import type { TieTolerance } from '../engine/ties.js';
import { decide, type Plan } from './decide.js';
import { Decoder } from './decoder.js';
import { chooseKernels, chooseSubgroups, FEW_ROWS, type ForcedChoice } from './decide/kernels.js';
import { type EncodePipelines, encodePipelines, type EncodeVariant } from './dispatch.js';
import { Encoder, rankedEntries } from './encoder.js';
import { Loan } from './buffers.js';
import type { Generation } from './manager.js';
import type { Pipelines } from './pipelines.js';
import { canScreen, Screen } from './screen.js';
import { type WeightOptions, Weights } from './weights.js';

export interface Resident {
  readonly generation: Generation;
  readonly plan: Plan;
  readonly weights: Weights;
  readonly encoder: Encoder;
  readonly decoder: Decoder;
}

export interface ResidentOptions extends WeightOptions {
  /** Where this SAE is a block of a larger one: the tie tolerance of the whole. */
  readonly tolerance?: TieTolerance | undefined;
  /** Screened encode, where it can be. */
  readonly screen?: boolean | undefined;
  /** For tests: the kernels that are to be chosen. */
  readonly kernels?: ForcedChoice | undefined;
}

/**
 * Plans, compiles and uploads, the last two at the same time.
 * @throws BackendError, NumericError and ShapeError as `Weights.upload`, the reason of the signal
 */
export async function makeResident(generation: Generation, sae: Sae, options: ResidentOptions): Promise<Resident> {
  const { device, memory, pool, pipelines, adapter } = generation;
  const { storage = 'f32', kernels: forced } = options;
  const subgroups = chooseSubgroups(device.capabilities, adapter, forced);
  const plan = decide(sae, device.limits, { software: adapter.software, subgroups: subgroups !== false });
  const keep = rankedEntries(sae);
  const n = plan.encode.blocks[0]?.n ?? 0;
  const screens = options.screen === true && storage === 'f32' && device.capabilities.packedDot && canScreen(sae);
  const choose = (rows: number, screened: boolean) => chooseKernels({ rows, d_sae: sae.d_sae, n, keep, screened }, device.limits, adapter, forced);
  // Of one row, a few more, and as many as there may be: all that `choose` can say.
  const choices = [1, FEW_ROWS + 1, plan.encode.rows].filter((rows) => rows <= plan.encode.rows).flatMap((rows) => [choose(rows, false), ...(screens ? [choose(rows, true)] : [])]);
  const variant = { architecture: sae.architecture, storage, choices, subgroups, software: adapter.software };
  const compiled = Promise.all([withOrWithoutSubgroups(pipelines, variant, forced?.subgroups === undefined), pipelines.get('decode', { storage }), screens ? pipelines.get('pack-columns') : null]);
  // The upload may fail first.
  compiled.catch(() => undefined);
  const weights = await Weights.upload(device, memory, sae, plan, options);
  try {
    const [encode, decode, pack] = await compiled;
    options.signal?.throwIfAborted();
    const screen = pack === null ? null : await makeScreen(generation, pack, sae.d_in, plan, weights);
    const encoder = new Encoder(
      {
        device,
        pool,
        pipelines: encode,
        plan: plan.encode,
        weights: weights.encode,
        tolerance: options.tolerance ?? weights.tolerance,
        choose,
        screen,
        sample: forced?.slice,
      },
      sae,
    );
    const decoder = new Decoder(device, pool, decode, plan.decode, weights, sae);
    return { generation, plan, weights, encoder, decoder };
  } catch (error) {
    weights.destroy();
    throw error;
  }
}

async function makeScreen({ device, memory, pool }: Generation, pack: GPUComputePipeline, d_in: number, plan: Plan, weights: Weights): Promise<Screen | null> {
  const loan = new Loan(pool, device.gpu.queue);
  const { result, valid } = device.scoped('the screen', () => {
    try {
      return Screen.make(device, memory, loan, pack, d_in, plan.encode, weights);
    } finally {
      loan.giveBack();
    }
  });
  await valid;
  return result;
}

/**
 * A device may have subgroups and its runtime's WGSL compiler not yet know the extension
 * (naga, as of 2026): there they are done without, unless a test insists.
 */
async function withOrWithoutSubgroups(pipelines: Pipelines, variant: EncodeVariant, yields: boolean): Promise<EncodePipelines> {
  try {
    return await encodePipelines(pipelines, variant);
  } catch (error) {
    if (variant.subgroups === false || !yields || !(error instanceof BackendError)) throw error;
    return encodePipelines(pipelines, { ...variant, subgroups: false });
  }
}
