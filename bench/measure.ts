/**
 * Timing several ways of doing one thing against each other: in rounds, each way
 * once a round, in an order that is drawn anew, so that none always runs after
 * the same neighbour and finds its caches and its spinning threads. What is quick
 * runs several times in its turn, so that it is timed as it runs in a stream and
 * a coarse clock does not matter; what is slow leaves early.
 */
import { createRandom } from '../engine/random.js';
import { median, ratioSpread, rounded } from './statistics.js';
import type { Row } from './rows.js';

/** Something to time. */
export interface Contender {
  readonly name: string;
  /** What belongs into the row's note; asked after the runs. */
  note?(): string;
  /** Does the work once. A number is the time in seconds by its own clock: that of another process. */
  run(): Promise<number | void>;
}

export interface Budget {
  /** Rounds at most. */
  readonly rounds: number;
  /** Seconds that one contender may take in all its rounds; it runs once whatever it takes. */
  readonly seconds: number;
  /** Seconds of warm-up for each, and at least one run; null for none: a process of its own is always cold. */
  readonly warmup: number | null;
}

export interface Timing {
  readonly name: string;
  readonly note: string;
  /** Seconds, one for each round that it ran in. */
  readonly times: readonly number[];
  readonly median: number;
}

const now = (): number => performance.now() / 1000;

/** Milliseconds between turns: thread pools spin for about one when their work is done. */
const PAUSE = 4;
const pause = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, PAUSE));

/** Seconds that a turn should last at least, and how often it may take for that. */
const TURN = 0.005;
const MOST_REPEATS = 100;

async function once(contender: Contender): Promise<number> {
  const started = now();
  const own = await contender.run();
  return own ?? now() - started;
}

/** Warms all up, then times them in rounds. A time is that of one run. */
export async function interleave(contenders: readonly Contender[], budget: Budget): Promise<Timing[]> {
  const repeats = contenders.map(() => 1);
  for (const [at, contender] of budget.warmup === null ? [] : contenders.entries()) {
    const started = now();
    let last: number;
    // What is slow once needs no second run to be warm.
    do last = await once(contender);
    while (now() - started < (budget.warmup ?? 0));
    repeats[at] = Math.max(1, Math.min(MOST_REPEATS, Math.ceil(TURN / last)));
  }
  const times = contenders.map((): number[] => []);
  const spent = contenders.map(() => 0);
  const random = createRandom(1);
  for (let round = 0; round < budget.rounds; round++) {
    const order = contenders.map((_, at) => at);
    for (let left = order.length; left > 1; left--) {
      const at = random.below(left);
      [order[at], order[left - 1]] = [order[left - 1]!, order[at]!];
    }
    for (const at of order) {
      const [contender, soFar, count] = [contenders[at]!, times[at]!, repeats[at]!];
      // Its next turn is taken to last as long as its mean.
      if (round > 0 && (spent[at]! * (round + 1)) / round > budget.seconds) continue;
      // A round that was left out ends its list, so that the lists stay paired.
      if (soFar.length < round) continue;
      await pause();
      let sum = 0;
      for (let run = 0; run < count; run++) sum += await once(contender);
      soFar.push(sum / count);
      spent[at] = spent[at]! + sum;
    }
  }
  return contenders.map((contender, at) => ({ name: contender.name, note: contender.note?.() ?? '', times: times[at] ?? [], median: median(times[at] ?? []) }));
}

/** One row: how a subject compares with a peer. */
export function compare(suite: string, label: string, subject: Timing, peer: Timing, note = ''): Row {
  const runs = Math.min(subject.times.length, peer.times.length);
  return {
    suite,
    case: label,
    subject: subject.name,
    peer: peer.name,
    subject_median_s: rounded(subject.median, 4),
    peer_median_s: rounded(peer.median, 4),
    ratio: rounded(peer.median / subject.median),
    spread: rounded(ratioSpread(subject.times, peer.times), 2),
    runs,
    note: [note, subject.note, peer.note].filter((text, at, all) => text !== '' && all.indexOf(text) === at).join('; '),
  };
}
