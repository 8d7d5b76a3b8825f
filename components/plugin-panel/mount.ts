/**
 * Brings a plugin's panel to life, with every call into the stranger's code
 * guarded. Custom element reactions (constructor, connectedCallback) do not
 * throw to the one who caused them: the browser reports them to `window`, at
 * once. So a listener stands there for exactly as long as the call takes.
 */
import { PluginError } from '../../plugins/errors.js';
import type { AnyPlugin } from '../../plugins/registry.js';
import type { Pack } from '../../engine/pack/reader.js';

/** What a panel is: any element that takes these. */
export interface PanelElement extends HTMLElement {
  pack: Pack | null;
  feature: number | null;
  /** Lit's, where the panel is made with it: its rejection is the panel's failure. */
  readonly updateComplete?: PromiseLike<unknown>;
}

/** Panels are defined once a page, however many show them. A failure is not kept. */
const loads = new WeakMap<AnyPlugin, Promise<unknown>>();

/** Runs; gives what went wrong in it, reactions of custom elements included, or null. */
export function failureOf(work: () => void): unknown {
  let failure: unknown = null;
  const listen = (event: ErrorEvent): void => {
    failure ??= (event.error as unknown) ?? new Error(event.message);
  };
  window.addEventListener('error', listen, true);
  try {
    work();
  } catch (error) {
    failure ??= error ?? new Error('something empty was thrown');
  } finally {
    window.removeEventListener('error', listen, true);
  }
  return failure;
}

/**
 * Loads a plugin's view and makes its element.
 * @throws PluginError in phase `view`
 */
export async function createPanel(plugin: AnyPlugin): Promise<PanelElement> {
  const { view, id } = plugin;
  if (view === undefined) throw new PluginError(id, 'view', new Error('it has no panel'));
  let loading = loads.get(plugin);
  if (loading === undefined) {
    loading = (async () => view.load())();
    loads.set(plugin, loading);
    loading.catch(() => loads.delete(plugin));
  }
  try {
    await loading;
  } catch (cause) {
    throw new PluginError(id, 'view', cause);
  }
  const constructor = customElements.get(view.tag);
  if (constructor === undefined) throw new PluginError(id, 'view', new Error(`its load() did not define <${view.tag}>`));
  let panel: PanelElement | null = null;
  const failure = failureOf(() => {
    // `new` throws where document.createElement would hand out an empty element.
    panel = new constructor() as PanelElement;
  });
  if (failure !== null || panel === null) throw new PluginError(id, 'view', failure);
  return panel;
}
