/** The runs that a monitor shows: live ones, which it follows, and folders, which it reads. */
import type { LiveEventsEvent, LiveFailureEvent, LiveTrainer } from '../../engine/train/live.js';
import type { Recipe } from '../../engine/train/recipe.js';
import { readRun } from './folder.js';
import { RunSeries } from './series.js';

/** What a page names: an address of a run folder, a live run, or either with a name. */
export type RunInput = string | LiveTrainer | { readonly name: string; readonly src?: string; readonly live?: LiveTrainer };

export interface ShownRun {
  readonly name: string;
  /** What was given: the same thing is not opened twice. */
  readonly key: string | LiveTrainer;
  readonly live: LiveTrainer | null;
  readonly src: string | null;
  series: RunSeries;
  state: 'loading' | 'ready' | 'error';
  failure: unknown;
  recipe: Recipe | null;
  /** What the run's record says of it: done, running … */
  status: string;
  /** Ends listening, and loading. */
  close(): void;
}

/** Opens what was given. @param changed something of it is new */
export function openShown(input: RunInput, number: number, changed: () => void): ShownRun {
  const given = typeof input === 'object' && 'name' in input && !('branch' in input) ? input : null;
  const what = given === null ? (input as string | LiveTrainer) : (given.live ?? given.src ?? '');
  if (typeof what === 'string') return openFolder(what, given?.name ?? nameOf(what), changed);
  return follow(what, given?.name ?? (number === 0 ? 'live run' : `live run ${number + 1}`), changed);
}

export const keyOf = (input: RunInput): string | LiveTrainer => (typeof input === 'object' && 'name' in input && !('branch' in input) ? (input.live ?? input.src ?? '') : (input as string | LiveTrainer));

const nameOf = (src: string): string => decodeURIComponent(src.split(/[?#]/)[0]?.replace(/\/+$/, '').split('/').at(-1) ?? src) || src;

function follow(live: LiveTrainer, name: string, changed: () => void): ShownRun {
  const run: ShownRun = { name, key: live, live, src: null, series: new RunSeries(), state: 'ready', failure: null, recipe: live.recipe, status: live.state, close };
  const onEvents = ({ events }: LiveEventsEvent): void => {
    for (const event of events) run.series.add(event);
    changed();
  };
  const onStatus = (): void => {
    run.recipe = live.recipe;
    run.status = live.state;
    changed();
  };
  const onFailure = ({ error }: LiveFailureEvent): void => {
    run.failure = error;
    changed();
  };
  live.addEventListener('events', onEvents);
  live.addEventListener('status', onStatus);
  live.addEventListener('failure', onFailure);
  function close(): void {
    live.removeEventListener('events', onEvents as (event: Event) => void);
    live.removeEventListener('status', onStatus);
    live.removeEventListener('failure', onFailure as unknown as (event: Event) => void);
  }
  return run;
}

function openFolder(src: string, name: string, changed: () => void): ShownRun {
  const abort = new AbortController();
  const run: ShownRun = { name, key: src, live: null, src, series: new RunSeries(), state: 'loading', failure: null, recipe: null, status: 'loading', close: () => abort.abort() };
  readRun(src, abort.signal).then(
    ({ series, recipe, status }) => {
      Object.assign(run, { series, recipe, status, state: 'ready' });
      if (!abort.signal.aborted) changed();
    },
    (error: unknown) => {
      Object.assign(run, { failure: error, state: 'error', status: 'error' });
      if (!abort.signal.aborted) changed();
    },
  );
  return run;
}
