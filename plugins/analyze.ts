/**
 * The main job on any runtime: an SAE and a stream of activations in, a pack out.
 *
 *   load -> run (encode, every plugin's update) -> finish -> write
 *
 * Kept true: the pack appears whole or not at all. Whatever fails or aborts
 * before the sink's commit leaves nothing behind.
 */
import { ShapeError, UsageError } from '../engine/errors.js';
import { createOps } from '../engine/ops/ops.js';
import type { Unembedding } from '../engine/formats/unembedding.js';
import type { FolderRef, Ref } from '../engine/io/open.js';
import type { PackSink } from '../engine/io/sink.js';
import type { FeatureClass } from '../engine/pack/schema.js';
import type { ManifestInput } from '../engine/pack/writer.js';
import type { IgnoreRules } from '../engine/run/ignore.js';
import type { ProgressEvent } from '../engine/run/progress.js';
import { runStream, type RunTotals } from '../engine/run/run.js';
import type { Sae } from '../engine/sae.js';
import type { ActivationSource } from '../engine/sources/source.js';
import { VERSION } from '../engine/version.js';
import { builtins } from './builtin/index.js';
import { createHost, type HostResult, type PluginRecord } from './host.js';
import { checkInputs, openBackend, openSae, openSource, openTokenText, openUnembedding, rowsOf, screenNotice, type InputOptions, type OpenBackend } from './inputs.js';
import { createRegistry, registry as sharedRegistry, type AnyPlugin, type PluginRegistry } from './registry.js';
import type { ComparedRun, PluginContext } from './types.js';

export interface AnalyzeOptions extends InputOptions, IgnoreRules {
  /** Where the pack goes. It is committed at the end, aborted on any failure. */
  readonly out: PackSink;
  /** tokenizer.json, or anything that turns ids into text. */
  readonly tokenizer?: Ref | { text(id: number): string } | undefined;
  /** safetensors with `W_U` and optionally `final_norm_scale`, or the loaded matrix. */
  readonly unembed?: Ref | Unembedding | undefined;
  readonly contextsPerBatch?: number | undefined;
  /** Whole number, default 0. The same seed and input give the same pack. */
  readonly seed?: number | undefined;
  /** Plugins of exactly this registry; default the built-ins and those of the shared registry. */
  readonly registry?: PluginRegistry | undefined;
  /** More plugins, for this run alone. */
  readonly plugins?: readonly AnyPlugin[] | undefined;
  /** Ids of plugins to leave out. */
  readonly without?: readonly string[] | undefined;
  /** The folder of the training run that the SAE is of, for analyses of how it came about. */
  readonly run?: FolderRef | undefined;
  /** Other runs, to compare with. */
  readonly compare?: readonly { readonly name: string; readonly run: FolderRef }[] | undefined;
  /** Bytes of activations that are held for analyses that look at them more than once; default 128 MiB. */
  readonly holdRows?: number | undefined;
  /** Settings by plugin id. */
  readonly settings?: Readonly<Record<string, Readonly<Record<string, unknown>>>> | undefined;
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: ((event: ProgressEvent) => void) | undefined;
  /** A line for the person who runs the analysis. */
  readonly onNotice?: ((text: string) => void) | undefined;
}

export interface AnalyzeReport {
  /** Rows that count. */
  readonly tokens: number;
  readonly features: number;
  readonly classes: Readonly<Record<FeatureClass, number>>;
  /** These three are null when the reconstruction analysis was left out or failed. */
  readonly l0: number | null;
  readonly mse: number | null;
  readonly fvu: number | null;
  /** `webgpu`, `wasm`, or `webgpu+wasm` where the GPU was lost on the way. */
  readonly backend: string;
  /** From the call to the last analysis; the writing of the pack comes on top. */
  readonly seconds: number;
  /** Of the stream alone, without loading and finishing. */
  readonly tokens_per_second: number;
  /** Name of the sink. */
  readonly pack: string;
  readonly plugins: readonly PluginRecord[];
  readonly notices: readonly string[];
}

/** State bytes above which a run is announced as large. */
const LARGE_STATE = 2 ** 30;

