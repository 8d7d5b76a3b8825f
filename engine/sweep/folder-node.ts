/**
 * A sweep's files; Node and Deno. The folder holds
 *
 *   sweep.json, sweep.csv, frontier.svg   the table so far, rewritten after every run
 *   RUN/sweep-run.json                    what the run was asked for, and how it ended
 *   RUN/state.bin                         the run's last state (engine/state.ts), from which it goes on
 *
 * Every file is written under another name and renamed, so that a reader, and a
 * sweep that goes on, finds the old one or the new one.
 */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { FormatError } from '../errors.js';
import { openFileOut } from '../io/file-out-node.js';
import type { Recipe } from '../train/recipe.js';
import type { JsonObject } from './config.js';
import type { SweepRow } from './row.js';

/** What a run is, complete: no default of a later version changes what it says. */
export interface RunAsked {
  readonly recipe: Recipe;
  readonly data: JsonObject;
  readonly evaluate: { readonly rows: number };
}

/** RUN/sweep-run.json */
export interface RunRecord extends RunAsked, SweepRow {
  readonly saekit: string;
  readonly format: 1;
}

/** The record of a run; null where it has not begun. @throws FormatError for a file that is none */
export async function readRecord(folder: string): Promise<RunRecord | null> {
  const path = join(folder, 'sweep-run.json');
  const record = await readJson(path);
  if (record === null) return null;
  const { format, recipe, data, evaluate, status } = record as Partial<RunRecord>;
  if (format !== 1 || typeof recipe !== 'object' || typeof data !== 'object' || typeof evaluate !== 'object' || typeof status !== 'string') {
    throw new FormatError(`${path}: is no record of a run of this version (format 1)`, { hint: 'Delete the folder, or sweep into another one.' });
  }
  return record as unknown as RunRecord;
}

/** A JSON object; null where there is no file. @throws FormatError for anything else */
export async function readJson(path: string): Promise<Readonly<Record<string, unknown>> | null> {
  const bytes = await readBytes(path);
  if (bytes === null) return null;
  let value: unknown;
  try {
    value = JSON.parse(new TextDecoder().decode(bytes));
  } catch (cause) {
    throw new FormatError(`${path}: is not JSON (${cause instanceof Error ? cause.message : String(cause)})`, { cause });
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw new FormatError(`${path}: expected a JSON object`);
  return value as Record<string, unknown>;
}

/** A file's bytes; null where there is none. @throws FormatError where it cannot be read */
export async function readBytes(path: string): Promise<Uint8Array | null> {
  try {
    return await readFile(path);
  } catch (cause) {
    if ((cause as { code?: unknown }).code === 'ENOENT') return null;
    throw new FormatError(`${path}: cannot be read (${cause instanceof Error ? cause.message : String(cause)})`, { cause });
  }
}

export function writeText(path: string, text: string): Promise<void> {
  return writeBytes(path, new TextEncoder().encode(text));
}

/** Writes a file whole or not at all, and the folders above it. */
export async function writeBytes(path: string, bytes: Uint8Array): Promise<void> {
  const file = await openFileOut(path);
  try {
    await file.write(bytes);
    await file.commit();
  } finally {
    await file.abort();
  }
}

export function writeJson(path: string, value: unknown): Promise<void> {
  return writeText(path, `${JSON.stringify(value, null, 1)}\n`);
}
