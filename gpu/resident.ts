/**
 * An SAE on one device: the plan, the weights, and the kernels that run on them.
 * When the device is lost all of it is, and it is built again on the next.
 */
import type { Sae } from '../engine/sae.js';
import { decide, type Plan } from './decide.js';
import { Decoder } from './decoder.js';
import { encodePipelines } from './dispatch.js';
import { Encoder } from './encoder.js';
import type { Generation } from './manager.js';
import { type WeightOptions, Weights } from './weights.js';

export interface Resident {
  readonly generation: Generation;
  readonly plan: Plan;
  readonly weights: Weights;
  readonly encoder: Encoder;
  readonly decoder: Decoder;
}

/**
 * Plans, compiles and uploads, the last two at the same time.
 * @throws BackendError, NumericError and ShapeError as `Weights.upload`, the reason of the signal
 */
export async function makeResident(generation: Generation, sae: Sae, options: WeightOptions): Promise<Resident> {
  const { device, memory, pool, pipelines, adapter } = generation;
  const plan = decide(sae, device.limits, { software: adapter.software });
  const compiled = Promise.all([encodePipelines(pipelines, sae.architecture), pipelines.get('decode')]);
  // The upload may fail first.
  compiled.catch(() => undefined);
  const weights = await Weights.upload(device, memory, sae, plan, options);
  try {
    const [encode, decode] = await compiled;
    options.signal?.throwIfAborted();
    const encoder = new Encoder(device, pool, encode, plan.encode, weights.encode, sae, weights.tolerance);
    const decoder = new Decoder(device, pool, decode, plan.decode, weights, sae);
    return { generation, plan, weights, encoder, decoder };
  } catch (error) {
    weights.destroy();
    throw error;
  }
}
