/**
 * One Parquet column of a pack, from bytes to values, on hyparquet's primitives
 * (Thrift, page headers, plain, delta and byte-split values).
 *
 * hyparquet's own column reader trusts its input: a run length in a damaged page
 * can make it loop or allocate without end. A pack may come from anywhere, so
 * here every length is checked against the bytes that are there before it is
 * believed. Kept true: the work is bounded by the size of the input and
 * `MAX_VALUES`, and whatever is wrong is thrown, never returned.
 */
import { parquetHeader } from 'hyparquet/src/column.js';
import { deltaBinaryUnpack } from 'hyparquet/src/delta.js';
import { byteStreamSplit } from 'hyparquet/src/encoding.js';
import { readPlain } from 'hyparquet/src/plain.js';
import type { DataReader, PageHeader } from 'hyparquet/src/types.js';
import { gunzipPage } from './gunzip-page.js';
import { PHYSICAL, type ParsedType } from './column-type.js';

/** Most values (list elements count) that one page may hold. */
const MAX_VALUES = 1 << 24;

export type NumericArray = Uint8Array | Int32Array | Uint32Array | Float32Array | Float64Array;
/** Values of a column without nulls: numbers typed, the rest plain. */
export type FlatValues = NumericArray | string[] | boolean[];
/**
 * One entry a row: numbers in a typed array where no row is null, else a plain
 * array with nulls; a list column has a typed (or plain) array or null a row.
 */
export type ColumnValues = FlatValues | unknown[];

/** The pages of one column chunk, decoded. */
interface Page {
  readonly rows: number;
  readonly values: ColumnValues;
}

/**
 * Reads pages from `reader` until `end`, or just one data page (after its
 * dictionary) when `end` is null.
 * @throws Error with what is wrong with the bytes
 */
export function readColumnPages(reader: DataReader, type: ParsedType, end: number | null): Page {
  let dictionary: FlatValues | null = null;
  const pages: Page[] = [];
  do {
    const header = parquetHeader(reader);
    const body = takeBytes(reader, header.compressed_page_size, end);
    if (header.type === 'DICTIONARY_PAGE') {
      if (dictionary !== null || pages.length > 0) throw new Error('a second dictionary page');
      dictionary = readDictionary(header, body, type);
    } else if (header.type === 'DATA_PAGE_V2') {
      pages.push(readDataPage(header, body, type, dictionary));
    } else {
      throw new Error(`a page of type ${header.type}`);
    }
  } while (end === null ? pages.length === 0 : reader.offset < end);
  return joinPages(pages);
}

function joinPages(pages: readonly Page[]): Page {
  const first = pages[0];
  if (first === undefined) throw new Error('a column without a data page');
  if (pages.length === 1) return first;
  const rows = pages.reduce((sum, page) => sum + page.rows, 0);
  return { rows, values: joinValues(pages.map((page) => page.values)) };
}

/** Values one after the other, typed when all are typed alike. */
export function joinValues(parts: readonly ColumnValues[]): ColumnValues {
  const first = parts[0];
  if (parts.length === 1 && first !== undefined) return first;
  if (first !== undefined && ArrayBuffer.isView(first) && parts.every((part) => part.constructor === first.constructor)) {
    const typed = parts as readonly Float64Array[];
    const whole = new (first.constructor as Float64ArrayConstructor)(typed.reduce((sum, part) => sum + part.length, 0));
    let at = 0;
    for (const part of typed) {
      whole.set(part, at);
      at += part.length;
    }
    return whole;
  }
  const whole: unknown[] = [];
  for (const part of parts) for (let i = 0; i < part.length; i++) whole.push(part[i]);
  return whole;
}

function takeBytes(reader: DataReader, length: number, end: number | null): Uint8Array {
  const left = (end ?? reader.view.byteLength) - reader.offset;
  if (!(length >= 0) || length > left) throw new Error(`a page of ${length} bytes where ${left} are left`);
  const bytes = new Uint8Array(reader.view.buffer, reader.view.byteOffset + reader.offset, length);
  reader.offset += length;
  return bytes;
}

const readerOf = (bytes: Uint8Array): DataReader => ({ view: new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength), offset: 0 });

function checkCount(count: number | undefined, what: string): number {
  if (count === undefined || !(count >= 0) || count > MAX_VALUES) throw new Error(`a page of ${count} ${what}`);
  return count;
}

