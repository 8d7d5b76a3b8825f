/**
 * Where a pack is written to: memory, a directory (Node, Deno), a zip file.
 *
 * Kept true by every sink: nothing that was written is visible under the pack's
 * name before `commit` has returned, and nothing of it is left after `abort`.
 */
import { UsageError } from '../errors.js';

export interface PackSink {
  /** For messages and reports: the path, or what takes its place. */
  readonly name: string;
  /**
   * Adds bytes to the end of a file; the first write creates it, so that a table
   * can be written row group by row group. The bytes are the sink's afterwards.
   * @param path below the pack, with `/` between folders
   */
  write(path: string, bytes: Uint8Array): Promise<void>;
  /** Makes the pack appear, whole. No write may follow. */
  commit(): Promise<void>;
  /** Drops everything. Does nothing after `commit`, or when called again. */
  abort(): Promise<void>;
}

/** Parts of a path that every file system and static host takes as they are. */
const PART = /^[A-Za-z0-9_][A-Za-z0-9_.-]*$/;

/** True for a relative path that stays inside the pack. */
export function isPackPath(path: string): boolean {
  return path.length <= 255 && path.split('/').every((part) => PART.test(part) && !part.includes('..'));
}

/** @throws UsageError when a path would leave the pack or could not be served by every host. */
export function checkPackPath(path: string): void {
  if (!isPackPath(path)) {
    throw new UsageError(`${JSON.stringify(path)} cannot name a file of a pack`, {
      hint: 'Use letters, digits, _, - and . in each part, / between the parts, and no part that begins with . or -.',
    });
  }
}

/** Keeps the order of calls, and refuses those that come too late. */
export class SinkState {
  private state: 'open' | 'committed' | 'aborted' = 'open';
  private readonly name: string;

  constructor(name: string) {
    this.name = name;
  }

  /** @throws UsageError after `commit` or `abort`. */
  requireOpen(): void {
    if (this.state !== 'open') throw new UsageError(`${this.name}: the pack was already ${this.state}; a new one needs a new sink`);
  }

  /** Moves on; false when there is nothing left to do. */
  close(state: 'committed' | 'aborted'): boolean {
    if (state === 'committed') this.requireOpen();
    if (this.state !== 'open') return false;
    this.state = state;
    return true;
  }
}

/** Joins the pieces of a file. */
export function joinBytes(pieces: readonly Uint8Array[]): Uint8Array {
  const first = pieces[0];
  if (pieces.length === 1 && first !== undefined) return first;
  const whole = new Uint8Array(pieces.reduce((sum, piece) => sum + piece.byteLength, 0));
  let at = 0;
  for (const piece of pieces) {
    whole.set(piece, at);
    at += piece.byteLength;
  }
  return whole;
}

/** A pack in memory. `files` is empty until `commit`; `openPack(sink.files)` reads it. */
export function memorySink(name = 'pack in memory'): PackSink & { readonly files: Map<string, Uint8Array> } {
  const files = new Map<string, Uint8Array>();
  const pieces = new Map<string, Uint8Array[]>();
  const state = new SinkState(name);
  return {
    name,
    files,
    write(path, bytes) {
      return attempt(() => {
        state.requireOpen();
        checkPackPath(path);
        const list = pieces.get(path);
        if (list === undefined) pieces.set(path, [bytes]);
        else list.push(bytes);
      });
    },
    commit() {
      return attempt(() => {
        state.close('committed');
        for (const [path, list] of pieces) files.set(path, joinBytes(list));
        pieces.clear();
      });
    },
    abort() {
      return attempt(() => {
        if (state.close('aborted')) pieces.clear();
      });
    },
  };
}

/** Runs now; what it throws becomes a rejection. */
function attempt(work: () => void): Promise<void> {
  try {
    work();
    return Promise.resolve();
  } catch (error) {
    return Promise.reject(error as Error);
  }
}

/**
 * A directory of this machine (Node and Deno). The pack is written to a hidden
 * directory beside it, which `commit` renames; a pack that was there is replaced.
 * @throws UsageError when the path is taken by something that is not a pack, or
 * cannot be written to, or when there is no file system (in a page).
 */
export async function directorySink(path: string): Promise<PackSink> {
  const host = globalThis as { Deno?: unknown; process?: { versions?: { node?: unknown } } };
  if (host.Deno === undefined && typeof host.process?.versions?.node !== 'string') {
    throw new UsageError(`${path}: a page cannot write to a directory of the machine`, { hint: 'Use memorySink() or zipSink().' });
  }
  return (await import('./sink-node.js')).openDirectorySink(path);
}
