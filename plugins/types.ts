/**
 * The plugin contract. A plugin is a manifest that can be read without running
 * its code, and a `load()` that brings the code when it is needed. The built-in
 * analyses go through exactly this contract.
 */
import type { Ops } from '../engine/ops/ops.js';
import type { Accumulator, AnalysisResult } from '../engine/run/accumulator.js';
import type { Sae } from '../engine/sae.js';
import type { SampledRows } from '../engine/sketches/row-sample.js';
import type { RunReader } from '../engine/train/run-reader.js';
import type { Unembedding } from '../engine/formats/unembedding.js';

export type { AnalysisResult, RunReader, SampledRows, Unembedding };

/** The version of this contract; a plugin says in `api` which range it was written for. */
export const API_VERSION = '1.1.0';

export type SettingDescriptor =
  | { readonly type: 'number'; readonly default: number; readonly min?: number; readonly max?: number; readonly integer?: boolean; readonly description: string }
  | { readonly type: 'string'; readonly default: string; readonly enum?: readonly string[]; readonly description: string }
  | { readonly type: 'boolean'; readonly default: boolean; readonly description: string };

export type SettingsSchema = Readonly<Record<string, SettingDescriptor>>;

/** The values that a schema describes. */
export type InferSettings<S extends SettingsSchema> = {
  readonly [K in keyof S]: S[K] extends { type: 'number' } ? number : S[K] extends { type: 'boolean' } ? boolean : string;
};

export interface PluginNeeds {
  /** Token ids in the stream: without them the plugin is left out, with a notice. */
  readonly tokens?: boolean;
  /** `batch.reconstruction()`: costs one decode a batch. */
  readonly reconstruction?: boolean;
  /** An unembedding matrix (`--unembed`). */
  readonly unembed?: boolean;
  /** `ctx.rows()`: a sample of the activations, shared by the plugins that ask for it (`--hold-rows`). */
  readonly rows?: boolean;
  /** The SAE's training run (`--run`): without one the plugin is left out. A plugin that can do without looks at `ctx.run` instead. */
  readonly run?: boolean;
}

/** Another run, to compare with. */
export interface ComparedRun {
  readonly name: string;
  readonly run: RunReader;
  /**
   * Held-out rows of what it was trained on; null where that is what this analysis reads (`ctx.rows()`).
   * @throws UsageError where they cannot be had
   */
  readonly rows: (() => Promise<SampledRows>) | null;
}

export interface PluginContext<S extends SettingsSchema = SettingsSchema> {
  readonly sae: Sae;
  readonly settings: InferSettings<S>;
  /** Seed of the run; the same seed and input give the same result. */
  readonly seed: number;
  /** Shape of a context in the stream. */
  readonly positions: number;
  readonly hasTokens: boolean;
  readonly unembed: Unembedding | null;
  /** The text of a token id: a display string, never markup. `null` without a tokenizer. */
  readonly tokenText: ((id: number) => string) | null;
  readonly signal: AbortSignal | undefined;
  /** Products of large matrices, and encoding with other SAEs, on the run's backend; for `finish`. */
  readonly ops: Ops;
  /** The training run that the SAE is of, where one was given. */
  readonly run: RunReader | null;
  readonly compared: readonly ComparedRun[];
  /**
   * A uniform sample of the rows that count, in the order of the stream; all of them where they fit. For `finish`.
   * @throws UsageError where `needs.rows` was not declared, or before the stream has ended
   */
  rows(): Promise<SampledRows>;
  /**
   * What a plugin named in `after` handed in; null where it did not run or failed. For `finish`.
   * @throws UsageError where it is not named in `after`
   */
  result(id: string): AnalysisResult | null;
  /** A line for the person who runs the analysis. */
  notice(message: string): void;
}

export interface PluginModule<S extends SettingsSchema = SettingsSchema> {
  create(ctx: PluginContext<S>): Accumulator | Promise<Accumulator>;
}

/** A panel for the dashboard: a custom element that is given `.pack` (the open pack) and `.feature`. */
export interface PluginView {
  /** Tag of the element, with the plugin's own prefix. */
  readonly tag: string;
  readonly title: string;
  /** `pack`: one panel for the whole pack. `feature`: beside the card of the selected feature. */
  readonly scope: 'pack' | 'feature';
  /** Defines the element. Called once, in the page only. */
  load(): Promise<unknown>;
}

export interface AnalysisPlugin<S extends SettingsSchema = SettingsSchema> {
  /** `namespace/name`, lower-case kebab; the built-ins are `sae/...`. */
  readonly id: string;
  /** semver */
  readonly version: string;
  /** semver range of the contract, e.g. `^1.0.0`. */
  readonly api: string;
  readonly title: string;
  readonly description: string;
  readonly needs?: PluginNeeds;
  /** Ids of plugins whose results this one reads: they finish before it. */
  readonly after?: readonly string[];
  readonly settings?: S;
  /** Bytes of state for an SAE of this size; shown before a run. */
  readonly cost?: (shape: { d_in: number; d_sae: number; positions: number }) => { bytes: number };
  load(): Promise<PluginModule<S>>;
  readonly view?: PluginView;
}
