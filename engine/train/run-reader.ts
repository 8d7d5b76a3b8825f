/** A run's folder as a page or a program reads it: from disk, over HTTP, or from files in memory; also while the run is still going on. */
import { FormatError } from '../errors.js';
import { openSafetensors } from '../formats/safetensors.js';
import { bytesSource } from '../io/bytes.js';
import { openFolder, type Folder, type FolderRef } from '../io/open.js';
import { readJson } from '../io/read.js';
import type { Sae } from '../sae.js';
import type { StepMetrics } from './events.js';
import { parseRunRecord, type RunRecord } from './run-record.js';

/** Firings of every feature at a checkpoint. */
export interface CheckpointDensity {
  readonly step: number;
  readonly tokens: number;
  /** [d_sae] */
  readonly counts: Float64Array;
}

export interface RunReader {
  readonly name: string;
  readonly record: RunRecord;
  /** Lines so far; empty before the first. */
  metrics(): Promise<StepMetrics[]>;
  densities(): Promise<CheckpointDensity[]>;
  /** The SAE of a checkpoint. @throws FormatError where there is none at that step */
  sae(step: number): Promise<Sae>;
  /** The same folder, read anew. */
  refresh(): Promise<RunReader>;
}

/** @throws FormatError where the folder holds no run */
export async function openRun(ref: FolderRef): Promise<RunReader> {
  const folder = await openFolder(ref);
  return read(ref, folder);
}

async function read(ref: FolderRef, folder: Folder): Promise<RunReader> {
  const source = await folder.file('run.json');
  const record = parseRunRecord(source.name, await readJson(source));
  await source.close?.();
  /** A file's bytes; null where it is not there yet. */
  const bytes = async (name: string): Promise<Uint8Array | null> => {
    try {
      const file = await folder.file(name);
      try {
        return new Uint8Array(await file.slice(0, file.byteLength));
      } finally {
        await file.close?.();
      }
    } catch (error) {
      if (error instanceof FormatError) return null;
      throw error;
    }
  };
  return {
    name: folder.name,
    record,
    async metrics() {
      const found = await bytes('metrics.jsonl');
      return found === null ? [] : parseMetrics(new TextDecoder().decode(found));
    },
    async densities() {
      const found = await bytes('densities.safetensors');
      return found === null ? [] : readDensities('densities.safetensors', found);
    },
    async sae(step) {
      const checkpoint = record.checkpoints.find((one) => one.step === step);
      if (checkpoint === undefined) throw new FormatError(`${folder.name}: has no checkpoint of step ${step}`, { hint: `There are ${record.checkpoints.map((one) => one.step).join(', ')}.` });
      const { loadSae } = await import('../formats/load-sae.js');
      const files: Record<string, Uint8Array> = {};
      for (const name of ['cfg.json', 'sae_weights.safetensors']) {
        const content = await bytes(`${checkpoint.folder}/${name}`);
        if (content === null) throw new FormatError(`${folder.name}/${checkpoint.folder}: has no ${name}`);
        files[name] = content;
      }
      const sae = await loadSae(files);
      return Object.assign(sae, { metadata: { ...sae.metadata, name: `${folder.label}, step ${step}`, source: `${folder.name}/${checkpoint.folder}` } });
    },
    refresh: () => openRun(ref),
  };
}

/** Whole lines; a last one that is unfinished is left out. */
export function parseMetrics(text: string): StepMetrics[] {
  return text.slice(0, text.lastIndexOf('\n') + 1).split('\n').flatMap((line) => {
    if (line === '') return [];
    try {
      return [JSON.parse(line) as StepMetrics];
    } catch {
      return [];
    }
  });
}

/** @throws FormatError where a tensor is missing or of another shape */
export async function readDensities(name: string, bytes: Uint8Array): Promise<CheckpointDensity[]> {
  // Checks the file; its tensors are given in f32, which does not hold large counts exactly, so the f64 are read here.
  const file = await openSafetensors(bytesSource(name, bytes));
  const length = Number(new DataView(bytes.buffer, bytes.byteOffset).getBigUint64(0, true));
  const header = JSON.parse(new TextDecoder().decode(bytes.subarray(8, 8 + length))) as Record<string, { dtype: string; data_offsets: [number, number] }>;
  const tensor = (key: string): Float64Array => {
    const entry = header[key];
    if (!file.tensors.has(key) || entry?.dtype !== 'F64') throw new FormatError(`${name}: has no ${key} of f64`);
    const [from, to] = entry.data_offsets;
    // Copied: a file's bytes may lie anywhere in a larger buffer, and f64 want to be aligned.
    return new Float64Array(Uint8Array.from(bytes.subarray(8 + length + from, 8 + length + to)).buffer);
  };
  const [steps, tokens, counts] = [tensor('steps'), tensor('tokens'), tensor('counts')];
  const columns = steps.length === 0 ? 0 : counts.length / steps.length;
  if (tokens.length !== steps.length || !Number.isInteger(columns)) throw new FormatError(`${name}: steps, tokens and counts have ${steps.length}, ${tokens.length} and ${counts.length} values`);
  return Array.from(steps, (step, at) => ({ step, tokens: tokens[at]!, counts: counts.slice(at * columns, (at + 1) * columns) }));
}
