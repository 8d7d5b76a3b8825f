/**
 * The errors that saekit raises on purpose.
 *
 * Every one of them names the thing that is wrong (file, tensor, shape, flag),
 * says what was expected, and where possible what to do. Anything else that is
 * thrown is a defect of saekit.
 */

/** A failure with a message made for the person who reads it. */
export class SaekitError extends Error {
  /** What to do about it: one sentence, or nothing. */
  readonly hint: string | undefined;

  constructor(message: string, options: { hint?: string | undefined; cause?: unknown } = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = new.target.name;
    this.hint = options.hint;
  }
}

/** A file, tensor or configuration is malformed, truncated, or of an unsupported kind. */
export class FormatError extends SaekitError {}

/** Two inputs that are each well formed do not fit together (shapes, lengths, missing pairs). */
export class ShapeError extends SaekitError {}

/** The caller used an option wrongly; the CLI exits with status 2. */
export class UsageError extends SaekitError {}

/** A NaN or infinity where a finite number was promised; names the tensor and the row. */
export class NumericError extends SaekitError {}

/**
 * What a backend threw for a piece of a batch, as for the batch: a NumericError's
 * `row 3:` is row `first` + 3 there. Anything else is passed on as it is.
 */
export function withRowsFrom(first: number, error: unknown): unknown {
  if (first === 0 || !(error instanceof NumericError)) return error;
  const message = error.message.replace(/, row (\d+):/, (_, row: string) => `, row ${first + Number(row)}:`);
  return new NumericError(message, { hint: error.hint, cause: error.cause });
}

/** A backend cannot be had or failed (no adapter, device lost, out of memory). */
export class BackendError extends SaekitError {}

/**
 * The device under a backend is gone: a driver restarted, a machine slept, a GPU
 * was pulled out. Calls depend on nothing but their arguments, so where it is
 * `retryable` the same call may be made again.
 */
export class DeviceLostError extends BackendError {
  /** True where a new device may be had; false once that has been tried in vain. */
  readonly retryable: boolean;

  constructor(message: string, options: { retryable: boolean; hint?: string | undefined; cause?: unknown }) {
    super(message, options);
    this.retryable = options.retryable;
  }
}

/** True for the error that an aborted `AbortSignal` raises. */
export function isAbort(error: unknown): boolean {
  return error instanceof Error && error.name === 'AbortError';
}
