/**
 * Worker threads that encode. The thread that owns the pool works too, so N
 * threads are N - 1 workers. How a call is divided among them is up to the team
 * (shared-team.ts, transfer-team.ts); here is what they all need: starting, asking,
 * losing and ending workers.
 */
import { BackendError } from '../errors.js';
import type { KernelModule } from './loader.js';
import { fromPlain, type PieceReply, type PieceRequest, type Reply, type ShareReply, type ShareRequest, type SharedHome } from './messages.js';
import type { RoomArrays } from './rooms.js';
import type { EncoderState, EncoderWeights } from './shape.js';
import { startThread, type Thread } from './thread.js';

type Result = EncoderState | PieceReply | ShareReply;

interface Job {
  resolve(result: Result): void;
  reject(reason: unknown): void;
}

/** A piece of work was lost with its thread: whoever gave it can do it again. */
export class ThreadLost extends Error {}

/** One worker, and what is waiting for it. */
export class Member {
  readonly #jobs: Map<number, Job>;
  readonly #thread: Thread;
  /** What it has, as of the last answer. */
  readonly #saes = new Map<number, EncoderState>();
  #next = 0;
  /** Why it can no longer be asked, once it cannot. */
  lost: Error | null = null;

  private constructor(thread: Thread, jobs: Map<number, Job>) {
    this.#thread = thread;
    this.#jobs = jobs;
  }

  static async start(url: string): Promise<Member> {
    const jobs = new Map<number, Job>();
    const settle = (reply: Reply) => {
      if (reply.type !== 'done' && reply.type !== 'error') return;
      const job = jobs.get(reply.job);
      jobs.delete(reply.job);
      if (jobs.size === 0) thread.keepAlive(false);
      if (reply.type === 'done') job?.resolve(reply.result);
      else job?.reject(fromPlain(reply.error));
    };
    const thread = await startThread(url, { reply: settle, lost: (reason) => member.end(reason) });
    const member: Member = new Member(thread, jobs);
    return member;
  }

  async load(sae: number, weights: EncoderWeights, kind: KernelModule, shared: SharedHome | null): Promise<void> {
    const reply = await this.#ask((job) => this.#thread.post({ type: 'load', job, sae, weights, kind, shared }));
    this.#saes.set(sae, reply);
  }

  /** How an SAE is there, as of the last answer. */
  state(sae: number): EncoderState {
    return this.#saes.get(sae) ?? { linear: 0, weights: 0, screen: null };
  }

  /** Whether it can be asked, and has this SAE. */
  has(sae: number): boolean {
    return this.lost === null && this.#saes.has(sae);
  }

  /**
   * Both arrays of the request are the worker's, until they come back.
   * @throws NumericError naming the lowest row that is not finite; ThreadLost where the failure was the thread's
   */
  async piece(request: PieceRequest, signal: AbortSignal | undefined): Promise<PieceReply> {
    let abort = () => undefined as void;
    try {
      const reply = await this.#ask((job) => {
        abort = () => {
          if (this.lost === null) this.#thread.post({ type: 'abort', job });
        };
        signal?.addEventListener('abort', abort);
        this.#thread.post({ type: 'piece', job, ...request }, [request.xbar.buffer, ...buffersOf(request.room)]);
      });
      if (!('xbar' in reply)) throw new BackendError('WASM worker: answered without codes');
      this.#note(request.sae, reply);
      return reply;
    } finally {
      signal?.removeEventListener('abort', abort);
    }
  }

  /** @throws ThreadLost where the failure was the thread's */
  async share(request: ShareRequest): Promise<ShareReply> {
    const reply = await this.#ask((job) => this.#thread.post({ type: 'share', job, ...request }));
    if (!('chunks' in reply)) throw new BackendError('WASM worker: answered without codes');
    this.#note(request.sae, reply);
    return reply;
  }

  unload(sae: number): void {
    if (!this.#saes.delete(sae)) return;
    if (this.lost === null) this.#thread.post({ type: 'unload', sae });
  }

  /** Ends the thread; what waits for it is lost. */
  end(reason: Error): void {
    if (this.lost !== null) return;
    this.lost = reason;
    this.#thread.terminate();
    for (const job of this.#jobs.values()) job.reject(new ThreadLost(reason.message));
    this.#jobs.clear();
  }

  #note(sae: number, { linear, weights, screen }: EncoderState): void {
    // An answer may come after the SAE was given back.
    if (this.#saes.has(sae)) this.#saes.set(sae, { linear, weights, screen });
  }

  #ask(send: (job: number) => void): Promise<Result> {
    if (this.lost !== null) return Promise.reject(new ThreadLost(this.lost.message));
    const job = this.#next++;
    return new Promise((resolve, reject) => {
      this.#jobs.set(job, { resolve, reject });
      this.#thread.keepAlive(true);
      try {
        send(job);
      } catch (error) {
        this.#jobs.delete(job);
        reject(error instanceof Error ? error : new Error(String(error)));
      }
    });
  }
}

/** The workers of a backend. */
export class WorkerPool {
  readonly #members: readonly Member[];
  #nextSae = 0;

  private constructor(members: readonly Member[]) {
    this.#members = members;
  }

  /** Starts `count` workers. @throws BackendError with the reason when one of them cannot start */
  static async start(count: number): Promise<WorkerPool> {
    // The worker's own module knows where it lies, in the sources as in every kind of bundle.
    const { workerUrl } = await import('./worker.js');
    const started = await Promise.allSettled(Array.from({ length: count }, () => Member.start(workerUrl)));
    const members = started.flatMap((result) => (result.status === 'fulfilled' ? [result.value] : []));
    const failure = started.find((result) => result.status === 'rejected');
    if (failure) {
      const reason = failure.reason as Error;
      for (const member of members) member.end(reason);
      throw reason;
    }
    return new WorkerPool(members);
  }

  /** Workers that were started. */
  get count(): number {
    return this.#members.length;
  }

  /** Workers that can be asked. */
  get size(): number {
    return this.#members.filter((member) => member.lost === null).length;
  }

  /**
   * Gives every worker an encoder: the weights, or where they are.
   * @param shared for worker `index`
   * @returns its handle
   */
  async load(weights: EncoderWeights, kind: KernelModule, shared: (index: number) => SharedHome | null): Promise<number> {
    const sae = this.#nextSae++;
    const asked = this.#members.map(async (member, index) => {
      if (member.lost === null) await member.load(sae, weights, kind, shared(index));
    });
    const failure = (await Promise.allSettled(asked)).find((result) => result.status === 'rejected' && !(result.reason instanceof ThreadLost));
    if (failure?.status === 'rejected') {
      this.unload(sae);
      throw failure.reason;
    }
    return sae;
  }

  /** Workers that have an SAE and can be asked. */
  having(sae: number): Member[] {
    return this.#members.filter((member) => member.has(sae));
  }

  unload(sae: number): void {
    for (const member of this.#members) member.unload(sae);
  }

  dispose(): void {
    const reason = new BackendError('the WASM backend was disposed of');
    for (const member of this.#members) member.end(reason);
  }
}

function buffersOf({ shared, offsets, features, values }: RoomArrays): ArrayBuffer[] {
  return shared ? [] : [offsets, features, values].map((array) => array.buffer as ArrayBuffer);
}
