/**
 * The registry of plugins: manifests that can be listed and shown without
 * running any plugin's code. No DOM: it works in a page, a worker, Node and Deno.
 *
 * Kept true: one plugin an id. Registering is never too late: who lists plugins
 * listens for `register` and `unregister`. Two bundles on one page that bring
 * the same plugin do not fail: the same version again is a warning, of two
 * versions the higher one stays and the conflict is recorded.
 */
import { UsageError } from '../engine/errors.js';
import { compareVersions, parseVersion, satisfies, type Version } from './semver.js';
import { schemaProblem } from './settings.js';
import { API_VERSION, type AnalysisPlugin, type SettingsSchema } from './types.js';

/** Any plugin, whatever its settings are. */
export type AnyPlugin = AnalysisPlugin<SettingsSchema>;

/** Two versions of one plugin were registered. */
export interface PluginConflict {
  readonly id: string;
  /** Version that stayed. */
  readonly kept: string;
  readonly dropped: string;
}

/** What a registry dispatches: `register` and `unregister` when its list changes, `warning` with a message when it kept what it had. */
export class RegistryEvent extends Event {
  readonly plugin: AnyPlugin;
  readonly message: string | null;

  constructor(type: 'register' | 'unregister' | 'warning', plugin: AnyPlugin, message: string | null = null) {
    super(type);
    this.plugin = plugin;
    this.message = message;
  }
}

/** Takes a registration back. */
export interface Registration {
  /** Unregisters the plugin if this registration is the one that stands; otherwise does nothing. */
  dispose(): void;
}

export class PluginRegistry extends EventTarget {
  readonly #plugins = new Map<string, AnyPlugin>();
  readonly #conflicts: PluginConflict[] = [];
  readonly #warnings: string[] = [];

  /** The version of the plugin contract that this registry serves. */
  get apiVersion(): string {
    return API_VERSION;
  }

  /** Every conflict so far, in order. */
  get conflicts(): readonly PluginConflict[] {
    return this.#conflicts;
  }

  /** What was warned of so far. */
  get warnings(): readonly string[] {
    return this.#warnings;
  }

