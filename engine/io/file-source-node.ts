/** Files of the machine, for Node and Deno. Loaded by dynamic import only. */
import { open, readdir, stat } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { FormatError } from '../errors.js';
import type { ByteSource } from './bytes.js';
import { allocate, checkRange, messageOf, NotFoundError } from './checks.js';

function fileError(path: string, cause: unknown): FormatError {
  const code = (cause as { code?: unknown } | null)?.code;
  if (code === 'ENOENT' || code === 'ENOTDIR') return new NotFoundError(`${path}: there is no such file`, { cause });
  return new FormatError(`${path}: cannot be read (${messageOf(cause)})`, { cause });
}

/** A path from a path or a file: URL. @throws FormatError when the URL names no local file. */
export function toPath(ref: string): string {
  if (!ref.startsWith('file:')) return ref;
  try {
    return fileURLToPath(ref);
  } catch (cause) {
    throw new FormatError(`${ref}: not the URL of a local file (${messageOf(cause)})`, { cause });
  }
}

/** Opens a file for reading by range. The handle stays open until `close`. */
export async function openFile(ref: string): Promise<ByteSource> {
  const path = toPath(ref);
  const handle = await open(path, 'r').catch((cause: unknown) => {
    throw fileError(path, cause);
  });
  let byteLength: number;
  try {
    const info = await handle.stat();
    if (!info.isFile()) throw new FormatError(`${path}: is ${info.isDirectory() ? 'a folder' : 'not a regular file'}, a file was expected`);
    byteLength = info.size;
  } catch (error) {
    await handle.close();
    throw error instanceof FormatError ? error : fileError(path, error);
  }
  let closed = false;
  return {
    name: path,
    byteLength,
    async slice(start, end = byteLength) {
      checkRange(path, byteLength, start, end);
      if (closed) throw new FormatError(`${path}: is already closed`);
      const buffer = allocate(path, end - start);
      const bytes = new Uint8Array(buffer);
      for (let filled = 0; filled < bytes.byteLength; ) {
        // One read of the system returns at most 2 GiB, and less where the file was cut meanwhile.
        const length = Math.min(bytes.byteLength - filled, 1 << 30);
        const { bytesRead } = await handle.read(bytes, filled, length, start + filled).catch((cause: unknown) => {
          throw fileError(path, cause);
        });
        if (bytesRead === 0) throw new FormatError(`${path}: ended at byte ${start + filled}, ${byteLength} bytes were there when it was opened`);
        filled += bytesRead;
      }
      return buffer;
    },
    async close() {
      if (closed) return;
      closed = true;
      await handle.close();
    },
  };
}

/** Names in a folder, sorted. @throws NotFoundError, FormatError */
export async function listFolder(ref: string): Promise<string[]> {
  const path = toPath(ref);
  return (
    await readdir(path).catch((cause: unknown) => {
      throw fileError(path, cause);
    })
  ).sort();
}

/** What a path is. */
export async function kindOfPath(ref: string): Promise<'file' | 'folder' | 'none'> {
  const info = await stat(toPath(ref)).catch(() => null);
  return info === null ? 'none' : info.isDirectory() ? 'folder' : 'file';
}
