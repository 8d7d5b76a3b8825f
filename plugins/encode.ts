/**
 * Sparse codes alone, as a safetensors file that anything reads:
 *
 *   activations  f32 [nnz]
 *   locations    u32 [nnz, 2]  (row, feature), by row, then feature
 *
 * with `rows` and `d_sae` in the metadata; row = context * positions + position.
 * Memory is O(nnz): the header of the format names the sizes, so that nothing
 * can be written before the last row is encoded. The file appears whole or not at all.
 */
import { ShapeError, UsageError } from '../engine/errors.js';
import { hasFileSystem } from '../engine/io/open.js';
import type { PackSink } from '../engine/io/sink.js';
import type { Batch } from '../engine/run/accumulator.js';
import type { ProgressEvent } from '../engine/run/progress.js';
import { runStream } from '../engine/run/run.js';
import type { ActivationSource } from '../engine/sources/source.js';
import { checkInputs, openBackend, openSae, openSource, rowsOf, screenNotice, type InputOptions, type OpenBackend } from './inputs.js';

export interface EncodeOptions extends InputOptions {
  /** A path (Node, Deno), or a sink that gets the file as `codes.safetensors`. */
  readonly out: string | PackSink;
  readonly contextsPerBatch?: number | undefined;
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: ((event: ProgressEvent) => void) | undefined;
  readonly onNotice?: ((text: string) => void) | undefined;
}

export interface EncodeReport {
  readonly rows: number;
  /** d_sae */
  readonly features: number;
  readonly nnz: number;
  /** nnz / rows */
  readonly l0: number;
  readonly backend: string;
  readonly seconds: number;
  readonly tokens_per_second: number;
  readonly out: string;
}

/** Where the bytes go, whatever it is. */
interface Output {
  readonly name: string;
  write(bytes: Uint8Array): Promise<void>;
  commit(): Promise<void>;
  abort(): Promise<void>;
}

async function openOutput(out: string | PackSink): Promise<Output> {
  if (typeof out !== 'string') {
    return { name: out.name, write: (bytes) => out.write('codes.safetensors', bytes), commit: () => out.commit(), abort: () => out.abort() };
  }
  if (!hasFileSystem()) throw new UsageError(`${out}: a page cannot write to a file of the machine`, { hint: 'Use memorySink().' });
  const file = await (await import('../engine/io/file-out-node.js')).openFileOut(out);
  return { name: out, write: (bytes) => file.write(bytes), commit: () => file.commit(), abort: () => file.abort() };
}

/**
 * Encodes a stream into a file.
 * @throws what `analyze` throws; nothing is left behind then
 */
export async function encodeToFile(options: EncodeOptions): Promise<EncodeReport> {
  const { signal } = options;
  const started = performance.now();
  const output = await openOutput(options.out);
  let source: ActivationSource | null = null;
  let backend: OpenBackend | null = null;
  let opened: Awaited<ReturnType<typeof openSae>> | null = null;
  try {
    signal?.throwIfAborted();
    checkInputs(options);
    opened = await openSae(options);
    const { sae } = opened;
    signal?.throwIfAborted();
    source = await openSource(options, sae);
    const rows = source.contexts * source.positions;
    if (rows > 2 ** 32) throw new ShapeError(`the activations have ${rows} rows; locations are u32 and reach to 2^32`, { hint: 'Encode them in parts.' });
    signal?.throwIfAborted();
    backend = await openBackend({ backend: options.backend, threads: options.threads, relaxed: options.relaxed, memoryBudget: options.memoryBudget, screen: options.screen, storage: options.storage, rows: rowsOf(source, options.contextsPerBatch), sae, notice: options.onNotice ?? (() => undefined), signal });
    const { loaded } = backend;
    const locations: Uint32Array[] = [];
    const activations: Float32Array[] = [];
    const collect = { update: (batch: Batch) => void (locations.push(locationsOf(batch)), activations.push(batch.codes.values)) };
    const totals = await runStream({ source, sae, loaded, accumulators: [collect], contextsPerBatch: options.contextsPerBatch, signal, onProgress: options.onProgress, phase: 'encode' });
    const screened = screenNotice(loaded);
    if (screened !== null) options.onNotice?.(screened);
    await output.write(header(totals.nnz, { rows: String(totals.rows), d_sae: String(sae.d_sae), sae: sae.metadata.name }));
    for (const piece of [...activations, ...locations]) {
      signal?.throwIfAborted();
      await output.write(new Uint8Array(piece.buffer, piece.byteOffset, piece.byteLength));
    }
    signal?.throwIfAborted();
    await output.commit();
    return {
      rows: totals.rows,
      features: sae.d_sae,
      nnz: totals.nnz,
      l0: totals.rows > 0 ? totals.nnz / totals.rows : 0,
      backend: backend.name(),
      seconds: (performance.now() - started) / 1000,
      tokens_per_second: totals.seconds > 0 ? totals.rows / totals.seconds : 0,
      out: output.name,
    };
  } catch (error) {
    await output.abort().catch(() => undefined);
    throw error;
  } finally {
    if (source !== null && source !== options.source) await source.close();
    await backend?.close();
    await opened?.close();
  }
}

/** (row, feature) of every entry, [nnz, 2]. */
function locationsOf({ codes, rowOffset }: Batch): Uint32Array {
  const pairs = new Uint32Array(codes.features.length * 2);
  for (let row = 0; row < codes.rows; row++) {
    for (let entry = codes.offsets[row] ?? 0; entry < (codes.offsets[row + 1] ?? 0); entry++) {
      pairs[2 * entry] = rowOffset + row;
      pairs[2 * entry + 1] = codes.features[entry] ?? 0;
    }
  }
  return pairs;
}

/** The safetensors header alone: the data is streamed behind it, and never joined in memory. */
function header(nnz: number, metadata: Readonly<Record<string, string>>): Uint8Array {
  const text = JSON.stringify({
    __metadata__: metadata,
    activations: { dtype: 'F32', shape: [nnz], data_offsets: [0, 4 * nnz] },
    locations: { dtype: 'U32', shape: [nnz, 2], data_offsets: [4 * nnz, 12 * nnz] },
  });
  const json = new TextEncoder().encode(text);
  const length = Math.ceil(json.length / 8) * 8;
  const bytes = new Uint8Array(8 + length).fill(0x20);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(length), true);
  bytes.set(json, 8);
  return bytes;
}
