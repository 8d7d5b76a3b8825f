/**
 * safetensors: a little-endian u64 header length, a JSON header, then the data.
 * Everything that the specification demands is checked when a file is opened,
 * by reading the header alone; tensors are then read by range.
 *
 * https://github.com/huggingface/safetensors#format
 */
import { FormatError } from '../errors.js';
import type { ByteSource } from '../io/bytes.js';
import { messageOf } from '../io/checks.js';
import { DTYPE_BYTES, type Dtype } from './dtype.js';
import { show, sizeOf, tensorAt, type Tensor } from './tensor.js';

/** The specification's bound on the header. */
const MAX_HEADER = 100_000_000;

const DTYPES: Readonly<Record<string, Dtype>> = {
  BOOL: 'bool', U8: 'u8', I8: 'i8', U16: 'u16', I16: 'i16', U32: 'u32', I32: 'i32', U64: 'u64', I64: 'i64', F16: 'f16', BF16: 'bf16', F32: 'f32', F64: 'f64',
};
/** Types that the format knows and this reader does not convert; bits of one element. */
const UNREAD: Readonly<Record<string, number>> = {
  F8_E5M2: 8, F8_E4M3: 8, F8_E8M0: 8, F8_E4M3FNUZ: 8, F8_E5M2FNUZ: 8, F4: 4, F6_E2M3: 6, F6_E3M2: 6, C64: 64,
};

export interface TensorFile {
  readonly name: string;
  readonly tensors: ReadonlyMap<string, Tensor>;
  readonly metadata: Readonly<Record<string, string>>;
}

interface Entry {
  readonly name: string;
  readonly dtype: string;
  readonly shape: readonly number[];
  readonly begin: number;
  readonly end: number;
}

/** Keys of the outermost object of well-formed JSON, duplicates kept: JSON.parse keeps only the last. */
function outerKeys(json: string): string[] {
  const keys: string[] = [];
  let depth = 0;
  let string: readonly [number, number] = [0, 0];
  for (let at = 0; at < json.length; at++) {
    const character = json[at];
    if (character === '"') {
      const start = at++;
      for (; json[at] !== '"'; at++) if (json[at] === '\\') at++;
      string = [start, at + 1];
    } else if (character === '{' || character === '[') depth++;
    else if (character === '}' || character === ']') depth--;
    else if (character === ':' && depth === 1) keys.push(JSON.parse(json.slice(...string)) as string);
  }
  return keys;
}

function parseEntry(file: string, name: string, value: unknown): Entry {
  const label = `${file}: tensor ${JSON.stringify(name)}`;
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw new FormatError(`${label}: its header entry is not an object`);
  const { dtype, shape, data_offsets: offsets } = value as { dtype?: unknown; shape?: unknown; data_offsets?: unknown };
  if (typeof dtype !== 'string') throw new FormatError(`${label}: has no dtype`);
  const isIndex = (n: unknown): n is number => Number.isSafeInteger(n) && (n as number) >= 0;
  if (!Array.isArray(shape) || !shape.every(isIndex)) throw new FormatError(`${label}: its shape is not a list of whole numbers`);
  if (!Array.isArray(offsets) || offsets.length !== 2 || !offsets.every(isIndex)) throw new FormatError(`${label}: its data_offsets are not two whole numbers`);
  const [begin, end] = offsets as [number, number];
  const known = DTYPES[dtype];
  const bits = known === undefined ? UNREAD[dtype] : DTYPE_BYTES[known] * 8;
  if (bits === undefined) throw new FormatError(`${label}: dtype ${JSON.stringify(dtype)} is unknown`, { hint: `Known are ${Object.keys(DTYPES).join(', ')}.` });
  const bytes = (sizeOf(shape, label) * bits) / 8;
  if (begin > end || end - begin !== bytes) {
    throw new FormatError(`${label}: shape ${show(shape)} of ${dtype} takes ${bytes} bytes, its data_offsets [${begin}, ${end}] give ${end - begin}`);
  }
  return { name, dtype, shape, begin, end };
}

/** No hole, no overlap, and the last tensor ends where the file does. */
function checkLayout(file: string, entries: readonly Entry[], dataBytes: number): void {
  const sorted = [...entries].sort((a, b) => a.begin - b.begin || a.end - b.end);
  let at = 0;
  let before = 'the header';
  for (const entry of sorted) {
    if (entry.begin !== at) {
      const what = entry.begin < at ? 'overlaps' : 'leaves a hole after';
      throw new FormatError(`${file}: tensor ${JSON.stringify(entry.name)} begins at byte ${entry.begin} and ${what} ${before}, which ends at ${at}`);
    }
    at = entry.end;
    before = `tensor ${JSON.stringify(entry.name)}`;
  }
  if (at !== dataBytes) {
    throw new FormatError(`${file}: the header describes ${at} bytes of data, the file holds ${dataBytes}`, { hint: at > dataBytes ? 'The file is truncated: copy or download it again.' : 'Something was appended to the file.' });
  }
}

/** A tensor whose type the format knows and this reader does not. */
function unreadTensor(entry: Entry, label: string): Tensor {
  const fail = (): Promise<never> =>
    Promise.reject(new FormatError(`${label}: dtype ${entry.dtype} cannot be converted`, { hint: 'Store it as F32, F16 or BF16.' }));
  return { name: entry.name, label, dtype: 'u8', shape: entry.shape, size: sizeOf(entry.shape, label), read: fail, rows: fail, elements: fail, integers: fail };
}

