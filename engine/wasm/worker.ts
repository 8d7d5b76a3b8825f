/**
 * A thread of the pool. The same module answers the question of where it lies:
 * imported in the ordinary way it does nothing but say its own URL, which is
 * right in the sources, in the rollup build and in any bundle that splits code;
 * started as a worker named WORKER_NAME it serves.
 */
import { Encoder } from './encoder.js';
import { compileKernels } from './loader.js';
import { WORKER_NAME, toPlain, type Reply, type Request } from './messages.js';
import { encodeRange } from './range.js';
import { Room } from './rooms.js';
import { CONTROL_WORDS, counter, takeShare } from './share.js';

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

/** An encoder, and where calls are found that it shares. */
interface Loaded {
  readonly encoder: Encoder;
  readonly control: Int32Array;
  readonly rows: Float32Array;
}

async function load({ weights, kind, shared }: Request & { type: 'load' }): Promise<Loaded> {
  const encoder = new Encoder(await compileKernels(kind, shared !== null), weights, shared?.home);
  if (shared === null) return { encoder, control: new Int32Array(0), rows: new Float32Array(0) };
  const { buffer } = shared.home.memory;
  return { encoder, control: new Int32Array(buffer, shared.control, CONTROL_WORDS), rows: new Float32Array(buffer, shared.rows.at, shared.rows.length) };
}

async function serve(port: Port): Promise<void> {
  const saes = new Map<number, Loaded>();
  const running = new Map<number, AbortController>();
  // Here already, so that a policy that forbids it is told before the worker is ready.
  await compileKernels();

  function loaded(sae: number): Loaded {
    const found = saes.get(sae);
    if (found === undefined) throw new Error(`SAE ${sae} is not loaded`);
    return found;
  }

  async function encodePiece({ job, sae, xbar, rows, firstRow, budget, held, room: arrays }: Request & { type: 'piece' }): Promise<void> {
    const { encoder } = loaded(sae);
    const abort = new AbortController();
    running.set(job, abort);
    try {
      const room = new Room(arrays);
      const { nearTies } = await encodeRange(encoder, xbar, rows, room, { signal: abort.signal, firstRow, budget, held });
      port.post({ type: 'done', job, result: { xbar, room: room.arrays, nearTies, ...encoder.state } }, [xbar.buffer, ...room.transfer]);
    } finally {
      running.delete(job);
    }
  }

  async function encodeShare({ job, sae, cuts, pieces, firstRow, budget, room: arrays, z, screened }: Request & { type: 'share' }): Promise<void> {
    const { encoder, control, rows } = loaded(sae);
    const room = new Room(arrays);
    if (screened) encoder.addScreen();
    const call = { control, cuts, pieces, rows, firstRow, budget, z };
    const { chunks, nearTies, failure } = await takeShare(encoder, call, counter(control), room, null);
    const plain = failure === null ? null : { chunk: failure.chunk, error: toPlain(failure.error) };
    port.post({ type: 'done', job, result: { room: room.arrays, chunks, nearTies, failure: plain, ...encoder.state } }, []);
  }

  port.listen((request) => {
    const fail = (error: unknown, job: number) => port.post({ type: 'error', job, error: toPlain(error) }, []);
    switch (request.type) {
      case 'load':
        load(request)
          .then((part) => {
            saes.set(request.sae, part);
            port.post({ type: 'done', job: request.job, result: part.encoder.state }, []);
          })
          .catch((error: unknown) => fail(error, request.job));
        break;
      case 'piece':
        encodePiece(request).catch((error: unknown) => fail(error, request.job));
        break;
      case 'share':
        encodeShare(request).catch((error: unknown) => fail(error, request.job));
        break;
      case 'abort':
        running.get(request.job)?.abort();
        break;
      case 'unload':
        saes.delete(request.sae);
    }
  });
  port.post({ type: 'ready' }, []);
}

void findPort().then((port) => {
  if (port !== null) serve(port).catch((error: unknown) => port.post({ type: 'failed', error: toPlain(error) }, []));
});
