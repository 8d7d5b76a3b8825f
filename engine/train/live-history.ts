/**
 * States that a run can go back to, within a budget of bytes.
 *
 * Kept true: the first state and the last stay, whatever they weigh; when the
 * others weigh too much, the one goes whose neighbours are closest on a log scale
 * of steps, so that what is left is about evenly spaced there: dense in the first
 * steps, where most features die, and sparse later.
 */

export interface KeptState {
  readonly step: number;
  readonly bytes: Uint8Array<ArrayBuffer>;
}

/** Steps between two states: a twentieth of what was done, but at least so many. */
const SPACING = { share: 0.05, least: 10 } as const;

export class LiveHistory {
  readonly #budget: number;
  #states: KeptState[] = [];
  #bytes = 0;

  /** @param budget bytes of all states together */
  constructor(budget: number) {
    this.#budget = budget;
  }

  /** Steps that are kept, ascending. */
  get steps(): number[] {
    return this.#states.map(({ step }) => step);
  }

  /** What they weigh. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Whether the state of this step is worth keeping: the last one is far enough behind. */
  isDue(step: number): boolean {
    const last = this.#states.at(-1)?.step;
    return last === undefined || step >= last + Math.max(SPACING.least, Math.ceil(last * SPACING.share));
  }

  /** Keeps a state, in the place of one of the same step; later ones are forgotten. */
  put(state: KeptState): void {
    this.truncate(state.step - 1);
    this.#states.push(state);
    this.#bytes += state.bytes.length;
    while (this.#bytes > this.#budget && this.#states.length > 2) this.#thin();
  }

  /** Forgets what comes after `step`. */
  truncate(step: number): void {
    for (let last = this.#states.at(-1); last !== undefined && last.step > step; last = this.#states.at(-1)) {
      this.#states.pop();
      this.#bytes -= last.bytes.length;
    }
  }

  /** The latest state at or before `step`; null where there is none. */
  before(step: number): KeptState | null {
    return this.#states.filter((state) => state.step <= step).at(-1) ?? null;
  }

  #thin(): void {
    const [gone] = this.#states.splice(mostCrowded(this.steps), 1);
    this.#bytes -= gone?.bytes.length ?? 0;
  }
}

/** Which of ascending steps is missed least: not the first or the last, but the one whose neighbours are closest on a log scale. */
export function mostCrowded(steps: readonly number[]): number {
  let least = Infinity;
  let at = 1;
  for (let i = 1; i < steps.length - 1; i++) {
    const gap = Math.log((steps[i + 1]! + 1) / (steps[i - 1]! + 1));
    if (gap < least) [least, at] = [gap, i];
  }
  return at;
}
