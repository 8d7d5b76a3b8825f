/**
 * Firing counts and what they say about a feature's density.
 *
 * A feature fires on a token when f > 0, strictly. Counts are whole numbers in
 * f64, exact to 2^53. density = count / N over the N tokens that count; its
 * interval is Wilson's at 95 %, and [0, 3/N] for a count of 0: with N tokens, a
 * feature of density below 3/N cannot be told from one that never fires.
 */
import { floatArray, savedNumber, stateField } from '../../../engine/sketches/saved.js';
import { FEATURE_CLASSES, type FeatureClass } from '../../../engine/pack/schema.js';
import type { Accumulator, AnalysisResult, Batch, StateValue } from '../../../engine/run/accumulator.js';
import { ShapeError } from '../../../engine/errors.js';
import { classOf, densityInterval, ruleOfThree } from '../../../engine/statistics.js';
import type { PluginContext } from '../../types.js';

class Density implements Accumulator {
  #tokens = 0;
  readonly #counts: Float64Array;

  constructor(d_sae: number) {
    this.#counts = new Float64Array(d_sae);
  }

  update({ codes, countedRows }: Batch): void {
    this.#tokens += countedRows;
    const { features } = codes;
    const counts = this.#counts;
    for (let entry = 0; entry < features.length; entry++) counts[features[entry] as number]!++;
  }

  save(): StateValue {
    return { tokens: this.#tokens, counts: this.#counts.slice() };
  }

  merge(saved: StateValue): void {
    const counts = floatArray(stateField(saved, 'counts'), 'counts', this.#counts.length);
    this.#tokens += savedNumber(stateField(saved, 'tokens'), 'tokens');
    for (let i = 0; i < counts.length; i++) this.#counts[i]! += counts[i]!;
  }

  finish(): AnalysisResult {
    const tokens = this.#tokens;
    if (tokens === 0) throw new ShapeError('no token counts, so there is no density', { hint: 'Look at the ignore rules.' });
    const counts = this.#counts;
    const intervals = Array.from(counts, (count) => densityInterval(count, tokens));
    const names = Array.from(counts, (count) => classOf(count, tokens));
    const classes = Object.fromEntries(FEATURE_CLASSES.map((name) => [name, 0])) as Record<FeatureClass, number>;
    for (const name of names) classes[name]++;
    return {
      features: [
        { name: 'feature', type: 'u32', data: Uint32Array.from(counts, (_, i) => i), description: 'Index of the feature in the SAE.' },
        { name: 'count', type: 'u64', data: counts, description: 'Tokens on which the feature fires (f > 0), of those that count. Exact.' },
        { name: 'density', type: 'f64', data: counts.map((count) => count / tokens), description: 'count / N, N the number of tokens that count.' },
        { name: 'density_low', type: 'f64', data: intervals.map(({ low }) => low), description: "Lower end of the density's 95 % interval: Wilson's score interval; 0 for a count of 0." },
        { name: 'density_high', type: 'f64', data: intervals.map(({ high }) => high), description: "Upper end of the density's 95 % interval: Wilson's score interval; 3/N (rule of three) for a count of 0." },
        { name: 'class', type: 'string', data: names, description: 'dead: count 0; ultralow: density < 1e-6; rare: < 1e-4; dense: > 0.1; live: the rest.' },
      ],
      summary: { classes, tokens, floor: ruleOfThree(tokens) },
    };
  }
}

export function create({ sae }: PluginContext): Accumulator {
  return new Density(sae.d_sae);
}
