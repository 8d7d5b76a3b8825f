/**
 * A training run, frame by frame: every kept checkpoint's features, counted on the same held-out
 * rows, so that densities of one feature at two steps differ by its weights alone.
 */
import { ShapeError } from '../errors.js';
import type { Ops } from '../ops/ops.js';
import type { Sae } from '../sae.js';
import { mostCrowded } from '../train/live-history.js';
import type { RunReader } from '../train/run-reader.js';
import { encoderRowsOf, firingOffsets, meanColumn, readFrame } from './frames.js';
import type { DyingFrame } from './record.js';

/** Held-out rows. */
export interface HeldRows {
  /** [rows, d] raw activations */
  readonly x: Float32Array;
  readonly rows: number;
  readonly d: number;
}

export interface FramesOptions {
  readonly held: HeldRows;
  readonly ops: Pick<Ops, 'encode'>;
  /** [d] the direction of least firing. */
  readonly direction?: ArrayLike<number> | null | undefined;
  /** Density below which a feature is rare; default 1e-4 (Nanda). */
  readonly edge?: number | undefined;
  /** Frames at most, evenly spaced in log step; default 64. */
  readonly frames?: number | undefined;
  /** Features whose weights are kept through the frames; default 64. */
  readonly kept?: number | undefined;
  readonly signal?: AbortSignal | undefined;
  readonly onFrame?: ((done: number, of: number) => void) | undefined;
}

/** Arrays by frame, in the order of `frames`. */
export interface RunFrames {
  /** By ascending step. */
  readonly frames: readonly DyingFrame[];
  /** [d] mean of the held-out rows. */
  readonly mean: Float64Array;
  /** [d] mean encoder column of the frame's rare features; null without any. */
  readonly rare_column: readonly (Float64Array | null)[];
  /** Features whose weights are kept, ascending; their rows [k, d] and firing offsets [k]. */
  readonly features: Uint32Array;
  readonly encoder: readonly Float32Array[];
  readonly offset: readonly Float32Array[];
  /** The first frame's and the last one's. */
  readonly first: Sae;
  readonly last: Sae;
}

export const RARE_EDGE = 1e-4;
const MOST_FRAMES = 64;
const KEPT = 64;

/** Firings of every feature on rows. */
export async function countFirings(sae: Sae, { x, rows, d }: HeldRows, { ops, signal }: Pick<FramesOptions, 'ops' | 'signal'>): Promise<Float64Array> {
  if (d !== sae.d_in) throw new ShapeError(`rows of width ${d} for an SAE of width ${sae.d_in}`);
  const counts = new Float64Array(sae.d_sae);
  for await (const { codes } of ops.encode(sae, x, rows, { signal })) {
    for (const feature of codes.features) counts[feature] = counts[feature]! + 1;
  }
  return counts;
}

/** [d] in f64. */
export function meanOf({ x, rows, d }: HeldRows): Float64Array {
  const mean = new Float64Array(d);
  for (let r = 0, at = 0; r < rows; r++) for (let c = 0; c < d; c++, at++) mean[c] = mean[c]! + x[at]!;
  return mean.map((value) => value / Math.max(1, rows));
}

/** Steps of the frames that a run gives: its checkpoints, at most so many, evenly spaced in log step with the first and the last. */
export function frameSteps(steps: readonly number[], most: number): number[] {
  const kept = [...steps].sort((a, b) => a - b);
  while (kept.length > Math.max(2, most)) kept.splice(mostCrowded(kept), 1);
  return kept;
}

/**
 * Features to keep the weights of: spread evenly over the ranks of density within rare, live, dead and dense
 * ones of the last frame, five eighths of them rare, an eighth each of the others; what a class cannot fill
 * goes to the next. Depends on the counts alone.
 */
export function keptFeatures({ counts, rows }: Pick<DyingFrame, 'counts' | 'rows'>, most: number, edge = RARE_EDGE): Uint32Array {
  const order = Array.from(counts, (_, i) => i).sort((a, b) => counts[a]! - counts[b]! || a - b);
  const density = (i: number): number => counts[i]! / rows;
  const groups = [order.filter((i) => counts[i]! > 0 && density(i) < edge), order.filter((i) => density(i) >= edge && density(i) <= 0.1), order.filter((i) => counts[i] === 0), order.filter((i) => density(i) > 0.1)];
  const chosen = new Set<number>();
  const take = (list: readonly number[], count: number): void => spread(list, Math.min(most - chosen.size, count)).forEach((i) => void chosen.add(i));
  [5 / 8, 1 / 8, 1 / 8, 1 / 8].forEach((share, at) => take(groups[at]!, Math.round(share * most)));
  for (const group of groups) take(group.filter((i) => !chosen.has(i)), most);
  return Uint32Array.from(chosen).sort();
}

