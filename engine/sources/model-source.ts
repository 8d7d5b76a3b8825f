/**
 * Activations of a language model that runs as they are read: an ONNX file with
 * its hooks as outputs, and token ids. Only what the hook needs is computed, batch
 * by batch, and nothing is stored.
 *
 * The model: one integer input of shape [batch, pos] (called `tokens`, or the
 * only one), outputs named like TransformerLens hooks, [batch, pos, d] or
 * [batch, pos, heads, d_head] f32.
 */
import type * as Ort from 'onnxruntime-web';
import { BackendError, FormatError, NumericError, ShapeError, UsageError } from '../errors.js';
import { firstNonFinite, show } from '../formats/tensor.js';
import { messageOf } from '../io/checks.js';
import { labelOf, openRef, type Ref } from '../io/open.js';
import { sha256Hex } from '../io/read.js';
import { pruneToOutput } from './onnx-prune.js';
import { resolveOnnxRuntime, type OnnxRuntimeOptions, type ResolvedRuntime } from './onnx-runtime.js';
import { contextBatches } from './prefetch.js';
import type { ActivationSource } from './source.js';
import { layoutOf, loadTokens, type TokenSource } from './tokens.js';

export interface ModelSourceOptions extends OnnxRuntimeOptions {
  /** The ONNX file. */
  readonly model: Ref;
  /** Ids, [contexts, positions], or [N] together with `contextSize`. */
  readonly tokens: Ref;
  /** Name of the output: the hook that the SAE reads. */
  readonly hook: string;
  readonly contextSize?: number | undefined;
}

/** Rows of one run of the model: larger ones are no faster and hold more memory; between runs an abort is seen. */
const RUN_ROWS = 4096;

interface Model {
  readonly session: Ort.InferenceSession;
  readonly runtime: ResolvedRuntime;
  readonly name: string;
  readonly hook: string;
  readonly input: { readonly name: string; readonly type: 'int64' | 'int32'; readonly batch: number | null; readonly pos: number | null };
}

/** The input that takes tokens, and what the model fixes about it. */
function findInput(session: Ort.InferenceSession, name: string): Model['input'] {
  const inputs = session.inputMetadata;
  const found = inputs.find((input) => input.name === 'tokens') ?? (inputs.length === 1 ? inputs[0] : undefined);
  const listed = inputs.map((input) => (input.isTensor ? `${input.name} ${input.type} ${show(input.shape as number[])}` : input.name)).join(', ');
  if (found === undefined || inputs.length !== 1) {
    throw new FormatError(`${name}: has the inputs ${listed}; one input of token ids was expected`, { hint: 'Export the model with `tokens` [batch, pos] as its only input.' });
  }
  if (!found.isTensor || (found.type !== 'int64' && found.type !== 'int32') || found.shape.length !== 2) {
    throw new FormatError(`${name}: its input is ${listed}; int64 or int32 of shape [batch, pos] was expected`);
  }
  const fixed = (extent: number | string | undefined): number | null => (typeof extent === 'number' && extent > 0 ? extent : null);
  return { name: found.name, type: found.type, batch: fixed(found.shape[0]), pos: fixed(found.shape[1]) };
}

async function openModel(options: ModelSourceOptions): Promise<{ model: Model; provenance: Readonly<Record<string, unknown>> }> {
  const source = await openRef(options.model);
  let bytes: Uint8Array<ArrayBuffer>;
  try {
    bytes = new Uint8Array(await source.slice(0, source.byteLength));
  } finally {
    if (source !== options.model) await source.close?.();
  }
  const sha256 = await sha256Hex(bytes);
  const runtime = await resolveOnnxRuntime(options);
  let session: Ort.InferenceSession;
  try {
    // Severity 4: what fails is raised here as an error, not printed by the runtime.
    session = await runtime.ort.InferenceSession.create(pruneToOutput(bytes, options.hook) ?? bytes, { executionProviders: [...runtime.providers], graphOptimizationLevel: 'all', logSeverityLevel: 4 });
  } catch (cause) {
    throw new FormatError(`${source.name}: ${runtime.description} cannot load it as a model (${messageOf(cause)})`, {
      cause,
      hint: 'Weights in a second file (external data) are not supported: export them into the ONNX file.',
    });
  }
  try {
    if (!session.outputNames.includes(options.hook)) {
      throw new UsageError(`${source.name}: has no output ${JSON.stringify(options.hook)}`, { hint: `Its outputs are ${session.outputNames.join(', ')}.` });
    }
    const model = { session, runtime, name: source.name, hook: options.hook, input: findInput(session, source.name) };
    return { model, provenance: { file: labelOf(source.name), bytes: bytes.byteLength, sha256 } };
  } catch (error) {
    await session.release();
    throw error;
  }
}

