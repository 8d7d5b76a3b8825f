/**
 * Generated rows as files, the truth beside the data:
 *
 *   activations.safetensors   `activations` [rows, d] f32
 *   truth.safetensors         what is known (below)
 *   spec.json                 the complete description, from which the same rows come again
 *
 * In truth.safetensors, where they are known: `directions` [n, d] f32, `probabilities` [n] f64,
 * `parents` [n] i32 (-1 for none), `shared` [d] f32, `offset` [d] f64 with the rows' codes in compressed sparse rows,
 * `code_offsets` [rows + 1] u32, `code_features` [nnz] u32, `code_values` [nnz] f32; and `mean` [d] and
 * `covariance` [d, d] f64 (not for d above 1,024). A row is codes @ directions + offset, plus noise.
 */
import { writeSafetensors, type SafetensorsEntry } from '../formats/safetensors.js';
import { Pace } from '../pace.js';
import { VectorMoments } from '../sketches/vector-moments.js';
import { CodesBuilder, fill, type TrueCodes } from './generate.js';
import { resolveGenerator, samplerOf, type GeneratorSpec, type ResolvedSpec } from './generators.js';
import { RowRandom, STREAM } from './row-random.js';
import type { Sampler } from './sampler.js';

/** A file on its way: it appears with `commit`, and leaves nothing with `abort`. */
export interface FileTarget {
  write(bytes: Uint8Array): Promise<void>;
  commit(): Promise<void>;
  abort(): Promise<void>;
}

export interface SaveOptions {
  /** Rows of the held-out stream instead of those that are trained on. */
  readonly heldOut?: boolean;
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: (rows: number) => void;
}

/** What was written. */
export interface SaveReport {
  readonly spec: ResolvedSpec;
  readonly rows: number;
  readonly d: number;
  /** True features; null where there is no dictionary. */
  readonly features: number | null;
  /** Mean number of features that are on; null where there is no dictionary. */
  readonly l0: number | null;
  /** ||mean|| / ||sigma|| of these rows; null where they do not differ. */
  readonly gamma: number | null;
  readonly files: readonly string[];
}

const CHUNK = 1024;
/** Widest covariance that is written. */
const COVARIANCE_D = 1024;

/**
 * Writes `rows` rows and their truth; nothing appears before all is written.
 * @param open makes the target of a file name
 * @throws UsageError naming the field of the spec that is wrong
 */
export async function saveGenerated(given: GeneratorSpec | Readonly<Record<string, unknown>>, rows: number, open: (name: string) => Promise<FileTarget>, options: SaveOptions = {}): Promise<SaveReport> {
  const spec = resolveGenerator(given);
  const sampler = samplerOf(spec);
  const { d, truth } = sampler;
  const random = new RowRandom(spec.seed, options.heldOut === true ? STREAM.heldOut : STREAM.train);
  const builder = truth === null ? null : new CodesBuilder(truth.features);
  const moments = new VectorMoments(d, false);
  const pace = new Pace(options.signal);
  const targets: FileTarget[] = [];
  const files = ['activations.safetensors', 'truth.safetensors', 'spec.json'] as const;
  try {
    for (const name of files) targets.push(await open(name));
    const [activations, answers, description] = targets as [FileTarget, FileTarget, FileTarget];
    const metadata = { kind: spec.kind, stream: options.heldOut === true ? 'held-out' : 'train' };
    await activations.write(header('activations', [rows, d], metadata));
    for (let first = 0; first < rows; first += CHUNK) {
      const count = Math.min(CHUNK, rows - first);
      const x = fill(sampler, random, first, count, builder);
      moments.add(x, count, null);
      await activations.write(new Uint8Array(x.buffer));
      options.onProgress?.(first + count);
      if (pace.isDue) await pace.pause();
    }
    const codes = builder?.finish() ?? null;
    await answers.write(writeSafetensors(truthEntries(sampler, codes), metadata));
    await description.write(new TextEncoder().encode(`${JSON.stringify(spec, null, 2)}\n`));
    for (const target of targets) await target.commit();
    let [square, trace] = [0, 0];
    for (let c = 0; c < d; c++) {
      square += moments.mean[c]! ** 2;
      trace += moments.variance(c);
    }
    return {
      spec, rows, d, files,
      features: truth?.features ?? null,
      l0: codes === null || rows === 0 ? null : codes.features.length / rows,
      gamma: trace > 0 ? Math.sqrt(square / trace) : null,
    };
  } catch (error) {
    for (const target of targets) await target.abort();
    throw error;
  }
}

/** The same in memory: files by name. */
export async function generatedFiles(spec: GeneratorSpec | Readonly<Record<string, unknown>>, rows: number, options: SaveOptions = {}): Promise<{ report: SaveReport; files: Map<string, Uint8Array<ArrayBuffer>> }> {
  const files = new Map<string, Uint8Array<ArrayBuffer>>();
  const report = await saveGenerated(spec, rows, (name) => {
    const pieces: Uint8Array[] = [];
    return Promise.resolve({
      write: (bytes) => Promise.resolve(void pieces.push(bytes)),
      async commit() {
        const whole = new Uint8Array(pieces.reduce((sum, piece) => sum + piece.length, 0));
        let at = 0;
        for (const piece of pieces) {
          whole.set(piece, at);
          at += piece.length;
        }
        files.set(name, whole);
        return Promise.resolve();
      },
      abort: () => Promise.resolve(),
    });
  }, options);
  return { report, files };
}

/** What goes before the data of a safetensors file with one f32 tensor. */
function header(name: string, shape: readonly number[], metadata: Readonly<Record<string, string>>): Uint8Array {
  const bytes = 4 * shape.reduce((a, b) => a * b, 1);
  const json = JSON.stringify({ __metadata__: metadata, [name]: { dtype: 'F32', shape, data_offsets: [0, bytes] } });
  // ASCII alone: names and metadata are ours. Padded, so that the data is aligned to 8 bytes.
  const text = new TextEncoder().encode(json.padEnd(Math.ceil(json.length / 8) * 8));
  const out = new Uint8Array(8 + text.length);
  new DataView(out.buffer).setBigUint64(0, BigInt(text.length), true);
  out.set(text, 8);
  return out;
}

function truthEntries({ d, truth, moments }: Sampler, codes: TrueCodes | null): SafetensorsEntry[] {
  const entries: SafetensorsEntry[] = [];
  if (truth !== null) {
    const { features: n } = truth;
    entries.push({ name: 'directions', shape: [n, d], data: truth.directions }, { name: 'offset', shape: [d], data: truth.offset });
    if (truth.probabilities !== null) entries.push({ name: 'probabilities', shape: [n], data: truth.probabilities });
    if (truth.parents !== null) entries.push({ name: 'parents', shape: [n], data: truth.parents });
    if (truth.shared !== null) entries.push({ name: 'shared', shape: [d], data: truth.shared });
  }
  if (codes !== null) {
    const nnz = codes.features.length;
    entries.push(
      { name: 'code_offsets', shape: [codes.rows + 1], data: codes.offsets },
      { name: 'code_features', shape: [nnz], data: codes.features },
      { name: 'code_values', shape: [nnz], data: codes.values },
    );
  }
  if (moments !== null) {
    entries.push({ name: 'mean', shape: [d], data: moments.mean });
    const covariance = d <= COVARIANCE_D ? moments.covariance : null;
    if (covariance !== null) entries.push({ name: 'covariance', shape: [d, d], data: covariance });
  }
  return entries;
}
