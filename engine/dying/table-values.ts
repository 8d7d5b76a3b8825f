/** Columns of a pack's tables as arrays that have one kind of number, NaN for null. */
import { FormatError } from '../errors.js';
import type { ColumnValues, DecodedTable, Pack } from '../pack/reader.js';

/** Some columns of one of a pack's tables. */
export type ReadTable = (name: string, ...columns: string[]) => Promise<DecodedTable>;

/** Whole numbers beyond 2^32 come as f64. */
export function numbers(values: ColumnValues | ArrayLike<unknown>): Float64Array {
  return Float64Array.from(values as ArrayLike<unknown>, (value: unknown) => (value === null || value === undefined ? NaN : Number(value)));
}

export function flags(values: ColumnValues): Uint8Array {
  return Uint8Array.from(values as ArrayLike<number>);
}

export function lists(values: ColumnValues): Float32Array[] {
  return Array.from(values as ArrayLike<ArrayLike<number> | null>, (value) => Float32Array.from(value ?? []));
}

/** '' for null. */
export function strings(values: ColumnValues): string[] {
  return Array.from(values as ArrayLike<unknown>, (value) => (typeof value === 'string' ? value : ''));
}

/** @throws FormatError that names the pack and the table */
export function fail(pack: Pick<Pack, 'name'>, table: string, what: string): never {
  throw new FormatError(`${pack.name}: the table ${table} ${what}`, { hint: 'The pack is damaged, or was put together from others: copy it again.' });
}
