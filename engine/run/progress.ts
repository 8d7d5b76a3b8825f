/** Progress of a run: what a display shows, at most a few times a second. */

export interface ProgressEvent {
  /** What is being done: `load`, `run`, `encode`, `finish`, `write`. */
  readonly phase: string;
  /** Contexts done, of `totalContexts`. */
  readonly contexts: number;
  readonly totalContexts: number;
  /** Tokens (rows) done that count. */
  readonly tokens: number;
  readonly seconds: number;
  readonly tokensPerSecond: number;
  /** At the pace so far; null before there is one. */
  readonly etaSeconds: number | null;
  /** What is being done within the phase: the title of the analysis that finishes, and how many are done. */
  readonly detail?: string | undefined;
}

/** Milliseconds between two events; the first and the last are always sent. */
const INTERVAL = 100;

export interface ProgressMeter {
  /** Tells how far the run is; sends an event when one is due. */
  update(contexts: number, tokens: number): void;
  /** Seconds since the meter was made. */
  seconds(): number;
}

/** @param send not called when undefined */
export function progressMeter(phase: string, totalContexts: number, send: ((event: ProgressEvent) => void) | undefined): ProgressMeter {
  const started = performance.now();
  let last = -Infinity;
  return {
    update(contexts, tokens) {
      if (send === undefined) return;
      const now = performance.now();
      if (now - last < INTERVAL && contexts < totalContexts) return;
      last = now;
      const seconds = (now - started) / 1000;
      send({
        phase,
        contexts,
        totalContexts,
        tokens,
        seconds,
        tokensPerSecond: seconds > 0 ? tokens / seconds : 0,
        etaSeconds: contexts > 0 ? (seconds / contexts) * (totalContexts - contexts) : null,
      });
    },
    seconds: () => (performance.now() - started) / 1000,
  };
}
