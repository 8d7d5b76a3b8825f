/**
 * Element types of stored tensors and their conversion to f32 and i32.
 *
 * f16, bf16, f32, bool and integers up to 24 bits convert exactly, subnormals,
 * infinities and NaN included; f64 and wider integers round to the nearest f32
 * (i64 and u64 by way of f64). Bytes are little-endian unless said otherwise,
 * and so is every machine that this runs on (WebAssembly is).
 */
import { FormatError } from '../errors.js';
import { allocate } from '../io/checks.js';

export type Dtype = 'bool' | 'u8' | 'i8' | 'u16' | 'i16' | 'u32' | 'i32' | 'u64' | 'i64' | 'f16' | 'bf16' | 'f32' | 'f64';

/** Bytes of one element. */
export const DTYPE_BYTES: Readonly<Record<Dtype, number>> = {
  bool: 1, u8: 1, i8: 1, u16: 2, i16: 2, u32: 4, i32: 4, u64: 8, i64: 8, f16: 2, bf16: 2, f32: 4, f64: 8,
};

const FLOATS: ReadonlySet<Dtype> = new Set<Dtype>(['f16', 'bf16', 'f32', 'f64']);

/** True for f16, bf16, f32 and f64. */
export function isFloat(dtype: Dtype): boolean {
  return FLOATS.has(dtype);
}

/** f32 bits of every f16, made on first use. */
let halves: Float32Array | null = null;

/**
 * The f32 that a half-precision number is, exactly (IEEE 754 binary16).
 * @param bits its 16 bits
 */
export function f16ToF32(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 0x1f;
  const fraction = bits & 0x3ff;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  if (exponent === 31) return fraction === 0 ? sign * Infinity : NaN;
  return sign * (1024 + fraction) * 2 ** (exponent - 25);
}

function halfTable(): Float32Array {
  if (halves === null) {
    halves = new Float32Array(65536);
    for (let bits = 0; bits < 65536; bits++) halves[bits] = f16ToF32(bits);
  }
  return halves;
}

/** Reverses the bytes of each element in place. */
export function swapBytes(buffer: ArrayBuffer, size: number): void {
  const bytes = new Uint8Array(buffer);
  for (let at = 0; at + size <= bytes.length; at += size) bytes.subarray(at, at + size).reverse();
}

/** A view of the elements. f16 and bf16 as their bits. */
function view(dtype: Dtype, buffer: ArrayBuffer): ArrayLike<number> | BigInt64Array | BigUint64Array {
  switch (dtype) {
    case 'bool':
    case 'u8': return new Uint8Array(buffer);
    case 'i8': return new Int8Array(buffer);
    case 'f16':
    case 'bf16':
    case 'u16': return new Uint16Array(buffer);
    case 'i16': return new Int16Array(buffer);
    case 'u32': return new Uint32Array(buffer);
    case 'i32': return new Int32Array(buffer);
    case 'f32': return new Float32Array(buffer);
    case 'f64': return new Float64Array(buffer);
    case 'i64': return new BigInt64Array(buffer);
    case 'u64': return new BigUint64Array(buffer);
  }
}

/**
 * Elements as f32.
 * @param buffer whole elements, little-endian; an f32 buffer is used as it is, not copied
 */
export function toFloat32(dtype: Dtype, buffer: ArrayBuffer): Float32Array<ArrayBuffer> {
  if (dtype === 'f32') return new Float32Array(buffer);
  const source = view(dtype, buffer);
  const out = new Float32Array(allocate('a tensor', source.length * 4));
  if (dtype === 'f16') {
    const table = halfTable();
    const bits = source as Uint16Array;
    for (let i = 0; i < bits.length; i++) out[i] = table[bits[i] as number] as number;
  } else if (dtype === 'bf16') {
    const bits = source as Uint16Array;
    const words = new Uint32Array(out.buffer);
    for (let i = 0; i < bits.length; i++) words[i] = (bits[i] as number) << 16;
  } else if (dtype === 'i64' || dtype === 'u64') {
    const wide = source as BigInt64Array;
    for (let i = 0; i < wide.length; i++) out[i] = Number(wide[i]);
  } else {
    out.set(source as ArrayLike<number>);
  }
  return out;
}

/**
 * Integer elements as i32.
 * @param name for the message
 * @param first index of the first element, for the message
 * @throws FormatError for a floating-point type, and for a value outside of i32, naming value and index
 */
export function toInt32(dtype: Dtype, buffer: ArrayBuffer, name: string, first = 0): Int32Array<ArrayBuffer> {
  if (isFloat(dtype) || dtype === 'bool') throw new FormatError(`${name}: integers were expected, it holds ${dtype}`);
  if (dtype === 'i32') return new Int32Array(buffer);
  const source = view(dtype, buffer);
  const out = new Int32Array(allocate(name, source.length * 4));
  for (let i = 0; i < source.length; i++) {
    const value = Number(source[i]);
    if (value > 0x7fffffff || value < -0x80000000) throw new FormatError(`${name}: element ${first + i} is ${source[i]}, outside of 32-bit integers`);
    out[i] = value;
  }
  return out;
}
