/**
 * Why a feature is dead or rare: a decision list over what was measured of it. The first
 * that holds is its cause. Below, R = E[2 d_i . r | f_i > 0] with r = xhat - x is the slope of the
 * squared error in f_i over its firings, lambda_i the penalty's: the bias falls where R + lambda_i > 0,
 * and rests where reconstruction pays what the penalty asks, R = -lambda_i (science: a useless feature
 * has no equilibrium, a useful one has this).
 *
 *   1 alive            its density's 95 % interval lies at the edge or above
 *     cannot-tell      the interval has the edge within
 *   2 resampled        it was replaced, and has not been seen to fire at two checkpoints' time since
 *   3 useful-rare      it fires five times now, without it the error grows (interval above 0), and it is not pushed down
 *   4 born-dead-relu   it never fired, from the first step on: z <= 0 (or its threshold) on every row
 *     born-dead-topk   the same, but z > 0 on some rows: others were always larger
 *   5 duplicate        another has its encoder and its decoder, cosines above 0.95, and its rows
 *   6 absorbed         another fires on the rows that were its own and that it lost, and writes what it wrote
 *   7 orphaned         its pre-activation fell, and most of the fall is b_dec moving under it
 *   8 pushed-by-l1     it fell, R + lambda > 0 (interval), and the penalty is the larger part: |R| <= lambda
 *     pushed-by-error  the same with R > lambda: to fire made the error larger
 *   9 cannot-tell      none of these, with what is missing
 *
 * Why this order. What is not rare needs no cause (1). A replaced feature has no history but since then (2).
 * One that earns its keep is not dying, whatever resembles it: a child of a parent fires within its parent (3). Who
 * never lived was not killed by what came later (4). Another that took its rows (5, 6) is why reconstruction stopped to
 * pay, and b_dec's move (7) why it left the rows where it would; the push of the penalty (8) is then a
 * consequence, and the cause only where there is no other. 5 comes before 6: a twin also takes the rows.
 */
import { clopperPearson, zeroCountBound } from '../statistics.js';
import type { Estimate } from './rates-reports.js';

export const CAUSES = ['alive', 'useful-rare', 'resampled', 'born-dead-relu', 'born-dead-topk', 'duplicate', 'absorbed', 'orphaned', 'pushed-by-l1', 'pushed-by-error', 'cannot-tell'] as const;

export type Cause = (typeof CAUSES)[number];

/** Cosine of encoders, and of decoders, above which two features are one. */
export const TWIN_COSINE = 0.95;
/** Share of a feature's rows on which another must fire to have taken them. */
export const TAKEN_ROWS = 0.8;
/** Share of its rows on which an absorbed feature still fires, at most: else nothing was taken, and one lies within the other. */
export const KEPT_ROWS = 0.5;
/** Times as often on them as elsewhere. */
export const TAKEN_LIFT = 2;
/** Share of what the feature wrote along its decoder that the other writes there (SAEBench's absorption: 0.4). */
export const TAKEN_PROJECTION = 0.4;
/** Firings that an interval of a mean needs. */
export const LEAST_FIRINGS = 5;
/** Rows beyond which none are asked for. */
const MOST_ASKED = 1e12;

/** A feature over the frames since it was made (certificate-life.ts). */
export interface FeatureLife {
  /** Frames, and the fewest rows that one of them was counted on. */
  readonly frames: number;
  readonly rows: number;
  /** Whether the first frame is the step at which it was made; else it was made before. */
  readonly fromStart: boolean;
  /** Step of the resampling that made it; null for the start of training. */
  readonly reset: number | null;
  /** Resampling was to replace it and left it alone, at this step. */
  readonly spared: number | null;
  /** Firings in all frames together. */
  readonly ever: number;
  /** Steps, and firings, where it fired most and in the last frame. */
  readonly prime: { readonly step: number; readonly count: number };
  readonly last: { readonly step: number; readonly count: number };
  /** Whether the last density is below the largest, by the exact test at 5 %, Bonferroni's over the frames. */
  readonly fell: boolean;
}

