/**
 * A thread of the pool. The same module answers the question of where it lies:
 * imported in the ordinary way it does nothing but say its own URL, which is
 * right in the sources, in the rollup build and in any bundle that splits code;
 * started as a worker named WORKER_NAME it serves.
 */
import { Encoder, encodeRange } from './encoder.js';
import { compileKernels } from './loader.js';
import { WORKER_NAME, toPlain, type Reply, type Request } from './messages.js';

/** Where a worker is to be started from. */
export const workerUrl: string = import.meta.url;

/** The two kinds of worker thread, web and Node, as one. */
interface Port {
  post(reply: Reply, transfer: ArrayBuffer[]): void;
  listen(receive: (request: Request) => void): void;
}

/** The part of a web worker's global scope that is used here (TypeScript's DOM library does not have it). */
interface WorkerScope {
  readonly name?: string;
  readonly document?: unknown;
  postMessage?(message: unknown, transfer: ArrayBuffer[]): void;
  addEventListener(type: 'message', listener: (event: MessageEvent<Request>) => void): void;
}

async function findPort(): Promise<Port | null> {
  const scope = globalThis as unknown as WorkerScope;
  if (scope.document === undefined && scope.postMessage !== undefined) {
    if (scope.name !== WORKER_NAME) return null;
    return {
      post: (reply, transfer) => scope.postMessage?.(reply, transfer),
      listen: (receive) => scope.addEventListener('message', (event) => receive(event.data)),
    };
  }
  if (typeof process === 'undefined' || !process.versions.node) return null;
  const { isMainThread, parentPort, workerData } = await import('node:worker_threads');
  if (isMainThread || parentPort === null || workerData !== WORKER_NAME) return null;
  return {
    post: (reply, transfer) => parentPort.postMessage(reply, transfer),
    listen: (receive) => parentPort.on('message', receive),
  };
}

async function serve(port: Port): Promise<void> {
  const encoders = new Map<number, Encoder>();
  const running = new Map<number, AbortController>();
  // Here already, so that a policy that forbids it is told before the worker is ready.
  await compileKernels();

  async function encode(request: Request & { type: 'encode' }): Promise<void> {
    const encoder = encoders.get(request.sae);
    if (encoder === undefined) throw new Error(`SAE ${request.sae} is not loaded`);
    const abort = new AbortController();
    running.set(request.job, abort);
    try {
      const codes = await encodeRange(encoder, request.xbar, 0, request.rows, { signal: abort.signal, firstRow: request.firstRow, budget: request.budget });
      port.post({ type: 'done', job: request.job, codes }, [codes.offsets.buffer, codes.features.buffer, codes.values.buffer]);
    } finally {
      running.delete(request.job);
    }
  }

  port.listen((request) => {
    const fail = (error: unknown, job: number) => port.post({ type: 'error', job, error: toPlain(error) }, []);
    switch (request.type) {
      case 'load':
        compileKernels(request.kind)
          .then((module) => {
            encoders.set(request.sae, new Encoder(module, request.weights));
            port.post({ type: 'done', job: request.job, codes: null }, []);
          })
          .catch((error: unknown) => fail(error, request.job));
        break;
      case 'encode':
        encode(request).catch((error: unknown) => fail(error, request.job));
        break;
      case 'abort':
        running.get(request.job)?.abort();
        break;
      case 'unload':
        encoders.delete(request.sae);
    }
  });
  port.post({ type: 'ready' }, []);
}

void findPort().then((port) => {
  if (port !== null) serve(port).catch((error: unknown) => port.post({ type: 'failed', error: toPlain(error) }, []));
});
