/**
 * The hyperplane of least firing on a sample of the stream's rows (engine/dying/hyperplane-study.ts), with the
 * mean and covariance of all rows, and the SAE's rare features beside it.
 */
import { chooseRows, frameRows } from '../../../engine/dying/frame-rows.js';
import { studyHyperplane, type HyperplaneStudy, type StudyInput } from '../../../engine/dying/hyperplane-study.js';
import { columnGram, rowGram } from '../../../engine/dying/singular-basis.js';
import type { ProfileFeatures } from '../../../engine/dying/hyperplane-profile.js';
import { ShapeError, UsageError } from '../../../engine/errors.js';
import { Pace } from '../../../engine/pace.js';
import type { Accumulator, AnalysisResult, Batch, StateValue } from '../../../engine/run/accumulator.js';
import type { Table } from '../../../engine/run/table.js';
import { floatArray, savedNumber, stateField } from '../../../engine/sketches/saved.js';
import { VectorMoments } from '../../../engine/sketches/vector-moments.js';
import type { PluginContext, SampledRows } from '../../types.js';
import type { HyperplaneSettings } from './index.js';

/** Rare features that are drawn against the profile, the rarest. */
const MOST_FEATURES = 512;
/** Points of the survival curve. */
const SURVIVAL_POINTS = 256;

class HyperplaneAnalysis implements Accumulator {
  readonly #ctx: PluginContext<HyperplaneSettings>;
  readonly #moments: VectorMoments;
  readonly #counts: Float64Array;
  #tokens = 0;

  constructor(ctx: PluginContext<HyperplaneSettings>) {
    this.#ctx = ctx;
    this.#moments = new VectorMoments(ctx.sae.d_in, true);
    this.#counts = new Float64Array(ctx.sae.d_sae);
  }

  update({ x, rows, counted, codes, countedRows }: Batch): void {
    this.#moments.add(x, rows, counted);
    this.#tokens += countedRows;
    for (const feature of codes.features) this.#counts[feature] = this.#counts[feature]! + 1;
  }

