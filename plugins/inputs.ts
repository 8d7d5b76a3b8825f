/**
 * From the options of `analyze` and `encodeToFile` to an open SAE, source and
 * backend: what is given is checked for sense first, what is loaded for fit after.
 * The readers of formats load when there is something to read.
 */
import type { Backend, LoadedSae, LoadOptions } from '../engine/backend.js';
import { chooseBackend } from '../engine/choose-backend.js';
import { BackendError, ShapeError, UsageError } from '../engine/errors.js';
import type { Unembedding } from '../engine/formats/unembedding.js';
import type { ByteSource } from '../engine/io/bytes.js';
import type { FolderRef, Ref } from '../engine/io/open.js';
import { withFallback } from '../engine/run/encode-rows.js';
import { defaultContextsPerBatch } from '../engine/run/run.js';
import type { Sae } from '../engine/sae.js';
import type { OnnxRuntimeOptions } from '../engine/sources/onnx-runtime.js';
import type { ActivationSource } from '../engine/sources/source.js';

/** Where weights and activations come from, and what computes. */
export interface InputOptions {
  /** A folder (path, URL, files in memory), or an SAE that is loaded already. */
  readonly sae: FolderRef | Sae;
  /** Bytes of W_enc and W_dec together, as f32, that may be held in memory; larger ones are read a piece at a time. Default 2 GiB. */
  readonly holdBytes?: number | undefined;
  /** An ONNX model with its hooks as outputs; needs `tokens`. */
  readonly model?: Ref | undefined;
  /** The model's output, default the SAE's `hook_name`. */
  readonly hook?: string | undefined;
  /** Token ids, [contexts, positions]. */
  readonly tokens?: Ref | undefined;
  /** Activations from a file, [N, d] or [contexts, positions, d]. */
  readonly acts?: Ref | undefined;
  /** Activations from anywhere else. It stays the caller's to close. */
  readonly source?: ActivationSource | undefined;
  /** Positions of a context, where no file says. */
  readonly contextSize?: number | undefined;
  /** Default `auto`: WebGPU where there is a device, else WASM. */
  readonly backend?: 'auto' | 'webgpu' | 'wasm' | undefined;
  /** Bytes that weights and buffers may take on a GPU. Default: as much as there is. */
  readonly memoryBudget?: number | undefined;
  /** Threads of the WASM backend. */
  readonly threads?: number | undefined;
  /** WASM: relaxed SIMD where the runtime has it: faster, in other last bits. Default false: the same bits everywhere. */
  readonly relaxed?: boolean | undefined;
  /**
   * Screened encode: 16-bit integers exclude what cannot fire, the rest is computed in f32; the codes are
   * the same to the bit. Default `auto`: where it measures faster.
   */
  readonly screen?: LoadOptions['screen'];
  /** WebGPU with `shader-f16`: weights in half precision, sums in f32. The error's bound is in the manifest. Default `f32`. */
  readonly storage?: LoadOptions['storage'];
  /** ONNX runtime of `model`. */
  readonly runtime?: OnnxRuntimeOptions['runtime'];
  readonly ortUrl?: string | undefined;
  readonly wasmPaths?: OnnxRuntimeOptions['wasmPaths'];
}

/** @throws UsageError unless there is exactly one origin of activations, with what it needs */
export function checkInputs(options: InputOptions): void {
  const origins = (['model', 'acts', 'source'] as const).filter((name) => options[name] !== undefined);
  if (origins.length !== 1) {
    throw new UsageError(origins.length === 0 ? 'no activations were given' : `${origins.join(' and ')} were given together`, {
      hint: 'Give either a model with tokens (--model, --tokens), or activations from a file (--acts).',
    });
  }
  if (options.model !== undefined && options.tokens === undefined) throw new UsageError('a model was given without tokens', { hint: 'Give token ids of shape [contexts, positions] (--tokens).' });
  if (options.model === undefined && options.hook !== undefined) throw new UsageError('a hook was given without a model', { hint: 'The hook names an output of --model; activations from a file have none.' });
  if (options.source !== undefined && options.tokens !== undefined) throw new UsageError('tokens were given beside a source, which brings its own');
}

/** The SAE, and `close` for what it reads its weights from; one that was loaded already stays its caller's to close. @throws what `loadSae` throws */
export async function openSae({ sae: ref, holdBytes }: Pick<InputOptions, 'sae' | 'holdBytes'>): Promise<{ sae: Sae; close(): Promise<void> }> {
  if (isSae(ref)) return { sae: ref, close: () => Promise.resolve() };
  const sae = await (await import('../engine/formats/load-sae.js')).loadSae(ref, { holdBytes });
  return { sae, close: () => sae.weights?.close?.() ?? Promise.resolve() };
}

