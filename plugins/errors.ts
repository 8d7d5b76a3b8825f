/** What goes wrong in a plugin, told apart from what goes wrong in saekit. */
import { SaekitError } from '../engine/errors.js';

/** The call in which a plugin failed. `finish` includes results that are not what the plugin declared. */
export type PluginPhase = 'load' | 'create' | 'update' | 'merge' | 'save' | 'finish' | 'view';

/** A plugin threw, or gave back something that a pack cannot hold. `cause` is what it threw. */
export class PluginError extends SaekitError {
  /** Id of the plugin. */
  readonly plugin: string;
  readonly phase: PluginPhase;

  constructor(plugin: string, phase: PluginPhase, cause: unknown) {
    super(`plugin ${plugin} failed in ${phase}: ${describe(cause)}`, { cause, hint: cause instanceof SaekitError ? cause.hint : undefined });
    this.plugin = plugin;
    this.phase = phase;
  }
}

/** Anything can be thrown, also something whose conversion to text throws. */
function describe(cause: unknown): string {
  try {
    if (cause instanceof Error) return cause.message === '' ? cause.name : cause.message;
    return String(cause);
  } catch {
    return 'something that cannot be shown was thrown';
  }
}
