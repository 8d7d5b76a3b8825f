/**
 * A run's folder on disk; Node and Deno only. Every file appears whole under its name or not at all,
 * but metrics.jsonl, which grows by lines: a killed run may leave its last line unfinished, and what comes after the
 * saved state is dropped when the run is resumed.
 */
import { mkdir, open, readdir, readFile, rm, stat, type FileHandle } from 'node:fs/promises';
import { join } from 'node:path';
import { UsageError } from '../errors.js';
import { saelensFiles } from '../formats/write-saelens.js';
import { writeSafetensors } from '../formats/safetensors.js';
import { openFileOut } from '../io/file-out-node.js';
import { decodeState, encodeState } from '../state.js';
import type { StateValue } from '../run/accumulator.js';
import type { Sae } from '../sae.js';
import type { Evaluation, StepMetrics } from './events.js';
import { parseMetrics, readDensities } from './run-reader.js';
import { checkpointFolder, checkpointRecord, parseRunRecord, type CheckpointRecord, type RunRecord } from './run-record.js';

const encoder = new TextEncoder();

interface Density {
  readonly step: number;
  readonly tokens: number;
  readonly counts: Float64Array;
}

export class RunFolder {
  readonly path: string;
  #metrics: FileHandle | null = null;
  #last: StepMetrics | null = null;
  #checkpoints: CheckpointRecord[] = [];
  #densities: Density[] = [];

  private constructor(path: string) {
    this.path = path;
  }

  /**
   * Opens the place of a new run.
   * @param overwrite whether a run that is there is removed; nothing else ever is
   * @throws UsageError where something is there already
   */
  static async create(path: string, overwrite = false): Promise<RunFolder> {
    const there: string[] = await readdir(path).catch((error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') return [] as string[];
      throw new UsageError(`${path}: cannot be a run's folder (${error.code === 'ENOTDIR' ? 'it is a file' : error.message})`, { cause: error });
    });
    if (there.length > 0) {
      const run = there.includes('run.json');
      if (!run || !overwrite) throw new UsageError(`${path}: ${run ? 'holds a training run already' : 'is not empty'}`, { hint: run ? 'Go on with it (--resume), start anew in its place (--overwrite), or choose another folder.' : 'Choose another folder.' });
      await removeRun(path, there);
    }
    await mkdir(path, { recursive: true });
    return new RunFolder(path);
  }

  /**
   * Opens a run that was stopped or killed, as of its last saved state.
   * @returns null where there is none
   */
  static async resume(path: string): Promise<{ folder: RunFolder; record: RunRecord; state: StateValue } | null> {
    const text = await readFile(join(path, 'run.json'), 'utf8').catch(() => null);
    if (text === null) return null;
    const record = parseRunRecord(join(path, 'run.json'), parseJson(join(path, 'run.json'), text));
    const bytes = await readFile(join(path, 'state.bin')).catch(() => null);
    if (bytes === null) throw new UsageError(`${path}: has no state.bin to go on from`, { hint: 'Start anew in its place (--overwrite).' });
    const state = decodeState(bytes, join(path, 'state.bin'));
    const folder = new RunFolder(path);
    await folder.#rewind(record, (state as { step: number }).step);
    return { folder, record, state };
  }

  get checkpoints(): readonly CheckpointRecord[] {
    return this.#checkpoints;
  }

  /** The last line of metrics; null before the first. */
  get lastMetrics(): StepMetrics | null {
    return this.#last;
  }

  async writeRecord(record: RunRecord): Promise<void> {
    await this.#write('run.json', encoder.encode(`${JSON.stringify(record, null, 1)}\n`));
    await this.#write('recipe.json', encoder.encode(`${JSON.stringify(record.recipe, null, 1)}\n`));
  }

  async addMetrics(metrics: StepMetrics): Promise<void> {
    this.#metrics ??= await open(join(this.path, 'metrics.jsonl'), 'a');
    await this.#metrics.appendFile(`${JSON.stringify(metrics)}\n`);
  }

