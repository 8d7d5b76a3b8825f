/**
 * The instrument over engine/dying/: frames of a run (run-frames.ts) and what follows from them
 * (evolution.ts), as a summary and as the tables that views of dying are drawn from:
 *
 *   dying_steps     a row a frame: step, rows, b_dec
 *   dying_frames    a row a frame and feature, by frame, then feature
 *   dying_weights   encoder columns of some features through the frames
 *   dying_mean      a row: the mean of the held rows
 *   dying_cohorts   a row a feature, where something was resampled
 *   dying_slopes    a row a cohort's feature, where there are slopes
 *
 * Without a run there is one frame, the SAE's own, with counts over the whole stream.
 */
import { cohortsOf } from '../../../engine/dying/cohorts.js';
import { firingRows } from '../../../engine/dying/firing-rows.js';
import { evolutionOf, type Evolution } from '../../../engine/dying/evolution.js';
import { readRunFrames, singleFrame, type RunFrames } from '../../../engine/dying/run-frames.js';
import type { Accumulator, AnalysisResult, Batch, StateValue } from '../../../engine/run/accumulator.js';
import type { Column, Table } from '../../../engine/run/table.js';
import { floatArray, savedNumber, stateField } from '../../../engine/sketches/saved.js';
import type { PluginContext } from '../../types.js';
import { nullable } from '../dying-columns.js';
import type { EvolutionSettings } from './index.js';

class EvolutionAnalysis implements Accumulator {
  readonly #ctx: PluginContext<EvolutionSettings>;
  /** Firings of the SAE itself. */
  readonly #counts: Float64Array;
  #tokens = 0;

  constructor(ctx: PluginContext<EvolutionSettings>) {
    this.#ctx = ctx;
    this.#counts = new Float64Array(ctx.sae.d_sae);
  }

  update({ codes, countedRows }: Batch): void {
    this.#tokens += countedRows;
    for (const feature of codes.features) this.#counts[feature] = this.#counts[feature]! + 1;
  }

