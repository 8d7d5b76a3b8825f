/** Plugins named on the command line: a module whose default export is a plugin or a list of plugins. */
import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { UsageError } from '../engine/errors.js';
import type { AnalysisPlugin } from '../plugins/types.js';

/** @throws UsageError naming the file when it is missing, does not load, or exports no plugin */
export async function loadPlugins(files: readonly string[]): Promise<AnalysisPlugin[]> {
  const plugins: AnalysisPlugin[] = [];
  for (const file of files) {
    const path = resolve(file);
    if (!existsSync(path)) throw new UsageError(`--plugin ${file}: there is no such file`);
    let module: { default?: unknown };
    try {
      module = (await import(pathToFileURL(path).href)) as { default?: unknown };
    } catch (cause) {
      throw new UsageError(`--plugin ${file}: the module does not load: ${cause instanceof Error ? cause.message : String(cause)}`, { cause });
    }
    const found = Array.isArray(module.default) ? (module.default as unknown[]) : [module.default];
    for (const plugin of found) {
      if (typeof plugin !== 'object' || plugin === null || !('id' in plugin) || !('load' in plugin)) {
        throw new UsageError(`--plugin ${file}: expected its default export to be a plugin with id, version, api, title and load()`, {
          hint: 'examples/plugin/plugin.js is one of a dozen lines.',
        });
      }
      plugins.push(plugin as AnalysisPlugin);
    }
  }
  return plugins;
}