  async addCheckpoint(sae: Sae, step: number, evaluation: Evaluation | null): Promise<void> {
    const folder = checkpointFolder(step);
    await mkdir(join(this.path, folder), { recursive: true });
    const files = saelensFiles(sae, { ...(evaluation === null ? {} : { counts: evaluation.counts, tokens: evaluation.tokens }), metadata: { training_step: step } });
    for (const [name, content] of Object.entries(files)) await this.#write(`${folder}/${name}`, typeof content === 'string' ? encoder.encode(content) : content as Uint8Array);
    this.#checkpoints = [...this.#checkpoints.filter((one) => one.step !== step), checkpointRecord(step, evaluation)].sort((a, b) => a.step - b.step);
    if (evaluation !== null) {
      this.#densities = [...this.#densities.filter((one) => one.step !== step), { step, tokens: evaluation.tokens, counts: evaluation.counts }].sort((a, b) => a.step - b.step);
      await this.#writeDensities();
    }
  }

  async writeState(state: StateValue): Promise<void> {
    await this.#write('state.bin', encodeState(state));
  }

  async close(): Promise<void> {
    await this.#metrics?.close();
    this.#metrics = null;
  }

  async #writeDensities(): Promise<void> {
    const columns = this.#densities[0]?.counts.length ?? 0;
    const counts = new Float64Array(this.#densities.length * columns);
    for (const [at, one] of this.#densities.entries()) counts.set(one.counts, at * columns);
    const numbers = (value: (one: Density) => number): Float64Array => Float64Array.from(this.#densities, value);
    await this.#write('densities.safetensors', writeSafetensors([
      { name: 'steps', shape: [this.#densities.length], data: numbers(({ step }) => step) },
      { name: 'tokens', shape: [this.#densities.length], data: numbers(({ tokens }) => tokens) },
      { name: 'counts', shape: [this.#densities.length, columns], data: counts },
    ]));
  }

  /** Drops what was written after the state that the run goes on from. */
  async #rewind(record: RunRecord, step: number): Promise<void> {
    this.#checkpoints = record.checkpoints.filter((one) => one.step <= step);
    const bytes = await readFile(join(this.path, 'densities.safetensors')).catch(() => null);
    if (bytes !== null) this.#densities = (await readDensities('densities.safetensors', bytes)).filter((one) => one.step <= step);
    const text = await readFile(join(this.path, 'metrics.jsonl'), 'utf8').catch(() => '');
    const kept = parseMetrics(text).filter((line) => line.step <= step);
    this.#last = kept.at(-1) ?? null;
    await this.#write('metrics.jsonl', encoder.encode(kept.map((line) => `${JSON.stringify(line)}\n`).join('')));
  }

  async #write(name: string, bytes: Uint8Array): Promise<void> {
    const file = await openFileOut(join(this.path, name));
    try {
      await file.write(bytes);
      await file.commit();
    } catch (error) {
      await file.abort();
      throw error;
    }
  }
}

function parseJson(name: string, text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new UsageError(`${name}: is not JSON (${cause instanceof Error ? cause.message : String(cause)})`, { cause });
  }
}

const RUN_FILES = /^(run\.json|recipe\.json|metrics\.jsonl|densities\.safetensors|state\.bin|step_\d+|\..*\.partial-[0-9a-f]+)$/;

/** Removes a run's own files. @throws UsageError where the folder holds something else */
async function removeRun(path: string, names: readonly string[]): Promise<void> {
  const strange = names.find((name) => !RUN_FILES.test(name));
  if (strange !== undefined) throw new UsageError(`${path}: holds ${strange}, which is no part of a run; it is left alone`, { hint: 'Choose another folder.' });
  for (const name of names) await rm(join(path, name), { recursive: (await stat(join(path, name))).isDirectory(), force: true });
}