function readDictionary(header: PageHeader, body: Uint8Array, type: ParsedType): FlatValues {
  const count = checkCount(header.dictionary_page_header?.num_values, 'dictionary entries');
  return plainValues(gunzipPage(body, header.uncompressed_page_size), count, type);
}

function readDataPage(header: PageHeader, body: Uint8Array, type: ParsedType, dictionary: FlatValues | null): Page {
  const info = header.data_page_header_v2;
  if (info === undefined) throw new Error('a data page without its header');
  const count = checkCount(info.num_values, 'values');
  const rows = checkCount(info.num_rows, 'rows');
  const repetition = takeLevels(body, 0, info.repetition_levels_byte_length);
  const definition = takeLevels(body, repetition.byteLength, info.definition_levels_byte_length);
  const levels = repetition.byteLength + definition.byteLength;
  const defined = readRuns(definition, type.list ? 2 : 1, count);
  const top = type.list ? 2 : 1;
  let filled = 0;
  for (let i = 0; i < count; i++) if (defined[i] === top) filled++;
  const data = body.subarray(levels);
  const page = info.is_compressed === false ? data : gunzipPage(data, header.uncompressed_page_size - levels);
  const values = readValues(page, info.encoding, filled, type, dictionary);
  if (type.list) return { rows, values: buildLists(values, defined, readRuns(repetition, 1, count), rows) };
  if (rows !== count) throw new Error(`${count} values in ${rows} rows`);
  return { rows, values: filled === count ? values : withNulls(values, defined) };
}

function takeLevels(body: Uint8Array, start: number, length: number): Uint8Array {
  if (!(length >= 0) || start + length > body.byteLength) throw new Error('levels that run out of the page');
  return body.subarray(start, start + length);
}

/**
 * Parquet's hybrid of run lengths and bit-packed values.
 * @param width bits of a value, at most 24 (enough for MAX_VALUES); 0 gives zeros
 */
function readRuns(bytes: Uint8Array, width: number, count: number): Uint32Array {
  if (width > 24) throw new Error(`indices of ${width} bits`);
  const output = new Uint32Array(count);
  const mask = (1 << width) - 1;
  let at = 0;
  let filled = 0;
  const next = (): number => {
    if (at >= bytes.byteLength) throw new Error('run lengths that end too early');
    return bytes[at++] as number;
  };
  while (filled < count) {
    let header = 0;
    for (let shift = 0, byte = 0x80; byte & 0x80; shift += 7) {
      if (shift > 28) throw new Error('a run length of more than 32 bits');
      byte = next();
      header |= (byte & 0x7f) << shift;
    }
    const length = header >>> 1;
    if (header & 1) {
      // Whole groups of 8; the last may be padded beyond the count.
      if (length === 0 || length * 8 > count - filled + 7) throw new Error('more packed values than the page has');
      let buffer = 0;
      let bits = 0;
      for (let i = length * 8; i > 0; i--) {
        for (; bits < width; bits += 8) buffer |= next() << bits;
        if (filled < count) output[filled++] = buffer & mask;
        buffer >>>= width;
        bits -= width;
      }
    } else {
      if (length === 0 || length > count - filled) throw new Error('a run longer than the page');
      let value = 0;
      for (let shift = 0; shift < width; shift += 8) value |= next() << shift;
      output.fill(value, filled, filled + length);
      filled += length;
    }
  }
  return output;
}

