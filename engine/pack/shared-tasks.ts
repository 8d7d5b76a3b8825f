/**
 * Work that several callers wait for at once: one range of a pack that six cards
 * need is fetched once. Each caller has an `AbortSignal` of its own; the work is
 * aborted when the last caller that waits for it has gone.
 */

interface Task<T> {
  readonly promise: Promise<T>;
  readonly controller: AbortController;
  waiting: number;
  settled: boolean;
}

export class SharedTasks<T> {
  private readonly tasks = new Map<string, Task<T>>();
  private readonly keep: number;

  /** @param keep how many finished results stay, the latest used ones. */
  constructor(keep: number) {
    this.keep = keep;
  }

  /**
   * The result for `key`, from a finished task, one that runs, or a new one. A
   * failure is not kept: the next call tries again.
   * @throws the signal's reason when it is aborted first
   */
  get(key: string, start: (signal: AbortSignal) => Promise<T>, signal?: AbortSignal): Promise<T> {
    if (signal?.aborted === true) return Promise.reject(signal.reason as Error);
    let task = this.tasks.get(key);
    if (task === undefined) task = this.begin(key, start);
    else if (task.settled) {
      // Set anew, so that the map stays in the order of use.
      this.tasks.delete(key);
      this.tasks.set(key, task);
      return task.promise;
    }
    return this.wait(key, task, signal);
  }

  /** Forgets what is known for `key`; those who wait for it still get it. */
  drop(key: string): void {
    this.tasks.delete(key);
  }

  private begin(key: string, start: (signal: AbortSignal) => Promise<T>): Task<T> {
    const controller = new AbortController();
    const task: Task<T> = { promise: start(controller.signal), controller, waiting: 0, settled: false };
    this.tasks.set(key, task);
    task.promise.then(
      () => {
        task.settled = true;
        this.trim();
      },
      () => this.forget(key, task),
    );
    return task;
  }

  private wait(key: string, task: Task<T>, signal: AbortSignal | undefined): Promise<T> {
    task.waiting++;
    return new Promise<T>((resolve, reject) => {
      const leave = (): void => {
        reject(signal?.reason as Error);
        if (--task.waiting > 0 || task.settled) return;
        this.forget(key, task);
        task.controller.abort(signal?.reason);
      };
      signal?.addEventListener('abort', leave, { once: true });
      const stay = (): void => signal?.removeEventListener('abort', leave);
      // After `leave` has rejected, these change nothing any more.
      task.promise.then(resolve, reject);
      task.promise.then(stay, stay);
    });
  }

  private forget(key: string, task: Task<T>): void {
    if (this.tasks.get(key) === task) this.tasks.delete(key);
  }

  private trim(): void {
    let finished = 0;
    for (const task of this.tasks.values()) if (task.settled) finished++;
    for (const [key, task] of this.tasks) {
      if (finished <= this.keep) return;
      if (!task.settled) continue;
      this.tasks.delete(key);
      finished--;
    }
  }
}