/** So many of a list, the first and the last among them, evenly spaced. */
function spread(list: readonly number[], count: number): number[] {
  if (count >= list.length) return [...list];
  if (count <= 1) return count === 1 ? [list[0]!] : [];
  return Array.from({ length: count }, (_, at) => list[Math.round((at * (list.length - 1)) / (count - 1))]!);
}

interface Looked {
  readonly frame: DyingFrame;
  readonly column: Float64Array | null;
}

async function look(sae: Sae, at: { readonly step: number; readonly tokens: number | null; readonly rows: number; readonly counts: Float64Array }, { direction, edge = RARE_EDGE, signal }: Pick<FramesOptions, 'direction' | 'edge' | 'signal'>): Promise<Looked> {
  const frame = await readFrame(sae, { ...at, direction, signal });
  const rare = Array.from(frame.counts, (_, i) => i).filter((i) => frame.counts[i]! > 0 && frame.counts[i]! < edge * frame.rows);
  return { frame, column: await meanColumn(sae, rare, signal) };
}

/**
 * The frames of a run. The last checkpoint is looked at first: it says which features' weights are kept.
 * @throws FormatError where a checkpoint cannot be read; ShapeError where the rows have another width
 */
export async function readRunFrames(run: RunReader, options: FramesOptions): Promise<RunFrames> {
  const { held, frames: most = MOST_FRAMES, kept = KEPT, edge, signal, onFrame } = options;
  const steps = frameSteps(run.record.checkpoints.map(({ step }) => step), most);
  const last = steps.at(-1);
  if (last === undefined) throw new ShapeError(`${run.name}: the run has no checkpoint`);
  const mean = meanOf(held);
  const { batch } = run.record.recipe as { batch?: number };
  const tokens = (step: number): number | null => (typeof batch === 'number' ? step * batch : null);
  let done = 0;
  const lookAt = async (step: number): Promise<{ sae: Sae; looked: Looked }> => {
    signal?.throwIfAborted();
    const sae = await run.sae(step);
    const looked = await look(sae, { step, tokens: tokens(step), rows: held.rows, counts: await countFirings(sae, held, options) }, options);
    onFrame?.(++done, steps.length);
    return { sae, looked };
  };
  const { sae: final, looked: end } = await lookAt(last);
  const features = keptFeatures(end.frame, kept, edge);
  let first = final;
  const all: (Looked & { encoder: Float32Array; offset: Float32Array })[] = [];
  for (const step of steps) {
    const { sae, looked } = step === last ? { sae: final, looked: end } : await lookAt(step);
    if (all.length === 0) first = sae;
    all.push({ ...looked, encoder: await encoderRowsOf(sae, features, signal), offset: firingOffsets(sae, looked.frame, features) });
  }
  return { frames: all.map(({ frame }) => frame), mean, rare_column: all.map(({ column }) => column), features, encoder: all.map(({ encoder }) => encoder), offset: all.map(({ offset }) => offset), first, last: final };
}

/** The one frame of an SAE without a run: counts that were made elsewhere. */
export async function singleFrame(sae: Sae, counted: { readonly rows: number; readonly counts: ArrayLike<number> }, options: Omit<FramesOptions, 'ops' | 'frames' | 'onFrame'>): Promise<RunFrames> {
  const { held, kept = KEPT, edge, signal } = options;
  const mean = meanOf(held);
  const looked = await look(sae, { step: 0, tokens: null, rows: counted.rows, counts: Float64Array.from(counted.counts) }, options);
  const features = keptFeatures(looked.frame, kept, edge);
  return { frames: [looked.frame], mean, rare_column: [looked.column], features, encoder: [await encoderRowsOf(sae, features, signal)], offset: [firingOffsets(sae, looked.frame, features)], first: sae, last: sae };
}
