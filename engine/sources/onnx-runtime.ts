/**
 * Which ONNX runtime runs the model: onnxruntime-node where it is installed
 * (Node), onnxruntime-web's WASM build with one thread everywhere else. One
 * thread: it needs no cross-origin isolation and gives the same bits each time.
 */
import type * as Ort from 'onnxruntime-web';
import { BackendError } from '../errors.js';
import { messageOf } from '../io/checks.js';

/** What is used of a runtime module: `onnxruntime-web` and `onnxruntime-node` both have it. */
export type OnnxRuntime = Pick<typeof Ort, 'InferenceSession' | 'Tensor' | 'env'>;

export interface OnnxRuntimeOptions {
  /** `auto`: onnxruntime-node in Node when it can be imported, else onnxruntime-web. A module that was imported elsewhere is used as it is. */
  readonly runtime?: 'auto' | 'web' | 'node' | OnnxRuntime | undefined;
  /** Where a page or worker finds `ort.wasm.bundle.min.mjs`: workers have no import maps. */
  readonly ortUrl?: string | undefined;
  /** Where onnxruntime-web finds its `.wasm`, when it is not beside the module. */
  readonly wasmPaths?: string | { readonly mjs?: string; readonly wasm?: string } | undefined;
}

export interface ResolvedRuntime {
  readonly ort: OnnxRuntime;
  /** `onnxruntime-web 1.30.0` */
  readonly description: string;
  readonly providers: readonly string[];
}

type Host = typeof globalThis & { Deno?: unknown; process?: { versions?: { node?: string } } };

function describe(ort: OnnxRuntime): ResolvedRuntime {
  const versions = ort.env.versions as { node?: string; web?: string; common?: string };
  return versions.node !== undefined
    ? { ort, description: `onnxruntime-node ${versions.node}`, providers: ['cpu'] }
    : { ort, description: `onnxruntime-web ${versions.web ?? versions.common ?? '(version unknown)'}`, providers: ['wasm'] };
}

async function importNode(): Promise<OnnxRuntime> {
  // A variable keeps bundlers from resolving a package that is optional.
  const name = 'onnxruntime-node';
  const module = (await import(name)) as OnnxRuntime & { default?: OnnxRuntime };
  return (module.InferenceSession as unknown) === undefined && module.default ? module.default : module;
}

async function importWeb({ ortUrl, wasmPaths }: OnnxRuntimeOptions): Promise<OnnxRuntime> {
  let ort: OnnxRuntime;
  try {
    ort = (await (ortUrl === undefined ? import('onnxruntime-web/wasm') : import(/* @vite-ignore */ ortUrl))) as OnnxRuntime;
  } catch (cause) {
    throw new BackendError(`onnxruntime-web cannot be loaded${ortUrl === undefined ? '' : ` from ${ortUrl}`} (${messageOf(cause)})`, {
      cause,
      hint: ortUrl === undefined ? 'In a page or worker without a bundler, say where ort.wasm.bundle.min.mjs is (ortUrl).' : undefined,
    });
  }
  ort.env.wasm.numThreads = 1;
  if (wasmPaths !== undefined) ort.env.wasm.wasmPaths = wasmPaths;
  return ort;
}

/** Finds the runtime. @throws BackendError saying what to install or to pass */
export async function resolveOnnxRuntime(options: OnnxRuntimeOptions = {}): Promise<ResolvedRuntime> {
  const wanted = options.runtime ?? 'auto';
  if (typeof wanted === 'object') return describe(wanted);
  const host = globalThis as Host;
  const isNode = host.Deno === undefined && host.process?.versions?.node !== undefined;
  if (wanted === 'node' || (wanted === 'auto' && isNode && options.ortUrl === undefined)) {
    try {
      return describe(await importNode());
    } catch (cause) {
      if (wanted === 'node') throw new BackendError(`onnxruntime-node cannot be loaded (${messageOf(cause)})`, { cause, hint: 'Install it: npm install onnxruntime-node. Or use the runtime web.' });
    }
  }
  return describe(await importWeb(options));
}
