/**
 * Writes a pack: the tables, summary.parquet, index.json, and last the manifest
 * that names and hashes them all. Equal input gives equal bytes.
 *
 * Columns and tables come with the id of the plugin that made them. The built-in
 * plugins (`sae/...`) share features.parquet under plain names and write tables
 * under plain names; a plugin of anybody else has its columns prefixed
 * (`ns_name_column`) and its tables in `plugins/ns.name.table.parquet`.
 */
import { ShapeError } from '../errors.js';
import type { PackSink } from '../io/sink.js';
import type { Column, Table } from '../run/table.js';
import { ruleOfThree } from '../statistics.js';
import { checkTable } from './check-table.js';
import { typeName } from './column-type.js';
import { encodeTable } from './encode-table.js';
import { CARD_GROUPS, featureColumnName, isBuiltin, tableName } from './names.js';
import { FEATURE_CLASSES, PACK_FORMAT, PACK_VERSION, type FeatureClass, type GroupIndex, type Manifest, type ManifestTable, type PackIndex } from './schema.js';
import { Sha256 } from './sha256.js';

/** The columns of summary.parquet, as far as features.parquet has them. */
export const SUMMARY_COLUMNS = [
  'feature',
  'count',
  'class',
  'density',
  'density_low',
  'density_high',
  'mean',
  'max',
  'bias',
  'effective_bias',
  'de_projection',
  'de_cosine',
  'encoder_norm',
  'decoder_norm',
] as const;

/** What the writer cannot know by itself. */
export type ManifestInput = Omit<Manifest, 'format' | 'version' | 'features' | 'classes' | 'density_floor' | 'tables'>;

export interface WritePackOptions {
  readonly sink: PackSink;
  readonly manifest: ManifestInput;
  /** Columns of features.parquet in their order; each has one value a feature (`manifest.sae.d_sae`). */
  readonly featureColumns: readonly { readonly plugin: string; readonly columns: readonly Column[] }[];
  readonly tables: readonly { readonly plugin: string; readonly table: Table }[];
  readonly signal?: AbortSignal | undefined;
}

/** A table as it goes into the pack. */
interface PackTable extends Table {
  readonly path: string;
  readonly plugin: string | null;
}

/**
 * Writes and commits the pack; on any failure, an abort included, the sink is aborted.
 * @returns the manifest as it was written
 * @throws ShapeError, NumericError when a table is not what its columns say; nothing is left then
 */
export async function writePack(options: WritePackOptions): Promise<Manifest> {
  const { sink, signal } = options;
  try {
    const tables = planTables(options);
    const index: Record<string, GroupIndex> = {};
    const described: ManifestTable[] = [];
    for (const table of tables) {
      const { entry, sizes } = await writeTable(table, options);
      described.push(entry);
      if (sizes !== null) index[table.name] = { featuresPerGroup: table.featuresPerGroup ?? 1, sizes };
    }
    const packIndex: PackIndex = { version: PACK_VERSION, tables: index };
    const manifest = completeManifest(options, described);
    signal?.throwIfAborted();
    await sink.write('index.json', json(packIndex, 0));
    await sink.write('manifest.json', json(manifest, 1));
    signal?.throwIfAborted();
    await sink.commit();
    return manifest;
  } catch (error) {
    await sink.abort().catch(() => undefined);
    throw error;
  }
}

const json = (value: unknown, indent: number): Uint8Array => new TextEncoder().encode(`${JSON.stringify(value, null, indent)}\n`);

