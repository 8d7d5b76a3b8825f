/**
 * What a plugin hands in at the end, checked before the pack is written: one
 * wrong value must cost its own plugin, never the pack.
 */
import { ShapeError } from '../engine/errors.js';
import { checkTable } from '../engine/pack/check-table.js';
import { parseTypeName, typeName } from '../engine/pack/column-type.js';
import { CARD_GROUPS, featureColumnName, tableName } from '../engine/pack/names.js';
import type { AnalysisResult } from '../engine/run/accumulator.js';
import type { Column, Table } from '../engine/run/table.js';

const SNAKE_CASE = /^[a-z][a-z0-9_]*$/;

/** A result that a pack can hold, all parts present. */
export interface CheckedResult {
  readonly features: readonly Column[];
  readonly tables: readonly Table[];
  /** A copy, JSON. */
  readonly summary: Readonly<Record<string, unknown>> | null;
}

/** Names in the pack that are taken: columns of features.parquet, and tables. */
export interface TakenNames {
  readonly columns: Set<string>;
  readonly tables: Set<string>;
}

/**
 * Checks lengths, types, every value, names and their uniqueness in the pack,
 * and adds the names to `taken`. Feature columns of plugins outside `sae/` get
 * their prefix from the pack's writer; names are checked with it.
 *
 * @throws ShapeError naming table, column and row; NumericError for NaN and infinity
 */
export function checkResult(plugin: string, result: AnalysisResult, d_sae: number, taken: TakenNames): CheckedResult {
  if (typeof result !== 'object' || result === null) throw new ShapeError(`finish() gave ${result === null ? 'null' : typeof result}, expected { features?, tables?, summary? }`);
  const features = list<Column>(result.features, 'features');
  const tables = list<Table>(result.tables, 'tables');

  features.forEach((column) => checkColumn(column, 'features'));
  const named = features.map((column) => ({ ...column, name: featureColumnName(plugin, column.name) }));
  checkTable({ name: 'features', rows: d_sae, columns: named });
  for (const { name, data } of named) {
    if (name === 'feature') {
      for (let i = 0; i < d_sae; i++) if (data[i] !== i) throw new ShapeError(`the column \`feature\` must be 0 to ${d_sae - 1}, row ${i} is ${String(data[i])}`);
    } else if (taken.columns.has(name)) {
      throw new ShapeError(`features.parquet already has a column ${name}`, { hint: 'Another plugin, or this one, brought it.' });
    }
  }

  const tableNames = new Set<string>();
  for (const table of tables) {
    if (typeof table !== 'object' || table === null || typeof table.name !== 'string' || !SNAKE_CASE.test(table.name)) throw new ShapeError(`${JSON.stringify((table as Table | null)?.name) ?? 'undefined'} cannot name a table`, { hint: 'Use snake_case.' });
    const { name } = tableName(plugin, table.name);
    if (name === 'features' || name === 'summary' || taken.tables.has(name) || tableNames.has(name)) throw new ShapeError(`the pack already has a table ${name}`);
    tableNames.add(name);
    if (!Number.isSafeInteger(table.rows) || table.rows < 0) throw new ShapeError(`table ${table.name}: rows is ${String(table.rows)}`);
    list<Column>(table.columns, `table ${table.name}: columns`).forEach((column) => checkColumn(column, table.name));
    if (table.columns.length === 0) throw new ShapeError(`table ${table.name} has no columns`);
    const featuresPerGroup = (plugin.startsWith('sae/') && Object.hasOwn(CARD_GROUPS, table.name) ? CARD_GROUPS[table.name] : undefined) ?? table.featuresPerGroup;
    checkTable(featuresPerGroup === undefined ? table : { ...table, featuresPerGroup });
    if (featuresPerGroup === undefined || table.rows === 0) continue;
    const last = table.columns.find(({ name: column }) => column === 'feature')?.data[table.rows - 1] as number;
    if (last >= d_sae) throw new ShapeError(`table ${table.name} has a row of feature ${last}; the SAE has ${d_sae} features`);
  }

  const { summary } = result;
  if (summary !== undefined) {
    if (typeof summary !== 'object' || summary === null || Array.isArray(summary)) throw new ShapeError('summary must be an object');
    const problem = jsonProblem(summary, 'summary', 0);
    if (problem !== null) throw new ShapeError(problem, { hint: 'A summary is JSON: finite numbers, strings, booleans, null, arrays and objects.' });
  }
  for (const { name } of named) taken.columns.add(name);
  for (const name of tableNames) taken.tables.add(name);
  return { features, tables, summary: summary === undefined ? null : (JSON.parse(JSON.stringify(summary)) as Record<string, unknown>) };
}

function list<T>(value: unknown, what: string): readonly T[] {
  if (value === undefined) return [];
  if (!Array.isArray(value)) throw new ShapeError(`${what} must be an array, got ${value === null ? 'null' : typeof value}`);
  return value as T[];
}

function checkColumn(column: Column, table: string): void {
  if (typeof column !== 'object' || column === null) throw new ShapeError(`table ${table}: a column is an object with name, type, data and description`);
  const { name, type, data, description } = column;
  if (typeof name !== 'string' || !SNAKE_CASE.test(name)) throw new ShapeError(`table ${table}: ${JSON.stringify(name) ?? 'undefined'} cannot name a column`, { hint: 'Use snake_case.' });
  const where = `table ${table}, column ${name}`;
  if (type === undefined || type === null) throw new ShapeError(`${where}: has no type`);
  parseTypeName(typeName(type), where);
  if (typeof description !== 'string' || description === '') throw new ShapeError(`${where}: has no description`);
  if (typeof data !== 'object' || data === null || typeof data.length !== 'number') throw new ShapeError(`${where}: data must be an array or typed array`);
}

function jsonProblem(value: unknown, path: string, depth: number): string | null {
  if (depth > 32) return `${path} is nested too deeply, or contains itself`;
  switch (typeof value) {
    case 'string':
    case 'boolean':
      return null;
    case 'undefined':
      return null;
    case 'number':
      return Number.isFinite(value) ? null : `${path} is ${value}`;
    case 'object': {
      if (value === null) return null;
      if (ArrayBuffer.isView(value)) return `${path} is a typed array`;
      for (const [key, entry] of Object.entries(value)) {
        const problem = jsonProblem(entry, Array.isArray(value) ? `${path}[${key}]` : `${path}.${key}`, depth + 1);
        if (problem !== null) return problem;
      }
      return null;
    }
    default:
      return `${path} is a ${typeof value}`;
  }
}
