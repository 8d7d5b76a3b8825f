/**
 * Gathers what a certificate rests on, of every feature that is rare or dead, and decides: from counts of the
 * whole stream, held rows, and, where there is a training run, its checkpoints counted on those rows. Each
 * checkpoint is read once at most, and only where some feature's evidence is there:
 *
 *   its prime and its end    w, b and b_dec, for the fall of its mean pre-activation (bias-share.ts)
 *   its prime after step 0   the rows that were its own, and what it wrote there
 *   its last five firings    their part of the error and of the loss
 *   step 0                   of ranked features that never fired: whether z was ever above 0
 */
import type { SparseCodes } from '../codes.js';
import type { Ops } from '../ops/ops.js';
import { Pace } from '../pace.js';
import type { Sae } from '../sae.js';
import type { Resampling } from '../train/saved-run.js';
import { clopperPearson, zeroCountBound } from '../statistics.js';
import { biasLedger, type EncoderFrame } from './bias-share.js';
import { CAUSES, certificateOf, LEAST_FIRINGS, TAKEN_ROWS, type Cause, type Certificate, type FallLedger, type FeatureEvidence, type FiringLedger, type Taker } from './certificate.js';
import { lifeOf, resamplingSteps, type LifePlaces } from './certificate-life.js';
import { FiringSums, OwnRows, Takers } from './certificate-rows.js';
import { cosine, decodingRows, dot, featureRows, type FeatureRows } from './feature-rows.js';
import { PAUSE_EVERY } from './frame-rows.js';
import { encoderRowsOf } from './frames.js';
import { rowContexts } from './group-firings.js';
import type { DyingFrame } from './record.js';
import { meanOf } from './run-frames.js';

export interface CertificateRun {
  /** Counts on the held rows, by ascending step; the last is the SAE itself. */
  readonly frames: readonly Pick<DyingFrame, 'step' | 'rows' | 'counts'>[];
  readonly sae: (step: number) => Promise<Sae>;
  readonly resampled: readonly Resampling[];
}

export interface CertificateInput {
  readonly sae: Sae;
  /** [d_sae] firings in the whole stream, and its rows. */
  readonly counts: ArrayLike<number>;
  readonly tokens: number;
  /** Density below which a feature is rare. */
  readonly edge: number;
  /** [rows, d_in] raw, with their places in the stream; rows of a context. */
  readonly held: { readonly x: Float32Array; readonly rows: number; readonly d: number; readonly index: ArrayLike<number> };
  readonly positions: number;
  /** Held rows as the SAE is to give them back, [count, d]. */
  readonly target: (first: number, count: number) => Float32Array;
  /** The penalty at a step (null: the SAE as it is); null where it is not known. */
  readonly lambda: (step: number | null) => { readonly value: number; readonly byDecoderNorm: boolean } | null;
  /** Whether rows' largest are selected. */
  readonly ranked: boolean;
  readonly run: CertificateRun | null;
  readonly ops: Pick<Ops, 'encode' | 'nearestRows'>;
  readonly signal?: AbortSignal | undefined;
}

/** Summary of `sae/certificate`. */
export interface CertificateReport {
  /** Rows of the stream, held rows, checkpoints. */
  readonly tokens: number;
  readonly rows: number;
  readonly frames: number;
  readonly edge: number;
  /** Features by cause. */
  readonly causes: Readonly<Record<Cause, number>>;
  readonly caveats: readonly string[];
}

export interface CertificateStudy {
  /** [d_sae] */
  readonly certificates: readonly Certificate[];
  readonly report: CertificateReport;
}

/** Rows of a feature that others are looked at on. */
const MOST_ROWS = 64;
/** Neighbours by decoder that are looked at for a twin. */
const NEAREST = 8;
/** Features whose rows are looked at in one pass. */
const AT_ONCE = 2048;

/** What is gathered of one rare or dead feature. */
interface Gathered {
  readonly feature: number;
  readonly places: LifePlaces | null;
  firings: FiringLedger | null;
  positive: number | null;
  own: { readonly rows: readonly number[]; readonly written: number; readonly decoder: Float32Array } | null;
  fall: FallLedger | null;
}

