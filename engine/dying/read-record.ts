/**
 * A pack's tables as the record that views of dying draw. Only what is needed is read: in a page each
 * table is one request.
 *
 *   dying_steps, dying_frames        the frames of a run (plugin sae/evolution)
 *   dying_weights, dying_cohorts     weights through the frames; who was reset and spared
 *   hyperplane, dying_sample,        w*, the activations that a plane shows, and the survival curve
 *   survival                         of w* over all rows (plugin sae/hyperplane)
 *   verdict, and the column          T1 to T17; a cause of death for each feature
 *   `certificate` of features        (plugins sae/verdict, sae/certificate)
 *
 * A pack without frames has one all the same, from its summary: every pack can be seen in the cloud.
 * What a pack does not have is null; what it has and cannot be right is a FormatError.
 */
import { FormatError } from '../errors.js';
import type { DecodedTable, Pack } from '../pack/reader.js';
import type { Recipe } from '../train/recipe.js';
import { readPlane } from './read-plane.js';
import { PREDICTION_IDS, type Outcome, type PredictionId, type PredictionResult } from './predictions.js';
import type { DyingFrame, DyingRecord } from './record.js';
import { fail, flags, lists, numbers, strings, type ReadTable } from './table-values.js';

export interface ReadRecordOptions {
  readonly signal?: AbortSignal | undefined;
}

/** @throws FormatError where tables contradict each other, or the pack has neither frames nor the weights' analysis */
export async function readDyingRecord(pack: Pack, { signal }: ReadRecordOptions = {}): Promise<DyingRecord> {
  const { manifest } = pack;
  const columnsOf = (table: string): readonly string[] => manifest.tables.find(({ name }) => name === table)?.columns.map(({ name }) => name) ?? [];
  const table = async (name: string, ...columns: string[]): Promise<DecodedTable> => {
    const missing = columns.find((column) => !columnsOf(name).includes(column));
    if (missing !== undefined) fail(pack, name, `has no column ${missing}`);
    return pack.table(name, { signal, columns });
  };
  const has = (name: string): boolean => columnsOf(name).length > 0;
  const [frames, cohorts, verdict, certificates] = await Promise.all([
    has('dying_frames') ? framesOf(pack, table) : oneFrame(pack, signal),
    has('dying_cohorts') ? cohortsOf(pack, table) : null,
    has('verdict') ? verdictOf(pack, table, columnsOf('verdict')) : null,
    columnsOf('features').includes('certificate') ? table('features', 'certificate').then(({ columns }) => Array.from(columns.certificate!, (value) => (typeof value === 'string' ? value : ''))) : null,
  ]);
  const plane = await readPlane(pack, columnsOf, table, frames, signal);
  return { name: manifest.sae.name, features: manifest.features, d: manifest.sae.d_in, frames, cohorts, recipe: recipeOf(pack), plane, verdict, certificates };
}

const FRAME_COLUMNS = ['bias', 'effective_bias', 'encoder_norm', 'de', 'de_cosine', 'direction_cosine'] as const;

async function framesOf(pack: Pack, table: ReadTable): Promise<DyingFrame[]> {
  const n = pack.manifest.features;
  const [steps, rows] = await Promise.all([table('dying_steps', 'frame', 'step', 'tokens', 'rows', 'b_dec'), table('dying_frames', 'frame', 'feature', 'count', ...FRAME_COLUMNS)]);
  if (steps.rows === 0 || rows.rows !== steps.rows * n) fail(pack, 'dying_frames', `has ${rows.rows} rows, expected ${steps.rows} frames x ${n} features`);
  const of = (read: DecodedTable, name: string): Float64Array => numbers(read.columns[name]!);
  const [frame, feature] = [of(rows, 'frame'), of(rows, 'feature')];
  for (let row = 0; row < rows.rows; row++) if (frame[row] !== Math.floor(row / n) || feature[row] !== row % n) fail(pack, 'dying_frames', `row ${row} is of frame ${frame[row]}, feature ${feature[row]}, expected frame ${Math.floor(row / n)}, feature ${row % n}`);
  const [step, tokens, held] = [of(steps, 'step'), of(steps, 'tokens'), of(steps, 'rows')];
  const b_dec = lists(steps.columns.b_dec!);
  const counts = of(rows, 'count');
  const values = Object.fromEntries(FRAME_COLUMNS.map((name) => [name, Float32Array.from(of(rows, name))])) as Record<(typeof FRAME_COLUMNS)[number], Float32Array>;
  return Array.from({ length: steps.rows }, (_, at): DyingFrame => {
    if (at > 0 && !(step[at]! > step[at - 1]!)) fail(pack, 'dying_steps', `step ${step[at]} comes after ${step[at - 1]}`);
    const part = (name: (typeof FRAME_COLUMNS)[number]): Float32Array => values[name].subarray(at * n, (at + 1) * n);
    return {
      step: step[at]!,
      tokens: Number.isNaN(tokens[at]) ? null : tokens[at]!,
      rows: held[at]!,
      counts: counts.subarray(at * n, (at + 1) * n),
      bias: part('bias'),
      effective_bias: part('effective_bias'),
      encoder_norm: part('encoder_norm'),
      de: part('de'),
      de_cosine: part('de_cosine'),
      direction_cosine: part('direction_cosine'),
      b_dec: b_dec[at]!,
    };
  });
}

