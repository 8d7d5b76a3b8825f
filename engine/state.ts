/**
 * The state of accumulators as bytes: to keep on disk, to send from shard to
 * shard. Whatever `StateValue` holds comes back equal, NaN, -0, bigints and lone
 * surrogates included.
 *
 *   bytes  0 .. 8    `SAESTATE`
 *          8 .. 12   version, u32
 *         12 .. 16   length H of the header, a multiple of 8, u32
 *         16 .. 24   checksum of everything behind it: 2 x u32
 *         24 .. 24+H header: JSON, padded with spaces
 *         24+H ..    typed arrays, each at a multiple of 8 from here
 *
 * In the header null, booleans, finite numbers and strings stand for themselves;
 * everything else is an array that begins with its kind: ["n", "NaN"],
 * ["b", "123"] a bigint, ["l", ...items], ["o", [key, value], ...],
 * ["t", type, offset, length]. Little-endian, as every host of WebAssembly and
 * WebGPU in use is.
 */
import { FormatError, UsageError } from './errors.js';
import { hash32 } from './random.js';
import type { StateValue } from './run/accumulator.js';

const MAGIC = 'SAESTATE';
/** Raised when older readers could misread what is written. */
export const STATE_VERSION = 1;
const HEADER_AT = 24;
/** Deeper nesting than any state has; what comes in cannot exhaust the stack. */
const MAX_DEPTH = 64;

const ARRAYS = { Uint8Array, Uint16Array, Int32Array, Uint32Array, Float32Array, Float64Array, BigUint64Array } as const;
type ArrayName = keyof typeof ARRAYS;
type StateArray = InstanceType<(typeof ARRAYS)[ArrayName]>;

const align = (length: number): number => Math.ceil(length / 8) * 8;

/**
 * Writes a state. Equal states give equal bytes.
 * @throws UsageError for a value that is no StateValue (undefined, a function, a Map, a cycle), saying where it is
 */
export function encodeState(value: StateValue): Uint8Array<ArrayBuffer> {
  const arrays: StateArray[] = [];
  let dataLength = 0;
  const describe = (item: unknown, path: string, depth: number): unknown => {
    if (depth > MAX_DEPTH) throw new UsageError(`state${path}: is nested deeper than ${MAX_DEPTH} levels, or contains itself`);
    if (item === null || typeof item === 'boolean' || typeof item === 'string') return item;
    if (typeof item === 'number') return Number.isFinite(item) && !Object.is(item, -0) ? item : ['n', Object.is(item, -0) ? '-0' : String(item)];
    if (typeof item === 'bigint') return ['b', String(item)];
    if (Array.isArray(item)) return ['l', ...Array.from(item, (entry, i) => describe(entry, `${path}[${i}]`, depth + 1))];
    if (ArrayBuffer.isView(item)) {
      const type = Object.prototype.toString.call(item).slice(8, -1);
      if (!Object.hasOwn(ARRAYS, type)) throw new UsageError(`state${path}: is a ${type}, which a state cannot hold`, { hint: `It holds ${Object.keys(ARRAYS).join(', ')}.` });
      const array = item as StateArray;
      const entry = ['t', type, dataLength, array.length];
      arrays.push(array);
      dataLength += align(array.byteLength);
      return entry;
    }
    const prototype: unknown = typeof item === 'object' ? Object.getPrototypeOf(item) : undefined;
    if (prototype !== Object.prototype && prototype !== null) throw new UsageError(`state${path}: is ${typeof item === 'object' ? 'an object of a class' : typeof item}, which a state cannot hold`, { hint: 'Plain objects, arrays, typed arrays, strings, numbers, bigints, booleans and null.' });
    return ['o', ...Object.entries(item as object).map(([key, entry]) => [key, describe(entry, `${path}.${key}`, depth + 1)])];
  };
  const header = new TextEncoder().encode(JSON.stringify(describe(value, '', 0)));
  const headerLength = align(header.length);
  const bytes = new Uint8Array(HEADER_AT + headerLength + dataLength);
  const view = new DataView(bytes.buffer);
  bytes.set(new TextEncoder().encode(MAGIC));
  view.setUint32(8, STATE_VERSION, true);
  view.setUint32(12, headerLength, true);
  bytes.fill(0x20, HEADER_AT, HEADER_AT + headerLength);
  bytes.set(header, HEADER_AT);
  let at = HEADER_AT + headerLength;
  for (const array of arrays) {
    bytes.set(new Uint8Array(array.buffer, array.byteOffset, array.byteLength), at);
    at += align(array.byteLength);
  }
  checksum(bytes).forEach((word, i) => view.setUint32(16 + 4 * i, word, true));
  return bytes;
}

/**
 * Reads a state. Typed arrays are copies.
 * @throws FormatError when the bytes are not a state, are damaged, or were written by a newer version
 */
