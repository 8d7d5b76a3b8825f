/**
 * What the writer asks of a table before a byte is written, so that a plugin
 * that hands in something else is named, and no table is half written.
 */
import { NumericError, ShapeError } from '../errors.js';
import type { Column, ScalarType, Table } from '../run/table.js';
import { parsedType } from './column-type.js';

/** A name that SQL takes without quotes. */
const NAME = /^[A-Za-z_][A-Za-z0-9_]{0,63}$/;

const RANGE: Readonly<Partial<Record<ScalarType, readonly [number, number]>>> = {
  u8: [0, 255],
  u32: [0, 0xffffffff],
  i32: [-0x80000000, 0x7fffffff],
  u64: [0, Number.MAX_SAFE_INTEGER],
};

/**
 * Checks names, lengths, every value against its column's type, and that a table
 * with `featuresPerGroup` is sorted by its `feature` column.
 * @throws ShapeError naming table, column and row; NumericError where a number is NaN or infinite (write null instead).
 */
export function checkTable(table: Pick<Table, 'name' | 'rows' | 'columns' | 'featuresPerGroup'>): void {
  const names = new Set<string>();
  for (const column of table.columns) {
    const where = `table ${table.name}, column ${column.name}`;
    if (!NAME.test(column.name)) throw new ShapeError(`table ${table.name}: ${JSON.stringify(column.name)} cannot name a column`, { hint: 'Use snake_case letters, digits and _, at most 64.' });
    if (names.has(column.name)) throw new ShapeError(`${where}: two columns have this name`);
    names.add(column.name);
    if (column.data.length !== table.rows) throw new ShapeError(`${where}: has ${column.data.length} values, the table has ${table.rows} rows`);
    checkValues(column, where);
  }
  if (table.featuresPerGroup !== undefined) checkSorted(table, table.featuresPerGroup);
}

function checkValues(column: Column, where: string): void {
  const { scalar, list } = parsedType(column.type);
  const check = checker(scalar);
  const { data } = column;
  for (let row = 0; row < data.length; row++) {
    const value = data[row];
    if (value === null) continue;
    if (!list) {
      check(value, where, row);
      continue;
    }
    if (!Array.isArray(value) && !ArrayBuffer.isView(value)) throw new ShapeError(`${where}, row ${row}: a list was expected, got ${typeof value}`);
    const items = value as unknown as ArrayLike<unknown>;
    for (let i = 0; i < items.length; i++) check(items[i], where, row);
  }
}

type Check = (value: unknown, where: string, row: number) => void;

function checker(scalar: ScalarType): Check {
  const wrong = (value: unknown, where: string, row: number): ShapeError =>
    new ShapeError(`${where}, row ${row}: ${scalar} was expected, got ${typeof value === 'string' ? 'a string' : String(value)}`);
  if (scalar === 'bool' || scalar === 'string') {
    const kind = scalar === 'bool' ? 'boolean' : 'string';
    return (value, where, row) => {
      if (typeof value !== kind) throw wrong(value, where, row);
    };
  }
  if (scalar === 'f32' || scalar === 'f64') {
    return (value, where, row) => {
      if (typeof value !== 'number') throw wrong(value, where, row);
      if (!Number.isFinite(scalar === 'f32' ? Math.fround(value) : value)) {
        throw new NumericError(`${where}, row ${row}: ${value} is not a finite ${scalar}`, { hint: 'Write null where there is no value.' });
      }
    };
  }
  const [low, high] = RANGE[scalar] as readonly [number, number];
  return (value, where, row) => {
    const whole = typeof value === 'bigint' ? Number(value) : value;
    if (typeof whole !== 'number' || !Number.isInteger(whole) || whole < low || whole > high) throw wrong(value, where, row);
  };
}

function checkSorted(table: Pick<Table, 'name' | 'columns'>, featuresPerGroup: number): void {
  if (!Number.isInteger(featuresPerGroup) || featuresPerGroup < 1) throw new ShapeError(`table ${table.name}: ${featuresPerGroup} features a group`);
  const feature = table.columns.find((column) => column.name === 'feature');
  if (feature?.type !== 'u32') throw new ShapeError(`table ${table.name}: has row groups by feature, but no u32 column \`feature\``);
  let before = 0;
  for (let row = 0; row < feature.data.length; row++) {
    const value = feature.data[row];
    if (typeof value !== 'number' || value < before) throw new ShapeError(`table ${table.name}, row ${row}: \`feature\` must ascend and have no null`);
    before = value;
  }
}