/** The pack's own figures as a frame. Step 0: it is not known when the SAE was trained to; b_dec is not in a pack, and NaN. */
async function oneFrame(pack: Pack, signal: AbortSignal | undefined): Promise<DyingFrame[]> {
  const { columns, rows: n } = await pack.summary({ signal });
  const { count, bias, effective_bias, encoder_norm, de_projection, de_cosine } = columns;
  if (count === undefined || bias === undefined || effective_bias === undefined || encoder_norm === undefined) {
    throw new FormatError(`${pack.name}: the pack has neither frames of a training run (dying_frames) nor what the weights say of its features (bias, effective_bias, encoder_norm)`, { hint: 'Write it with sae/density and sae/weights (saekit analyze), or with saekit dying.' });
  }
  const f32 = (values: ArrayLike<number> | undefined): Float32Array => (values === undefined ? new Float32Array(n).fill(NaN) : Float32Array.from(values));
  return [{ step: 0, tokens: null, rows: pack.manifest.data.tokens, counts: Float64Array.from(count), bias: f32(bias), effective_bias: f32(effective_bias), encoder_norm: f32(encoder_norm), de: f32(de_projection), de_cosine: f32(de_cosine), direction_cosine: f32(undefined), b_dec: new Float32Array(pack.manifest.sae.d_in).fill(NaN) }];
}

async function cohortsOf(pack: Pack, table: ReadTable): Promise<Uint8Array> {
  const { rows, columns } = await table('dying_cohorts', 'feature', 'cohort');
  const feature = numbers(columns.feature!);
  const cohort = flags(columns.cohort!);
  if (rows !== pack.manifest.features || feature.some((value, at) => value !== at) || cohort.some((value) => value > 2)) fail(pack, 'dying_cohorts', `does not name a cohort, 0, 1 or 2, of each of ${pack.manifest.features} features`);
  return cohort;
}

const OUTCOMES: readonly Outcome[] = ['supports', 'refutes', 'cannot-tell'];

async function verdictOf(pack: Pack, table: ReadTable, known: readonly string[]): Promise<PredictionResult[]> {
  const { rows, columns } = await table('verdict', 'id', 'claim', 'quantity', 'value', 'low', 'high', 'null_value', 'null_name', 'outcome', 'reason', ...(known.includes('needs_tokens') ? ['needs_tokens'] : []));
  const text = (name: string): string[] => strings(columns[name]!);
  const figure = (name: string): (number | null)[] => Array.from(numbers(columns[name] ?? new Float64Array(rows).fill(NaN)), (value) => (Number.isNaN(value) ? null : value));
  const [id, claim, quantity, outcome, reason, null_name] = ['id', 'claim', 'quantity', 'outcome', 'reason', 'null_name'].map(text) as [string[], string[], string[], string[], string[], string[]];
  const [value, low, high, null_value, needs_tokens] = ['value', 'low', 'high', 'null_value', 'needs_tokens'].map(figure) as [(number | null)[], (number | null)[], (number | null)[], (number | null)[], (number | null)[]];
  return Array.from({ length: rows }, (_, row): PredictionResult => {
    if (!PREDICTION_IDS.includes(id[row] as PredictionId)) fail(pack, 'verdict', `row ${row} is of a prediction ${JSON.stringify(id[row])}`);
    if (!OUTCOMES.includes(outcome[row] as Outcome)) fail(pack, 'verdict', `${id[row]} has the outcome ${JSON.stringify(outcome[row])}`);
    const [from, to] = [low[row]!, high[row]!];
    return { id: id[row] as PredictionId, claim: claim[row]!, quantity: quantity[row]!, value: value[row]!, interval: from === null || to === null ? null : [from, to], null_value: null_value[row]!, null_name: null_name[row]!, outcome: outcome[row] as Outcome, reason: reason[row]!, needs_tokens: needs_tokens[row]! };
  });
}

/** Knobs of the run, as the evolution's summary has them. */
function recipeOf({ manifest }: Pack): Partial<Recipe> | null {
  const summary = manifest.plugins.find(({ id }) => id === 'sae/evolution')?.summary;
  const recipe = summary?.recipe;
  return typeof recipe === 'object' && recipe !== null ? (recipe as Partial<Recipe>) : null;
}