/**
 * Analyses an SAE and writes a pack.
 * @throws UsageError for options that contradict each other, FormatError and ShapeError for input,
 *   NumericError for values that are not finite, BackendError, the reason of `signal` when aborted.
 *   A plugin that fails is not thrown: it is `failed` in the manifest and a notice.
 */
export async function analyze(options: AnalyzeOptions): Promise<AnalyzeReport> {
  const { signal } = options;
  const started = performance.now();
  const notices: string[] = [];
  const notice = (text: string): void => {
    notices.push(text);
    options.onNotice?.(text);
  };
  let source: ActivationSource | null = null;
  let backend: OpenBackend | null = null;
  let opened: Awaited<ReturnType<typeof openSae>> | null = null;
  try {
    signal?.throwIfAborted();
    checkOptions(options);
    const plugins = choosePlugins(options, notice);
    options.onProgress?.(phase('load', null));
    opened = await openSae(options);
    const { sae } = opened;
    const unembed = await openUnembedding(options.unembed, sae);
    const tokenText = await openTokenText(options.tokenizer);
    signal?.throwIfAborted();
    source = await openSource(options, sae);
    signal?.throwIfAborted();
    announceSize(plugins, options.without ?? [], sae, source, notice);
    const seed = options.seed ?? 0;
    // Analyses ask for it at the end, when the backend is there.
    const ops = createOps({ backend: () => (backend as OpenBackend).current(), notice });
    const host = await createHost({
      plugins,
      without: options.without,
      settings: options.settings,
      holdRows: options.holdRows,
      context: { ...(await openRuns(options, source)), sae, seed, positions: source.positions, hasTokens: source.hasTokens, unembed, tokenText, signal, notice, ops },
    });
    backend = await openBackend({ backend: options.backend, threads: options.threads, relaxed: options.relaxed, memoryBudget: options.memoryBudget, screen: options.screen, storage: options.storage, rows: rowsOf(source, options.contextsPerBatch), sae, notice, signal });
    signal?.throwIfAborted();

    const totals = await runStream({ ...options, source, sae, loaded: backend.loaded, accumulators: [host] });
    const screened = screenNotice(backend.loaded);
    if (screened !== null) notice(screened);
    if (totals.tokens === 0) throw new ShapeError(`none of the ${totals.rows} rows counts: the ignore rules leave nothing out of which to make statistics`, { hint: 'Look at --ignore-tokens and --ignore-positions.' });
    options.onProgress?.(phase('finish', totals));
    const result = await host.finish((done, total, title) => options.onProgress?.({ ...phase('finish', totals), detail: title === '' ? undefined : `${title} (${done + 1} of ${total})` }));
    signal?.throwIfAborted();

    const seconds = (performance.now() - started) / 1000;
    const manifest = describeRun({ options, sae, source, backend, totals, result, seconds, seed });
    options.onProgress?.(phase('write', totals));
    const { writePack } = await import('../engine/pack/writer.js');
    const written = await writePack({ sink: options.out, manifest, featureColumns: result.featureColumns, tables: result.tables, signal });
    const figures = result.plugins.find(({ id }) => id === 'sae/reconstruction')?.summary ?? {};
    return {
      tokens: totals.tokens,
      features: sae.d_sae,
      classes: written.classes,
      l0: figure(figures['l0']),
      mse: figure(figures['mse']),
      fvu: figure(figures['fvu']),
      backend: manifest.run.backend,
      seconds,
      tokens_per_second: manifest.run.tokens_per_second,
      pack: options.out.name,
      plugins: result.plugins,
      notices,
    };
  } catch (error) {
    // The failure itself is what matters; a sink that cannot even abort must not hide it.
    await options.out.abort().catch(() => undefined);
    throw error;
  } finally {
    if (source !== null && source !== options.source) await source.close();
    await backend?.close();
    await opened?.close();
  }
}

/** @throws FormatError where a folder holds no run */
async function openRuns(options: AnalyzeOptions, source: ActivationSource): Promise<Pick<PluginContext, 'run' | 'compared'>> {
  const { run, compare = [] } = options;
  if (run === undefined && compare.length === 0) return { run: null, compared: [] };
  const [{ openRun }, { openCompared }] = [await import('../engine/train/run-reader.js'), await import('./compared.js')];
  const compared: ComparedRun[] = [];
  for (const one of compare) compared.push(await openCompared(one, options, source));
  return { run: run === undefined ? null : await openRun(run), compared };
}

