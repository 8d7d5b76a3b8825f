/**
 * The plane of a pack: w*, a sample of activations, and boundaries of features through the frames,
 * from the tables of sae/hyperplane and sae/evolution. What the hyperplane's analysis did not write
 * follows from the sample: the mean, and the direction of most variance orthogonal to w*.
 */
import { Pace } from '../pace.js';
import type { ColumnValues, Pack } from '../pack/reader.js';
import { survivalOf } from './data-plane.js';
import { unitOf } from './frames.js';
import type { DyingFrame, DyingPlane } from './record.js';
import { fail, lists, numbers, strings, type ReadTable } from './table-values.js';

/** Null where the pack has no direction or no sample. @throws FormatError where tables contradict each other */
export async function readPlane(pack: Pack, columnsOf: (table: string) => readonly string[], table: ReadTable, frames: readonly DyingFrame[], signal: AbortSignal | undefined): Promise<DyingPlane | null> {
  const d = pack.manifest.sae.d_in;
  const sampled = columnsOf('dying_sample');
  if (!columnsOf('hyperplane').includes('direction') || !sampled.includes('x')) return null;
  const firing = columnsOf('dying_firing');
  const [hyperplane, sample, survival, weights, means, fires] = await Promise.all([
    table('hyperplane', 'name', 'direction'),
    table('dying_sample', 'x', ...(sampled.includes('text') ? ['text'] : [])),
    columnsOf('survival').includes('c') ? table('survival', ...columnsOf('survival').filter((name) => ['name', 'c', 'p'].includes(name))) : null,
    columnsOf('dying_weights').length > 0 ? table('dying_weights', 'frame', 'feature', 'w', 'offset') : null,
    columnsOf('dying_mean').length > 0 ? table('dying_mean', 'mean') : null,
    firing.includes('x') ? table('dying_firing', 'x', ...(firing.includes('text') ? ['text'] : [])) : null,
  ]);
  const names = strings(hyperplane.columns.name!);
  const directions = lists(hyperplane.columns.direction!);
  const named = (name: string): Float32Array | null => {
    const at = names.findIndex((one) => one === name);
    return at < 0 ? null : directions[at]!;
  };
  const first = names.findIndex((name) => name.startsWith('w*'));
  if (first < 0) return null;
  if (directions[first]!.length !== d) fail(pack, 'hyperplane', `has a direction of ${directions[first]!.length} numbers, expected ${d}`);
  const direction = unitOf(directions[first]!);
  const sampledRows = vectors(pack, 'dying_sample', sample, d);
  const uniform = sampledRows.length;
  if (uniform === 0) return null;
  const chosen = fires === null ? [] : vectors(pack, 'dying_firing', fires, d);
  const rows = [...sampledRows, ...chosen];
  const m = rows.length;
  const x = new Float32Array(m * d);
  rows.forEach((row, at) => x.set(row, at * d));
  const mean = means === null ? meanOf(x, uniform, d) : numbers((means.columns.mean as ArrayLike<ArrayLike<number>>)[0] ?? []);
  if (mean.length !== d) fail(pack, 'dying_mean', `has a mean of ${mean.length} numbers, expected ${d}`);
  const complement = named('complement') === null ? await leadingOrthogonal(x, uniform, mean, direction, signal) : unitOf(named('complement')!);
  return {
    direction,
    complement,
    mean,
    x,
    m,
    chosen: chosen.length,
    text: textOf(Array.from({ length: m }, (_, at) => (at < uniform ? sample.columns.text?.[at] : fires?.columns.text?.[at - uniform]) ?? null)),
    ...boundaries(pack, weights, frames.length, d),
    survival: survival === null ? survivalOf(Float64Array.from(sampledRows, (row) => dot(row, direction))) : curveOf(survival, names[first]!, pack),
  };
}

function vectors(pack: Pack, name: string, { columns }: Read, d: number): Float32Array[] {
  const rows = lists(columns.x!);
  const wrong = rows.findIndex((row) => row.length !== d);
  if (wrong >= 0) fail(pack, name, `row ${wrong} has ${rows[wrong]!.length} numbers, expected ${d}`);
  return rows;
}

/** Null where there is no text at all. */
function textOf(column: ColumnValues | undefined): string[] | null {
  const text = strings(column ?? []);
  return text.some((one) => one !== '') ? text : null;
}

type Read = Awaited<ReturnType<ReadTable>>;

