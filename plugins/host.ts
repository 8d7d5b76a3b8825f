/**
 * Runs plugins over a stream. To the run the host is one accumulator; inside,
 * every call into a plugin is guarded: one that throws, or hands in what a pack
 * cannot hold, is switched off and recorded as failed, and the others go on.
 *
 * What is not a plugin's failure passes through: an abort of the run. (A backend
 * that fails inside `batch.reconstruction()` is raised by the run itself.)
 */
import { UsageError } from '../engine/errors.js';
import { plainOps, type Ops } from '../engine/ops/ops.js';
import type { Manifest } from '../engine/pack/schema.js';
import type { Accumulator, AnalysisResult, Batch, StateValue } from '../engine/run/accumulator.js';
import type { Column, Table } from '../engine/run/table.js';
import type { RowSample, SampledRows } from '../engine/sketches/row-sample.js';
import type { CheckedResult, TakenNames } from './check-result.js';
import { PluginError, type PluginPhase } from './errors.js';
import type { AnyPlugin } from './registry.js';
import { resolveSettings } from './settings.js';
import type { PluginContext } from './types.js';

export interface HostOptions {
  /** Called in this order; it is also the order of columns in features.parquet. */
  readonly plugins: readonly AnyPlugin[];
  /** Ids that the person switched off. */
  readonly without?: readonly string[] | undefined;
  /** Settings by plugin id. */
  readonly settings?: Readonly<Record<string, Readonly<Record<string, unknown>>>> | undefined;
  /** What plugins are given, their settings aside. `notice` is called with the plugin's id in front. */
  readonly context: HostContext;
  /** Bytes of activations that are held for plugins that need rows; default 128 MiB. */
  readonly holdRows?: number | undefined;
}

/** What the host adds itself is left out; what has a default may be. */
export type HostContext = Omit<PluginContext, 'settings' | 'ops' | 'run' | 'compared' | 'rows' | 'result'> & Partial<Pick<PluginContext, 'run' | 'compared'>> & { /** Default: plain f64 loops. */ readonly ops?: Ops | undefined };

const HOLD_ROWS = 128 * 2 ** 20;
/** Where the sample is in a saved state: no plugin's id has this form. */
const ROWS = '#rows';

/** One plugin's part in the manifest. */
export type PluginRecord = Manifest['plugins'][number];

export interface HostResult {
  readonly featureColumns: readonly { readonly plugin: string; readonly columns: readonly Column[] }[];
  readonly tables: readonly { readonly plugin: string; readonly table: Table }[];
  /** For the manifest, in the host's order. */
  readonly plugins: readonly PluginRecord[];
}

interface Entry {
  readonly plugin: AnyPlugin;
  readonly settings: Readonly<Record<string, unknown>>;
  status: 'running' | 'done' | 'failed' | 'left-out';
  message: string | null;
  accumulator: Accumulator | null;
  result: CheckedResult | null;
}

export class PluginHost {
  readonly #entries: readonly Entry[];
  readonly #context: HostContext;
  readonly #errors: PluginError[] = [];
  /** There where a plugin asks for rows. */
  readonly #sample: RowSample | null;
  #rows: SampledRows | null = null;
  #finishing = false;

  /** Use `createHost`. */
  constructor(entries: readonly Entry[], context: HostContext, sample: RowSample | null) {
    this.#entries = entries;
    this.#context = context;
    this.#sample = sample;
  }

  /** What failed so far. */
  get errors(): readonly PluginError[] {
    return this.#errors;
  }