/** What the feature's firings did to the error, at the last frame in which it fired five times. */
export interface FiringLedger {
  readonly step: number | null;
  readonly firings: number;
  /** R */
  readonly pull: Estimate;
  /** lambda_i; null where it is not known. */
  readonly lambda: number | null;
  /** By how much a row's squared error grows without it, over its firings. */
  readonly ablation: Estimate;
}

/** What its mean pre-activation changed by, from its prime to the frame in which it was dead, or the last. */
export interface FallLedger {
  readonly from: number;
  readonly to: number;
  readonly bias: number;
  readonly encoder: number;
  readonly b_dec: number;
}

/** Another feature, and what it does on the rows that were this one's. */
export interface Taker {
  readonly feature: number;
  readonly encoder_cosine: number;
  readonly decoder_cosine: number;
  /** Its density over all rows. */
  readonly density: number;
  /** Rows of this feature that were looked at; null where none are known. */
  readonly rows: number | null;
  /** Share of them on which the other fires. */
  readonly share: number | null;
  /** Share of them on which this one still fires itself. */
  readonly kept: number | null;
  /** What it writes there along this one's decoder, as a part of what this one wrote; null where unknown. */
  readonly projection: number | null;
}

export interface FeatureEvidence {
  /** Firings, and rows, of the whole stream. */
  readonly count: number;
  readonly rows: number;
  /** Null without a training run. */
  readonly life: FeatureLife | null;
  /** At the step at which it was made: rows with z > 0. Null where that was not looked at. */
  readonly positive: number | null;
  /** Whether the rows' largest are selected (topk, batchtopk). */
  readonly ranked: boolean;
  readonly firings: FiringLedger | null;
  readonly fall: FallLedger | null;
  /** The likest feature by the smaller of both cosines, and the one that took most of its rows. */
  readonly twin: Taker | null;
  readonly absorber: Taker | null;
}

export interface Certificate {
  readonly cause: Cause;
  /** The figures that it rests on; where it cannot tell, what is missing. */
  readonly evidence: string;
}

/** @param edge density below which a feature is rare */
export function certificateOf(evidence: FeatureEvidence, edge: number): Certificate {
  for (const rule of RULES) {
    const found = rule(evidence, edge);
    if (found !== null) return found;
  }
  return { cause: 'cannot-tell', evidence: missing(evidence, edge) };
}

type Rule = (evidence: FeatureEvidence, edge: number) => Certificate | null;

const density: Rule = ({ count, rows }, edge) => {
  if (rows === 0) return { cause: 'cannot-tell', evidence: 'no rows were counted' };
  const { low, high } = count === 0 ? { low: 0, high: zeroCountBound(rows) } : clopperPearson(count, rows);
  const told = `fired on ${whole(count)} of ${whole(rows)} rows`;
  if (low >= edge) return { cause: 'alive', evidence: told };
  if (high < edge) return null;
  return { cause: 'cannot-tell', evidence: `${told}: a density between ${num(low)} and ${num(high)} at 95 %, with the edge ${num(edge)} within; ${whole(rowsToTell(count, rows, edge))} rows would tell, should the density stay` };
};

const resampled: Rule = ({ life }) => {
  if (life === null || life.reset === null || (life.frames >= 2 && life.ever > 0)) return null;
  return { cause: 'resampled', evidence: `replaced by resampling at step ${life.reset}, ${life.frames < 2 ? 'with fewer than two checkpoints since' : `and fired in none of the ${life.frames} checkpoints since`}` };
};

const useful: Rule = ({ firings, life }) => {
  // What a feature did before it fell silent is its past, and no reason to keep it.
  const isNow = firings !== null && (life === null || firings.step === life.last.step);
  if (!isNow || !above(firings.ablation, 0) || isPushed(firings) === true) return null;
  return { cause: 'useful-rare', evidence: `${firedAt(firings)} without it the squared error of those rows grows by ${interval(firings.ablation)}${firings.lambda === null ? '' : `; ${balance(firings)}`}${control(life)}` };
};