/** Runs whole contexts. @returns [contexts * positions, d], d from the output's shape */
async function runModel(model: Model, ids: Int32Array, contexts: number, positions: number, where: string): Promise<{ x: Float32Array; d: number }> {
  const { ort } = model.runtime;
  const { input, hook, session, name } = model;
  const batch = input.batch ?? contexts;
  // A model with a fixed batch gets its last batch filled up with zeros, whose rows are dropped.
  const padded = new Int32Array(batch * positions);
  padded.set(ids);
  const data = input.type === 'int64' ? BigInt64Array.from(padded, BigInt) : padded;
  let output: Ort.Tensor;
  try {
    const results = await session.run({ [input.name]: new ort.Tensor(input.type, data, [batch, positions]) }, [hook], { logSeverityLevel: 4 });
    output = results[hook] as Ort.Tensor;
  } catch (cause) {
    throw new BackendError(`${name}: the model failed on ${where} (${messageOf(cause)})`, { cause, hint: 'Do the tokens come from the tokenizer of this model, and fit in its context?' });
  }
  const { dims, type } = output;
  if (type !== 'float32') throw new FormatError(`${name}: output ${hook} is ${type}, float32 was expected`);
  if (dims.length < 3 || dims[0] !== batch || dims[1] !== positions) {
    throw new ShapeError(`${name}: output ${hook} has shape ${show(dims)}, ${show([batch, positions])} and at least one more dimension were expected`);
  }
  const d = dims.slice(2).reduce((product, extent) => product * extent, 1);
  return { x: (output.data as Float32Array).subarray(0, contexts * positions * d), d };
}

function checkFinite(model: Model, x: Float32Array, d: number, firstContext: number, positions: number): void {
  const bad = firstNonFinite(x);
  if (bad < 0) return;
  const row = Math.floor(bad / d);
  throw new NumericError(`${model.name}: output ${model.hook} is ${x[bad]} at context ${firstContext + Math.floor(row / positions)}, position ${row % positions}, column ${bad % d}`);
}

/**
 * Opens a model as a source of activations.
 * @throws UsageError when the model has no such output, listing those it has; FormatError, ShapeError and BackendError as their messages say
 */
export async function modelSource(options: ModelSourceOptions): Promise<ActivationSource> {
  const tokens: TokenSource = await loadTokens(options.tokens);
  let model: Model | null = null;
  try {
    const layout = layoutOf(tokens, options.contextSize);
    if (layout === null) throw new UsageError(`${tokens.label}: has shape ${show(tokens.shape)}: a model needs to know the length of a context`, { hint: 'Give the context size, or tokens of shape [contexts, positions].' });
    const opened = await openModel(options);
    model = opened.model;
    return await overModel(opened.model, opened.provenance, tokens, layout);
  } catch (error) {
    await model?.session.release();
    await tokens.close();
    throw error;
  }
}

async function overModel(model: Model, file: Readonly<Record<string, unknown>>, tokens: TokenSource, layout: { contexts: number; positions: number }): Promise<ActivationSource> {
  const { contexts, positions } = layout;
  if (model.input.pos !== null && model.input.pos !== positions) {
    throw new ShapeError(`${model.name}: takes contexts of ${model.input.pos} positions, ${tokens.label} has ${positions} (${show(tokens.shape)})`);
  }
  const perRun = model.input.batch ?? Math.max(1, Math.floor(RUN_ROWS / positions));
  // The width of the hook may be a name in the file: one context tells it.
  const { d } = await runModel(model, await tokens.ids(0, positions), 1, positions, 'the first context');

  // A session runs one thing at a time, and is not released while it runs.
  let last: Promise<unknown> = Promise.resolve();
  let closed = false;
  const exclusive = <T>(work: () => Promise<T>): Promise<T> => {
    const result = last.then(work);
    last = result.catch(() => undefined);
    return result;
  };
  const produce = (start: number, end: number, stopped: AbortSignal) =>
    exclusive(async () => {
      if (closed) throw new UsageError(`${model.name}: the source is already closed`);
      const ids = await tokens.ids(start * positions, end * positions);
      const x = new Float32Array((end - start) * positions * d);
      for (let from = start; from < end; from += perRun) {
        stopped.throwIfAborted();
        const to = Math.min(from + perRun, end);
        const run = await runModel(model, ids.subarray((from - start) * positions, (to - start) * positions), to - from, positions, `contexts ${from} to ${to - 1}`);
        checkFinite(model, run.x, d, from, positions);
        x.set(run.x, (from - start) * positions * d);
        // The WASM runtime blocks its thread: let timers, messages and aborts through.
        await new Promise((resolve) => setTimeout(resolve, 0));
      }
      return { contexts: end - start, positions, x, tokens: ids };
    });
  return {
    d,
    contexts,
    positions,
    hasTokens: true,
    provenance: { kind: 'model', model: file, hook: model.hook, tokens: await tokens.provenance(), runtime: model.runtime.description, contexts, positions, d },
    ranges: true,
    batches: (batchOptions) => contextBatches(batchOptions, contexts, produce),
    async close() {
      if (closed) return;
      closed = true;
      await last;
      await model.session.release();
      await tokens.close();
    },
  };
}