export async function certificateStudy(input: CertificateInput): Promise<CertificateStudy> {
  const { sae, counts, tokens, edge, run, ranked, signal } = input;
  const isBelow = (count: number): boolean => tokens > 0 && (count === 0 ? zeroCountBound(tokens) : clopperPearson(count, tokens).high) < edge;
  const { reset, spared } = resamplingSteps(run?.resampled ?? [], sae.d_sae);
  const chosen: Gathered[] = [];
  const pace = new Pace(signal, PAUSE_EVERY);
  for (let feature = 0; feature < sae.d_sae; feature++) {
    if (pace.isDue) await pace.pause();
    if (!isBelow(counts[feature]!)) continue;
    chosen.push({ feature, places: run === null ? null : lifeOf(run.frames, feature, reset[feature], spared[feature]), firings: null, positive: null, own: null, fall: null });
  }
  if (chosen.length > 0) {
    if (run === null) await lookNow(input, chosen, pace);
    else await lookBack(input, run, chosen, pace);
  }
  const takers = chosen.length === 0 ? [] : await takersOf(input, chosen, pace);
  const certificates: Certificate[] = [];
  let at = 0;
  for (let feature = 0; feature < sae.d_sae; feature++) {
    const one = chosen[at]?.feature === feature ? chosen[at]! : null;
    const { twin = null, absorber = null } = one === null ? {} : takers[at]!;
    if (one !== null) at++;
    const evidence: FeatureEvidence = { count: counts[feature]!, rows: tokens, life: one?.places?.life ?? null, positive: one?.positive ?? null, ranked, firings: one?.firings ?? null, fall: one?.fall ?? null, twin, absorber };
    certificates.push(certificateOf(evidence, edge));
    if (pace.isDue) await pace.pause();
  }
  const causes = Object.fromEntries(CAUSES.map((cause) => [cause, certificates.filter((one) => one.cause === cause).length])) as Record<Cause, number>;
  return { certificates, report: { tokens, rows: input.held.rows, frames: run?.frames.length ?? 1, edge, causes, caveats: caveatsOf(input) } };
}

/** Without a run: the SAE's own firings. */
async function lookNow(input: CertificateInput, chosen: readonly Gathered[], pace: Pace): Promise<void> {
  const weights = await decodingOf(input.sae, input.signal);
  await lookAtFirings(input, input.sae, weights, null, chosen, chosen, pace);
}

async function lookBack(input: CertificateInput, run: CertificateRun, chosen: readonly Gathered[], pace: Pace): Promise<void> {
  const { held, ranked, signal } = input;
  const mean = meanOf(held);
  const primes = new Map<Gathered, EncoderFrame>();
  for (const [at, { step }] of run.frames.entries()) {
    const falls = chosen.filter(({ places }) => places !== null && places.life.fell);
    const [atPrime, atEnd] = [falls.filter(({ places }) => places!.prime === at), falls.filter(({ places }) => places!.end === at)];
    const learnt = chosen.filter(({ places }) => places!.learnt === at);
    const last = chosen.filter(({ places }) => places!.lastFirings(LEAST_FIRINGS) === at);
    const unborn = ranked && at === 0 && step === 0 ? chosen.filter(({ places }) => places!.life.reset === null && places!.life.ever === 0) : [];
    if (atPrime.length + atEnd.length + learnt.length + last.length + unborn.length === 0) continue;
    const sae = await run.sae(step);
    for (const one of atPrime) {
      primes.set(one, await encoderFrameOf(sae, one.feature, signal));
      if (pace.isDue) await pace.pause();
    }
    for (const one of atEnd) {
      const before = primes.get(one);
      if (before === undefined) continue;
      const [line] = biasLedger(before, await encoderFrameOf(sae, one.feature, signal), mean, [0]);
      one.fall = { from: one.places!.life.prime.step, to: step, bias: line!.bias, encoder: line!.encoder, b_dec: line!.b_dec };
      primes.delete(one);
      if (pace.isDue) await pace.pause();
    }
    if (learnt.length + last.length > 0) await lookAtFirings(input, sae, await decodingOf(sae, signal), step, learnt, last, pace);
    if (unborn.length > 0) await lookAtBirth(input, sae, unborn);
    if (pace.isDue) await pace.pause();
  }
}