/** The points of w* where the table has those of other directions too. */
function curveOf({ columns, rows }: Read, name: string, pack: Pack): DyingPlane['survival'] {
  const of = columns.name === undefined ? null : strings(columns.name);
  const some = Array.from({ length: rows }, (_, at) => at).filter((at) => of === null || of[at] === name);
  const [c, p] = [numbers(columns.c!), numbers(columns.p ?? [])];
  const points = some.map((at) => ({ c: c[at]!, p: p[at]! }));
  if (points.some((point, at) => !(point.p >= 0 && point.p <= 1) || (at > 0 && !(point.c >= points[at - 1]!.c && point.p <= points[at - 1]!.p)))) fail(pack, 'survival', 'is no survival curve: c must ascend, and p descend within [0, 1]');
  const { survival_rows: counted, rows: solved } = pack.manifest.plugins.find(({ id }) => id === 'sae/hyperplane')?.summary ?? {};
  const total = [counted, solved, pack.manifest.data.tokens].find((one) => typeof one === 'number') as number;
  return { c: Float64Array.from(points, (point) => point.c), p: Float64Array.from(points, (point) => point.p), rows: total };
}

/** Weights and offsets by frame. */
function boundaries(pack: Pack, weights: Read | null, frames: number, d: number): Pick<DyingPlane, 'features' | 'encoder' | 'offset'> {
  const none = { features: new Uint32Array(0), encoder: Array.from({ length: frames }, () => new Float32Array(0)), offset: Array.from({ length: frames }, () => new Float32Array(0)) };
  if (weights === null || weights.rows === 0) return none;
  const [frame, feature, offset] = [numbers(weights.columns.frame!), numbers(weights.columns.feature!), numbers(weights.columns.offset!)];
  const w = lists(weights.columns.w!);
  const k = weights.rows / frames;
  if (!Number.isInteger(k)) fail(pack, 'dying_weights', `has ${weights.rows} rows, which are not as many in each of ${frames} frames`);
  const features = Uint32Array.from(feature.subarray(0, k));
  const encoder = Array.from({ length: frames }, () => new Float32Array(k * d));
  const offsets = Array.from({ length: frames }, () => new Float32Array(k));
  for (let row = 0; row < weights.rows; row++) {
    const [f, j] = [Math.floor(row / k), row % k];
    if (frame[row] !== f || feature[row] !== features[j] || w[row]!.length !== d) fail(pack, 'dying_weights', `row ${row} is of frame ${frame[row]}, feature ${feature[row]} with ${w[row]!.length} numbers, expected frame ${f}, feature ${features[j]} with ${d}`);
    encoder[f]!.set(w[row]!, j * d);
    offsets[f]![j] = offset[row]!;
  }
  return { features, encoder, offset: offsets };
}

const MOST_ITERATIONS = 300;

/** [d] of length 1: of most variance about the mean among the directions orthogonal to `direction`, by power iteration over the rows. */
export async function leadingOrthogonal(x: Float32Array, m: number, mean: Float64Array, direction: Float64Array, signal: AbortSignal | undefined): Promise<Float64Array> {
  const d = mean.length;
  const pace = new Pace(signal, 20);
  const within = (v: Float64Array): Float64Array => {
    const along = dot(v, direction);
    return v.map((value, c) => value - along * direction[c]!);
  };
  const normal = (v: Float64Array): Float64Array | null => {
    const length = Math.sqrt(dot(v, v));
    return length > 0 ? v.map((value) => value / length) : null;
  };
  // No symmetry of the data is likely to be orthogonal to the start.
  let v = normal(within(within(Float64Array.from({ length: d }, (_, c) => Math.cos(1 + c * Math.SQRT2))))) ?? direction;
  for (let round = 0; round < MOST_ITERATIONS; round++) {
    const image = new Float64Array(d);
    for (let r = 0; r < m; r++) {
      let along = 0;
      for (let c = 0; c < d; c++) along += (x[r * d + c]! - mean[c]!) * v[c]!;
      for (let c = 0; c < d; c++) image[c] = image[c]! + along * (x[r * d + c]! - mean[c]!);
      if (r % 256 === 255 && pace.isDue) await pace.pause();
    }
    const next = normal(within(within(image)));
    if (next === null) return v;
    const moved = next.reduce((sum, value, c) => sum + (value - v[c]!) ** 2, 0);
    v = next;
    if (moved < 1e-20) break;
  }
  return v;
}

function meanOf(x: Float32Array, m: number, d: number): Float64Array {
  const mean = new Float64Array(d);
  for (let at = 0; at < m * d; at++) mean[at % d] = mean[at % d]! + x[at]! / m;
  return mean;
}

function dot(a: ArrayLike<number>, b: ArrayLike<number>): number {
  let sum = 0;
  for (let c = 0; c < b.length; c++) sum += a[c]! * b[c]!;
  return sum;
}
