/**
 * The distribution of each feature's activation over its firings: moments about
 * the mean, the maximum, a log-spaced histogram and quantiles from it.
 *
 * Tools differ in what they call skew and kurtosis: OpenAI's viewer takes
 * moments about zero, E[a^3] / E[a^2]^1.5, over all tokens; HoagyC's code divides
 * moments about zero by the centred variance. Here all are centred, population
 * moments over firings only, and `mean_all` is the mean with the zeros.
 */
import type { Accumulator, AnalysisResult, Batch, StateValue } from '../../../engine/run/accumulator.js';
import type { Column } from '../../../engine/run/table.js';
import { LogHistograms, quantile } from '../../../engine/sketches/log-histogram.js';
import { Moments } from '../../../engine/sketches/moments.js';
import { floatArray, savedNumber, stateField } from '../../../engine/sketches/saved.js';
import type { PluginContext } from '../../types.js';

/** Names of the columns and what they are quantiles of. */
const QUANTILES = [1, 5, 25, 50, 75, 95, 99].map((percent) => ({ name: `q${String(percent).padStart(2, '0')}`, q: percent / 100 }));

class Activations implements Accumulator {
  #tokens = 0;
  readonly #moments: Moments;
  readonly #histograms: LogHistograms;
  readonly #max: Float32Array;

  constructor(d_sae: number) {
    this.#moments = new Moments(d_sae);
    this.#histograms = new LogHistograms(d_sae);
    this.#max = new Float32Array(d_sae);
  }

  update({ codes, countedRows }: Batch): void {
    this.#tokens += countedRows;
    const { features, values } = codes;
    for (let entry = 0; entry < features.length; entry++) {
      const feature = features[entry] as number;
      const value = values[entry] as number;
      this.#moments.add(feature, value);
      this.#histograms.add(feature, value);
      if (value > (this.#max[feature] as number)) this.#max[feature] = value;
    }
  }

  save(): StateValue {
    return { tokens: this.#tokens, max: this.#max.slice(), moments: this.#moments.save(), histograms: this.#histograms.save() };
  }

  merge(saved: StateValue): void {
    const max = floatArray(stateField(saved, 'max'), 'max', this.#max.length);
    this.#tokens += savedNumber(stateField(saved, 'tokens'), 'tokens');
    this.#moments.merge(stateField(saved, 'moments'));
    this.#histograms.merge(stateField(saved, 'histograms'));
    for (let i = 0; i < max.length; i++) this.#max[i] = Math.max(this.#max[i] as number, max[i] as number);
  }

  finish(): AnalysisResult {
    const moments = this.#moments;
    const rows = moments.features;
    const max = Array.from(this.#max, (value) => (value === 0 ? null : value));
    const histograms = Array.from({ length: rows }, (_, feature) => this.#histograms.trimmed(feature));
    const column = (name: string, value: (feature: number) => number | null, description: string): Column => ({ name, type: 'f64', data: Array.from({ length: rows }, (_, feature) => value(feature)), description });
    const meanAll = (feature: number): number | null => (this.#tokens === 0 ? null : ((moments.mean(feature) ?? 0) * moments.count(feature)) / this.#tokens);
    return {
      features: [
        column('mean', (i) => moments.mean(i), 'Mean activation over firings; null when the feature never fires.'),
        column('mean_all', meanAll, 'Mean activation over all tokens that count, zeros included: mean * count / N.'),
        column('variance', (i) => moments.variance(i), 'Population variance over firings, M2 / n with M2 = sum (f - mean)^2 (divided by n, not n - 1).'),
        column('skew', (i) => moments.skew(i), 'Skewness over firings, (M3 / n) / (M2 / n)^1.5, centred (some viewers take moments about zero over all tokens); null where the variance is 0.'),
        column('kurtosis', (i) => moments.kurtosis(i), 'Kurtosis over firings, (M4 / n) / (M2 / n)^2, centred, 3 for a normal distribution (not the excess); null where the variance is 0.'),
        { name: 'max', type: 'f32', data: max, description: 'Largest activation.' },
        ...QUANTILES.map(({ name, q }): Column => ({ name, type: 'f32', data: histograms.map((histogram, i) => quantile(histogram, q, max[i] ?? Infinity)), description: `${q} quantile of the activation over firings, from the log histogram: within 1/16 of the order statistic.` })),
      ],
      tables: [
        {
          name: 'histograms',
          rows,
          featuresPerGroup: 8,
          columns: [
            { name: 'feature', type: 'u32', data: Uint32Array.from({ length: rows }, (_, i) => i), description: 'Index of the feature in the SAE.' },
            { name: 'first_bin', type: 'i32', data: histograms.map(({ first }) => first), description: 'Bin of counts[0]. The bin of an activation is its f32 bit pattern >>> 19: 16 bins an octave; bin b begins at the f32 of pattern b << 19.' },
            { name: 'counts', type: { list: 'u64' }, data: histograms.map(({ counts }) => counts), description: 'Firings in the bins first_bin, first_bin + 1, and so on. Exact; they sum to the count.' },
          ],
        },
      ],
      summary: { max: this.#max.reduce((a, b) => Math.max(a, b), 0), bins_per_octave: 16 },
    };
  }
}

export function create({ sae }: PluginContext): Accumulator {
  return new Activations(sae.d_sae);
}