/** One feature's encoder in the form of bias-share.ts. */
async function encoderFrameOf(sae: Sae, feature: number, signal: AbortSignal | undefined): Promise<EncoderFrame> {
  return { encoder: await encoderRowsOf(sae, [feature], signal), bias: sae.b_enc.slice(feature, feature + 1), b_dec: sae.applyBDecToInput ? sae.b_dec : new Float32Array(sae.d_in) };
}

async function decodingOf(sae: Sae, signal: AbortSignal | undefined): Promise<FeatureRows> {
  const { encoder, decoder } = await featureRows(sae, signal);
  return { encoder, decoder: decodingRows(sae, decoder) };
}

/** One pass over the held rows: rows that are `owners`', and what the firings of `summed` do. */
async function lookAtFirings({ held, positions, target, lambda, ops, signal }: CertificateInput, sae: Sae, { decoder }: FeatureRows, step: number | null, owners: readonly Gathered[], summed: readonly Gathered[], pace: Pace): Promise<void> {
  const { d_sae, d_out: d } = sae;
  const length = (i: number): number => Math.sqrt(dot(decoder, i * d, decoder, i * d, d));
  const own = new Map(owners.map((one) => [one.feature, { rows: new OwnRows(MOST_ROWS), length: length(one.feature) }]));
  const sums = new FiringSums({ decoder, b_dec: sae.b_dec, d_sae, d }, summed.map(({ feature }) => feature), rowContexts(held.index, positions));
  for await (const { first, codes } of ops.encode(sae, held.x, held.rows, { signal })) {
    for (let row = 0; row < codes.rows; row++) {
      for (let entry = codes.offsets[row]!; entry < codes.offsets[row + 1]!; entry++) {
        const one = own.get(codes.features[entry]!);
        one?.rows.add(first + row, codes.values[entry]! * one.length);
      }
    }
    if (summed.length > 0) await sums.add(first, codes, target(first, codes.rows), pace);
    if (pace.isDue) await pace.pause();
  }
  for (const one of owners) {
    const { rows } = own.get(one.feature)!;
    if (rows.rows.length > 0) one.own = { rows: rows.rows, written: rows.written, decoder: decoder.slice(one.feature * d, (one.feature + 1) * d) };
  }
  const penalty = lambda(step);
  for (const [at, one] of summed.entries()) {
    const { firings, pull, ablation } = sums.figures(at);
    if (firings < LEAST_FIRINGS) continue;
    one.firings = { step, firings, pull, ablation, lambda: penalty === null ? null : penalty.value * (penalty.byDecoderNorm ? length(one.feature) : 1) };
  }
}

/** Rows on which the pre-activations of some features are above 0, whatever is selected. */
async function lookAtBirth({ held, ops, signal }: CertificateInput, sae: Sae, unborn: readonly Gathered[]): Promise<void> {
  const [n, { d_in, d_out }] = [unborn.length, sae];
  const rows = await encoderRowsOf(sae, unborn.map(({ feature }) => feature), signal);
  const W_enc = new Float32Array(d_in * n);
  for (let at = 0; at < n; at++) for (let c = 0; c < d_in; c++) W_enc[c * n + at] = rows[at * d_in + c]!;
  const open: Sae = { ...sae, architecture: 'standard', d_sae: n, W_enc, b_enc: Float32Array.from(unborn, ({ feature }) => sae.b_enc[feature]!), W_dec: new Float32Array(n * d_out), threshold: null, k: null, gate: null, weights: null, rescaleActsByDecoderNorm: false };
  const positive = new Float64Array(n);
  for await (const { codes } of ops.encode(open, held.x, held.rows, { signal })) for (const at of codes.features) positive[at] = positive[at]! + 1;
  for (const [at, one] of unborn.entries()) one.positive = positive[at]!;
}

