/**
 * What every byte source checks before it reads, and the one error that callers
 * tell apart: that a file is not there at all.
 */
import { FormatError } from '../errors.js';

/** There is no such file, URL or entry (ENOENT, HTTP 404 and 410). */
export class NotFoundError extends FormatError {}

/**
 * The bounds of a read, checked against the length of the source.
 * @throws FormatError when the range does not lie inside: the file is truncated, or a header in it lies.
 */
export function checkRange(name: string, byteLength: number, start: number, end: number): void {
  if (!Number.isSafeInteger(start) || !Number.isSafeInteger(end) || start < 0 || end < start || end > byteLength) {
    throw new FormatError(`${name}: bytes ${start}..${end} were asked for, but the file has ${byteLength} bytes`, {
      hint: 'The file is truncated, or a header in it points outside of it.',
    });
  }
}

/**
 * A buffer of `bytes` bytes for what `name` declares.
 * @throws FormatError when this machine cannot hold so much in one piece.
 */
export function allocate(name: string, bytes: number): ArrayBuffer {
  try {
    return new ArrayBuffer(bytes);
  } catch (cause) {
    throw new FormatError(`${name}: ${bytes} bytes do not fit in memory in one piece`, { cause });
  }
}

/** The message of anything that was thrown. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
