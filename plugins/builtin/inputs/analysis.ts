/**
 * Mean mu and variance of the activations x over the tokens that count, before any
 * normalisation, and
 *
 *   gamma = ||mu|| / sqrt(E ||x - mu||^2)
 *
 * how far from the origin they lie against their spread: where gamma is large, most
 * of ||x||^2 is one constant vector, which b_dec or a dense feature has to carry and
 * which measures about the origin (E ||x||^2) take for something explained.
 */
import type { Accumulator, AnalysisResult, Batch, StateValue } from '../../../engine/run/accumulator.js';
import type { Table } from '../../../engine/run/table.js';
import { VectorMoments } from '../../../engine/sketches/vector-moments.js';
import type { PluginContext } from '../../types.js';
import type { InputsSettings } from './index.js';

class Inputs implements Accumulator {
  readonly #moments: VectorMoments;

  constructor({ sae, settings }: PluginContext<InputsSettings>) {
    this.#moments = new VectorMoments(sae.d_in, settings.covariance);
  }

  update({ x, rows, counted }: Batch): void {
    this.#moments.add(x, rows, counted);
  }

  save(): StateValue {
    return this.#moments.save();
  }

  merge(saved: StateValue): void {
    this.#moments.merge(saved);
  }

  finish(): AnalysisResult {
    const moments = this.#moments;
    const { d, n, full } = moments;
    const each = <T>(value: (c: number) => T): T[] => Array.from({ length: d }, (_, c) => value(c));
    const variances = each((c) => moments.variance(c));
    const norm = Math.hypot(...moments.mean);
    const spread = Math.sqrt(variances.reduce((sum, value) => sum + value, 0));
    const dimension = { name: 'dimension', type: 'u32', data: Uint32Array.from(each((c) => c)), description: 'Dimension of the activations.' } as const;
    const tables: Table[] = [
      {
        name: 'activation_mean',
        rows: d,
        columns: [
          dimension,
          { name: 'mean', type: 'f64', data: moments.mean, description: 'Mean over the tokens that count, before any normalisation.' },
          { name: 'variance', type: 'f64', data: variances, description: 'Population variance, E (x - mean)^2.' },
        ],
      },
    ];
    if (full) {
      tables.push({
        name: 'activation_covariance',
        rows: d,
        columns: [dimension, { name: 'covariance', type: { list: 'f64' }, data: each((a) => Float64Array.from(each((b) => moments.covariance(a, b)))), description: 'A row of the population covariance matrix: E (x_a - mean_a)(x_b - mean_b) for every dimension b.' }],
      });
    }
    return { tables, summary: { tokens: n, mean_norm: norm, spread, gamma: spread > 0 ? norm / spread : null } };
  }
}

export function create(ctx: PluginContext<InputsSettings>): Accumulator {
  return new Inputs(ctx);
}
