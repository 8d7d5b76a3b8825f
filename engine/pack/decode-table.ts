/**
 * Row groups and whole tables of a pack. A group of a card table is decoded from
 * its bytes alone: columns follow each other in the manifest's order, each as at
 * most one dictionary page and one data page. A whole table is read by its footer.
 */
import { deserializeTCompactProtocol } from 'hyparquet/src/thrift.js';
import { FormatError } from '../errors.js';
import type { ParsedType } from './column-type.js';
import { joinValues, readColumnPages, type ColumnValues } from './decode-page.js';

export interface TableColumn {
  readonly name: string;
  readonly type: ParsedType;
}

/** Columns by name, each with one entry a row. */
export interface DecodedTable {
  readonly rows: number;
  readonly columns: Readonly<Record<string, ColumnValues>>;
}

const HINT = 'The file is damaged, or does not belong to this manifest: copy the whole pack again.';

/** Runs a decoder; whatever it throws becomes a FormatError that names file and column. */
function guarded<T>(where: string, work: () => T): T {
  try {
    return work();
  } catch (cause) {
    if (cause instanceof FormatError) throw cause;
    throw new FormatError(`${where}: ${cause instanceof Error ? cause.message : String(cause)}`, { cause, hint: HINT });
  }
}

const emptyColumns = (): Record<string, ColumnValues> => Object.create(null) as Record<string, ColumnValues>;

/** @param bytes exactly the row group; none for a group without rows */
export function decodeGroup(file: string, bytes: Uint8Array, columns: readonly TableColumn[]): DecodedTable {
  const decoded = emptyColumns();
  let rows: number | null = null;
  const reader = { view: new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength), offset: 0 };
  for (const { name, type } of columns) {
    if (bytes.byteLength === 0) {
      decoded[name] = [];
      continue;
    }
    const page = guarded(`${file}, column ${name}`, () => readColumnPages(reader, type, null));
    if (rows !== null && page.rows !== rows) throw new FormatError(`${file}, column ${name}: ${page.rows} rows where other columns have ${rows}`, { hint: HINT });
    rows = page.rows;
    decoded[name] = page.values;
  }
  if (reader.offset !== bytes.byteLength) {
    throw new FormatError(`${file}: ${bytes.byteLength - reader.offset} bytes are left over in a row group`, { hint: HINT });
  }
  return { rows: rows ?? 0, columns: decoded };
}

const MAGIC = 0x31524150; // PAR1
/** CompressionCodec of parquet.thrift. */
const GZIP = 2;

interface Chunk {
  readonly path: string;
  readonly start: number;
  readonly end: number;
}

interface RowGroup {
  readonly rows: number;
  readonly chunks: readonly Chunk[];
}

/** The few fields of a footer that say where column chunks lie (parquet.thrift, FileMetaData). */
function readFooter(bytes: Uint8Array): RowGroup[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const size = bytes.byteLength;
  if (size < 12 || view.getUint32(0, true) !== MAGIC) throw new Error('not a Parquet file (does not begin with PAR1)');
  if (view.getUint32(size - 4, true) !== MAGIC) throw new Error('the file is cut off (does not end with PAR1)');
  const length = view.getUint32(size - 8, true);
  if (length > size - 12) throw new Error(`a footer of ${length} bytes in a file of ${size}`);
  const footer = deserializeTCompactProtocol({ view: new DataView(bytes.buffer, bytes.byteOffset + size - 8 - length, length), offset: 0 });
  return listOf(footer.field_4).map((group) => ({
    rows: count(group.field_3),
    chunks: listOf(group.field_1).map((column) => {
      const meta = (column.field_3 ?? {}) as Thrift;
      if (meta.field_4 !== GZIP) throw new Error('a column that is not compressed by gzip');
      const path = new TextDecoder().decode((meta.field_3 as Uint8Array[] | undefined)?.[0]);
      const start = meta.field_11 === undefined ? count(meta.field_9) : count(meta.field_11);
      const end = start + count(meta.field_7);
      if (start < 4 || end > size - 8 - length) throw new Error(`column ${path} lies outside of the file`);
      return { path, start, end };
    }),
  }));
}

type Thrift = Readonly<Record<`field_${number}`, unknown>>;

const listOf = (value: unknown): readonly Thrift[] => {
  if (value !== undefined && !Array.isArray(value)) throw new Error('a footer with something else than a list of row groups');
  return (value ?? []) as readonly Thrift[];
};

function count(value: unknown): number {
  const number = typeof value === 'bigint' ? Number(value) : value;
  if (typeof number !== 'number' || !Number.isSafeInteger(number) || number < 0) throw new Error(`a footer with ${String(value)} where a size was expected`);
  return number;
}

/**
 * A whole file.
 * @param rows how many rows the manifest promises
 */
export function decodeTable(file: string, bytes: Uint8Array, columns: readonly TableColumn[], rows: number): DecodedTable {
  const groups = guarded(file, () => readFooter(bytes));
  const total = groups.reduce((sum, group) => sum + group.rows, 0);
  if (total !== rows) throw new FormatError(`${file}: has ${total} rows, the manifest says ${rows}`, { hint: HINT });
  const decoded = emptyColumns();
  for (const { name, type } of columns) {
    decoded[name] = guarded(`${file}, column ${name}`, () => {
      const parts = groups.map((group) => {
        const chunk = group.chunks.find(({ path }) => path === name);
        if (chunk === undefined) throw new Error('is in the manifest, but not in the file');
        const reader = { view: new DataView(bytes.buffer, bytes.byteOffset, chunk.end), offset: chunk.start };
        const page = readColumnPages(reader, type, chunk.end);
        if (page.rows !== group.rows) throw new Error(`${page.rows} rows in a row group of ${group.rows}`);
        return page.values;
      });
      return parts.length === 0 ? [] : joinValues(parts);
    });
  }
  return { rows, columns: decoded };
}