/**
 * Opens a safetensors file: two ranged reads.
 * @throws FormatError for anything that the specification forbids, naming the file and tensor
 */
export async function openSafetensors(source: ByteSource): Promise<TensorFile> {
  const file = source.name;
  if (source.byteLength < 8) throw new FormatError(`${file}: ${source.byteLength} bytes are too few for a safetensors file`);
  const length = new DataView(await source.slice(0, 8)).getBigUint64(0, true);
  if (length > BigInt(MAX_HEADER) || length > BigInt(source.byteLength - 8)) {
    throw new FormatError(`${file}: the header would be ${length} bytes long, the file has ${source.byteLength}`, {
      hint: 'It is truncated, or not a safetensors file.',
    });
  }
  const headerEnd = 8 + Number(length);
  let header: Record<string, unknown>;
  let text: string;
  try {
    text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(await source.slice(8, headerEnd));
    if (!text.startsWith('{')) throw new Error('it does not begin with "{"');
    header = JSON.parse(text) as Record<string, unknown>;
  } catch (cause) {
    throw new FormatError(`${file}: the safetensors header is not JSON (${messageOf(cause)})`, { cause });
  }
  const keys = new Set<string>();
  for (const key of outerKeys(text)) {
    if (keys.has(key)) throw new FormatError(`${file}: the header names ${JSON.stringify(key)} twice`);
    keys.add(key);
  }

  const metadata = header['__metadata__'] ?? {};
  if (typeof metadata !== 'object' || Array.isArray(metadata) || !Object.values(metadata).every((value) => typeof value === 'string')) {
    throw new FormatError(`${file}: __metadata__ is not a map of strings`);
  }
  const entries = Object.entries(header).filter(([name]) => name !== '__metadata__').map(([name, value]) => parseEntry(file, name, value));
  checkLayout(file, entries, source.byteLength - headerEnd);
  const tensors = new Map<string, Tensor>();
  for (const entry of entries) {
    const label = `${file}#${entry.name}`;
    const dtype = DTYPES[entry.dtype];
    tensors.set(
      entry.name,
      dtype === undefined ? unreadTensor(entry, label) : tensorAt({ source, name: entry.name, label, dtype, shape: entry.shape, offset: headerEnd + entry.begin }),
    );
  }
  return { name: file, tensors, metadata: metadata as Record<string, string> };
}

export interface SafetensorsEntry {
  readonly name: string;
  readonly shape: readonly number[];
  readonly data: Float32Array | Float64Array | Uint8Array | Int8Array | Uint16Array | Int16Array | Uint32Array | Int32Array | BigInt64Array | BigUint64Array;
  /** Overrides the type that the array has: `F16` and `BF16` for bits in a Uint16Array. */
  readonly dtype?: 'F16' | 'BF16';
}

const WRITTEN: Readonly<Record<string, string>> = {
  Float32Array: 'F32', Float64Array: 'F64', Uint8Array: 'U8', Int8Array: 'I8', Uint16Array: 'U16', Int16Array: 'I16', Uint32Array: 'U32', Int32Array: 'I32', BigInt64Array: 'I64', BigUint64Array: 'U64',
};

/**
 * A whole safetensors file, in the layout of the reference implementation: tensors by
 * falling element size and then by name, the header padded with spaces so that data is aligned to 8 bytes.
 * @throws FormatError when a shape does not fit its data, or a name comes twice
 */
export function writeSafetensors(entries: readonly SafetensorsEntry[], metadata: Readonly<Record<string, string>> = {}): Uint8Array<ArrayBuffer> {
  const sorted = [...entries].sort((a, b) => b.data.BYTES_PER_ELEMENT - a.data.BYTES_PER_ELEMENT || (a.name < b.name ? -1 : 1));
  const header: [string, unknown][] = Object.keys(metadata).length > 0 ? [['__metadata__', metadata]] : [];
  const names = new Set(['__metadata__']);
  let at = 0;
  for (const { name, shape, data, dtype } of sorted) {
    if (names.has(name)) throw new FormatError(`writeSafetensors: the name ${JSON.stringify(name)} is used twice or reserved`);
    names.add(name);
    if (sizeOf(shape, name) !== data.length) throw new FormatError(`writeSafetensors: ${name} has ${data.length} elements, shape ${show(shape)} was given`);
    if (dtype !== undefined && !(data instanceof Uint16Array)) throw new FormatError(`writeSafetensors: ${name}: the bits of ${dtype} come in a Uint16Array`);
    header.push([name, { dtype: dtype ?? WRITTEN[data[Symbol.toStringTag]], shape, data_offsets: [at, at + data.byteLength] }]);
    at += data.byteLength;
  }
  // fromEntries keeps a tensor called __proto__ as an own property.
  let json = new TextEncoder().encode(JSON.stringify(Object.fromEntries(header)));
  if (json.length % 8 !== 0) json = new Uint8Array([...json, ...new Uint8Array(8 - (json.length % 8)).fill(0x20)]);
  const out = new Uint8Array(8 + json.length + at);
  new DataView(out.buffer).setBigUint64(0, BigInt(json.length), true);
  out.set(json, 8);
  let offset = 8 + json.length;
  for (const { data } of sorted) {
    out.set(new Uint8Array(data.buffer, data.byteOffset, data.byteLength), offset);
    offset += data.byteLength;
  }
  return out;
}
