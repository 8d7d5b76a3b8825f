/**
 * What things are called in a pack, and how its card tables are cut: known to
 * the writer and to whoever checks what plugins hand in, without the writer.
 */

/**
 * Features per row group of the card tables, as bench/pack.ts measured them: a
 * small group wastes requests' bytes on dictionaries and grows index and footer,
 * a large one brings a card its neighbours' bytes.
 */
export const CARD_GROUPS: Readonly<Record<string, number>> = { features: 32, histograms: 32, examples: 10, logits: 16 };

/** True for the analyses that come with saekit: their columns and tables have no prefix. */
export const isBuiltin = (plugin: string): boolean => plugin.startsWith('sae/');

/** Name of a plugin's column in features.parquet. */
export function featureColumnName(plugin: string, column: string): string {
  return isBuiltin(plugin) ? column : `${plugin.replace(/[^A-Za-z0-9]+/g, '_')}_${column}`;
}

/** Name of a plugin's table in the manifest, and its path below the pack. */
export function tableName(plugin: string, table: string): { readonly name: string; readonly path: string } {
  if (isBuiltin(plugin)) return { name: table, path: `${table}.parquet` };
  const name = `${plugin.replace('/', '.')}.${table}`;
  return { name, path: `plugins/${name}.parquet` };
}
