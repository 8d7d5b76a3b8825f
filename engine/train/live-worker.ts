/**
 * The worker of a live trainer. The same module answers the question of where it
 * lies: imported in the ordinary way it does nothing but say its own URL, which is
 * right in the sources and in any build that splits code; started as a worker named
 * LIVE_WORKER_NAME it trains.
 */
import { chooseTrainBackend } from '../choose-train-backend.js';
import { UsageError } from '../errors.js';
import { LiveHost } from './live-host.js';
import { LIVE_PROTOCOL, LIVE_WORKER_NAME, buffersOf, toPlain, type LiveAnswer, type LiveCall, type LiveReply, type LiveSetup } from './live-messages.js';

/** Where a worker is to be started from. */
export const liveWorkerUrl: string = import.meta.url;

/** Longest time between two pauses, ms; nothing is drawn here, so that only requests wait. */
const SLICE = 20;

/** The part of a worker's global scope that is used here (TypeScript's DOM library does not have it). */
interface WorkerScope {
  readonly name?: string;
  readonly document?: unknown;
  postMessage(message: LiveReply, transfer: Transferable[]): void;
  addEventListener(type: 'message', listener: (event: MessageEvent<LiveCall>) => void): void;
}

function serve(scope: WorkerScope): void {
  let host: LiveHost | null = null;
  let taken: (() => void) | null = null;
  const post = (reply: LiveReply, transfer: Transferable[] = []): void => scope.postMessage(reply, transfer);

  const open = async (setup: LiveSetup): Promise<LiveHost> => {
    const backend = await chooseTrainBackend({ backend: setup.backend, notice: (text: string) => post({ type: 'notice', text }) });
    return LiveHost.open(
      setup,
      {
        events: (events, status) => {
          post({ type: 'events', events, status }, buffersOf(events));
          return new Promise<void>((resolve) => (taken = resolve));
        },
        failure: (error, status) => post({ type: 'failure', error: toPlain(error), status }),
      },
      { backend, slice: SLICE },
    );
  };

  const answer = async ({ job, request }: Exclude<LiveCall, { type: 'ack' }>): Promise<void> => {
    let answered: LiveAnswer = { saved: null, plane: null };
    if (request.type === 'open') {
      if (request.version !== LIVE_PROTOCOL) throw new UsageError(`live trainer: the page speaks protocol ${request.version}, the worker ${LIVE_PROTOCOL}`, { hint: 'Load both from the same version of saekit.' });
      if (host !== null) throw new UsageError('live trainer: it is open already');
      host = await open(request.setup);
    } else {
      if (host === null) throw new UsageError(`live trainer: ${request.type} before it was opened`);
      answered = await host.request(request);
    }
    // The state is a copy of its own; the data are this run's as well, and are copied.
    const { saved, plane } = answered;
    post({ type: 'done', job, status: host.status, ...answered }, [...(saved === null ? [] : [saved.bytes.buffer]), ...(plane === null ? [] : [plane.x.buffer as ArrayBuffer])]);
  };

  scope.addEventListener('message', ({ data: call }) => {
    if ('type' in call) {
      taken?.();
      taken = null;
    } else answer(call).catch((error: unknown) => post({ type: 'error', job: call.job, error: toPlain(error) }));
  });
  post({ type: 'ready', version: LIVE_PROTOCOL });
}

const scope = globalThis as unknown as WorkerScope;
if (scope.document === undefined && scope.name === LIVE_WORKER_NAME) serve(scope);
