/**
 * What a page loads with one `<script type="module" src="saekit.js">`: all
 * elements, defined, and what a script in the page needs beside them. Running an
 * analysis is not in it: that is the package's main entry.
 */
import { defineElements } from './index.js';

export * from './index.js';
export { registry, createRegistry, PluginRegistry, RegistryEvent } from '../plugins/registry.js';
export { PluginError } from '../plugins/errors.js';
export { BackendError, FormatError, NumericError, SaekitError, ShapeError, UsageError } from '../engine/errors.js';
export { tableRows, type Pack } from '../engine/pack/reader.js';
export type { FeatureCard, FeatureClass, Manifest } from '../engine/pack/schema.js';
export { VERSION } from '../engine/version.js';

defineElements();
