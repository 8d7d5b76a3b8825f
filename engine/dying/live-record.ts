/**
 * A `DyingRecord` that grows with a live run: fed with the run's events, it has a frame for each
 * checkpoint that was evaluated and of which a snapshot of all features came along.
 *
 *   effective_bias_i = b_enc_i - w_i . b_dec      where the encoder sees x - b_dec, else b_enc_i
 *   de_i = w_i . d_i,   de_cosine_i = cos(w_i, d_i),   direction_cosine_i = cos(w_i, w*)
 *   z_i = w_i . x + effective_bias_i fires above 0; a jumprelu's above its threshold, which a frame does not have
 *
 * Kept true: sums in f64, stored as the record has them; never more than `frames` frames, of which the
 * first and the last stay and the others are about evenly spaced in log steps, so that a run of any
 * length takes the same memory; what is rewound is forgotten; a record that was handed out does
 * not change.
 */
import { UsageError } from '../errors.js';
import type { Evaluation, FeatureSnapshot } from '../train/events.js';
import { mostCrowded } from '../train/live-history.js';
import type { LiveEvent } from '../train/live-messages.js';
import type { Recipe } from '../train/recipe.js';
import type { DataPlane } from './data-plane.js';
import type { Cohort, DyingFrame, DyingRecord } from './record.js';

export interface LiveRecordOptions {
  readonly name: string;
  /** Of the run; what is retuned later comes with its events. */
  readonly recipe: Recipe;
  readonly d: number;
  readonly plane?: DataPlane | null | undefined;
  /** Text of the token of each scanned row; a plane's rows are looked up in it. */
  readonly text?: readonly string[] | null | undefined;
  /** Frames at most; default 48. */
  readonly frames?: number | undefined;
  /** Bytes for the weights that the plane keeps through all frames; default 16 MiB. Where not all features fit, evenly spaced ones are kept. */
  readonly weightBytes?: number | undefined;
}

const FRAMES = 48;
const WEIGHT_BYTES = 2 ** 24;

/** A frame and the weights of the features that are kept. */
interface Kept {
  readonly frame: DyingFrame;
  readonly encoder: Float32Array;
  readonly offset: Float32Array;
}

/** All features at a step, as frames.ts has them of an SAE: cosines of a row of zeros are NaN. @param direction [d] of length 1, or null */
export function liveFrame(snapshot: FeatureSnapshot, evaluation: Pick<Evaluation, 'step' | 'tokens' | 'counts'>, { d, tokens, applyBDecToInput, direction }: { readonly d: number; readonly tokens: number | null; readonly applyBDecToInput: boolean; readonly direction: Float64Array | null }): DyingFrame {
  const { encoder, decoder, bias, b_dec } = snapshot;
  const n = bias.length;
  const frame = { effective_bias: new Float32Array(n), encoder_norm: new Float32Array(n), de: new Float32Array(n), de_cosine: new Float32Array(n), direction_cosine: new Float32Array(n) };
  for (let i = 0; i < n; i++) {
    let [ww, dd, wd, wb, wv] = [0, 0, 0, 0, 0];
    for (let c = 0; c < d; c++) {
      const w = encoder[i * d + c]!;
      const v = decoder[i * d + c]!;
      ww += w * w;
      dd += v * v;
      wd += w * v;
      wb += w * b_dec[c]!;
      if (direction !== null) wv += w * direction[c]!;
    }
    const norm = Math.sqrt(ww);
    frame.encoder_norm[i] = norm;
    frame.effective_bias[i] = applyBDecToInput ? bias[i]! - wb : bias[i]!;
    frame.de[i] = wd;
    frame.de_cosine[i] = ww > 0 && dd > 0 ? wd / (norm * Math.sqrt(dd)) : NaN;
    frame.direction_cosine[i] = direction !== null && norm > 0 ? wv / norm : NaN;
  }
  return { step: snapshot.step, tokens, rows: evaluation.tokens, counts: evaluation.counts, bias, b_dec, ...frame };
}

export class LiveRecord {
  readonly #options: LiveRecordOptions;
  readonly #plane: DataPlane | null;
  readonly #features: Uint32Array;
  readonly #most: number;
  #recipe: Recipe;
  #kept: Kept[] = [];
  #resampled: { readonly step: number; readonly features: readonly number[]; readonly spared: readonly number[] }[] = [];
  #pending: FeatureSnapshot | null = null;
  /** Rows seen at the last step that told. */
  #seen: { readonly step: number; readonly tokens: number } | null = null;
  #record: DyingRecord | null = null;

  constructor(options: LiveRecordOptions) {
    const { recipe, d, plane = null, frames = FRAMES, weightBytes = WEIGHT_BYTES } = options;
    if (!Number.isInteger(frames) || frames < 3) throw new UsageError(`live record: frames is ${frames}, expected a whole number of at least 3`);
    if (plane !== null && plane.direction.length !== d) throw new UsageError(`live record: the plane is of d ${plane.direction.length}, the run of ${d}`);
    this.#options = options;
    this.#plane = plane;
    this.#recipe = recipe;
    this.#most = frames;
    const n = recipe.d_sae;
    const k = plane === null ? 0 : Math.min(n, Math.max(1, Math.floor(weightBytes / (4 * frames * (d + 1)))));
    this.#features = Uint32Array.from({ length: k }, (_, j) => Math.floor((j * n) / k));
  }

