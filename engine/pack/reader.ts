/**
 * Reads a pack: one card by the manifest, the index and one range in each of the
 * four card tables; the summary by one request; any table whole.
 *
 * Kept true: what several callers need at once is fetched once, and each may
 * abort on its own; packs at the same URL are one pack, so that a page with ten
 * cards reads one manifest and one index; a failure is not remembered.
 */
import { FormatError, UsageError } from '../errors.js';
import { buildCard } from './card.js';
import { decodeGroup, decodeTable, type DecodedTable } from './decode-table.js';
import { openFiles, type OpenedFiles, type PackSource } from './files.js';
import { readableTables, readIndex, readManifest, type Groups, type ReadableTable } from './read-manifest.js';
import type { FeatureCard, Manifest } from './schema.js';
import { SharedTasks } from './shared-tasks.js';
import { buildSummary, type PackSummary } from './summary.js';

export type { ColumnValues } from './decode-page.js';
export type { DecodedTable } from './decode-table.js';
export type { PackFiles, PackSource } from './files.js';
export type { PackSummary } from './summary.js';

export interface ReadOptions {
  readonly signal?: AbortSignal | undefined;
}

export interface Pack {
  /** Its path or URL, for messages. */
  readonly name: string;
  readonly manifest: Manifest;
  /**
   * One feature. Reads the index (once) and at most four ranges, in parallel.
   * @throws UsageError when there is no such feature; FormatError naming the file that is missing, cut off or damaged
   */
  card(feature: number, options?: ReadOptions): Promise<FeatureCard>;
  /** The few figures of every feature that lists and scatter plots need, as typed arrays. One request, then kept. */
  summary(options?: ReadOptions): Promise<PackSummary>;
  /**
   * A whole table, column by column; see the manifest for their names.
   * @throws UsageError when the manifest has no such table or column
   */
  table(name: string, options?: ReadOptions & { readonly columns?: readonly string[] }): Promise<DecodedTable>;
}

export interface OpenPackOptions extends ReadOptions {
  /** Used in place of the global `fetch`, for URLs. */
  readonly fetch?: typeof fetch;
}

/** Finished row groups that a pack keeps, the latest used ones: some 100 kB each. */
const KEPT_GROUPS = 32;
/** Packs that a page keeps open by their URL. */
const KEPT_PACKS = 16;

const packs = new SharedTasks<Pack>(KEPT_PACKS);

/**
 * Opens a pack by reading its manifest. Asking again for the same URL gives the
 * same pack.
 * @throws FormatError when there is no pack, it is damaged, or of a newer version
 */
export function openPack(source: PackSource, options: OpenPackOptions = {}): Promise<Pack> {
  let opened: OpenedFiles;
  try {
    opened = openFiles(source, options.fetch);
  } catch (error) {
    return Promise.reject(error as Error);
  }
  const { key } = opened;
  if (key === null) return loadPack(opened, options.signal, () => undefined);
  return packs.get(key, (signal) => loadPack(opened, signal, () => packs.drop(key)), options.signal);
}

/** Rows as objects, for a table's first look: `tableRows(await pack.table('features')).slice(0, 5)`. */
export function tableRows(table: DecodedTable): Record<string, unknown>[] {
  const names = Object.keys(table.columns);
  return Array.from({ length: table.rows }, (_, row) => Object.fromEntries(names.map((name) => [name, table.columns[name]?.[row]])));
}

const join = (name: string, path: string): string => (name.endsWith('/') ? `${name}${path}` : `${name}/${path}`);

