/**
 * Runs to compare with, and held-out rows of what each was trained on: those of this
 * analysis where it is the same activations, another output of the same model over the same
 * tokens, or a generator's held-out stream.
 */
import { UsageError } from '../engine/errors.js';
import type { FolderRef, Ref } from '../engine/io/open.js';
import { ignoreRules } from '../engine/run/ignore.js';
import { defaultContextsPerBatch } from '../engine/run/run.js';
import { RowSample, type SampledRows } from '../engine/sketches/row-sample.js';
import type { ActivationSource } from '../engine/sources/source.js';
import type { RunReader } from '../engine/train/run-reader.js';
import type { AnalyzeOptions } from './analyze.js';
import type { ComparedRun } from './types.js';

/** Rows of a generator that are looked at, at most. */
const GENERATED_ROWS = 131_072;
const HOLD_ROWS = 128 * 2 ** 20;

/** @throws FormatError where the folder holds no run */
export async function openCompared({ name, run: ref }: { readonly name: string; readonly run: FolderRef }, options: AnalyzeOptions, source: ActivationSource): Promise<ComparedRun> {
  const { openRun } = await import('../engine/train/run-reader.js');
  const run = await openRun(ref);
  const { kind, hook, spec } = run.record.provenance;
  const bytes = options.holdRows ?? HOLD_ROWS;
  if (kind === 'generated') return { name, run, rows: () => generatedRows(spec, Math.max(1, Math.min(GENERATED_ROWS, Math.floor(bytes / (4 * run.record.d))))) };
  const ours = source.provenance['hook'];
  if (typeof hook === 'string' && typeof ours === 'string' && hook !== ours) return { name, run, rows: () => hookRows(name, run, hook, bytes, options) };
  if (run.record.d !== source.d) {
    throw new UsageError(`--compare ${name}: its activations have ${run.record.d} columns, these have ${source.d}, and it does not say which output of a model they are`, { hint: 'Compare runs on the same activations, or of one model.' });
  }
  return { name, run, rows: null };
}

async function generatedRows(spec: unknown, rows: number): Promise<SampledRows> {
  const { generate } = await import('../engine/generate/generate.js');
  const { x, d } = generate(spec as Parameters<typeof generate>[0], rows, { heldOut: true, withoutCodes: true });
  return { x, d, rows, total: rows, whole: true, tokens: null, index: Float64Array.from({ length: rows }, (_, row) => row) };
}

/** @throws UsageError where there is no model to run */
async function hookRows(name: string, run: RunReader, hook: string, bytes: number, options: AnalyzeOptions): Promise<SampledRows> {
  const { model, tokens, contextSize, runtime, ortUrl, wasmPaths, signal, seed = 0 } = options;
  if (model === undefined || tokens === undefined) throw new UsageError(`the run ${name} is on ${hook}, and there is no model to have that from`, { hint: 'Give the model and its tokens (--model, --tokens) instead of activations.' });
  const { modelSource } = await import('../engine/sources/model-source.js');
  const source = await modelSource({ model: model as Ref, tokens: tokens as Ref, hook, contextSize, runtime, ortUrl, wasmPaths });
  try {
    if (source.d !== run.record.d) throw new UsageError(`the run ${name} has activations of ${run.record.d} columns, ${hook} of this model has ${source.d}`, { hint: 'Is it a run on another model?' });
    const counts = ignoreRules(options, source);
    const sample = new RowSample({ d: source.d, bytes, seed, hasTokens: source.hasTokens });
    let rowOffset = 0;
    for await (const { x, tokens: ids, contexts, positions } of source.batches({ contextsPerBatch: defaultContextsPerBatch(source.positions), signal })) {
      const rows = contexts * positions;
      sample.update({ rowOffset, rows, counted: counts(ids, contexts).counted, x, tokens: ids });
      rowOffset += rows;
    }
    return sample.rows();
  } finally {
    await source.close();
  }
}
