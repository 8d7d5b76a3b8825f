/**
 * Mean and variances of the raw rows and of the rows under a LayerNorm without weights, in one pass, the
 * forecasts that follow from them, and a count of random features on a sample of rows (engine/dying/forecast.ts).
 */
import { countBornDead, forecastDeath, gammaOf, layerNormRows } from '../../../engine/dying/forecast.js';
import type { DeathForecast, ForecastReport } from '../../../engine/dying/rates-reports.js';
import type { Accumulator, AnalysisResult, Batch, StateValue } from '../../../engine/run/accumulator.js';
import { stateField } from '../../../engine/sketches/saved.js';
import { VectorMoments } from '../../../engine/sketches/vector-moments.js';
import type { PluginContext } from '../../types.js';
import type { ForecastSettings } from './index.js';

/** Features of a sample that must fire on a row for their rank to stand for that among all. */
const FEWEST_SELECTED = 8;

class Forecast implements Accumulator {
  readonly #ctx: PluginContext<ForecastSettings>;
  readonly #raw: VectorMoments;
  readonly #normed: VectorMoments;

  constructor(ctx: PluginContext<ForecastSettings>) {
    this.#ctx = ctx;
    this.#raw = new VectorMoments(ctx.sae.d_in, false);
    this.#normed = new VectorMoments(ctx.sae.d_in, false);
  }

  update({ x, rows, counted }: Batch): void {
    this.#raw.add(x, rows, counted);
    this.#normed.add(layerNormRows(x, rows, this.#raw.d), rows, counted);
  }

  save(): StateValue {
    return { raw: this.#raw.save(), normed: this.#normed.save() };
  }

  merge(saved: StateValue): void {
    this.#raw.merge(stateField(saved, 'raw'));
    this.#normed.merge(stateField(saved, 'normed'));
  }

  async finish(signal?: AbortSignal): Promise<AnalysisResult> {
    const { sae, settings } = this.#ctx;
    const { d_in: d, d_sae } = sae;
    const k = settings.k > 0 ? Math.min(settings.k, d_sae) : sae.k;
    const variances = variancesOf(this.#raw);
    const options = { tokens: settings.tokens, k, features: d_sae };
    const at = (moments: VectorMoments, centre?: ArrayLike<number>): DeathForecast => forecastDeath(gammaOf(moments.mean, moments === this.#raw ? variances : variancesOf(moments), centre), options);
    const raw = at(this.#raw);
    const caveats: string[] = [];
    const report: ForecastReport = {
      d,
      features: d_sae,
      rows: this.#raw.n,
      tokens: settings.tokens,
      k,
      mean_norm: Math.hypot(...this.#raw.mean),
      sd_norm: Math.sqrt(variances.reduce((sum, value) => sum + value, 0)),
      raw,
      layer_norm: at(this.#normed),
      at_b_dec: sae.applyBDecToInput ? at(this.#raw, sae.b_dec) : null,
      centred: at(this.#raw, this.#raw.mean),
      counted: await this.#count(k, raw.gamma, caveats, signal),
      caveats,
    };
    caveats.push('The formulas take the rows for Gaussian and isotropic about their mean, and encoder columns for random in direction: an encoder that begins as the transposed decoder of data differs.');
    if (k !== null && raw.gamma < 2) caveats.push(`At gamma ${raw.gamma.toPrecision(3)} the published formula for TopK is far too low, since a row's threshold is set by its whole length: read topk_finite.`);
    return { summary: { ...report } };
  }

  /** Random features on sampled rows, with b_dec at 0 and at the rows' mean. */
  async #count(k: number | null, gamma: number, caveats: string[], signal: AbortSignal | undefined): Promise<ForecastReport['counted']> {
    const { sae, settings, seed } = this.#ctx;
    const { d_in: d, d_sae } = sae;
    const sample = await this.#ctx.rows();
    const rows = Math.min(sample.rows, settings.draw_rows);
    if (rows < 2) return null;
    const features = Math.min(settings.draw, d_sae);
    const ranked = k === null ? null : Math.max(1, Math.round((k * features) / d_sae));
    if (k !== null && ranked !== null && features < d_sae && ranked < FEWEST_SELECTED) caveats.push(`Of ${features} random features only ${ranked} fire on a row under TopK: draw more for a rank that stands for ${k} of ${d_sae} (--set sae/forecast.draw=N).`);
    const shared = { x: spreadRows(sample.x, sample.rows, d, rows), rows, d, features, k: ranked, seed, signal };
    return {
      zero: await countBornDead(shared),
      mean: await countBornDead({ ...shared, centre: this.#raw.mean }),
      formula: forecastDeath(gamma, { tokens: rows, k: ranked, features }),
    };
  }
}

/** [count, d] rows evenly spaced among those of the sample, which are in the order of the stream. */
function spreadRows(x: Float32Array, rows: number, d: number, count: number): Float32Array {
  if (count === rows) return x;
  const out = new Float32Array(count * d);
  for (let j = 0; j < count; j++) {
    const at = Math.floor((j * rows) / count) * d;
    out.set(x.subarray(at, at + d), j * d);
  }
  return out;
}

function variancesOf(moments: VectorMoments): Float64Array {
  return Float64Array.from({ length: moments.d }, (_, c) => moments.variance(c));
}

export function create(ctx: PluginContext<ForecastSettings>): Accumulator {
  return new Forecast(ctx);
}