/** Files in memory may be called anything, but they are bytes; an SAE's architecture is a word. */
function isSae(sae: FolderRef | Sae): sae is Sae {
  return typeof sae === 'object' && 'architecture' in sae && typeof sae.architecture === 'string';
}

/** Opens the activations. @throws ShapeError when they are not as wide as the SAE's input; what the sources throw */
export async function openSource(options: InputOptions, sae: Sae): Promise<ActivationSource> {
  const source = await open(options, sae);
  if (source.d === sae.d_in) return source;
  if (source !== options.source) await source.close();
  throw new ShapeError(`the activations have ${source.d} columns, the SAE ${JSON.stringify(sae.metadata.name)} takes d_in = ${sae.d_in}`, {
    hint: sae.metadata.hook_name === null ? 'Are they from the model and hook that the SAE was trained on?' : `The SAE was trained on ${sae.metadata.hook_name}.`,
  });
}

async function open(options: InputOptions, sae: Sae): Promise<ActivationSource> {
  const { model, acts, tokens, source, contextSize, runtime, ortUrl, wasmPaths } = options;
  if (source !== undefined) return source;
  if (acts !== undefined) return (await import('../engine/sources/file-source.js')).fileSource({ acts, tokens, contextSize });
  const hook = options.hook ?? sae.metadata.hook_name;
  if (hook === null) throw new UsageError('the SAE does not say which hook it reads', { hint: "Name the model's output (--hook)." });
  return (await import('../engine/sources/model-source.js')).modelSource({ model: model as Ref, tokens: tokens as Ref, hook, contextSize, runtime, ortUrl, wasmPaths });
}

/** @throws ShapeError when the matrix does not fit the decoder */
export async function openUnembedding(ref: Ref | Unembedding | undefined, sae: Sae): Promise<Unembedding | null> {
  if (ref === undefined) return null;
  const unembed = isUnembedding(ref) ? ref : await (await import('../engine/formats/unembedding.js')).loadUnembedding(ref);
  if (unembed.d !== sae.d_out) {
    throw new ShapeError(`the unembedding W_U is [${unembed.d}, ${unembed.vocabulary}], the SAE's decoder writes d_out = ${sae.d_out}`, { hint: 'They must belong to one model; an SAE on another space than the residual stream has no logit weights.' });
  }
  return unembed;
}

function isUnembedding(ref: Ref | Unembedding): ref is Unembedding {
  return typeof ref === 'object' && 'W_U' in ref;
}

/** The text of token ids. */
export async function openTokenText(ref: Ref | { text(id: number): string } | undefined): Promise<((id: number) => string) | null> {
  if (ref === undefined) return null;
  // A Blob has a text() too.
  const given = typeof ref === 'object' && 'text' in ref && !(typeof Blob !== 'undefined' && ref instanceof Blob);
  const tokenizer = given ? (ref as { text(id: number): string }) : await (await import('../engine/tokenizer.js')).loadTokenizer(ref as Ref | ByteSource);
  return (id) => tokenizer.text(id);
}

/** A backend with the SAE in it. */
export interface OpenBackend {
  readonly loaded: LoadedSae;
  /**
   * Backends that were used, in order: `webgpu`, `webgpu+wasm` where the first was lost,
   * `wasm+webgpu` where the run began before the GPU was ready.
   */
  name(): string;
  description(): string;
  /** The backend of the moment, for other work than this SAE's. */
  current(): Backend;
  close(): Promise<void>;
}

export interface OpenBackendOptions extends Pick<InputOptions, 'backend' | 'threads' | 'relaxed' | 'memoryBudget' | 'screen' | 'storage'> {
  readonly sae: Sae;
  readonly notice: (text: string) => void;
  readonly signal?: AbortSignal | undefined;
  /** How a backend is had; default `chooseBackend`. */
  readonly choose?: typeof chooseBackend | undefined;
  /** Rows of the whole run, and of a batch: where they are known, a GPU that is slower for them than WASM is not taken under `auto`. */
  readonly rows?: { readonly all: number; readonly batch: number } | undefined;
  /** Milliseconds that the run waits for a GPU under `auto` before it begins on WASM. Default 1000. */
  readonly patience?: number | undefined;
}

/** Bytes of encoder and decoder, f32. */
const sizeOf = ({ d_in, d_sae, d_out }: Sae): number => 4 * d_sae * (d_in + d_out);

/** Bytes of weights above which a run waits for its GPU: WASM would need a copy of its own. */
const MOST_TWICE = 2 ** 29;

/**
 * Chooses a backend and loads the SAE. Under `auto`, a GPU that is too small or
 * is lost on the way is replaced by WASM with a notice, and a run whose GPU takes
 * its time begins on WASM.
 * @throws BackendError when there is none, or the one that was asked for fails
 */