export function decodeState(bytes: Uint8Array, name = 'state'): StateValue {
  const fail = (what: string, hint?: string): FormatError => new FormatError(`${name}: ${what}`, { hint });
  if (bytes.length < HEADER_AT || new TextDecoder('latin1').decode(bytes.subarray(0, 8)) !== MAGIC) throw fail(`is not the state of an analysis (${bytes.length} bytes that do not begin with ${MAGIC})`);
  // A copy of its own, so that every typed array is aligned; not by slice(), which of a Buffer of Node's is the same memory.
  const whole = new Uint8Array(bytes);
  const view = new DataView(whole.buffer);
  const version = view.getUint32(8, true);
  if (version !== STATE_VERSION) throw fail(`has version ${version}, this saekit reads ${STATE_VERSION}`, 'Use the saekit that wrote it.');
  const headerLength = view.getUint32(12, true);
  const dataAt = HEADER_AT + headerLength;
  if (headerLength % 8 !== 0 || dataAt > whole.length) throw fail(`is truncated: a header of ${headerLength} bytes in a file of ${whole.length}`);
  if (checksum(whole).some((word, i) => word !== view.getUint32(16 + 4 * i, true))) throw fail('is damaged or truncated: the checksum does not fit');
  let header: unknown;
  try {
    header = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(whole.subarray(HEADER_AT, dataAt)));
  } catch (cause) {
    throw new FormatError(`${name}: its header is not JSON`, { cause });
  }
  return restore(header, whole.subarray(dataAt), fail, 0);
}

/** Numbers that JSON cannot write. */
const SPECIAL: ReadonlyMap<string, number> = new Map([['NaN', NaN], ['Infinity', Infinity], ['-Infinity', -Infinity], ['-0', -0]]);

/** For messages: scalars as they are, anything nested by its type alone. */
const brief = (value: unknown): string => (typeof value === 'object' && value !== null ? 'an object' : (JSON.stringify(value) ?? 'nothing'));

function restore(item: unknown, data: Uint8Array<ArrayBuffer>, fail: (what: string) => FormatError, depth: number): StateValue {
  if (depth > MAX_DEPTH) throw fail(`is nested deeper than ${MAX_DEPTH} levels`);
  if (item === null || typeof item === 'boolean' || typeof item === 'string' || typeof item === 'number') return item;
  if (!Array.isArray(item)) throw fail('its header holds a bare object');
  const [kind, ...rest] = item as unknown[];
  switch (kind) {
    case 'n': {
      const number = typeof rest[0] === 'string' ? SPECIAL.get(rest[0]) : undefined;
      if (number === undefined) throw fail(`its header holds the number ${brief(rest[0])}`);
      return number;
    }
    case 'b':
      if (typeof rest[0] !== 'string' || !/^-?\d+$/.test(rest[0])) throw fail(`its header holds the bigint ${brief(rest[0])}`);
      return BigInt(rest[0]);
    case 'l':
      return rest.map((entry) => restore(entry, data, fail, depth + 1));
    case 'o':
      // fromEntries makes own properties of every key, `__proto__` too.
      return Object.fromEntries(
        rest.map((entry) => {
          if (!Array.isArray(entry) || entry.length !== 2 || typeof entry[0] !== 'string') throw fail('its header holds a malformed property');
          return [entry[0], restore(entry[1], data, fail, depth + 1)];
        }),
      );
    case 't': {
      const [type, offset, length] = rest;
      const Type = typeof type === 'string' && Object.hasOwn(ARRAYS, type) ? ARRAYS[type as ArrayName] : undefined;
      if (Type === undefined) throw fail(`its header holds an array of type ${brief(type)}`);
      if (!isIndex(offset) || !isIndex(length) || offset % 8 !== 0 || offset + length * Type.BYTES_PER_ELEMENT > data.length) {
        throw fail(`an array of ${brief(length)} ${brief(type)} values at byte ${brief(offset)} does not lie in its ${data.length} bytes of data`);
      }
      return new Type(data.slice(offset, offset + length * Type.BYTES_PER_ELEMENT).buffer);
    }
    default:
      throw fail(`its header holds a value of kind ${brief(kind)}`);
  }
}

const isIndex = (value: unknown): value is number => typeof value === 'number' && Number.isSafeInteger(value) && value >= 0;

/** Two chained hashes over the version, the header's length, the total length, and all that follows the checksum. */
function checksum(bytes: Uint8Array<ArrayBuffer>): [number, number] {
  const words = new Uint32Array(bytes.buffer, 0, bytes.length >> 2);
  const rest = bytes.subarray(words.length * 4);
  let a = hash32(bytes.length, words[2] ?? 0, words[3] ?? 0);
  let b = hash32(~bytes.length, words[3] ?? 0, words[2] ?? 0);
  for (let i = HEADER_AT / 4; i < words.length; i += 2) {
    a = hash32(a, words[i] ?? 0, words[i + 1] ?? 0);
    b = (Math.imul(b, 31) + a) >>> 0;
  }
  for (const byte of rest) a = hash32(a, byte);
  return [a, b];
}
