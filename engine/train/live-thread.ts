/** Where a live run trains: in a module worker, or here. Both answer the same requests. */
import { BackendError } from '../errors.js';
import { LIVE_PROTOCOL, LIVE_WORKER_NAME, fromPlain, type LiveAnswer, type LiveCall, type LiveEvent, type LiveReply, type LiveRequest, type LiveSetup, type LiveStatus } from './live-messages.js';
import type { TrainBackend } from './session.js';

export interface LiveThread {
  readonly inWorker: boolean;
  /** @throws what the run throws; BackendError when the worker is lost */
  request(request: LiveRequest): Promise<{ readonly status: LiveStatus } & LiveAnswer>;
  /** Ends it at once. */
  terminate(): void;
}

export interface LiveThreadEvents {
  events(events: readonly LiveEvent[], status: LiveStatus): void;
  failure(error: unknown, status: LiveStatus | null): void;
  notice(text: string): void;
}

/** How long a worker may take to say that it is ready, ms. */
const START_LIMIT = 15_000;
/** Longest time between two pauses in a thread that may have a page to draw, ms. */
const SLICE = 12;

/** Whether workers of the web can be had; onnxruntime-web puts Node's class in their place. */
export function hasWorkers(): boolean {
  return typeof Worker === 'function' && typeof (Worker.prototype as Partial<Worker>).addEventListener === 'function';
}

/**
 * Starts a worker and opens a run in it.
 * @throws BackendError with `cause` 'worker' where the worker does not start; else what opening throws
 */
export async function openWorker(url: string | URL | Worker, setup: LiveSetup, events: LiveThreadEvents): Promise<{ thread: LiveThread; status: LiveStatus }> {
  const worker = await startWorker(url);
  const jobs = new Map<number, { resolve: (reply: { status: LiveStatus } & LiveAnswer) => void; reject: (error: Error) => void }>();
  let next = 0;
  let lost: Error | null = null;
  const lose = (error: Error): void => {
    if (lost !== null) return;
    lost = error;
    worker.terminate();
    for (const { reject } of jobs.values()) reject(error);
    jobs.clear();
  };
  worker.onmessage = ({ data: reply }: MessageEvent<LiveReply>) => {
    switch (reply.type) {
      case 'events':
        worker.postMessage({ type: 'ack' } satisfies LiveCall);
        return events.events(reply.events, reply.status);
      case 'notice':
        return events.notice(reply.text);
      case 'failure':
        return events.failure(fromPlain(reply.error), reply.status);
      case 'done':
        jobs.get(reply.job)?.resolve(reply);
        jobs.delete(reply.job);
        break;
      case 'error':
        jobs.get(reply.job)?.reject(fromPlain(reply.error));
        jobs.delete(reply.job);
    }
  };
  worker.onerror = (event) => {
    event.preventDefault();
    const error = new BackendError(`live trainer: the worker was lost: ${event.message || 'no reason given'}`);
    lose(error);
    events.failure(error, null);
  };
  const request: LiveThread['request'] = (message) => {
    if (lost !== null) return Promise.reject(lost);
    return new Promise((resolve, reject) => {
      const job = next++;
      jobs.set(job, { resolve, reject });
      worker.postMessage({ job, request: message } satisfies LiveCall, transferOf(message));
    });
  };
  const thread: LiveThread = { inWorker: true, request, terminate: () => lose(new BackendError('live trainer: it was disposed of')) };
  try {
    const { status } = await request({ type: 'open', version: LIVE_PROTOCOL, setup });
    return { thread, status };
  } catch (error) {
    thread.terminate();
    throw error;
  }
}

/** Opens a run in this thread. @param given a backend in place of the one that `setup` names; the run disposes of it */
export async function openHere(setup: LiveSetup, events: LiveThreadEvents, given: TrainBackend | null): Promise<{ thread: LiveThread; status: LiveStatus }> {
  // Where a worker trains, none of this is loaded into the page.
  const [{ chooseTrainBackend }, { LiveHost }] = await Promise.all([import('../choose-train-backend.js'), import('./live-host.js')]);
  const backend = given ?? (await chooseTrainBackend({ backend: setup.backend, notice: events.notice }));
  const host = await LiveHost.open(setup, { events: events.events, failure: events.failure }, { backend, slice: SLICE });
  const thread: LiveThread = {
    inWorker: false,
    request: async (message) => {
      const answer = await host.request(message);
      return { status: host.status, ...answer };
    },
    terminate: () => undefined,
  };
  return { thread, status: host.status };
}

/** A worker did not start: the run may be opened here. */
export class NoWorker extends BackendError {}

function startWorker(url: string | URL | Worker): Promise<Worker> {
  return new Promise((resolve, reject) => {
    let worker: Worker;
    const fail = (reason: string, cause?: unknown): void => {
      clearTimeout(timer);
      worker?.terminate();
      reject(new NoWorker(`live trainer: ${reason}`, { cause }));
    };
    const timer = setTimeout(() => fail(`the worker was not ready after ${START_LIMIT / 1000} s`), START_LIMIT);
    try {
      worker = typeof url === 'string' || url instanceof URL ? new Worker(url, { type: 'module', name: LIVE_WORKER_NAME }) : url;
    } catch (cause) {
      return fail((cause as Error).message, cause);
    }
    worker.onmessage = ({ data: reply }: MessageEvent<LiveReply>) => {
      if (reply.type !== 'ready') return;
      if (reply.version !== LIVE_PROTOCOL) return fail(`the worker speaks protocol ${reply.version}, this page ${LIVE_PROTOCOL}`);
      clearTimeout(timer);
      resolve(worker);
    };
    worker.onerror = (event) => {
      event.preventDefault();
      fail(event.message || `${String(url)} could not be loaded as a module worker (Content-Security-Policy, file:, or another origin)`);
    };
  });
}

function transferOf(request: LiveRequest): Transferable[] {
  if (request.type !== 'open') return [];
  const { saved, data } = request.setup;
  const buffers = saved === null ? [] : [saved.buffer];
  return data.kind === 'held' && data.transfer === true && data.x.buffer instanceof ArrayBuffer ? [...buffers, data.x.buffer] : buffers;
}
