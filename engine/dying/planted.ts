/**
 * Useful rare features that were planted in a run's data: those that the SAE found must not fall (T5),
 * because reconstruction pays for them. The truth is the generator's, from the run's provenance.
 */
import { generate } from '../generate/generate.js';
import type { GeneratorSpec } from '../generate/generators.js';
import type { PlantedEvidence } from './evidence.js';
import type { RunFrames } from './run-frames.js';
import { cohortSlope } from './slope.js';

/** Rates below which a planted feature is rare, and the cosine at which a decoder row has found it. */
const RARE = 0.01;
const FOUND = 0.9;

/** @returns null where the generator plants nothing rare whose rate is known */
export async function plantedEvidence(spec: GeneratorSpec, { frames, last }: RunFrames, { seed = 0, signal }: { readonly seed?: number | undefined; readonly signal?: AbortSignal | undefined } = {}): Promise<PlantedEvidence | null> {
  const { truth } = generate(spec, 0);
  if (truth === null || truth.probabilities === null || spec.kind !== 'rare') return null;
  const { directions, probabilities, d } = truth;
  const rare = Array.from(probabilities.keys()).filter((t) => probabilities[t]! > 0 && probabilities[t]! < RARE);
  const readers = new Set<number>();
  let found = 0;
  for (const t of rare) {
    const best = closestRow(last.W_dec, directions.subarray(t * d, (t + 1) * d));
    if (best.cosine <= FOUND) continue;
    found++;
    readers.add(best.row);
  }
  const end = frames.at(-1)!.step;
  // All features begin at a density of one half: until they have found what they stand for, to fall is not to die.
  const from = Math.ceil(end / 4);
  const later = frames.filter(({ step }) => step >= from);
  const features = Uint32Array.from(readers).sort();
  if (later.length < 3 || features.length === 0) return { features: rare.length, found, from, slope: null };
  const { pooled } = await cohortSlope({ steps: later.map(({ step }) => step), rows: later.map(({ rows }) => rows), counts: later.map(({ counts }) => counts), features }, { seed, samples: 300, signal });
  return { features: rare.length, found, from, slope: pooled };
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