  /** The record as it is now; null before the first frame. The same object until something is new. */
  get record(): DyingRecord | null {
    if (this.#kept.length === 0) return null;
    return (this.#record ??= this.#build());
  }

  /** Steps of the frames, ascending. */
  get steps(): number[] {
    return this.#kept.map(({ frame }) => frame.step);
  }

  /** Takes in what the run tells. @returns whether the record is another one now */
  add(event: LiveEvent): boolean {
    switch (event.type) {
      case 'metrics':
        this.#seen = event.metrics;
        return false;
      case 'snapshot':
        if (event.snapshot.features.length === this.#recipe.d_sae) this.#pending = event.snapshot;
        return false;
      case 'checkpoint':
        return this.#checkpoint(event.step, event.evaluation);
      case 'resampled':
        this.#resampled.push(event);
        break;
      case 'retuned':
        this.#recipe = { ...this.#recipe, ...event.patch };
        break;
      case 'rewound':
        this.#kept = this.#kept.filter(({ frame }) => frame.step <= event.step);
        this.#resampled = this.#resampled.filter(({ step }) => step <= event.step);
        this.#pending = null;
        this.#remember();
        break;
      default:
        return false;
    }
    this.#record = null;
    return true;
  }

  /** The record of a run that begins at `step` of this one: what came before is its past, too. */
  branch(name: string, recipe: Recipe, step: number): LiveRecord {
    const branch = new LiveRecord({ ...this.#options, name, recipe });
    branch.#kept = this.#kept.filter(({ frame }) => frame.step <= step);
    branch.#resampled = this.#resampled.filter((one) => one.step <= step);
    branch.#remember();
    return branch;
  }

  #checkpoint(step: number, evaluation: Evaluation | null): boolean {
    const snapshot = this.#pending;
    if (evaluation === null || snapshot === null || snapshot.step !== step) return false;
    this.#pending = null;
    const { d } = this.#options;
    const frame = liveFrame(snapshot, evaluation, { d, tokens: this.#tokensAt(step), applyBDecToInput: this.#recipe.apply_b_dec_to_input, direction: this.#plane?.direction ?? null });
    const all = this.#features.length === this.#recipe.d_sae;
    const encoder = all ? snapshot.encoder : new Float32Array(this.#features.length * d);
    if (!all) for (const [j, i] of this.#features.entries()) encoder.set(snapshot.encoder.subarray(i * d, (i + 1) * d), j * d);
    this.#kept = [...this.#kept.filter((kept) => kept.frame.step < step), { frame, encoder, offset: Float32Array.from(this.#features, (i) => frame.effective_bias[i]!) }];
    if (this.#kept.length > this.#most) this.#kept.splice(mostCrowded(this.steps), 1);
    this.#record = null;
    return true;
  }

  /** What was seen by the last frame. */
  #remember(): void {
    const last = this.#kept.at(-1)?.frame;
    this.#seen = last === undefined || last.tokens === null ? null : { step: last.step, tokens: last.tokens };
  }

  #tokensAt(step: number): number {
    const { batch } = this.#recipe;
    return this.#seen === null || this.#seen.step > step ? step * batch : this.#seen.tokens + (step - this.#seen.step) * batch;
  }

  #build(): DyingRecord {
    const { name, d, text = null } = this.#options;
    const plane = this.#plane;
    return {
      name,
      features: this.#recipe.d_sae,
      d,
      frames: this.#kept.map(({ frame }) => frame),
      cohorts: this.#cohorts(),
      recipe: this.#recipe,
      plane:
        plane === null
          ? null
          : {
              direction: plane.direction,
              complement: plane.complement,
              mean: plane.mean,
              x: plane.x,
              m: plane.m,
              chosen: 0,
              text: text === null ? null : Array.from(plane.index, (row) => text[row] ?? ''),
              features: this.#features,
              encoder: this.#kept.map(({ encoder }) => encoder),
              offset: this.#kept.map(({ offset }) => offset),
              survival: plane.survival,
            },
      verdict: null,
      certificates: null,
    };
  }

  /** As cohorts.ts has them of a run's folder: who was reset is no control, even if it was spared before. */
  #cohorts(): Uint8Array | null {
    if (this.#resampled.every(({ features, spared }) => features.length + spared.length === 0)) return null;
    const cohorts = new Uint8Array(this.#recipe.d_sae);
    const mark = (features: readonly number[], cohort: Cohort): void => {
      for (const i of features) cohorts[i] = cohort;
    };
    for (const { spared } of this.#resampled) mark(spared, 2);
    for (const { features } of this.#resampled) mark(features, 1);
    return cohorts;
  }
}
