/**
 * Worker threads that encode: each has the packed encoder in a memory of its
 * own, gets rows by transfer and sends codes back. No shared memory, so no
 * cross-origin isolation is needed. The thread that owns the pool works too, so
 * N threads are N - 1 workers.
 */
import { BackendError } from '../errors.js';
import type { SparseCodes } from '../codes.js';
import type { EncoderWeights, RangeOptions } from './encoder.js';
import type { KernelModule } from './loader.js';
import { fromPlain, type Reply } from './messages.js';
import { startThread, type Thread } from './thread.js';

interface Job {
  resolve(codes: SparseCodes | null): void;
  reject(reason: unknown): void;
}

/** One worker, and what is waiting for it. */
class Member {
  readonly #jobs: Map<number, Job>;
  readonly #thread: Thread;
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
      if (reply.type === 'done') job?.resolve(reply.codes);
      else job?.reject(fromPlain(reply.error));
    };
    const thread = await startThread(url, { reply: settle, lost: (reason) => member.end(reason) });
    const member: Member = new Member(thread, jobs);
    return member;
  }

  load(sae: number, weights: EncoderWeights, kind: KernelModule): Promise<SparseCodes | null> {
    return this.#ask((job) => this.#thread.post({ type: 'load', job, sae, weights, kind }));
  }

  async encode(sae: number, xbar: Float32Array<ArrayBuffer>, rows: number, { firstRow = 0, budget, signal }: RangeOptions): Promise<SparseCodes> {
    let abort = () => undefined as void;
    try {
      const codes = await this.#ask((job) => {
        abort = () => this.#thread.post({ type: 'abort', job });
        signal?.addEventListener('abort', abort);
        this.#thread.post({ type: 'encode', job, sae, xbar, rows, firstRow, budget }, [xbar.buffer]);
      });
      signal?.throwIfAborted();
      if (codes === null) throw new BackendError('WASM worker: answered without codes');
      return codes;
    } catch (error) {
      // The worker's AbortError becomes the caller's own reason.
      signal?.throwIfAborted();
      throw error;
    } finally {
      signal?.removeEventListener('abort', abort);
    }
  }

  unload(sae: number): void {
    if (this.lost === null) this.#thread.post({ type: 'unload', sae });
  }

  /** Ends the thread; what waits for it is rejected with this reason. */
  end(reason: Error): void {
    if (this.lost !== null) return;
    this.lost = reason;
    this.#thread.terminate();
    for (const job of this.#jobs.values()) job.reject(reason);
    this.#jobs.clear();
  }

  #ask(send: (job: number) => void): Promise<SparseCodes | null> {
    if (this.lost !== null) return Promise.reject(this.lost);
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

  /** Workers that can be asked. */
  get size(): number {
    return this.#alive().length;
  }

  /** Packs an encoder in every worker. @returns its handle */
  async load(weights: EncoderWeights, kind: KernelModule): Promise<number> {
    const sae = this.#nextSae++;
    await Promise.all(this.#alive().map((member) => member.load(sae, weights, kind)));
    return sae;
  }

  /** Encodes rows begin .. end of `xbar` in worker `index` of `size`. @throws ThreadLost where the failure was the thread's */
  async encode(sae: number, index: number, xbar: Float32Array, d_in: number, begin: number, end: number, options: RangeOptions): Promise<SparseCodes> {
    const member = this.#alive()[index];
    if (member === undefined) throw new ThreadLost();
    try {
      return await member.encode(sae, xbar.slice(begin * d_in, end * d_in), end - begin, { ...options, firstRow: begin });
    } catch (error) {
      if (member.lost !== null && !options.signal?.aborted) throw new ThreadLost();
      throw error;
    }
  }

  unload(sae: number): void {
    for (const member of this.#members) member.unload(sae);
  }

  dispose(): void {
    const reason = new BackendError('the WASM backend was disposed of');
    for (const member of this.#members) member.end(reason);
  }

  #alive(): Member[] {
    return this.#members.filter((member) => member.lost === null);
  }
}

/** A piece of work was lost with its thread: whoever gave it can do it again. */
export class ThreadLost extends Error {}
