/**
 * A run that does not wait for its GPU. Compiling kernels takes a driver anything
 * from nothing to half a minute, and uploading weights takes time too; meanwhile
 * the run begins on WASM, and goes on where it was meant to as soon as that is
 * ready, in the middle of a batch if need be: a row's codes depend on no other row.
 *
 * Which rows ran where depends on time. Backends agree on every count but near
 * ties, and differ in the last bits of values; who needs the same bytes twice asks
 * for one backend by name. That is also why there is some patience: a GPU that is
 * ready at once does everything.
 */
import type { LoadedSae, LoadReport } from '../backend.js';
import { joinCodes, type SparseCodes } from '../codes.js';
import { BackendError, withRowsFrom } from '../errors.js';
import type { Sae } from '../sae.js';
import { decodeRows, encodeRows } from './encode-rows.js';

export interface HeadStartOptions {
  /** Where the run is meant to be, being loaded. */
  readonly preferred: Promise<LoadedSae>;
  /** Loads the SAE where the run begins; called once at most. */
  readonly meanwhile: () => Promise<LoadedSae>;
  /** Milliseconds to wait for `preferred` before that; Infinity: as long as it takes. Default 1000. */
  readonly patience?: number | undefined;
  /** The run begins elsewhere. */
  readonly onStart?: (() => void) | undefined;
  /** From here on the run is where it was meant to be. */
  readonly onSwitch?: (() => void) | undefined;
  /** It never will be; the run stays where it began. */
  readonly onFailure?: ((error: BackendError) => void) | undefined;
}

/** Milliseconds of a piece of a batch, after which it is seen whether the preferred backend is ready. */
const PIECE = 100;
const FIRST_PIECE = 64;

/**
 * @returns an SAE that is ready to run at once, or after `patience`
 * @throws what `preferred` rejects with before that; what `meanwhile` rejects with, when `preferred` does too
 */
export async function headStart(sae: Pick<Sae, 'architecture' | 'd_in' | 'd_sae' | 'd_out'>, options: HeadStartOptions): Promise<LoadedSae> {
  const { preferred, patience = 1000 } = options;
  if (await within(preferred, patience)) return preferred;
  let first: LoadedSae;
  try {
    first = await options.meanwhile();
  } catch (error) {
    if (!(error instanceof BackendError)) throw error;
    return preferred;
  }
  if (await within(preferred, 0)) {
    first.dispose();
    return preferred;
  }
  options.onStart?.();
  return new HeadStart(sae, first, options);
}

class HeadStart implements LoadedSae {
  /** Of the backend of the moment; where the first tells nothing, nothing is told. */
  readonly report?: () => LoadReport;
  readonly #sae: Pick<Sae, 'architecture' | 'd_in' | 'd_sae' | 'd_out'>;
  readonly #first: LoadedSae;
  /** Calls that run on `first`. */
  #busy = 0;
  #second: LoadedSae | null = null;
  /** What came instead of `second`, and is no failure of a backend: the next call throws it. */
  #defect: unknown = null;
  #piece = FIRST_PIECE;
  #disposed = false;

  constructor(sae: Pick<Sae, 'architecture' | 'd_in' | 'd_sae' | 'd_out'>, first: LoadedSae, { preferred, onSwitch, onFailure }: HeadStartOptions) {
    this.#sae = sae;
    this.#first = first;
    const { report } = first;
    if (report !== undefined) this.report = () => this.#second?.report?.() ?? report.call(first);
    preferred.then(
      (second) => {
        if (this.#disposed) return second.dispose();
        this.#second = second;
        onSwitch?.();
        this.#leave();
      },
      (error: unknown) => {
        if (this.#disposed) return;
        if (error instanceof BackendError) onFailure?.(error);
        else this.#defect = error;
      },
    );
  }

  get maxRows(): number {
    return (this.#second ?? this.#first).maxRows;
  }

  async encode(xbar: Float32Array, rows: number, options: { signal?: AbortSignal | undefined } = {}): Promise<SparseCodes> {
    const { architecture, d_in, d_sae } = this.#sae;
    const pieces: SparseCodes[] = [];
    let row = 0;
    do {
      options.signal?.throwIfAborted();
      if (this.#defect !== null) throw this.#defect;
      const second = this.#second;
      // The rows of a batchtopk call share their budget of activations, and a call that does not fit together must fail as one.
      const whole = second !== null || architecture === 'batchtopk' || xbar.length !== rows * d_in;
      const count = whole ? rows - row : Math.min(this.#piece, rows - row);
      const part = whole && row === 0 ? xbar : xbar.subarray(row * d_in, (row + count) * d_in);
      try {
        pieces.push(second !== null ? await encodeAll(second, d_sae, part, count, options) : await this.#onFirst((first) => this.#paced(count, () => encodeAll(first, d_sae, part, count, options))));
      } catch (error) {
        throw withRowsFrom(row, error);
      }
      row += count;
    } while (row < rows);
    return joinCodes(pieces, d_sae);
  }

  async decode(codes: SparseCodes, options: { signal?: AbortSignal | undefined } = {}): Promise<Float32Array> {
    if (this.#defect !== null) throw this.#defect;
    const { d_out } = this.#sae;
    if (this.#second !== null) return decodeRows(this.#second, codes, d_out, options);
    return this.#onFirst((first) => decodeRows(first, codes, d_out, options));
  }

  dispose(): void {
    if (this.#disposed) return;
    this.#disposed = true;
    // Once the second is there, the first is let go of by #leave.
    if (this.#second === null || this.#busy > 0) this.#first.dispose();
    this.#second?.dispose();
  }

  /** Runs a piece, and makes the next as long as takes PIECE. */
  async #paced<T>(rows: number, work: () => Promise<T>): Promise<T> {
    const started = performance.now();
    const result = await work();
    const milliseconds = Math.max(1, performance.now() - started);
    // The last piece of a batch may be too short to tell anything.
    if (rows >= this.#piece) this.#piece = Math.min(this.#first.maxRows, Math.max(1, Math.round((rows * PIECE) / milliseconds), Math.ceil(rows / 4)), 4 * rows);
    return result;
  }

  async #onFirst<T>(work: (first: LoadedSae) => Promise<T>): Promise<T> {
    this.#busy++;
    try {
      return await work(this.#first);
    } finally {
      this.#busy--;
      this.#leave();
    }
  }

  /** Frees the first backend when its last call has ended. */
  #leave(): void {
    if (this.#second !== null && this.#busy === 0 && !this.#disposed) this.#first.dispose();
  }
}

/** One call where the backend takes so many rows. */
function encodeAll(loaded: LoadedSae, d_sae: number, xbar: Float32Array, rows: number, options: { signal?: AbortSignal | undefined }): Promise<SparseCodes> {
  return rows <= loaded.maxRows ? loaded.encode(xbar, rows, options) : encodeRows(loaded, d_sae, xbar, rows, options);
}

/** Whether a promise settles within some milliseconds. It may have rejected. */
async function within(promise: Promise<unknown>, milliseconds: number): Promise<boolean> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  // setTimeout takes what is not finite for 0.
  const late = new Promise<false>((resolve) => (timer = milliseconds === Infinity ? undefined : setTimeout(() => resolve(false), milliseconds)));
  const done = promise.then(
    () => true,
    () => true,
  );
  const settled = await Promise.race([done, late]);
  clearTimeout(timer);
  return settled;
}