export async function openBackend(options: OpenBackendOptions): Promise<OpenBackend> {
  const { backend: wanted = 'auto', threads, relaxed, memoryBudget, screen, storage, sae, notice, signal, patience, rows } = options;
  const choose = (kind: 'auto' | 'webgpu' | 'wasm'): Promise<Backend> => (options.choose ?? chooseBackend)({ backend: kind, notice, threads, relaxed, memoryBudget });
  const opened: Backend[] = [];
  const used: Backend[] = [];
  const open = async (kind: 'auto' | 'webgpu' | 'wasm'): Promise<Backend> => {
    const backend = await choose(kind);
    opened.push(backend);
    return backend;
  };
  const close = async (): Promise<void> => {
    for (const backend of opened.splice(0)) await backend.dispose();
  };
  const drop = async (backend: Backend): Promise<void> => {
    opened.splice(opened.indexOf(backend), 1);
    await backend.dispose();
  };
  const load = (backend: Backend): Promise<LoadedSae> => {
    if (storage === 'f16' && backend.info.kind === 'wasm') notice('WASM holds weights of 32 bits; half precision is for WebGPU');
    return backend.load(sae, { signal, screen, storage });
  };
  const onWasm = async (error: BackendError): Promise<LoadedSae> => {
    notice(`the GPU failed (${error.message}); going on with WASM`);
    const wasm = opened.find(({ info }) => info.kind === 'wasm') ?? (await open('wasm'));
    used.push(wasm);
    return load(wasm);
  };

  /** The SAE on a GPU that `auto` chose, with WASM before it and after it. */
  const onGpu = async (gpu: Backend): Promise<LoadedSae> => {
    const preferred = load(gpu).then((loaded) => withFallback(loaded, sae, onWasm));
    preferred.catch(() => undefined);
    const isLarge = sizeOf(sae) > MOST_TWICE;
    let wasm: Backend | null = null;
    const { headStart } = await import('../engine/run/head-start.js');
    const loaded = await headStart(sae, {
      preferred,
      patience: isLarge ? Infinity : patience,
      async meanwhile() {
        const backend = await open('wasm');
        const first = await load(backend);
        wasm = backend;
        return first;
      },
      onStart() {
        if (wasm !== null) used.push(wasm);
        notice(`${gpu.info.description} is not ready yet; the run begins on WASM`);
      },
      onSwitch() {
        used.push(gpu);
        notice(`${gpu.info.description} is ready; the run goes on there`);
      },
      onFailure: (error) => notice(`the GPU failed (${error.message}); the run stays on WASM`),
    });
    if (used.length === 0) used.push(gpu);
    return loaded;
  };

  try {
    const first = await open(wanted);
    const mayFall = wanted === 'auto' && first.info.kind !== 'wasm';
    let loaded: LoadedSae;
    const cheaper = mayFall && rows !== undefined && sizeOf(sae) <= MOST_TWICE ? await (await import('./cheapest.js')).cheaperOnWasm({ gpu: first, openWasm: () => choose('wasm'), sae, rows: rows.all, batchRows: rows.batch, notice, signal }) : null;
    if (cheaper !== null) {
      opened.push(cheaper);
      used.push(cheaper);
      await drop(first);
      loaded = await load(cheaper);
    } else if (mayFall) {
      try {
        loaded = await onGpu(first);
      } catch (error) {
        if (!(error instanceof BackendError)) throw error;
        await drop(first);
        loaded = await onWasm(error);
      }
    } else {
      used.push(first);
      loaded = await load(first);
    }
    return {
      loaded,
      name: () => used.map(({ info }) => info.kind).join('+'),
      description: () => used.map(({ info }) => info.description).join(', then ') + precision(loaded),
      current: () => used[used.length - 1] as Backend,
      async close() {
        loaded.dispose();
        await close();
      },
    };
  } catch (error) {
    await close();
    throw error;
  }
}

/** What the weights' storage does to a pre-activation, where it does anything. */
function precision(loaded: LoadedSae): string {
  const error = loaded.report?.().storageErrorPerNorm ?? null;
  return error === null ? '' : `, weights of 16 bits (a pre-activation is within ${error.toPrecision(2)} ‖x‖ of that of 32)`;
}

/** How many rows a source has, and a batch of it. */
export function rowsOf({ contexts, positions }: ActivationSource, contextsPerBatch: number = defaultContextsPerBatch(positions)): { all: number; batch: number } {
  return { all: contexts * positions, batch: contextsPerBatch * positions };
}

/** What share of the pre-activations a screen let through, for people; null where there was none. */
export function screenNotice(loaded: LoadedSae): string | null {
  const screen = loaded.report?.().screen ?? null;
  return screen === null ? null : `screened: ${(100 * screen.survivorRatio).toPrecision(2)} % of the pre-activations were computed in f32, the others excluded by integers`;
}
