/**
 * A directory with those above it; Node and Deno only.
 *
 * Not `mkdir(…, { recursive: true })`: where a parent exists and the system
 * still answers ENOENT (procfs, some network file systems), Node tries for ever.
 */
import { mkdir, stat } from 'node:fs/promises';
import { dirname } from 'node:path';

/** @throws what the system says, when a directory cannot be made */
export async function makeDirectories(path: string): Promise<void> {
  try {
    await mkdir(path);
  } catch (error) {
    const code = (error as { code?: unknown }).code;
    const parent = dirname(path);
    if (code === 'ENOENT' && parent !== path) {
      await makeDirectories(parent);
      await mkdir(path).catch(async (again: unknown) => {
        // Somebody else made it in the meantime.
        if (!(await isDirectory(path))) throw again;
      });
      // Read-only places answer EROFS, EACCES or EPERM also for a directory that is there.
    } else if (!(await isDirectory(path))) throw error;
  }
}

async function isDirectory(path: string): Promise<boolean> {
  return (await stat(path).catch(() => null))?.isDirectory() === true;
}
