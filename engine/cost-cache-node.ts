/** The cache of Node and Deno: one file a key, written beside its place and renamed, so that nobody reads half of one. */
import { createHash } from 'node:crypto';
import { mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { availableParallelism, cpus, homedir } from 'node:os';
import { join } from 'node:path';
import process from 'node:process';
import type { Calibration } from './cost-model.js';

type DenoPermissions = { permissions: { querySync(what: { name: string; variable?: string }): { state: string } } };

/** Deno asks its user for what it was not given; a cache is no reason to. @throws where it would */
function mayLook(name: 'env' | 'sys' | 'read' | 'write'): void {
  const { Deno } = globalThis as { Deno?: DenoPermissions };
  if (Deno !== undefined && Deno.permissions.querySync({ name }).state !== 'granted') throw new Error(`Deno has no permission for ${name}`);
}

export function machineName(): string {
  const runtime = (globalThis as { Deno?: { version?: { deno: string } } }).Deno?.version?.deno;
  const name = runtime === undefined ? `Node ${process.versions.node}` : `Deno ${runtime}`;
  try {
    mayLook('sys');
    return `${name}, ${cpus()[0]?.model.trim() ?? 'CPU'}, ${availableParallelism()} cores`;
  } catch {
    return name;
  }
}

/** `XDG_CACHE_HOME`, or where the system keeps caches. */
function folder(): string {
  mayLook('env');
  const { XDG_CACHE_HOME, LOCALAPPDATA } = process.env;
  if (XDG_CACHE_HOME) return join(XDG_CACHE_HOME, 'saekit');
  if (process.platform === 'win32' && LOCALAPPDATA) return join(LOCALAPPDATA, 'saekit', 'Cache');
  mayLook('sys');
  return process.platform === 'darwin' ? join(homedir(), 'Library', 'Caches', 'saekit') : join(homedir(), '.cache', 'saekit');
}

const fileOf = (key: string): string => `calibration-${createHash('sha256').update(key).digest('hex').slice(0, 16)}.json`;

export async function read(key: string): Promise<unknown> {
  mayLook('read');
  return JSON.parse(await readFile(join(folder(), fileOf(key)), 'utf8'));
}

export async function write(calibration: Calibration): Promise<void> {
  mayLook('write');
  const directory = folder();
  await mkdir(directory, { recursive: true });
  const path = join(directory, fileOf(calibration.key));
  const temporary = `${path}.${process.pid}.tmp`;
  try {
    await writeFile(temporary, JSON.stringify(calibration));
    await rename(temporary, path);
  } catch (error) {
    await rm(temporary, { force: true });
    throw error;
  }
}
