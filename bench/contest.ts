/**
 * One case of a suite: everybody's task is made and checked, then all are timed
 * against each other, and each of our ways gets a row for each peer that has as
 * many threads.
 */
import { compare, type Budget, type Contender, interleave, type Timing } from './measure.js';
import { type Outcome, type Peer, type Task, Unsupported } from './peers/peer.js';
import type { Row } from './rows.js';

export interface Entrant<T> {
  readonly peer: Peer;
  readonly ours: boolean;
  /** Every way that it has; none where it has no such operation. */
  make(peer: Peer): Promise<readonly Task<T>[]>;
}

export interface Contest<T> {
  readonly suite: string;
  readonly label: string;
  readonly entrants: readonly Entrant<T>[];
  readonly budget: Budget;
  /** Throws where a result is not the first entrant's. */
  check(name: string, ours: T, theirs: T, way: { readonly ours: boolean }): void;
  /** Rows between our own ways, by name: what is compared, with what, and why. */
  readonly own?: readonly { readonly subject: string; readonly peer: string; readonly note: string }[];
  /** Floating-point operations of one run, for the note. */
  readonly flop?: number;
  /** Tokens of one run, for the note. */
  readonly tokens?: number;
  readonly note?: string;
  say(line: string): void;
}

interface Entered<T> {
  readonly peer: Peer;
  readonly ours: boolean;
  readonly task: Task<T>;
  readonly name: string;
}

const nameOf = (peer: Peer, task: Task<unknown>): string => [peer.name, task.how, peer.threads === 0 ? '' : peer.threads === 1 ? '1 thread' : `${peer.threads} threads`].filter(Boolean).join(', ');

/**
 * @throws Disagreement where a peer's result is not ours: then nothing is compared
 */
export async function hold<T>(contest: Contest<T>): Promise<Row[]> {
  const { label, entrants, budget, check, say } = contest;
  const entered: Entered<T>[] = [];
  try {
    let reference: T | undefined;
    for (const { peer, ours, make } of entrants) {
      let tasks: readonly Task<T>[];
      try {
        tasks = await make(peer);
      } catch (error) {
        if (!(error instanceof Unsupported)) throw new Error(`${peer.name}, ${label}: ${messageOf(error)}`, { cause: error });
        say(`  left out: ${error.message}`);
        continue;
      }
      for (const task of tasks) {
        const name = nameOf(peer, task);
        let outcome: Outcome<T>;
        try {
          outcome = await task.run();
        } catch (error) {
          await task.dispose?.();
          if (!(error instanceof Unsupported)) throw new Error(`${name}, ${label}: ${messageOf(error)}`, { cause: error });
          say(`  left out: ${error.message}`);
          continue;
        }
        const value = await outcome.value();
        outcome.free?.();
        if (reference === undefined) {
          if (!ours) {
            await task.dispose?.();
            say('  nothing to compare: saekit has no such operation here');
            return [];
          }
          reference = value;
        } else check(name, reference, value, { ours });
        entered.push({ peer, ours, task, name });
      }
    }
    say(`  ${entered.length} ways agree; timing`);
    const timings = await interleave(entered.map(contender), budget);
    return rowsOf(contest, entered, timings);
  } finally {
    for (const { task } of entered) await task.dispose?.();
  }
}

function contender<T>({ name, task, peer }: Entered<T>): Contender {
  return {
    name,
    note: () => [peer.note, task.note?.()].filter(Boolean).join('; '),
    async run() {
      const outcome = await task.run();
      outcome.free?.();
      return outcome.seconds;
    },
  };
}

function rowsOf<T>({ suite, label, own = [], flop, tokens, note = '' }: Contest<T>, entered: readonly Entered<T>[], timings: readonly Timing[]): Row[] {
  const rates = (subject: Timing, peer: Timing): string =>
    [
      ...(flop === undefined ? [] : [`${rate(flop / subject.median)}FLOP/s against ${rate(flop / peer.median)}FLOP/s`]),
      ...(tokens === undefined ? [] : [`${Math.round(tokens / subject.median)} tokens/s against ${Math.round(tokens / peer.median)}`]),
      ...(note === '' ? [] : [note]),
    ].join('; ');
  const rows: Row[] = [];
  entered.forEach((subject, s) => {
    if (!subject.ours) return;
    entered.forEach((peer, p) => {
      if (peer.ours || peer.peer.threads !== subject.peer.threads) return;
      rows.push(compare(suite, label, timings[s]!, timings[p]!, rates(timings[s]!, timings[p]!)));
    });
  });
  for (const { subject, peer, note: why } of own) {
    const [s, p] = [subject, peer].map((name) => timings.find((timing) => timing.name === name));
    if (s !== undefined && p !== undefined) rows.push(compare(suite, label, s, p, `${why}; ${rates(s, p)}`));
  }
  return rows;
}

/** `27.1 G` */
export function rate(value: number): string {
  const [divisor, unit] = value >= 1e12 ? [1e12, 'T'] : value >= 1e9 ? [1e9, 'G'] : [1e6, 'M'];
  return `${Number((value / divisor).toPrecision(3))} ${unit}`;
}

export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