  /**
   * Adds a plugin. Of two versions of an id the higher one stays (build metadata
   * has no say), in the place of the first.
   * @throws UsageError when the manifest is malformed or made for another version of the contract
   */
  register<S extends SettingsSchema>(plugin: AnalysisPlugin<S>): Registration {
    // A plugin is only ever given settings of its own schema (host.ts), so that S may be forgotten here.
    const added = plugin as unknown as AnyPlugin;
    const version = checkManifest(added);
    const before = this.#plugins.get(added.id);
    const none: Registration = { dispose: () => undefined };
    if (before !== undefined) {
      const order = compareVersions(version, parseVersion(before.version) as Version);
      if (order === 0) {
        if (before !== added) this.#warn(added, `plugin ${added.id} ${added.version} is already registered; the first one stays`);
        return none;
      }
      const [kept, dropped] = order > 0 ? [added, before] : [before, added];
      this.#conflicts.push({ id: added.id, kept: kept.version, dropped: dropped.version });
      this.#warn(added, `plugin ${added.id} is registered as ${before.version} and ${added.version}; ${kept.version} is used`);
      if (order < 0) return none;
      // Set before the event, so that a listener that reads the list sees no hole in it.
      this.#plugins.set(added.id, added);
      this.dispatchEvent(new RegistryEvent('unregister', before));
    } else {
      this.#plugins.set(added.id, added);
    }
    this.dispatchEvent(new RegistryEvent('register', added));
    return {
      dispose: () => {
        if (this.#plugins.get(added.id) === added) this.unregister(added.id);
      },
    };
  }

  /** @returns false when there was no such plugin. */
  unregister(id: string): boolean {
    const plugin = this.#plugins.get(id);
    if (plugin === undefined) return false;
    this.#plugins.delete(id);
    this.dispatchEvent(new RegistryEvent('unregister', plugin));
    return true;
  }

  get(id: string): AnyPlugin | undefined {
    return this.#plugins.get(id);
  }

  /** In the order of their first registration. */
  list(): AnyPlugin[] {
    return [...this.#plugins.values()];
  }

  #warn(plugin: AnyPlugin, message: string): void {
    this.#warnings.push(message);
    this.dispatchEvent(new RegistryEvent('warning', plugin, message));
  }
}

/** An empty registry. */
export function createRegistry(): PluginRegistry {
  return new PluginRegistry();
}

/** The registry that everything uses which is not given one of its own. */
export const registry: PluginRegistry = /* @__PURE__ */ createRegistry();

const PART = '[a-z][a-z0-9]*(?:-[a-z0-9]+)*';
const ID = new RegExp(`^${PART}/${PART}$`);
/** Custom element names as this package lets plugins have them: ASCII, with a hyphen. */
const TAG = /^[a-z][a-z0-9]*(-[a-z0-9]+)+$/;

/** @throws UsageError naming the plugin and the field */
function checkManifest(plugin: AnyPlugin): Version {
  const fields = plugin as Partial<Record<keyof AnyPlugin, unknown>> | null | undefined;
  if (typeof fields !== 'object' || fields === null) throw new UsageError(`a plugin is an object with id, version, api, title and load(), got ${typeof fields}`);
  const { id, version, api, title, description, load, settings, view, needs, after, cost } = fields;
  if (typeof id !== 'string' || !ID.test(id) || id.length > 100) {
    throw new UsageError(`plugin id ${JSON.stringify(id) ?? 'undefined'} is not of the form namespace/name`, { hint: 'Lower-case words of letters and digits joined by hyphens, for example my-lab/token-entropy.' });
  }
  const wrong = (what: string, hint?: string): UsageError => new UsageError(`plugin ${id}: ${what}`, { hint });
  const parsed = typeof version === 'string' ? parseVersion(version) : null;
  if (parsed === null) throw wrong(`version ${JSON.stringify(version) ?? 'undefined'} is not a semantic version`, 'For example 1.0.0.');
  const fits = typeof api === 'string' ? satisfies(parseVersion(API_VERSION) as Version, api) : null;
  if (fits === null) throw wrong(`api ${JSON.stringify(api) ?? 'undefined'} is not a range that is known`, `Use ^${API_VERSION}, ~${API_VERSION} or an exact version.`);
  if (!fits) throw wrong(`was made for version ${String(api)} of the plugin contract, this saekit has ${API_VERSION}`, 'Get a version of the plugin, or of saekit, that fits the other.');
  for (const [name, value] of Object.entries({ title, description })) {
    if (typeof value !== 'string' || value.trim() === '') throw wrong(`needs a ${name}`);
  }
  if (typeof load !== 'function') throw wrong('needs a load() that brings its module');
  if (cost !== undefined && typeof cost !== 'function') throw wrong('cost must be a function of the shape');
  if (needs !== undefined && (typeof needs !== 'object' || needs === null)) throw wrong('needs must be an object');
  if (after !== undefined && !(Array.isArray(after) && after.every((one) => typeof one === 'string' && ID.test(one) && one !== id))) throw wrong('after must be a list of ids of other plugins');
  if (settings !== undefined) {
    const problem = schemaProblem(settings);
    if (problem !== null) throw wrong(problem);
  }
  if (view !== undefined) checkView(view as Partial<Record<string, unknown>> | null, wrong);
  return parsed;
}

function checkView(view: Partial<Record<string, unknown>> | null, wrong: (what: string, hint?: string) => UsageError): void {
  if (typeof view !== 'object' || view === null) throw wrong('view must be an object');
  if (typeof view['tag'] !== 'string' || !TAG.test(view['tag'])) throw wrong(`the tag of its view is ${JSON.stringify(view['tag']) ?? 'undefined'}`, 'A custom element name: lower-case, with a hyphen, with a prefix of your own.');
  if (view['scope'] !== 'pack' && view['scope'] !== 'feature') throw wrong('the scope of its view must be pack or feature');
  if (typeof view['load'] !== 'function') throw wrong('its view needs a load() that defines the element');
}
