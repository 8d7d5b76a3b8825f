/**
 * The directory sink of Node and Deno; loaded by `directorySink` alone.
 *
 * A pack is written to `.NAME.partial-…` beside its final place, every file is
 * flushed to the disk, and the directory is renamed. A pack that is already
 * there is first renamed out of the way, put back when the second rename fails,
 * and removed at the end. A run that is killed leaves the hidden directory and
 * the old pack, never half a pack.
 */
import { mkdir, open, readdir, readFile, realpath, rename, rm, stat, type FileHandle } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { UsageError } from '../errors.js';
import { makeDirectories } from './make-directories.js';
import { checkPackPath, SinkState, type PackSink } from './sink.js';

type Occupant = 'nothing' | 'empty' | 'pack';

const codeOf = (error: unknown): string => String((error as { code?: unknown } | null)?.code ?? error);

/** What lies at the final place. @throws UsageError when it is something that must not be replaced. */
async function occupant(path: string, given: string): Promise<Occupant> {
  const info = await stat(path).catch((error: unknown) => {
    if (codeOf(error) === 'ENOENT') return null;
    throw new UsageError(`${given}: cannot be looked at (${codeOf(error)})`, { cause: error });
  });
  if (info === null) return 'nothing';
  const hint = 'Choose another place for the pack, or remove what is there.';
  if (!info.isDirectory()) throw new UsageError(`${given}: is a file; a pack is a directory`, { hint });
  if ((await readdir(path)).length === 0) return 'empty';
  const text = await readFile(join(path, 'manifest.json'), 'utf8').catch(() => null);
  if (text !== null && isPackManifest(text)) return 'pack';
  throw new UsageError(`${given}: is a directory that holds something else than a pack (${text === null ? 'no manifest.json' : 'its manifest.json is not a pack\'s'}); it is left alone`, { hint });
}

function isPackManifest(text: string): boolean {
  try {
    return (JSON.parse(text) as { format?: unknown } | null)?.format === 'saekit-pack';
  } catch {
    return false;
  }
}

/** Opens the sink: checks the place, and makes the hidden directory. @throws UsageError */
export async function openDirectorySink(given: string): Promise<PackSink> {
  const asked = resolve(given.startsWith('file:') ? fileURLToPath(given) : given);
  // A link to a directory stays a link: what it points at is replaced.
  const path = await realpath(asked).catch(() => asked);
  await occupant(path, given);
  const parent = dirname(path);
  if (parent === path) throw new UsageError(`${given}: is the root of the file system; a pack needs a directory of its own`);
  let partial: string;
  try {
    await makeDirectories(parent);
    // Not mkdtemp: its mode 0700 would keep a web server of another user out.
    partial = join(parent, `.${basename(path)}.partial-${crypto.randomUUID().slice(0, 8)}`);
    await mkdir(partial);
  } catch (error) {
    throw new UsageError(`${given}: cannot be written to (${codeOf(error)} in ${parent})`, { cause: error, hint: 'Choose a place that you may write to.' });
  }
  const state = new SinkState(given);
  const handles = new Map<string, FileHandle>();

  const closeAll = async (flush: boolean): Promise<void> => {
    for (const [name, handle] of handles) {
      handles.delete(name);
      try {
        if (flush) await handle.sync();
      } finally {
        await handle.close();
      }
    }
  };

  return {
    name: given,
    async write(name, bytes) {
      state.requireOpen();
      checkPackPath(name);
      let handle = handles.get(name);
      if (handle === undefined) {
        const file = join(partial, ...name.split('/'));
        await makeDirectories(dirname(file));
        handle = await open(file, 'wx');
        handles.set(name, handle);
      }
      await handle.writeFile(bytes);
    },
    async commit() {
      state.requireOpen();
      await closeAll(true);
      const before = await occupant(path, given);
      state.close('committed');
      let old: string | null = null;
      if (before !== 'nothing') {
        old = join(parent, `${basename(partial)}-old`);
        await rename(path, old);
      }
      try {
        await rename(partial, path);
      } catch (error) {
        if (old !== null) await rename(old, path);
        await rm(partial, { recursive: true, force: true });
        throw error;
      }
      if (old !== null) await rm(old, { recursive: true, force: true });
    },
    async abort() {
      if (!state.close('aborted')) return;
      await closeAll(false).catch(() => undefined);
      await rm(partial, { recursive: true, force: true });
    },
  };
}
