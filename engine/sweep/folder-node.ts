/**
 * A sweep's files; Node and Deno. The folder holds
 *
 *   sweep.json, sweep.csv, frontier.svg   the table so far, rewritten after every run
 *   RUN/                                  the run's folder (engine/train/run-record.ts)
 *   RUN.json                              what the run was asked for, and how it ended
 *
 * Every file is written under another name and renamed, so that a reader, and a
 * sweep that goes on, finds the old one or the new one.
 */
import { readFile, stat } from 'node:fs/promises';
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

/** RUN.json */
export interface RunRecord extends RunAsked, SweepRow {
  readonly saekit: string;
  readonly format: 1;
}

/** The record of a run; null where it has not begun. @throws FormatError for a file that is none */
export async function readRecord(path: string): Promise<RunRecord | null> {
  const record = await readJson(path);
  if (record === null) return null;
  const { format, recipe, data, evaluate, status } = record as Partial<RunRecord>;
  if (format !== 1 || typeof recipe !== 'object' || typeof data !== 'object' || typeof evaluate !== 'object' || typeof status !== 'string') {
    throw new FormatError(`${path}: is no record of a run of this version (format 1)`, { hint: 'Delete it and the folder of the same name, or sweep into another folder.' });
  }
  return record as unknown as RunRecord;
}

/** A JSON object; null where there is no file. @throws FormatError for anything else */
export async function readJson(path: string): Promise<Readonly<Record<string, unknown>> | null> {
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (cause) {
    if ((cause as { code?: unknown }).code === 'ENOENT') return null;
    throw new FormatError(`${path}: cannot be read (${cause instanceof Error ? cause.message : String(cause)})`, { cause });
  }
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw new FormatError(`${path}: is not JSON (${cause instanceof Error ? cause.message : String(cause)})`, { cause });
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw new FormatError(`${path}: expected a JSON object`);
  return value as Record<string, unknown>;
}

/** Whether there is something of that name. */
export async function exists(path: string): Promise<boolean> {
  return (await stat(path).catch(() => null)) !== null;
}

/** Writes a text file whole or not at all, and the folders above it. */
export async function writeText(path: string, text: string): Promise<void> {
  const file = await openFileOut(path);
  try {
    await file.write(new TextEncoder().encode(text));
    await file.commit();
  } finally {
    await file.abort();
  }
}

export function writeJson(path: string, value: unknown): Promise<void> {
  return writeText(path, `${JSON.stringify(value, null, 1)}\n`);
}