const figure = (value: unknown): number | null => (typeof value === 'number' ? value : null);

function checkOptions(options: AnalyzeOptions): void {
  checkInputs(options);
  const { seed } = options;
  if (seed !== undefined && (!Number.isSafeInteger(seed) || seed < 0)) throw new UsageError(`the seed is ${seed}; a whole number from 0 was expected`);
  if ((options.ignoreTokens?.length ?? 0) > 0 && options.tokens === undefined && options.source === undefined) {
    throw new UsageError('tokens are to be ignored, but none were given', { hint: 'Give the tokens of the activations too (--tokens), or ignore positions (--ignore-positions).' });
  }
}

/** The plugins of this run, in a registry of its own so that the rules of registration hold. */
function choosePlugins(options: AnalyzeOptions, notice: (text: string) => void): AnyPlugin[] {
  const run = createRegistry();
  const base = options.registry === undefined ? [...builtins, ...sharedRegistry.list()] : options.registry.list();
  for (const plugin of [...base, ...(options.plugins ?? [])]) run.register(plugin);
  for (const warning of [...(options.registry ?? sharedRegistry).warnings, ...run.warnings]) notice(warning);
  return run.list();
}

function announceSize(plugins: readonly AnyPlugin[], without: readonly string[], sae: Sae, source: ActivationSource, notice: (text: string) => void): void {
  const shape = { d_in: sae.d_in, d_sae: sae.d_sae, positions: source.positions };
  let bytes = 0;
  for (const plugin of plugins) {
    if (without.includes(plugin.id)) continue;
    try {
      bytes += plugin.cost?.(shape).bytes ?? 0;
    } catch {
      // An estimate: a plugin that cannot give one may still run.
    }
  }
  if (bytes > LARGE_STATE) notice(`the analyses will hold about ${(bytes / 2 ** 30).toFixed(1)} GiB for ${sae.d_sae} features`);
}

function phase(name: string, totals: RunTotals | null): ProgressEvent {
  const { contexts = 0, tokens = 0, seconds = 0 } = totals ?? {};
  return { phase: name, contexts, totalContexts: contexts, tokens, seconds, tokensPerSecond: seconds > 0 ? tokens / seconds : 0, etaSeconds: null };
}

interface Run {
  readonly options: AnalyzeOptions;
  readonly sae: Sae;
  readonly source: ActivationSource;
  readonly backend: OpenBackend;
  readonly totals: RunTotals;
  readonly result: HostResult;
  readonly seconds: number;
  readonly seed: number;
}

function describeRun({ options, sae, source, backend, totals, result, seconds, seed }: Run): ManifestInput {
  const { architecture, d_in, d_sae, d_out, k, conventions, metadata } = sae;
  const runtime = source.provenance['runtime'];
  return {
    saekit: VERSION,
    created: new Date().toISOString(),
    sae: { architecture, d_in, d_sae, d_out, k, conventions, ...metadata },
    data: {
      tokens: totals.tokens,
      rows: totals.rows,
      contexts: totals.contexts,
      positions: source.positions,
      ignore_tokens: [...(options.ignoreTokens ?? [])],
      ignore_positions: [...(options.ignorePositions ?? [])],
      source: source.provenance,
    },
    run: {
      backend: backend.name(),
      backend_description: backend.description(),
      model_runtime: typeof runtime === 'string' ? runtime : null,
      seed,
      seconds,
      tokens_per_second: totals.seconds > 0 ? totals.tokens / totals.seconds : 0,
      near_ties: totals.nearTies,
      runtime: describeRuntime(),
    },
    plugins: result.plugins,
  };
}

/** `node 20.20.0`, `deno 2.9.5`, or the browser's own name for itself. */
export function describeRuntime(): string {
  const host = globalThis as { Deno?: { version?: { deno?: string } }; process?: { versions?: { node?: string } }; navigator?: { userAgent?: string } };
  if (host.Deno !== undefined) return `deno ${host.Deno.version?.deno ?? ''}`.trim();
  if (host.process?.versions?.node !== undefined) return `node ${host.process.versions.node}`;
  return host.navigator?.userAgent ?? 'unknown';
}
