/**
 * manifest.json and index.json, checked as far as the reader relies on them. A
 * pack may come from anywhere: nothing in it may send the reader to another
 * place, make it loop, or be taken for what it is not.
 */
import { FormatError } from '../errors.js';
import { isPackPath } from '../io/sink.js';
import { parseTypeName } from './column-type.js';
import type { TableColumn } from './decode-table.js';
import { FEATURE_CLASSES, PACK_FORMAT, PACK_VERSION, type GroupIndex, type Manifest, type ManifestTable } from './schema.js';

/** A table as the reader uses it. */
export interface ReadableTable {
  readonly path: string;
  readonly rows: number;
  readonly bytes: number;
  readonly columns: readonly TableColumn[];
}

type Json = Readonly<Record<string, unknown>>;

const isObject = (value: unknown): value is Json => typeof value === 'object' && value !== null && !Array.isArray(value);
const isCount = (value: unknown): value is number => typeof value === 'number' && Number.isSafeInteger(value) && value >= 0;

/** @throws FormatError naming the file, with its first characters when it is not JSON (a host's error page, mostly) */
function parseJson(file: string, bytes: Uint8Array): unknown {
  const text = new TextDecoder().decode(bytes);
  try {
    return JSON.parse(text) as unknown;
  } catch (cause) {
    throw new FormatError(`${file}: is not JSON; it begins with ${JSON.stringify(text.slice(0, 40))}`, {
      cause,
      hint: 'Give the folder that `saekit analyze --out` wrote; some hosts answer a wrong address with a page of their own.',
    });
  }
}

/** @throws FormatError when it is not a pack's, or of a newer version */
export function readManifest(file: string, bytes: Uint8Array): Manifest {
  const json = parseJson(file, bytes);
  if (!isObject(json) || json.format !== PACK_FORMAT) {
    throw new FormatError(`${file}: is not the manifest of a pack ("format" is not ${JSON.stringify(PACK_FORMAT)})`, { hint: 'Give the folder that `saekit analyze --out` wrote.' });
  }
  if (typeof json.version !== 'number' || json.version > PACK_VERSION) {
    throw new FormatError(`${file}: the pack is of version ${String(json.version)}, this saekit reads up to version ${PACK_VERSION}`, {
      hint: `Use a newer saekit; the pack was written by ${JSON.stringify(json.saekit)}.`,
    });
  }
  const expect = (fits: boolean, what: string): void => {
    if (!fits) throw new FormatError(`${file}: ${what}`, { hint: 'The manifest was changed or damaged: take the pack as it was written.' });
  };
  const { sae, data, features, classes, tables, plugins } = json;
  expect(isCount(features), '"features" is not a number of features');
  expect(isObject(sae) && typeof sae.name === 'string', '"sae" has no name');
  expect(isObject(data) && isCount(data.tokens), '"data.tokens" is not a number of tokens');
  expect(isObject(classes) && FEATURE_CLASSES.every((name) => isCount(classes[name])), '"classes" does not count every class');
  expect(Array.isArray(plugins) && plugins.every((plugin) => isObject(plugin) && typeof plugin.id === 'string'), '"plugins" is not a list of plugins');
  expect(Array.isArray(tables), '"tables" is not a list of tables');
  const names = new Set<unknown>();
  for (const table of tables as unknown[]) {
    expect(isObject(table) && typeof table.name === 'string' && isCount(table.rows) && isCount(table.bytes) && Array.isArray(table.columns), 'a table has no name, rows, bytes or columns');
    const { name, path, columns } = table as unknown as ManifestTable;
    expect(typeof path === 'string' && isPackPath(path), `table ${name} has the path ${JSON.stringify(path)}, which is not inside the pack`);
    expect(!names.has(name), `two tables are called ${name}`);
    names.add(name);
    const own = new Set<string>();
    for (const column of columns as readonly unknown[]) {
      expect(isObject(column) && typeof column.name === 'string' && column.name !== '__proto__' && !own.has(column.name), `table ${name} has a column without a name of its own`);
      const { name: columnName, type } = column as { name: string; type: unknown };
      own.add(columnName);
      parseTypeName(type, `${file}, table ${name}, column ${columnName}`);
    }
  }
  return json as unknown as Manifest;
}

/** The tables by name. */
export function readableTables(file: string, manifest: Manifest): Map<string, ReadableTable> {
  return new Map(
    manifest.tables.map(({ name, path, rows, bytes, columns }) => [
      name,
      { path, rows, bytes, columns: columns.map((column) => ({ name: column.name, type: parseTypeName(column.type, file) })) },
    ]),
  );
}

/** Where a row group lies in its file. */
export interface Groups {
  readonly featuresPerGroup: number;
  /** [groups + 1]: group g is bytes starts[g] up to starts[g + 1]. */
  readonly starts: Float64Array;
}

/** @throws FormatError when the index does not fit the manifest */
export function readIndex(file: string, bytes: Uint8Array, manifest: Manifest): Map<string, Groups> {
  const json = parseJson(file, bytes);
  const tables = isObject(json) && isObject(json.tables) ? json.tables : null;
  if (tables === null) throw new FormatError(`${file}: is not the index of a pack`, { hint: 'Copy the whole pack again.' });
  const groups = new Map<string, Groups>();
  for (const { name, bytes: size } of manifest.tables) {
    if (!Object.hasOwn(tables, name)) continue;
    const entry = tables[name] as Partial<GroupIndex> | null;
    const perGroup = entry?.featuresPerGroup;
    const sizes = entry?.sizes;
    if (!isCount(perGroup) || perGroup === 0 || !Array.isArray(sizes) || !sizes.every(isCount) || sizes.length !== Math.ceil(manifest.features / perGroup)) {
      throw new FormatError(`${file}: table ${name} does not have one size for each row group`, { hint: 'Copy the whole pack again.' });
    }
    const starts = new Float64Array(sizes.length + 1);
    // Behind the magic PAR1.
    starts[0] = 4;
    sizes.forEach((length: number, g) => (starts[g + 1] = (starts[g] as number) + length));
    if ((starts[sizes.length] as number) > size) throw new FormatError(`${file}: the row groups of table ${name} are longer than its file`, { hint: 'The index belongs to another pack: copy the whole pack again.' });
    groups.set(name, { featuresPerGroup: perGroup, starts });
  }
  return groups;
}