const bornDead: Rule = ({ life, count, ranked, positive }, edge) => {
  if (life === null || life.reset !== null || !life.fromStart || life.ever > 0 || count > 0 || zeroCountBound(life.rows) >= edge) return null;
  const told = `fired in none of the ${life.frames} checkpoints from step 0 on, on ${whole(life.rows)} rows each`;
  if (!ranked) return { cause: 'born-dead-relu', evidence: told };
  if (positive === null) return null;
  return positive === 0 ? { cause: 'born-dead-relu', evidence: `${told}; z was at most 0 on all of them at the start` } : { cause: 'born-dead-topk', evidence: `${told}; at the start z was above 0 on ${whole(positive)} of them, never among the largest` };
};

const duplicate: Rule = ({ twin, life }, edge) => {
  if (twin === null || !(Math.min(twin.encoder_cosine, twin.decoder_cosine) > TWIN_COSINE) || twin.density < edge || (twin.share !== null && twin.share < TAKEN_ROWS)) return null;
  return { cause: 'duplicate', evidence: `feature ${twin.feature} has its encoder (cosine ${num(twin.encoder_cosine)}) and its decoder (${num(twin.decoder_cosine)}), and fires on ${num(twin.density)} of all rows${twin.share === null ? '' : `, and on ${percent(twin.share)} of ${whole(twin.rows ?? 0)} that were this one's`}${control(life)}` };
};

const absorbed: Rule = ({ absorber, life }) => {
  if (absorber === null || absorber.rows === null || absorber.share === null || absorber.projection === null || absorber.kept === null || absorber.rows < LEAST_FIRINGS) return null;
  if (absorber.kept > KEPT_ROWS || absorber.share < TAKEN_ROWS || absorber.share < TAKEN_LIFT * absorber.density || absorber.projection < TAKEN_PROJECTION) return null;
  return { cause: 'absorbed', evidence: `feature ${absorber.feature} fires on ${percent(absorber.share)} of ${whole(absorber.rows)} rows that were this one's, of which it kept ${percent(absorber.kept)} (on ${percent(absorber.density)} of all), and writes ${num(absorber.projection)} of what it wrote along its decoder (decoder cosine ${num(absorber.decoder_cosine)})${control(life)}` };
};

const orphaned: Rule = ({ fall, life }) => {
  if (fall === null || life?.fell !== true) return null;
  const share = driftShare(fall);
  if (!(share > 0.5)) return null;
  return { cause: 'orphaned', evidence: `${falling(life)}; ${ledger(fall)}: ${percent(share)} of the fall is b_dec's${control(life)}` };
};

const pushed: Rule = ({ firings, life }) => {
  if (firings === null || life?.fell !== true || isPushed(firings) !== true) return null;
  const [pull, lambda] = [firings.pull.value!, firings.lambda!];
  return { cause: pull > lambda ? 'pushed-by-error' : 'pushed-by-l1', evidence: `${falling(life)}; ${firedAt(firings)} ${balance(firings)}${control(life)}` };
};

const RULES: readonly Rule[] = [density, resampled, useful, bornDead, duplicate, absorbed, orphaned, pushed];

/** Whether the loss falls by firing less; null where the firings cannot tell. */
function isPushed({ pull, lambda }: FiringLedger): boolean | null {
  if (lambda === null || pull.low === null || pull.high === null) return null;
  if (pull.low + lambda > 0) return true;
  return pull.high + lambda < 0 ? false : null;
}

/** b_dec's part of what made the pre-activation fall; 0 where it did not, or did not fall. */
function driftShare({ bias, encoder, b_dec }: FallLedger): number {
  if (bias + encoder + b_dec >= 0 || b_dec >= 0) return 0;
  return b_dec / (Math.min(0, bias) + Math.min(0, encoder) + b_dec);
}

/** Rows after which the interval of the same density would leave the edge out; Infinity for one that is at the edge, or all but. */
function rowsToTell(count: number, rows: number, edge: number): number {
  if (count === 0) return Math.ceil(3 / edge);
  const p = count / rows;
  const tells = (n: number): boolean => {
    const { low, high } = clopperPearson(p * n, n);
    return low >= edge || high < edge;
  };
  let [less, more] = [rows, 2 * rows];
  while (!tells(more)) {
    [less, more] = [more, 2 * more];
    if (more > MOST_ASKED) return Infinity;
  }
  // To three digits, as it is told.
  while (more - less > 1e-3 * less) {
    const middle = (less + more) / 2;
    if (tells(middle)) more = middle;
    else less = middle;
  }
  return Math.ceil(more);
}

/** What a feature that none of the rules holds for would need. */
function missing({ life, count, firings, ranked, positive }: FeatureEvidence, edge: number): string {
  const lacks: string[] = [];
  if (life === null) lacks.push('a training run (--run), for what became of it before');
  else if (life.ever === 0 && count > 0) lacks.push(`more held rows (--hold-rows): it fired on none of ${whole(life.rows)}`);
  else if (life.ever === 0 && !life.fromStart) lacks.push('a checkpoint of step 0: it fired in none that were kept');
  else if (life.ever === 0 && zeroCountBound(life.rows) >= edge) lacks.push(`${whole(Math.ceil(3 / edge))} held rows (--hold-rows), to tell that it never fired`);
  else if (life.ever === 0 && ranked && positive === null) lacks.push('its pre-activations at the start');
  else if (life.frames < 2) lacks.push('a second checkpoint');
  else if (!life.fell) lacks.push(`a fall: it fired on ${whole(life.prime.count)} rows at step ${life.prime.step} and on ${whole(life.last.count)} at the end, which is no difference at 5 %`);
  if (life === null || life.ever > 0) {
    if (firings === null) lacks.push(`${LEAST_FIRINGS} firings at one checkpoint, for what they do to the error`);
    else if (firings.lambda === null) lacks.push('the coefficient of the penalty');
    else if (isPushed(firings) === null) lacks.push(`more firings: ${balance(firings)}, which may be either way`);
    else if (isPushed(firings) === false) lacks.push(`a reason: ${balance(firings)}, so that it should fire more`);
  }
  return `needs ${lacks.length === 0 ? 'other evidence' : lacks.join('; ')}`;
}

const falling = ({ prime, last }: FeatureLife): string => `from ${whole(prime.count)} firings at step ${prime.step} to ${whole(last.count)} at step ${last.step}`;

const ledger = ({ from, to, bias, encoder, b_dec }: FallLedger): string => `from step ${from} to ${to} its mean pre-activation changed by ${num(bias)} through b_enc, ${num(encoder)} through w and ${num(b_dec)} through b_dec`;

const firedAt = ({ firings, step }: FiringLedger): string => `over ${whole(firings)} firings${step === null ? '' : ` at step ${step}`},`;

const control = (life: FeatureLife | null): string => (life === null || life.spared === null ? '' : `; spared by resampling at step ${life.spared}`);

/** The two sides of the bias's gradient. */
function balance({ pull, lambda }: FiringLedger): string {
  const share = lambda !== null && pull.value !== null ? lambda / (lambda + Math.abs(pull.value)) : null;
  return `the error's slope is ${interval(pull)} against a penalty of ${num(lambda)}${share === null ? '' : ` (share of the penalty ${num(share)})`}`;
}

function above({ low }: Estimate, value: number): boolean {
  return low !== null && low > value;
}

const interval = ({ value, low, high }: Estimate): string => `${num(value)} (${num(low)} to ${num(high)})`;

const percent = (share: number): string => `${num(100 * share)} %`;

const whole = (count: number): string => (Number.isFinite(count) ? Math.round(count).toLocaleString('en-US') : 'no number of');

/** Three digits. */
function num(value: number | null): string {
  if (value === null) return 'unknown';
  return String(Number(value.toPrecision(3)));
}