  save(): StateValue {
    return { tokens: this.#tokens, counts: this.#counts.slice() };
  }

  merge(saved: StateValue): void {
    const counts = floatArray(stateField(saved, 'counts'), 'counts', this.#counts.length);
    this.#tokens += savedNumber(stateField(saved, 'tokens'), 'tokens');
    for (let i = 0; i < counts.length; i++) this.#counts[i] = this.#counts[i]! + counts[i]!;
  }

  async finish(signal?: AbortSignal): Promise<AnalysisResult> {
    const { sae, run, settings, seed, ops } = this.#ctx;
    const held = await this.#ctx.rows();
    const { edge, frames: most, weights, slopes } = settings;
    const direction = firstDirection(this.#ctx.result('sae/hyperplane'));
    const shared = { held, direction, edge, kept: weights, signal };
    const frames = run === null || run.record.checkpoints.length === 0 ? await singleFrame(sae, { rows: this.#tokens, counts: this.#counts }, shared) : await readRunFrames(run, { ...shared, ops, frames: most });
    const followed = frames.frames.length > 1 ? run : null;
    const cohorts = followed === null ? null : cohortsOf(followed.record, sae.d_sae);
    if (run !== null && !held.whole) this.#ctx.notice(`densities of the checkpoints are over ${held.rows} of ${held.total} rows (--hold-rows)`);
    const evolution = await evolutionOf(frames, { run: followed?.name, status: followed?.record.status, recipe: run?.record.recipe ?? null, cohorts, held, edge, slopeFeatures: slopes, seed, signal });
    return { tables: [...frameTables(frames), ...(direction === null ? [] : [await this.#firingTable(frames, signal)]), ...cohortTables(cohorts?.of ?? null, evolution)], summary: { ...evolution.report } };
  }

  /** Rows on which the kept features that are rare at the end fire then: for views of the plane, which there is where sae/hyperplane ran. */
  async #firingTable({ frames, features, encoder, offset }: RunFrames, signal: AbortSignal | undefined): Promise<Table> {
    const { settings, tokenText } = this.#ctx;
    const held = await this.#ctx.rows();
    const { d, x, index, tokens } = held;
    const { counts, rows } = frames.at(-1)!;
    const rare = Array.from(features.keys()).filter((at) => counts[features[at]!]! > 0 && counts[features[at]!]! < settings.edge * rows);
    const encoders = new Float32Array(rare.length * d);
    rare.forEach((from, at) => encoders.set(encoder.at(-1)!.subarray(from * d, (from + 1) * d), at * d));
    const found = await firingRows(held, { features: rare.map((at) => features[at]!), encoder: encoders, offset: Float32Array.from(rare, (at) => offset.at(-1)![at]!) }, { signal });
    return {
      name: 'dying_firing',
      rows: found.length,
      columns: [
        { name: 'row', type: 'u64', data: Float64Array.from(found, ({ row }) => index[row]!), description: 'Index of the row in the stream.' },
        { name: 'feature', type: 'u32', data: Uint32Array.from(found, ({ feature }) => feature), description: 'The feature of dying_weights, rare in the last frame, for which it was taken: of the eight rows on which that fires most strongly.' },
        { name: 'token', type: 'i32', data: found.map(({ row }) => tokens?.[row] ?? null), description: 'Token id; null without tokens.' },
        { name: 'text', type: 'string', data: found.map(({ row }) => (tokens === null || tokenText === null ? null : tokenText(tokens[row]!))), description: 'Its text; null without tokens or a tokenizer.' },
        { name: 'x', type: { list: 'f32' }, data: found.map(({ row }) => x.slice(row * d, (row + 1) * d)), description: 'Raw activations.' },
      ],
    };
  }
}

/** The direction of least firing that the hyperplane's analysis found: row `w*` of its table. */
function firstDirection(result: AnalysisResult | null): ArrayLike<number> | null {
  const table = result?.tables?.find(({ name }) => name === 'hyperplane');
  const names = table?.columns.find(({ name }) => name === 'name')?.data;
  const directions = table?.columns.find(({ name }) => name === 'direction')?.data;
  if (table === undefined || names === undefined || directions === undefined) return null;
  const at = Array.from({ length: table.rows }, (_, row) => names[row]).findIndex((name) => typeof name === 'string' && name.startsWith('w*'));
  return at < 0 ? null : (directions[at] as ArrayLike<number> | null);
}

function frameTables({ frames, features, encoder, offset, mean }: RunFrames): Table[] {
  const n = frames[0]!.counts.length;
  /** Arrays of all frames, below each other. */
  const joined = (name: Column['name'], type: Column['type'], values: (frame: RunFrames['frames'][number]) => ArrayLike<number>, description: string): Column => {
    const data = new Float64Array(frames.length * n);
    frames.forEach((frame, at) => data.set(values(frame), at * n));
    return { name, type, data: type === 'u64' ? data : nullable(data), description };
  };
  const kept = frames.flatMap((_, frame) => Array.from(features, (feature, at) => ({ frame, feature, at })));
  const d = encoder[0]!.length / Math.max(1, features.length);
  return [
    {
      name: 'dying_steps',
      rows: frames.length,
      columns: [
        { name: 'frame', type: 'u32', data: frames.map((_, at) => at), description: 'Place of the frame in the run, 0 the first.' },
        { name: 'step', type: 'u64', data: frames.map(({ step }) => step), description: 'Training steps done.' },
        { name: 'tokens', type: 'u64', data: frames.map(({ tokens }) => tokens), description: 'Rows of training seen; null where it is not known.' },
        { name: 'rows', type: 'u64', data: frames.map(({ rows }) => rows), description: 'Held-out rows that the counts are over.' },
        { name: 'b_dec', type: { list: 'f32' }, data: frames.map(({ b_dec }) => b_dec), description: 'b_dec at that step.' },
      ],
    },
    {
      name: 'dying_frames',
      rows: frames.length * n,
      columns: [
        { name: 'frame', type: 'u32', data: Uint32Array.from({ length: frames.length * n }, (_, row) => Math.floor(row / n)), description: 'Frame, as in dying_steps.' },
        { name: 'feature', type: 'u32', data: Uint32Array.from({ length: frames.length * n }, (_, row) => row % n), description: 'Index of the feature in the SAE.' },
        joined('count', 'u64', ({ counts }) => counts, 'Rows on which it fires, of the rows of the frame.'),
        joined('bias', 'f32', ({ bias }) => bias, 'b_enc[i]; of a gated SAE b_mag[i].'),
        joined('effective_bias', 'f32', ({ effective_bias }) => effective_bias, 'b_enc[i] - W_enc[:, i] . b_dec where the SAE subtracts b_dec from its input, else b_enc[i].'),
        joined('encoder_norm', 'f32', ({ encoder_norm }) => encoder_norm, '||W_enc[:, i]||; of a gated SAE, here and below, of the column of its magnitudes.'),
        joined('de', 'f32', ({ de }) => de, 'D/E projection W_enc[:, i] . W_dec[i]; null where d_in differs from d_out.'),
        joined('de_cosine', 'f32', ({ de_cosine }) => de_cosine, 'Cosine of the two; null where one of them is zero as well.'),
        joined('direction_cosine', 'f32', ({ direction_cosine }) => direction_cosine, 'Cosine of W_enc[:, i] with the direction of least firing (table hyperplane, w*); null without one.'),
      ],
    },
    { name: 'dying_mean', rows: 1, columns: [{ name: 'mean', type: { list: 'f64' }, data: [mean], description: 'Mean of the held rows, raw activations.' }] },
    {
      name: 'dying_weights',
      rows: kept.length,
      columns: [
        { name: 'frame', type: 'u32', data: kept.map(({ frame }) => frame), description: 'Frame, as in dying_steps.' },
        { name: 'feature', type: 'u32', data: kept.map(({ feature }) => feature), description: 'Index of the feature: of the last frame, five eighths rare ones, an eighth each of live, dead and dense ones, evenly spaced by density.' },
        { name: 'w', type: { list: 'f32' }, data: kept.map(({ frame, at }) => encoder[frame]!.subarray(at * d, (at + 1) * d)), description: 'W_enc[:, i] at that step.' },
        { name: 'offset', type: 'f32', data: kept.map(({ frame, at }) => offset[frame]![at]!), description: 'It fires on x where w . x + offset > 0: the effective bias, less the threshold where there is one.' },
      ],
    },
  ];
}

function cohortTables(of: Uint8Array | null, { slopes }: Evolution): Table[] {
  const tables: Table[] = [];
  if (of !== null) {
    tables.push({
      name: 'dying_cohorts',
      rows: of.length,
      columns: [
        { name: 'feature', type: 'u32', data: Uint32Array.from(of, (_, i) => i), description: 'Index of the feature in the SAE.' },
        { name: 'cohort', type: 'u8', data: of, description: '0 untouched by resampling, 1 replaced at least once, 2 due for it and spared: the control.' },
      ],
    });
  }
  if (slopes.length > 0) {
    tables.push({
      name: 'dying_slopes',
      rows: slopes.length,
      columns: [
        { name: 'cohort', type: 'string', data: slopes.map(({ cohort }) => cohort), description: 'Name of the cohort, as in the summary of sae/evolution.' },
        { name: 'feature', type: 'u32', data: slopes.map(({ slope }) => slope.feature), description: 'Index of the feature in the SAE.' },
        { name: 'slope', type: 'f64', data: slopes.map(({ slope }) => slope.slope.value), description: 'd log density / d log step; null where it cannot be had.' },
        { name: 'low', type: 'f64', data: slopes.map(({ slope }) => slope.slope.low), description: 'Its 95 % interval by profile likelihood; null where the counts set no bound.' },
        { name: 'high', type: 'f64', data: slopes.map(({ slope }) => slope.slope.high), description: 'The same, above.' },
        { name: 'silent', type: 'u32', data: slopes.map(({ slope }) => slope.silent), description: 'Frames in which it did not fire.' },
        { name: 'frames', type: 'u32', data: slopes.map(({ slope }) => slope.frames), description: 'Frames that the slope is over.' },
      ],
    });
  }
  return tables;
}

export function create(ctx: PluginContext<EvolutionSettings>): Accumulator {
  return new EvolutionAnalysis(ctx);
}
