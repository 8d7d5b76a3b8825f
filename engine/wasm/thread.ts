/**
 * One worker thread, the same to its owner in a browser, Deno and Node.
 */
import { BackendError } from '../errors.js';
import { WORKER_NAME, fromPlain, type Reply, type Request } from './messages.js';

export interface Thread {
  post(request: Request, transfer?: ArrayBuffer[]): void;
  /** A thread with work keeps Node's process alive; an idle one does not. */
  keepAlive(busy: boolean): void;
  terminate(): void;
}

export interface ThreadEvents {
  reply(reply: Reply): void;
  /** The thread is lost, for this reason. */
  lost(reason: Error): void;
}

/** How long a worker may take to say that it is ready, ms. */
const START_LIMIT = 15_000;

/**
 * Starts a worker and waits until it is ready.
 * @throws BackendError saying why it could not be started
 */
export function startThread(url: string, events: ThreadEvents): Promise<Thread> {
  return new Promise((resolve, reject) => {
    let thread: Thread | undefined;
    let state: 'starting' | 'ready' | 'failed' = 'starting';
    const fail = (reason: Error) => {
      if (state === 'ready') return events.lost(reason);
      state = 'failed';
      clearTimeout(timer);
      thread?.terminate();
      reject(reason);
    };
    const timer = setTimeout(() => fail(new BackendError(`WASM worker: not ready after ${START_LIMIT / 1000} s`)), START_LIMIT);
    const reply = (message: Reply) => {
      if (message.type === 'failed') fail(fromPlain(message.error));
      else if (message.type !== 'ready') events.reply(message);
      else if (state === 'starting' && thread !== undefined) {
        state = 'ready';
        clearTimeout(timer);
        thread.keepAlive(false);
        resolve(thread);
      }
    };
    openThread(url, { reply, lost: fail }).then((opened) => {
      thread = opened;
      if (state === 'failed') opened.terminate();
    }, fail);
  });
}

async function openThread(url: string, events: ThreadEvents): Promise<Thread> {
  // onnxruntime-web puts Node's Worker in the place of the global one, in Deno too: a web worker is told by what it can do.
  const web = typeof Worker === 'function' && typeof (Worker.prototype as Partial<Worker>).addEventListener === 'function';
  return web ? openWebWorker(url, events) : openNodeWorker(url, events);
}

function openWebWorker(url: string, events: ThreadEvents): Thread {
  let worker: Worker;
  try {
    worker = new Worker(url, { type: 'module', name: WORKER_NAME });
  } catch (cause) {
    throw new BackendError(`WASM worker: ${(cause as Error).message}`, { cause });
  }
  worker.addEventListener('message', (event: MessageEvent<Reply>) => events.reply(event.data));
  worker.addEventListener('error', (event) => {
    event.preventDefault();
    // A script that may not be loaded gives an event without a message.
    events.lost(new BackendError(`WASM worker: ${event.message || `${url} could not be loaded as a module worker (Content-Security-Policy, file:, or another origin)`}`));
  });
  return {
    post: (request, transfer = []) => worker.postMessage(request, transfer),
    keepAlive: () => undefined,
    terminate: () => worker.terminate(),
  };
}

/**
 * The flags of a Node process that say how modules are found. A worker needs
 * those; it refuses to start with the ones that are the process's own (V8's, the
 * heap's), and ends at once on the one that is for `node -e` alone.
 */
export function moduleFlags(execArgv: readonly string[]): string[] {
  const kept: string[] = [];
  for (let i = 0; i < execArgv.length; i++) {
    const [name = '', value] = (execArgv[i] ?? '').split('=', 2);
    if (!MODULE_FLAGS.has(name)) continue;
    kept.push(execArgv[i] ?? '');
    if (value === undefined) kept.push(execArgv[++i] ?? '');
  }
  return kept;
}

const MODULE_FLAGS = new Set(['--import', '--require', '-r', '--loader', '--experimental-loader', '--conditions', '-C']);

async function openNodeWorker(url: string, events: ThreadEvents): Promise<Thread> {
  const { Worker: NodeWorker } = await import('node:worker_threads');
  const execArgv = moduleFlags(process.execArgv);
  const worker = new NodeWorker(new URL(url), { name: WORKER_NAME, workerData: WORKER_NAME, execArgv });
  worker.on('message', (reply: Reply) => events.reply(reply));
  worker.on('error', (cause) => events.lost(new BackendError(`WASM worker: ${cause.message}`, { cause })));
  worker.on('exit', (code) => events.lost(new BackendError(`WASM worker: ended with code ${code}`)));
  return {
    post: (request, transfer = []) => worker.postMessage(request, transfer),
    keepAlive: (busy) => (busy ? worker.ref() : worker.unref()),
    terminate: () => void worker.terminate(),
  };
}
