/**
 * The types of a pack's columns, as the manifest writes them and as Parquet
 * stores them. One rule for all: every column is optional (a null is a value
 * that does not exist), lists are the standard three-level LIST with required
 * elements, and unsigned integers carry their converted type.
 */
import type { SchemaElement } from 'hyparquet';
import { FormatError } from '../errors.js';
import type { ColumnType, ScalarType } from '../run/table.js';

/** How a scalar lies in Parquet. */
interface Physical {
  readonly type: 'BOOLEAN' | 'INT32' | 'INT64' | 'FLOAT' | 'DOUBLE' | 'BYTE_ARRAY';
  readonly converted_type?: 'UTF8' | 'UINT_8' | 'UINT_32';
}

export const PHYSICAL: Readonly<Record<ScalarType, Physical>> = {
  bool: { type: 'BOOLEAN' },
  u8: { type: 'INT32', converted_type: 'UINT_8' },
  u32: { type: 'INT32', converted_type: 'UINT_32' },
  i32: { type: 'INT32' },
  u64: { type: 'INT64' },
  f32: { type: 'FLOAT' },
  f64: { type: 'DOUBLE' },
  string: { type: 'BYTE_ARRAY', converted_type: 'UTF8' },
};

/** The scalar of a column, and whether a row holds a list of it. */
export interface ParsedType {
  readonly scalar: ScalarType;
  readonly list: boolean;
}

export function parsedType(type: ColumnType): ParsedType {
  return typeof type === 'string' ? { scalar: type, list: false } : { scalar: type.list, list: true };
}

/** `u32`, `list<string>`: how the manifest writes a type. */
export function typeName(type: ColumnType): string {
  return typeof type === 'string' ? type : `list<${type.list}>`;
}

/** @throws FormatError on a type that this version does not know. */
export function parseTypeName(name: unknown, where: string): ParsedType {
  const match = typeof name === 'string' ? /^(?:list<(\w+)>|(\w+))$/.exec(name) : null;
  const scalar = match?.[1] ?? match?.[2] ?? '';
  if (!Object.hasOwn(PHYSICAL, scalar)) {
    throw new FormatError(`${where}: unknown column type ${JSON.stringify(name)}`, {
      hint: `Known are ${Object.keys(PHYSICAL).join(', ')}, and list<…> of each.`,
    });
  }
  return { scalar: scalar as ScalarType, list: match?.[1] !== undefined };
}

/** The Parquet schema of a table: the root, then each column depth first. */
export function parquetSchemaOf(columns: readonly { readonly name: string; readonly type: ColumnType }[]): SchemaElement[] {
  const elements: SchemaElement[] = [{ name: 'schema', num_children: columns.length }];
  for (const { name, type } of columns) {
    const { scalar, list } = parsedType(type);
    const physical = PHYSICAL[scalar];
    if (!list) {
      elements.push({ name, ...physical, repetition_type: 'OPTIONAL' });
      continue;
    }
    elements.push({ name, repetition_type: 'OPTIONAL', num_children: 1, converted_type: 'LIST', logical_type: { type: 'LIST' } });
    elements.push({ name: 'list', repetition_type: 'REPEATED', num_children: 1 });
    elements.push({ name: 'element', ...physical, repetition_type: 'REQUIRED' });
  }
  return elements;
}