/** For each, the likest of the features that are not rare, and the one of those that took most of what it wrote. */
async function takersOf(input: CertificateInput, chosen: readonly Gathered[], pace: Pace): Promise<{ twin: Taker | null; absorber: Taker | null }[]> {
  const { sae, counts, tokens, edge, ops, signal } = input;
  const { d_in, d_out: d, d_sae } = sae;
  const { encoder, decoder } = await decodingOf(sae, signal);
  const { neighbours, cosines } = await ops.nearestRows({ data: decoder, rows: d_sae, d }, Math.min(NEAREST, d_sae - 1), { signal });
  const isLive = (i: number): boolean => counts[i]! >= edge * tokens;
  const encoderCosine = (i: number, j: number): number => cosine(encoder, i * d_in, encoder, j * d_in, d_in);
  const found: { twin: Taker | null; absorber: Taker | null }[] = [];
  for (let from = 0; from < chosen.length; from += AT_ONCE) {
    const some = chosen.slice(from, from + AT_ONCE);
    const tallies = await talliesOf(input, some, pace);
    for (const [at, { feature, own }] of some.entries()) {
      const tally = tallies.of(at);
      const rows = own?.rows.length ?? null;
      const taker = (other: number, decoderCosine: number): Taker => {
        const one = tally.get(other);
        const projection = own === null || !(own.written > 0) ? null : ((one?.activation ?? 0) / own.rows.length) * (dot(own.decoder, 0, decoder, other * d, d) / Math.sqrt(dot(own.decoder, 0, own.decoder, 0, d))) / own.written;
        return { feature: other, encoder_cosine: encoderCosine(feature, other), decoder_cosine: decoderCosine, density: counts[other]! / tokens, rows, share: rows === null ? null : (one?.firings ?? 0) / rows, kept: rows === null ? null : tallies.kept(at) / rows, projection: projection === null || !Number.isFinite(projection) ? null : projection };
      };
      let [twin, absorber]: [Taker | null, Taker | null] = [null, null];
      Array.from(neighbours[feature] ?? []).forEach((other, k) => {
        if (!isLive(other)) return;
        const one = taker(other, cosines[feature]![k]!);
        const likeness = (a: Taker): number => Math.min(a.encoder_cosine, a.decoder_cosine);
        if (twin === null || likeness(one) > likeness(twin)) twin = one;
      });
      for (const [other, { firings }] of tally) {
        if (!isLive(other) || rows === null || firings < TAKEN_ROWS * rows) continue;
        const one = taker(other, cosine(decoder, feature * d, decoder, other * d, d));
        // Ties go to the lower index: a map's order is that of the rows.
        if (absorber === null || (one.projection ?? 0) > (absorber.projection ?? 0) || (one.projection === absorber.projection && other < absorber.feature)) absorber = one;
      }
      found.push({ twin, absorber });
      if (pace.isDue) await pace.pause();
    }
  }
  return found;
}

/** What fires now on the rows that were theirs. */
async function talliesOf({ sae, held, ops, signal }: CertificateInput, some: readonly Gathered[], pace: Pace): Promise<Takers> {
  const takers = new Takers(some.map(({ feature }) => feature), some.map(({ own }) => own?.rows ?? []));
  const rows = takers.rows;
  if (rows.length === 0) return takers;
  const x = new Float32Array(rows.length * held.d);
  rows.forEach((row, at) => x.set(held.x.subarray(row * held.d, (row + 1) * held.d), at * held.d));
  for await (const { first, codes } of ops.encode(sae, x, rows.length, { signal })) {
    takers.add(rows.slice(first, first + codes.rows), codes satisfies SparseCodes);
    if (pace.isDue) await pace.pause();
  }
  return takers;
}

function caveatsOf({ run, lambda, held, tokens, sae }: CertificateInput): string[] {
  return [
    ...(run === null ? ['without a training run nothing is known of what came before: only what fires now, and what resembles it, is told'] : []),
    ...(run !== null && run.frames[0]!.step > 0 ? [`the first checkpoint is of step ${run.frames[0]!.step}: who was born dead cannot be told`] : []),
    ...(lambda(null) === null ? ['the coefficient of the penalty is not known, so that its push cannot be told'] : []),
    ...(held.rows < tokens ? [`checkpoints, rows and errors are on ${held.rows} of the ${tokens} rows`] : []),
    ...(sae.normalizeActivations === 'none' ? [] : [`errors are those after ${sae.normalizeActivations}`]),
  ];
}