  save(): StateValue {
    return { moments: this.#moments.save(), counts: this.#counts.slice(), tokens: this.#tokens };
  }

  merge(saved: StateValue): void {
    this.#moments.merge(stateField(saved, 'moments'));
    const counts = floatArray(stateField(saved, 'counts'), 'counts', this.#counts.length);
    for (let i = 0; i < counts.length; i++) this.#counts[i] = this.#counts[i]! + counts[i]!;
    this.#tokens += savedNumber(stateField(saved, 'tokens'), 'tokens');
  }

  async finish(signal?: AbortSignal): Promise<AnalysisResult> {
    const { sae, settings, seed, notice } = this.#ctx;
    const d = sae.d_in;
    const held = await this.#ctx.rows();
    if (held.rows < 16) throw new UsageError(`${held.rows} rows count, expected at least 16`);
    const subtracted = sae.applyBDecToInput && sae.d_in === sae.d_out;
    const whole = frameRows(held.x, d, { origin: subtracted ? sae.b_dec : undefined });
    const chosen = evenly(held.rows, settings.rows);
    const frame = chosen === null ? whole : chooseRows(whole, chosen);
    const place = (r: number): number => (chosen === null ? r : chosen[r]!);
    if (sae.normalizeActivations !== 'none') notice(`the SAE normalises its input (${sae.normalizeActivations}): directions are of the raw activations`);
    const input: StudyInput = {
      frame,
      moments: { d, mean: this.#moments.mean.map((value, c) => value - whole.origin[c]!), covariance: Float64Array.from({ length: d * d }, (_, at) => this.#moments.covariance(Math.floor(at / d), at % d)) },
      total: held.total,
      origin: subtracted ? 'b_dec' : 'zero',
      index: Float64Array.from({ length: frame.rows }, (_, r) => held.index[place(r)]!),
      tokens: held.tokens === null ? null : Int32Array.from({ length: frame.rows }, (_, r) => held.tokens![place(r)]!),
      rare: this.#rare(),
      edge: settings.edge,
      grams: this.#grams(),
    };
    const study = await studyHyperplane(input, { sequence: settings.sequence, replicates: settings.replicates, nullRows: settings.null_rows, seed, signal });
    return { tables: [directionTable(study), profileTable(study), await survivalTable(study.directions[0]!.w, held, signal), sampleTable(study, input, settings.sample, this.#ctx.tokenText)], summary: { ...study.report, survival_rows: held.rows } };
  }

  /** The rarest features that fire at all, below the edge; none where the weights are not in memory. */
  #rare(): ProfileFeatures {
    const { sae, settings, notice } = this.#ctx;
    const { d_in: d, d_sae, W_enc, b_enc, gate } = sae;
    if (sae.weights) {
      notice('rare features are not compared with the hyperplane: the encoder is not in memory (a larger --hold-weights)');
      return { features: [], w: new Float32Array(0), b: [] };
    }
    const all = Array.from(this.#counts.keys()).filter((i) => this.#counts[i]! > 0 && this.#counts[i]! < settings.edge * this.#tokens);
    const features = all.sort((a, b) => this.#counts[a]! - this.#counts[b]! || a - b).slice(0, MOST_FEATURES);
    const w = new Float32Array(features.length * d);
    for (const [at, i] of features.entries()) {
      const scale = gate ? Math.exp(gate.r_mag[i]!) : 1;
      for (let c = 0; c < d; c++) w[at * d + c] = W_enc[c * d_sae + i]! * scale;
    }
    // Of a JumpReLU the boundary is its threshold.
    return { features, w, b: features.map((i) => b_enc[i]! - (sae.threshold?.[i] ?? 0)) };
  }

  #grams(): StudyInput['grams'] {
    const { sae, unembed } = this.#ctx;
    const d = sae.d_in;
    const grams: { matrix: 'W_enc' | 'W_dec' | 'W_U'; gram: Float64Array }[] = [];
    if (!sae.weights) grams.push({ matrix: 'W_enc', gram: columnGram(sae.W_enc, d) });
    if (!sae.weights && sae.d_out === d) grams.push({ matrix: 'W_dec', gram: rowGram(sae.W_dec, d) });
    if (unembed !== null && unembed.d === d) grams.push({ matrix: 'W_U', gram: columnGram(unembed.W_U, d) });
    return grams;
  }
}

/** `count` of the rows, spread evenly; null for all of them. */
function evenly(rows: number, count: number): Float64Array | null {
  return rows <= count ? null : Float64Array.from({ length: count }, (_, i) => Math.floor((i * rows) / count));
}

function directionTable({ directions }: HyperplaneStudy): Table {
  return {
    name: 'hyperplane',
    rows: directions.length,
    columns: [
      { name: 'name', type: 'string', data: directions.map(({ name }) => name), description: 'What the direction is: w* the least activation at b = 0; complement the most variance orthogonal to it; rate b=0 the least firing rate; rare b at the median bias of the rare features; separating a direction that fires on no row; sequence k the k-th orthogonal hyperplane; profile k directions that bound psi.' },
      { name: 'b', type: 'f64', data: directions.map(({ b }) => b), description: 'Bias it was found at, in the frame of b_dec: w . (x - b_dec) + b.' },
      { name: 'direction', type: { list: 'f32' }, data: directions.map(({ w }) => Float32Array.from(w)), description: 'w of length 1.' },
    ],
  };
}

function profileTable({ report }: HyperplaneStudy): Table {
  const { beta, psi, gaussian } = report.profile;
  return {
    name: 'psi',
    rows: beta.length,
    columns: [
      { name: 'beta', type: 'f64', data: beta, description: 'Distance of the boundary from b_dec along w.' },
      { name: 'psi', type: 'f64', data: psi, description: 'Least P(w . (x - b_dec) > beta) found over directions: no feature with beta = -b / ||w|| can fire less than the true minimum, which this bounds from above.' },
      { name: 'gaussian', type: 'f64', data: gaussian, description: 'The same of a Gaussian with the mean and covariance of the stream; null where it has no such direction.' },
    ],
  };
}

/** P(w* . x > c) over all held rows, those that w* was not sought on too: at values that rows take, evenly in the logarithm of the share, down to none. */
async function survivalTable(w: Float64Array, { x, rows, d }: SampledRows, signal: AbortSignal | undefined): Promise<Table> {
  const pace = new Pace(signal);
  const sorted = new Float64Array(rows);
  for (let r = 0, at = 0; r < rows; r++) {
    for (let c = 0; c < d; c++, at++) sorted[r] = sorted[r]! + w[c]! * x[at]!;
    if (r % 4096 === 4095 && pace.isDue) await pace.pause();
  }
  sorted.sort();
  const n = sorted.length;
  const above = [...new Set(Array.from({ length: SURVIVAL_POINTS }, (_, i) => Math.round(Math.exp((Math.log(n) * i) / (SURVIVAL_POINTS - 1)))).concat(0))].sort((a, b) => b - a).filter((k) => k < n);
  return {
    name: 'survival',
    rows: above.length,
    columns: [
      { name: 'c', type: 'f64', data: above.map((k) => sorted[n - 1 - k]!), description: 'Level of w* . x, raw activations.' },
      { name: 'p', type: 'f64', data: above.map((k) => strictlyAbove(sorted, n - 1 - k) / n), description: 'Share of rows with w* . x > c.' },
    ],
  };
}

/** Values above that of a place: equal ones are not. */
function strictlyAbove(sorted: Float64Array, at: number): number {
  let last = at;
  while (last + 1 < sorted.length && sorted[last + 1] === sorted[at]) last++;
  return sorted.length - 1 - last;
}

/** Rows for drawing: those that fire at w* and b = 0, the farthest first, and the rest evenly over the stream. */
function sampleTable({ z }: HyperplaneStudy, { frame, index, tokens }: StudyInput, most: number, tokenText: PluginContext['tokenText']): Table {
  const textOf = (r: number): string | null => (tokens === null || tokenText === null ? null : tokenText(tokens[r]!));
  const { d, x, rows } = frame;
  const firing = Array.from(z.keys()).filter((r) => z[r]! > 0).sort((a, b) => z[b]! - z[a]!).slice(0, most);
  const taken = new Set(firing);
  const others = Array.from(z.keys()).filter((r) => !taken.has(r));
  const spread = evenly(others.length, most - firing.length);
  const chosen = [...firing, ...(spread === null ? others : Array.from(spread, (i) => others[i]!))].sort((a, b) => a - b);
  if (chosen.length > rows) throw new ShapeError(`${chosen.length} rows chosen of ${rows}`);
  return {
    name: 'dying_sample',
    rows: chosen.length,
    columns: [
      { name: 'row', type: 'u64', data: Float64Array.from(chosen, (r) => index[r]!), description: 'Index of the row in the stream.' },
      { name: 'token', type: 'i32', data: chosen.map((r) => tokens?.[r] ?? null), description: 'Token id; null without tokens.' },
      { name: 'text', type: 'string', data: chosen.map(textOf), description: 'Its text; null without tokens or a tokenizer.' },
      { name: 'z', type: 'f64', data: chosen.map((r) => z[r]!), description: 'w* . (x - b_dec): the row fires at b = 0 where it is above 0. Rows that do are all here, as far as the table reaches.' },
      { name: 'x', type: { list: 'f32' }, data: chosen.map((r) => x.slice(r * d, (r + 1) * d)), description: 'Raw activations.' },
    ],
  };
}

export function create(ctx: PluginContext<HyperplaneSettings>): Accumulator {
  return new HyperplaneAnalysis(ctx);
}