/** Every table of the pack, checked: names are unique, values fit their types, feature indices lie in the SAE. */
function planTables(options: WritePackOptions): PackTable[] {
  const features = options.manifest.sae.d_sae;
  const columns = featureTableColumns(options, features);
  const kept = (names: readonly string[]): Column[] => names.flatMap((name) => columns.find((column) => column.name === name) ?? []);
  const tables: PackTable[] = [
    { name: 'summary', path: 'summary.parquet', plugin: null, rows: features, columns: kept(SUMMARY_COLUMNS) },
    { name: 'features', path: 'features.parquet', plugin: null, rows: features, columns, ...grouped('features', undefined) },
    ...options.tables.map(({ plugin, table }) => ({
      ...table,
      ...tableName(plugin, table.name),
      plugin,
      // Groups of the card tables are the pack's to choose, others their plugin's.
      ...grouped(isBuiltin(plugin) ? table.name : '', table.featuresPerGroup),
    })),
  ];
  const names = new Set<string>();
  for (const table of tables) {
    if (!/^[A-Za-z0-9_][A-Za-z0-9_.-]*$/.test(table.name)) throw new ShapeError(`${JSON.stringify(table.name)} cannot name a table`, { hint: 'Use snake_case.' });
    if (names.has(table.name)) throw new ShapeError(`two tables are called ${table.name}`);
    names.add(table.name);
    checkTable(table);
    if (table.featuresPerGroup === undefined || table.rows === 0) continue;
    const last = table.columns.find((column) => column.name === 'feature')?.data[table.rows - 1] as number;
    if (last >= features) throw new ShapeError(`table ${table.name} has a row of feature ${last}; the SAE has ${features} features`);
  }
  return tables;
}

function grouped(name: string, wish: number | undefined): { featuresPerGroup?: number } {
  const featuresPerGroup = Object.hasOwn(CARD_GROUPS, name) ? CARD_GROUPS[name] : wish;
  return featuresPerGroup === undefined ? {} : { featuresPerGroup };
}

/** The columns of features.parquet: `feature` first, then the plugins' in their order. */
function featureTableColumns(options: WritePackOptions, features: number): Column[] {
  const index = Uint32Array.from({ length: features }, (_, feature) => feature);
  const columns: Column[] = [{ name: 'feature', type: 'u32', data: index, description: 'index of the feature, 0 to d_sae - 1' }];
  for (const { plugin, columns: own } of options.featureColumns) {
    for (const column of own) {
      const name = featureColumnName(plugin, column.name);
      if (name !== 'feature') columns.push({ ...column, name });
      else if (column.data.length !== features || index.some((feature) => column.data[feature] !== feature)) {
        throw new ShapeError(`${plugin}: its column \`feature\` is not 0 to ${features - 1}`);
      }
    }
  }
  return columns;
}

async function writeTable(table: PackTable, options: WritePackOptions): Promise<{ entry: ManifestTable; sizes: readonly number[] | null }> {
  const hash = new Sha256();
  let bytes = 0;
  const { sizes } = await encodeTable(table, {
    features: options.manifest.sae.d_sae,
    createdBy: `saekit ${options.manifest.saekit}`,
    signal: options.signal,
    emit(piece) {
      hash.update(piece);
      bytes += piece.byteLength;
      return options.sink.write(table.path, piece);
    },
  });
  const columns = table.columns.map(({ name, type, description }) => ({ name, type: typeName(type), description }));
  return { entry: { name: table.name, path: table.path, rows: table.rows, bytes, sha256: hash.hex(), columns, plugin: table.plugin }, sizes };
}

function completeManifest(options: WritePackOptions, tables: readonly ManifestTable[]): Manifest {
  const { saekit, created, sae, data, run, plugins } = options.manifest;
  const classes = Object.fromEntries(FEATURE_CLASSES.map((name) => [name, 0])) as Record<FeatureClass, number>;
  const column = options.featureColumns.flatMap(({ plugin, columns }) => (isBuiltin(plugin) ? columns : [])).find(({ name }) => name === 'class');
  for (let feature = 0; feature < (column?.data.length ?? 0); feature++) {
    const name = column?.data[feature] as FeatureClass;
    if (!Object.hasOwn(classes, name)) throw new ShapeError(`feature ${feature} has the class ${JSON.stringify(name)}; known are ${FEATURE_CLASSES.join(', ')}`);
    classes[name]++;
  }
  return {
    format: PACK_FORMAT,
    version: PACK_VERSION,
    saekit,
    created,
    sae,
    data,
    run,
    features: sae.d_sae,
    classes,
    density_floor: data.tokens > 0 ? ruleOfThree(data.tokens) : 1,
    plugins,
    tables,
  };
}