function readValues(page: Uint8Array, encoding: string | undefined, count: number, type: ParsedType, dictionary: FlatValues | null): FlatValues {
  const { type: physical } = PHYSICAL[type.scalar];
  if (encoding === 'RLE_DICTIONARY') {
    if (dictionary === null) throw new Error('dictionary indices without a dictionary');
    return lookUp(dictionary, readRuns(page.subarray(1), page[0] ?? 0, count));
  }
  if (encoding === 'PLAIN') return plainValues(page, count, type);
  if (encoding === 'RLE' && physical === 'BOOLEAN') return Array.from(readRuns(page.subarray(4), 1, count), (bit) => bit === 1);
  if (count === 0) return logicalValues([], type);
  if (encoding === 'BYTE_STREAM_SPLIT' && (physical === 'FLOAT' || physical === 'DOUBLE')) {
    if (count * (physical === 'FLOAT' ? 4 : 8) !== page.byteLength) throw new Error(`${count} numbers in ${page.byteLength} bytes`);
    return logicalValues(byteStreamSplit(readerOf(page), count, physical, undefined), type);
  }
  if (encoding === 'DELTA_BINARY_PACKED' && (physical === 'INT32' || physical === 'INT64')) {
    // Blocks of 128 in 4 parts, as every writer makes them: other sizes could send the unpacker backwards.
    if (page[0] !== 0x80 || page[1] !== 0x01 || page[2] !== 0x04) throw new Error('delta blocks of an unknown size');
    const output = physical === 'INT32' ? new Int32Array(count) : new BigInt64Array(count);
    deltaBinaryUnpack(readerOf(page), count, output);
    return logicalValues(output, type);
  }
  throw new Error(`values of type ${type.scalar} in the encoding ${encoding}`);
}

/** The reader of text: a byte order mark is a character of the token, damaged UTF-8 becomes U+FFFD. */
const utf8 = new TextDecoder('utf-8', { ignoreBOM: true });

function plainValues(page: Uint8Array, count: number, type: ParsedType): FlatValues {
  const { type: physical } = PHYSICAL[type.scalar];
  // Each value takes at least a bit (booleans) or four bytes: no array is made for values that cannot be there.
  if (count > page.byteLength * (physical === 'BOOLEAN' ? 8 : 0.25)) throw new Error(`${count} values in ${page.byteLength} bytes`);
  return logicalValues(readPlain(readerOf(page), physical, count, undefined) as ArrayLike<unknown>, type);
}

/** From what Parquet stores to what the column's type says. */
function logicalValues(data: ArrayLike<unknown>, type: ParsedType): FlatValues {
  const list = data as never;
  switch (type.scalar) {
    case 'bool':
      return Array.from(data) as boolean[];
    case 'string':
      return Array.from(data as ArrayLike<Uint8Array>, (bytes) => utf8.decode(bytes));
    case 'u8':
      return Uint8Array.from(list);
    case 'u32':
      return Uint32Array.from(list);
    case 'i32':
      return Int32Array.from(list);
    case 'u64':
      return Float64Array.from(data as ArrayLike<bigint>, (value) => {
        if (value < 0n || value > BigInt(Number.MAX_SAFE_INTEGER)) throw new Error(`the count ${value}, outside of 0 to 2^53 - 1`);
        return Number(value);
      });
    case 'f32':
      return Float32Array.from(list);
    case 'f64':
      return Float64Array.from(list);
  }
}

function lookUp(dictionary: FlatValues, indices: Uint32Array): FlatValues {
  const size = dictionary.length;
  for (const index of indices) if (index >= size) throw new Error(`entry ${index} of a dictionary of ${size}`);
  if (ArrayBuffer.isView(dictionary)) {
    const values = new (dictionary.constructor as Float64ArrayConstructor)(indices.length);
    indices.forEach((index, i) => (values[i] = dictionary[index] as number));
    return values;
  }
  return Array.from(indices, (index) => dictionary[index]) as string[] | boolean[];
}

function withNulls(values: FlatValues, defined: Uint32Array): unknown[] {
  let at = 0;
  return Array.from(defined, (level) => (level === 1 ? values[at++] : null));
}

/** Definition 0: the list is null; 1: it is empty; 2: an element. Repetition 0 begins a row. */
function buildLists(values: FlatValues, defined: Uint32Array, repeated: Uint32Array, rows: number): unknown[] {
  const lists: unknown[] = [];
  let start = 0;
  let at = 0;
  const close = (): void => {
    if (lists.length > 0 && lists[lists.length - 1] === undefined) lists[lists.length - 1] = values.slice(start, at);
    start = at;
  };
  for (let i = 0; i < defined.length; i++) {
    const level = defined[i];
    if (repeated[i] === 0) {
      close();
      lists.push(level === 0 ? null : undefined);
    } else if (lists.length === 0 || level !== 2 || lists[lists.length - 1] === null || at === start) {
      throw new Error('a list that goes on where none began');
    }
    if (level === 2) at++;
    else if (level === 3) throw new Error('a definition level of 3');
  }
  close();
  if (lists.length !== rows) throw new Error(`${lists.length} lists in ${rows} rows`);
  return lists;
}