  /** Loads the modules and creates the accumulators. */
  async start(): Promise<void> {
    for (const entry of this.#running()) {
      const { plugin } = entry;
      const module = await this.#guard(entry, 'load', async () => {
        const loaded = await plugin.load();
        if (typeof loaded?.create !== 'function') throw new TypeError('load() gave no module with a create()');
        return loaded;
      });
      if (module === undefined) continue;
      const { notice, ops = plainOps, run = null, compared = [] } = this.#context;
      const context = Object.freeze({
        ...this.#context,
        ops,
        run,
        compared,
        settings: entry.settings as PluginContext['settings'],
        notice: (text: string) => notice(`${plugin.id}: ${text}`),
        rows: () => this.#rowsFor(plugin),
        result: (id: string) => this.#resultFor(plugin, id),
      });
      const accumulator = await this.#guard(entry, 'create', async () => {
        const created = await module.create(context);
        for (const method of ['update', 'merge', 'save', 'finish'] as const) {
          if (typeof created?.[method] !== 'function') throw new TypeError(`create() gave no accumulator: it has no ${method}()`);
        }
        return created;
      });
      entry.accumulator = accumulator ?? null;
    }
  }

  async update(batch: Batch): Promise<void> {
    this.#sample?.update(batch);
    for (const entry of this.#running()) await this.#guard(entry, 'update', () => entry.accumulator?.update(batch));
  }

  /** The state of every plugin that runs; `encodeState` writes it to bytes. */
  async save(): Promise<StateValue> {
    const saved: [string, StateValue][] = this.#sample === null ? [] : [[ROWS, this.#sample.save()]];
    for (const entry of this.#running()) {
      const state = await this.#guard(entry, 'save', () => entry.accumulator?.save());
      if (state !== undefined) saved.push([entry.plugin.id, { version: entry.plugin.version, settings: JSON.stringify(entry.settings), state }]);
    }
    return Object.fromEntries(saved);
  }

  /** Adds what `save` gave on another shard. A plugin whose state is missing there, or was made otherwise, fails: its figures would be partial. */
  async merge(saved: StateValue): Promise<void> {
    if (this.#sample !== null) {
      const rows = field(saved, ROWS);
      if (rows === undefined) throw new UsageError('the shard holds no sample of rows, and an analysis needs one', { hint: 'Run every shard with the same analyses.' });
      this.#sample.merge(rows);
    }
    for (const entry of this.#running()) {
      const { id, version } = entry.plugin;
      await this.#guard(entry, 'merge', () => {
        const shard = field(field(saved, id), 'state');
        if (shard === undefined) throw new UsageError('the shard has no state of it (it failed there, or was left out)');
        const other = field(field(saved, id), 'version');
        if (other !== version) throw new UsageError(`the shard was made by version ${String(other)}, this is ${version}`);
        const settings = JSON.stringify(entry.settings);
        if (field(field(saved, id), 'settings') !== settings) throw new UsageError(`the shard was made with the settings ${String(field(field(saved, id), 'settings'))}, here they are ${settings}`);
        entry.accumulator?.merge(shard);
      });
    }
  }

  /** Finishes every plugin that still runs, checks what it hands in, and lets go of its state. */
  async finish(onPlugin?: (done: number, total: number, title: string) => void): Promise<HostResult> {
    const { sae, signal } = this.#context;
    const taken: TakenNames = { columns: new Set(), tables: new Set() };
    this.#finishing = true;
    const running = inOrder(this.#running());
    const { checkResult } = await import('./check-result.js');
    for (const [index, entry] of running.entries()) {
      onPlugin?.(index, running.length, entry.plugin.title);
      const result = await this.#guard(entry, 'finish', async () => {
        const handed = await (entry.accumulator as Accumulator).finish(signal);
        return checkResult(entry.plugin.id, handed, sae.d_sae, taken);
      });
      entry.accumulator = null;
      if (result === undefined) continue;
      entry.result = result;
      entry.status = 'done';
      signal?.throwIfAborted();
    }
    onPlugin?.(running.length, running.length, '');
    this.#rows = null;
    const done = this.#entries.flatMap(({ plugin, result }) => (result === null ? [] : [{ id: plugin.id, result }]));
    return {
      featureColumns: done.filter(({ result }) => result.features.length > 0).map(({ id, result }) => ({ plugin: id, columns: result.features })),
      tables: done.flatMap(({ id, result }) => result.tables.map((table) => ({ plugin: id, table }))),
      plugins: this.#entries.map(({ plugin, settings, status, message, result }) => ({
        id: plugin.id,
        version: plugin.version,
        title: plugin.title,
        settings,
        status: status === 'running' ? 'done' : status,
        message,
        summary: result?.summary ?? null,
        view: plugin.view?.tag ?? null,
      })),
    };
  }

  #running(): Entry[] {
    return this.#entries.filter(({ status }) => status === 'running');
  }

  async #rowsFor({ id, needs }: AnyPlugin): Promise<SampledRows> {
    if (needs?.rows !== true) throw new UsageError(`${id} asks for rows without needing them`, { hint: 'Say needs: { rows: true } in its manifest.' });
    if (!this.#finishing) throw new UsageError(`${id} asks for rows before the stream has ended`, { hint: 'Ask in finish().' });
    return (this.#rows ??= (this.#sample as RowSample).rows());
  }

  #resultFor({ id, after = [] }: AnyPlugin, wanted: string): AnalysisResult | null {
    if (!after.includes(wanted)) throw new UsageError(`${id} asks for the result of ${wanted}, which it does not come after`, { hint: 'Name it in after, in its manifest.' });
    const result = this.#entries.find(({ plugin }) => plugin.id === wanted)?.result ?? null;
    return result === null ? null : { ...result, summary: result.summary ?? {} };
  }

  /** Runs a call into a plugin; a failure switches it off and gives undefined. */
  async #guard<T>(entry: Entry, phase: PluginPhase, work: () => T | Promise<T>): Promise<T | undefined> {
    const { signal, notice } = this.#context;
    try {
      return await work();
    } catch (cause) {
      signal?.throwIfAborted();
      const error = new PluginError(entry.plugin.id, phase, cause);
      this.#errors.push(error);
      entry.status = 'failed';
      entry.message = error.message;
      entry.accumulator = null;
      notice(`${error.message}; the other analyses go on`);
      return undefined;
    }
  }
}

