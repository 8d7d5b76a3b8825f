/** One file, written whole or not at all: under a hidden name beside it, flushed, renamed. Node and Deno only. */
import { open, rename, rm, stat } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { UsageError } from '../errors.js';
import { makeDirectories } from './make-directories.js';

/** A file that is on its way. */
export interface FileOut {
  write(bytes: Uint8Array): Promise<void>;
  /** Makes the file appear, in place of one that was there. */
  commit(): Promise<void>;
  /** Leaves nothing behind. Does nothing after `commit`. */
  abort(): Promise<void>;
}

/** @throws UsageError when the place cannot be written to */
export async function openFileOut(path: string): Promise<FileOut> {
  const target = resolve(path);
  const partial = join(dirname(target), `.${basename(target)}.partial-${crypto.randomUUID().slice(0, 8)}`);
  // Seen now, not by the rename when the work is done.
  if ((await stat(target).catch(() => null))?.isDirectory() === true) throw new UsageError(`${path}: is a directory; a file was expected`, { hint: 'Give the name of a file in it.' });
  let handle: Awaited<ReturnType<typeof open>> | null;
  try {
    await makeDirectories(dirname(target));
    handle = await open(partial, 'wx');
  } catch (cause) {
    throw new UsageError(`${path}: cannot be written to (${cause instanceof Error ? cause.message : String(cause)})`, { cause, hint: 'Choose a place that you may write to.' });
  }
  const close = async (): Promise<void> => {
    await handle?.close();
    handle = null;
  };
  return {
    async write(bytes) {
      await handle?.writeFile(bytes);
    },
    async commit() {
      await handle?.sync();
      await close();
      try {
        await rename(partial, target);
      } catch (cause) {
        await rm(partial, { force: true });
        throw new UsageError(`${path}: cannot be put in its place (${cause instanceof Error ? cause.message : String(cause)})`, { cause });
      }
    },
    async abort() {
      await close();
      await rm(partial, { force: true });
    },
  };
}
