/**
 * Useful rare features that were planted in a run's data: those that the SAE found must not fall (T5),
 * because reconstruction pays for them. The truth is the generator's, from the run's provenance.
 *
 * Kept true: all features begin at a density of one half, and come down to the rate of what they stand for
 * from above. That way is not death: only the last half of the run is looked at.
 */
import { generate } from '../generate/generate.js';
import type { GeneratorSpec } from '../generate/generators.js';
import type { Sae } from '../sae.js';
import type { RunReader } from '../train/run-reader.js';
import type { PlantedEvidence } from './evidence.js';
import { countFirings, frameSteps, type FramesOptions, type HeldRows } from './run-frames.js';
import { cohortSlope } from './slope.js';

/** Rates below which a planted feature is rare, and the cosine at which a decoder row has found it. */
const RARE = 0.01;
const FOUND = 0.9;
/** Checkpoints that are looked at, at most. */
const FRAMES = 8;

interface PlantedOptions extends Pick<FramesOptions, 'ops' | 'signal'> {
  readonly held: HeldRows;
  readonly seed?: number | undefined;
}

/**
 * @param last the run's last SAE
 * @returns null where the generator plants nothing rare whose rate is known
 */
export async function plantedEvidence(spec: GeneratorSpec, run: Pick<RunReader, 'record' | 'sae'>, last: Sae, options: PlantedOptions): Promise<PlantedEvidence | null> {
  const { held, seed = 0, signal } = options;
  const { truth } = generate(spec, 0);
  if (truth === null || truth.probabilities === null || spec.kind !== 'rare') return null;
  const { directions, probabilities, d } = truth;
  const rare = Array.from(probabilities.keys()).filter((t) => probabilities[t]! > 0 && probabilities[t]! < RARE);
  /** Rate of the planted feature that each row reads; of several, the most frequent. */
  const rates = new Map<number, number>();
  let found = 0;
  let missed: number | null = null;
  for (const t of rare) {
    const rate = probabilities[t]!;
    const best = closestRow(last.W_dec, directions.subarray(t * d, (t + 1) * d));
    if (best.cosine > FOUND) {
      found++;
      rates.set(best.row, Math.max(rate, rates.get(best.row) ?? 0));
    } else missed = Math.max(missed ?? 0, rate);
  }
  const steps = run.record.checkpoints.map(({ step }) => step);
  const from = Math.ceil((steps.at(-1) ?? 0) / 2);
  const later = frameSteps(steps.filter((step) => step >= from), FRAMES);
  const evidence = { features: rare.length, found, missed, from };
  if (later.length < 3 || found === 0) return { ...evidence, ratio: null, slope: null };
  const counts: Float64Array[] = [];
  for (const step of later) counts.push(await countFirings(step === steps.at(-1) ? last : await run.sae(step), held, options));
  const features = Uint32Array.from(rates.keys()).sort();
  const ratios = Array.from(features, (i) => counts.at(-1)![i]! / held.rows / rates.get(i)!).sort((a, b) => a - b);
  const { pooled } = await cohortSlope({ steps: later, rows: later.map(() => held.rows), counts, features }, { seed, samples: 300, signal });
  return { ...evidence, ratio: (ratios[(ratios.length - 1) >> 1]! + ratios[ratios.length >> 1]!) / 2, slope: pooled };
}

/** The decoder row with the largest cosine with a direction of length 1. */
function closestRow(decoder: Float32Array, direction: Float32Array): { readonly row: number; readonly cosine: number } {
  const d = direction.length;
  let best = { row: 0, cosine: -Infinity };
  for (let row = 0, at = 0; at < decoder.length; row++, at += d) {
    let [dot, square] = [0, 0];
    for (let c = 0; c < d; c++) {
      dot += decoder[at + c]! * direction[c]!;
      square += decoder[at + c]! ** 2;
    }
    if (square > 0 && dot / Math.sqrt(square) > best.cosine) best = { row, cosine: dot / Math.sqrt(square) };
  }
  return best;
}
