/**
 * A tensor in a file: its name, type and shape, and its rows on demand. Formats
 * differ only in where the bytes are; what is read of them is the same.
 */
import { FormatError, NumericError, ShapeError } from '../errors.js';
import type { ByteSource } from '../io/bytes.js';
import { DTYPE_BYTES, swapBytes, toFloat32, toInt32, type Dtype } from './dtype.js';

export interface Tensor {
  /** Name in its file; the file's own name where the format has one tensor a file. */
  readonly name: string;
  /** `file#name`, for messages. */
  readonly label: string;
  readonly dtype: Dtype;
  readonly shape: readonly number[];
  /** Number of elements. */
  readonly size: number;
  /** The whole tensor as f32, row-major. */
  read(): Promise<Float32Array<ArrayBuffer>>;
  /** Rows start .. end of the leading axis as f32; nothing else is read. */
  rows(start: number, end: number): Promise<Float32Array<ArrayBuffer>>;
  /** Elements start .. end, row-major, as f32. */
  elements(start: number, end: number): Promise<Float32Array<ArrayBuffer>>;
  /** Elements start .. end, row-major, as i32. @throws FormatError when they are not integers or too large. */
  integers(start: number, end: number): Promise<Int32Array<ArrayBuffer>>;
}

export interface TensorPlace {
  readonly source: ByteSource;
  readonly name: string;
  readonly label: string;
  readonly dtype: Dtype;
  readonly shape: readonly number[];
  /** Byte of the first element in `source`. */
  readonly offset: number;
  readonly bigEndian?: boolean;
}

/** Product of the dimensions. @throws FormatError when it is no whole number that can be counted. */
export function sizeOf(shape: readonly number[], label: string): number {
  let size = 1;
  for (const extent of shape) {
    if (!Number.isSafeInteger(extent) || extent < 0) throw new FormatError(`${label}: shape ${show(shape)} has an impossible dimension`);
    size *= extent;
  }
  if (!Number.isSafeInteger(size)) throw new FormatError(`${label}: shape ${show(shape)} has too many elements`);
  return size;
}

/** `[64, 512]` */
export function show(shape: readonly number[]): string {
  return `[${shape.join(', ')}]`;
}

/** A tensor over contiguous row-major bytes. */
export function tensorAt(place: TensorPlace): Tensor {
  const { source, dtype, shape, label, offset } = place;
  const size = sizeOf(shape, label);
  const width = DTYPE_BYTES[dtype];
  const bytes = async (start: number, end: number): Promise<ArrayBuffer> => {
    if (!(start >= 0 && start <= end && end <= size)) throw new ShapeError(`${label}: elements ${start}..${end} of ${size} were asked for`);
    const buffer = await source.slice(offset + start * width, offset + end * width);
    if (place.bigEndian === true && width > 1) swapBytes(buffer, width);
    return buffer;
  };
  const rowSize = shape.length === 0 ? 1 : sizeOf(shape.slice(1), label);
  return {
    name: place.name,
    label,
    dtype,
    shape,
    size,
    read: async () => toFloat32(dtype, await bytes(0, size)),
    rows: async (start, end) => toFloat32(dtype, await bytes(start * rowSize, end * rowSize)),
    elements: async (start, end) => toFloat32(dtype, await bytes(start, end)),
    integers: async (start, end) => toInt32(dtype, await bytes(start, end), label, start),
  };
}

/** Index of the first NaN or infinity, or -1. */
export function firstNonFinite(values: Float32Array): number {
  for (let i = 0; i < values.length; i++) {
    const value = values[i] as number;
    // x - x is 0 for every finite x and NaN otherwise.
    if (value - value !== 0) return i;
  }
  return -1;
}

/**
 * @throws NumericError naming tensor, index and value when one is NaN or infinite
 */
export function assertFinite(values: Float32Array, label: string, shape: readonly number[]): void {
  const at = firstNonFinite(values);
  if (at < 0) return;
  const index: number[] = [];
  let rest = at;
  for (const extent of [...shape].reverse()) {
    index.unshift(rest % extent);
    rest = Math.floor(rest / extent);
  }
  throw new NumericError(`${label}: element ${show(index)} is ${values[at]}`, { hint: 'A finite number was expected: the file is damaged, or training diverged, or a value does not fit in f32.' });
}
