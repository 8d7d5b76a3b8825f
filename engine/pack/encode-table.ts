/**
 * One table as Parquet, row group by row group, by hyparquet-writer.
 *
 * Kept true: equal tables give equal bytes; a table with `featuresPerGroup` has
 * one data page a column and row group, so that a group can be decoded without
 * the footer; statistics are kept of `feature` alone, which is what a query
 * prunes by, because a footer grows with row groups x columns.
 *
 * Encodings are fixed by type, as bench/pack.ts measured them to be smallest:
 * whole numbers DELTA_BINARY_PACKED, floats BYTE_STREAM_SPLIT, strings
 * RLE_DICTIONARY, everything then compressed by gzip: of what every reader of
 * Parquet knows it is what packs dictionaries of tokens closest (a fifth smaller
 * packs than with Snappy), and the inflating is paid once for a card.
 */
import { gzipSync } from 'fflate';
import { ByteWriter } from 'hyparquet-writer/src/bytewriter.js';
import { ParquetWriter } from 'hyparquet-writer/src/parquet-writer.js';
import type { ScalarType, Table, Column } from '../run/table.js';
import { parquetSchemaOf, parsedType } from './column-type.js';

/** Rows of a group in a table that has no groups by feature. */
const PLAIN_GROUP_ROWS = 1_000_000;
const PLAIN_PAGE_BYTES = 1 << 20;
/** Encoded bytes are handed on in pieces of about this size. */
const PIECE_BYTES = 1 << 20;

type Encoding = 'PLAIN' | 'RLE_DICTIONARY' | 'DELTA_BINARY_PACKED' | 'BYTE_STREAM_SPLIT';

const ENCODING: Readonly<Record<ScalarType, Encoding | undefined>> = {
  bool: undefined,
  u8: 'DELTA_BINARY_PACKED',
  u32: 'DELTA_BINARY_PACKED',
  i32: 'DELTA_BINARY_PACKED',
  u64: 'DELTA_BINARY_PACKED',
  f32: 'BYTE_STREAM_SPLIT',
  f64: 'BYTE_STREAM_SPLIT',
  string: 'RLE_DICTIONARY',
};

/** What lies between two row groups' ends. */
export interface EncodedTable {
  /** Bytes of each row group, when the table has groups by feature: ceil(features / featuresPerGroup) entries. */
  readonly sizes: readonly number[] | null;
}

export interface EncodeOptions {
  /** Features of the pack: how many groups there are. */
  readonly features: number;
  readonly createdBy: string;
  readonly signal?: AbortSignal | undefined;
  /** Takes the file's bytes in order. The array is the receiver's. */
  emit(bytes: Uint8Array): Promise<void>;
}

/** Writes a table that `checkTable` has passed. */
export async function encodeTable(table: Table, options: EncodeOptions): Promise<EncodedTable> {
  const bytes = new ByteWriter(PIECE_BYTES);
  const parquet = new ParquetWriter({
    writer: bytes,
    schema: parquetSchemaOf(table.columns),
    codec: 'GZIP',
    // No time in the gzip header: equal tables give equal bytes.
    compressors: { GZIP: (page) => gzipSync(page, { level: 6, mtime: 0 }) },
    statistics: false,
    createdBy: options.createdBy,
  });
  const flush = async (all: boolean): Promise<void> => {
    if (!all && bytes.index < PIECE_BYTES) return;
    const piece = bytes.getBytes().slice();
    // The offset counts on: only the buffer begins anew.
    bytes.index = 0;
    if (piece.byteLength > 0) await options.emit(piece);
  };

  const byFeature = table.featuresPerGroup !== undefined;
  const sizes: number[] = [];
  for (const [from, to] of groups(table, options.features)) {
    options.signal?.throwIfAborted();
    const before = bytes.offset;
    if (to > from) {
      await parquet.write({
        columnData: table.columns.map((column) => ({
          name: column.name,
          data: physicalValues(column, from, to),
          // hyparquet-writer picks RLE for booleans by itself.
          ...encodingOf(column),
          statistics: column.name === 'feature',
          offsetIndex: false,
        })),
        rowGroupSize: to - from,
        pageSize: byFeature ? Infinity : PLAIN_PAGE_BYTES,
      });
    }
    sizes.push(bytes.offset - before);
    await flush(false);
  }
  await parquet.finish();
  await flush(true);
  return { sizes: byFeature ? sizes : null };
}

function encodingOf(column: Column): { encoding?: Encoding } {
  const encoding = ENCODING[parsedType(column.type).scalar];
  return encoding === undefined ? {} : { encoding };
}

/** Row ranges of the row groups; with groups by feature, empty ones too. */
function* groups(table: Table, features: number): Generator<readonly [number, number]> {
  const { featuresPerGroup, rows } = table;
  if (featuresPerGroup === undefined) {
    for (let from = 0; from < rows; from += PLAIN_GROUP_ROWS) yield [from, Math.min(rows, from + PLAIN_GROUP_ROWS)];
    return;
  }
  const feature = table.columns.find((column) => column.name === 'feature')?.data ?? [];
  let from = 0;
  for (let first = 0; first < features; first += featuresPerGroup) {
    let to = from;
    while (to < rows && (feature[to] as number) < first + featuresPerGroup) to++;
    yield [from, to];
    from = to;
  }
}

/** The rows of a column as hyparquet-writer takes them. */
function physicalValues(column: Column, from: number, to: number): unknown[] {
  const { scalar, list } = parsedType(column.type);
  const convert = converter(scalar);
  const values: unknown[] = new Array(to - from);
  for (let row = from; row < to; row++) {
    const value = column.data[row];
    if (value === null) values[row - from] = null;
    else values[row - from] = list ? Array.from(value as ArrayLike<unknown>, convert) : convert(value);
  }
  return values;
}

function converter(scalar: ScalarType): (value: unknown) => unknown {
  if (scalar === 'u64') return (value) => BigInt(value as number | bigint);
  if (scalar === 'u8' || scalar === 'u32' || scalar === 'i32') return (value) => Number(value);
  return (value) => value;
}