/** Loaded where an analysis looks at rows more than once: most do not. */
async function sampleFor({ sae, seed, hasTokens }: HostContext, bytes: number): Promise<RowSample> {
  const { RowSample } = await import('../engine/sketches/row-sample.js');
  return new RowSample({ d: sae.d_in, bytes, seed, hasTokens });
}

/** An own property of a state, or undefined. */
function field(value: StateValue | undefined, key: string): StateValue | undefined {
  if (typeof value !== 'object' || value === null || Array.isArray(value) || ArrayBuffer.isView(value)) return undefined;
  return Object.hasOwn(value, key) ? (value as Readonly<Record<string, StateValue>>)[key] : undefined;
}

/** Each entry after those that its plugin names in `after`, otherwise as they come. @throws UsageError where they wait for each other */
function inOrder(entries: readonly Entry[]): Entry[] {
  const left = [...entries];
  const ordered: Entry[] = [];
  while (left.length > 0) {
    const at = left.findIndex(({ plugin }) => !left.some((other) => other.plugin !== plugin && plugin.after?.includes(other.plugin.id) === true));
    if (at < 0) throw new UsageError(`${left.map(({ plugin }) => plugin.id).join(', ')} come after each other`, { hint: 'Break the circle in their manifests (after).' });
    ordered.push(...left.splice(at, 1));
  }
  return ordered;
}

/** Why a plugin cannot take part, or null. */
function leftOut(plugin: AnyPlugin, options: HostOptions): string | null {
  const { needs } = plugin;
  if (options.without?.includes(plugin.id) === true) return 'switched off';
  if (needs?.tokens === true && !options.context.hasTokens) return 'needs token ids, and the activations come without';
  if (needs?.unembed === true && options.context.unembed === null) return 'needs an unembedding matrix (--unembed)';
  if (needs?.run === true && (options.context.run ?? null) === null) return "needs the SAE's training run (--run)";
  return null;
}

/**
 * Checks settings, leaves out what cannot run, loads and creates the rest.
 * @throws UsageError for a setting that does not fit, and for settings or switches of plugins that do not exist
 */
export async function createHost(options: HostOptions): Promise<PluginHost> {
  const { plugins, context } = options;
  const known = new Set(plugins.map(({ id }) => id));
  for (const id of [...(options.without ?? []), ...Object.keys(options.settings ?? {})]) {
    if (!known.has(id)) throw new UsageError(`there is no plugin ${JSON.stringify(id)}`, { hint: `Known are ${[...known].join(', ')}.` });
  }
  const entries = plugins.map((plugin): Entry => {
    const given = options.settings !== undefined && Object.hasOwn(options.settings, plugin.id) ? options.settings[plugin.id] : undefined;
    const { values, unknown } = resolveSettings(plugin.id, plugin.settings, given);
    if (unknown.length > 0) {
      const names = Object.keys(plugin.settings ?? {});
      context.notice(`${plugin.id} has no setting ${unknown.join(', ')}; it has ${names.length === 0 ? 'none' : names.join(', ')}`);
    }
    const message = leftOut(plugin, options);
    if (message !== null && message !== 'switched off') context.notice(`${plugin.id} is left out: it ${message}`);
    return { plugin, settings: values, status: message === null ? 'running' : 'left-out', message, accumulator: null, result: null };
  });
  // Said now, not after hours of streaming.
  inOrder(entries);
  const wanted = entries.some(({ plugin, status }) => status === 'running' && plugin.needs?.rows === true);
  const host = new PluginHost(entries, context, wanted ? await sampleFor(context, options.holdRows ?? HOLD_ROWS) : null);
  await host.start();
  return host;
}
