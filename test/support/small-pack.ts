/** A pack with a table of every column type, and ways to write and alter packs in tests. */
import { memorySink } from '../../engine/io/sink.js';
import type { Column, Table } from '../../engine/run/table.js';
import { writePack, type WritePackOptions } from '../../engine/pack/writer.js';
import { syntheticPack, type SyntheticOptions } from './synthetic-pack.js';

/** A synthetic pack in memory. */
export async function packInMemory(options: SyntheticOptions, extra: Partial<WritePackOptions> = {}): Promise<Map<string, Uint8Array>> {
  const sink = memorySink();
  await writePack({ ...syntheticPack(options), ...extra, sink });
  return sink.files;
}

export const textOf = (files: ReadonlyMap<string, Uint8Array>, path: string): string => new TextDecoder().decode(files.get(path));
export const jsonOf = (files: ReadonlyMap<string, Uint8Array>, path: string): Record<string, unknown> => JSON.parse(textOf(files, path)) as Record<string, unknown>;

/** A copy with one file changed. */
export function withFile(files: ReadonlyMap<string, Uint8Array>, path: string, content: Uint8Array | string | object | null): Map<string, Uint8Array> {
  const copy = new Map(files);
  if (content === null) copy.delete(path);
  else if (content instanceof Uint8Array) copy.set(path, content);
  else copy.set(path, new TextEncoder().encode(typeof content === 'string' ? content : JSON.stringify(content)));
  return copy;
}

export function tableOf(name: string, columns: readonly Omit<Column, 'description'>[], featuresPerGroup?: number): Table {
  return {
    name,
    rows: columns[0]?.data.length ?? 0,
    columns: columns.map((column) => ({ ...column, description: `${column.name}` })),
    ...(featuresPerGroup === undefined ? {} : { featuresPerGroup }),
  };
}