async function loadPack({ name, files }: OpenedFiles, signal: AbortSignal | undefined, onDamage: () => void): Promise<Pack> {
  const manifestName = join(name, 'manifest.json');
  const manifest = readManifest(manifestName, await files.read('manifest.json', undefined, undefined, signal));
  const tables = readableTables(manifestName, manifest);
  const indexes = new SharedTasks<Map<string, Groups>>(1);
  const groups = new SharedTasks<DecodedTable>(KEPT_GROUPS);
  const summaries = new SharedTasks<PackSummary>(1);

  /** A pack that turns out damaged, or was replaced while a page had it open, is read anew when it is asked for again. */
  const watched = async <T>(work: Promise<T>): Promise<T> => {
    try {
      return await work;
    } catch (error) {
      if (error instanceof FormatError) onDamage();
      throw error;
    }
  };

  const readTable = async (table: ReadableTable, columns: ReadableTable['columns'], task: AbortSignal | undefined): Promise<DecodedTable> => {
    const bytes = await files.read(table.path, undefined, undefined, task);
    if (bytes.byteLength !== table.bytes) {
      throw new FormatError(`${join(name, table.path)}: has ${bytes.byteLength} bytes, the manifest says ${table.bytes}: it is cut off, or belongs to another pack`, { hint: 'Copy the whole pack again.' });
    }
    return decodeTable(join(name, table.path), bytes, columns, table.rows);
  };

  const find = (table: string): ReadableTable => {
    const found = tables.get(table);
    if (found === undefined) throw new UsageError(`${name}: the pack has no table ${JSON.stringify(table)}`, { hint: `It has ${[...tables.keys()].join(', ')}.` });
    return found;
  };

  /** The row group of a feature; null where the pack has no such table. */
  const group = async (tableName: string, feature: number, index: Map<string, Groups>, card: AbortSignal | undefined): Promise<DecodedTable | null> => {
    const table = tables.get(tableName);
    if (table === undefined) return null;
    const ranges = index.get(tableName);
    if (ranges === undefined) throw new FormatError(`${join(name, 'index.json')}: has no row groups of table ${tableName}`, { hint: 'The pack is not whole: copy it again.' });
    const g = Math.floor(feature / ranges.featuresPerGroup);
    const start = ranges.starts[g] as number;
    const end = ranges.starts[g + 1] as number;
    const file = join(name, table.path);
    if (start === end) return decodeGroup(file, new Uint8Array(0), table.columns);
    return groups.get(`${tableName} ${g}`, async (task) => decodeGroup(file, await files.read(table.path, start, end, task), table.columns), card);
  };

  const card = async (feature: number, options: ReadOptions): Promise<FeatureCard> => {
    if (!Number.isInteger(feature) || feature < 0 || feature >= manifest.features) {
      throw new UsageError(`${name}: ${Number.isNaN(feature) ? 'the index of a feature is a number' : `there is no feature ${feature}`}`, { hint: `This pack has the features 0 to ${manifest.features - 1}.` });
    }
    const { signal: own } = options;
    const index = await indexes.get('index', async (task) => readIndex(join(name, 'index.json'), await files.read('index.json', undefined, undefined, task), manifest), own);
    // When one fails, the other requests are of no use any more.
    const stop = new AbortController();
    const either = own === undefined ? stop.signal : anySignal(own, stop);
    try {
      const [features, histograms, examples, logits] = await Promise.all(
        (['features', 'histograms', 'examples', 'logits'] as const).map((tableName) => group(tableName, feature, index, either)),
      );
      if (features === null || features === undefined) throw new FormatError(`${manifestName}: the pack has no table features`, { hint: 'The manifest was changed: take the pack as it was written.' });
      return buildCard(manifest, feature, { features, histograms: histograms ?? null, examples: examples ?? null, logits: logits ?? null });
    } finally {
      stop.abort();
    }
  };

  return {
    name,
    manifest,
    card: (feature, options = {}) => watched(card(feature, options)),
    summary: (options = {}) =>
      watched(
        summaries.get(
          'summary',
          async (task) => {
            const table = find('summary');
            return buildSummary(join(name, table.path), await readTable(table, table.columns, task));
          },
          options.signal,
        ),
      ),
    table: (tableName, options = {}) =>
      watched(
        (async () => {
          const table = find(tableName);
          const unknown = options.columns?.find((wanted) => !table.columns.some((column) => column.name === wanted));
          if (unknown !== undefined) {
            throw new UsageError(`${name}: table ${tableName} has no column ${JSON.stringify(unknown)}`, { hint: `It has ${table.columns.map((column) => column.name).join(', ')}.` });
          }
          const columns = table.columns.filter((column) => options.columns === undefined || options.columns.includes(column.name));
          return readTable(table, columns, options.signal);
        })(),
      ),
  };
}

/** Follows `own` into `stop`, and lets go of it: `AbortSignal.any` is younger than the browsers we run in. */
function anySignal(own: AbortSignal, stop: AbortController): AbortSignal {
  const follow = (): void => stop.abort(own.reason);
  if (own.aborted) follow();
  else own.addEventListener('abort', follow, { once: true });
  stop.signal.addEventListener('abort', () => own.removeEventListener('abort', follow), { once: true });
  return stop.signal;
}
