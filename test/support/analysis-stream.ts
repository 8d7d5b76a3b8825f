/**
 * A small stream of contexts with codes that are made up, for tests of analyses
 * without a backend; and the ways to run it that must all give the same.
 */
import type { SparseCodes } from '../../engine/codes.js';
import { plainOps } from '../../engine/ops/ops.js';
import { decodeState, encodeState } from '../../engine/state.js';
import type { Accumulator, AnalysisResult, Batch } from '../../engine/run/accumulator.js';
import type { Column } from '../../engine/run/table.js';
import type { Sae } from '../../engine/sae.js';
import type { SampledRows } from '../../engine/sketches/row-sample.js';
import type { AnalysisPlugin, PluginContext, SettingsSchema } from '../../plugins/types.js';
import { resolveSettings } from '../../plugins/settings.js';
import { makeSae } from '../shared/oracle.js';
import { gaussian, uniform } from '../shared/random.js';

export interface TestStream {
  readonly contexts: number;
  readonly positions: number;
  readonly d: number;
  readonly d_sae: number;
  readonly tokens: Int32Array | null;
  readonly counted: Uint8Array;
  readonly x: Float32Array;
  readonly xhat: Float32Array;
  /** [rows][feature] activation, 0 where it does not fire. */
  readonly dense: Float32Array[];
}

export interface StreamShape {
  readonly contexts: number;
  readonly positions: number;
  readonly d_sae: number;
  readonly seed: number;
  readonly d?: number;
  /** How often a feature fires; feature 0 never does, unless a function says otherwise. */
  readonly density?: number | ((feature: number) => number);
  /** Values from a grid, so that many are equal. */
  readonly ties?: boolean;
  readonly tokens?: boolean;
  /** Share of rows that are left out. */
  readonly ignored?: number;
  readonly vocabulary?: number;
}

export function makeStream(shape: StreamShape): TestStream {
  const { contexts, positions, d_sae, seed, d = 4, density = (i) => (i === 0 ? 0 : 0.3), ties = false, tokens = true, ignored = 0.1, vocabulary = 500 } = shape;
  const next = uniform(seed);
  const normal = gaussian(seed + 1);
  const rows = contexts * positions;
  const counted = Uint8Array.from({ length: rows }, () => (next() < ignored ? 0 : 1));
  const x = Float32Array.from({ length: rows * d }, () => 2 + normal());
  const xhat = x.map((value, at) => (counted[Math.floor(at / d)] === 0 ? 0 : value * 0.9 + 0.2 * normal()));
  const dense = Array.from({ length: rows }, (_, row) =>
    Float32Array.from({ length: d_sae }, (_, i) => {
      const fires = next() < (typeof density === 'number' ? density : density(i));
      const value = ties ? (1 + Math.floor(8 * next())) / 8 : Math.exp(normal());
      return fires && counted[row] !== 0 ? value : 0;
    }),
  );
  return { contexts, positions, d, d_sae, counted, x, xhat, dense, tokens: tokens ? Int32Array.from({ length: rows }, () => Math.floor(vocabulary * next())) : null };
}

/** Contexts from .. to - 1 as a batch. */
export function batchOf(stream: TestStream, from: number, to: number): Batch {
  const { positions, d, d_sae } = stream;
  const [first, end] = [from * positions, to * positions];
  const rows = end - first;
  const offsets = new Uint32Array(rows + 1);
  const features: number[] = [];
  const values: number[] = [];
  for (let row = 0; row < rows; row++) {
    stream.dense[first + row]!.forEach((value, i) => {
      if (value === 0) return;
      features.push(i);
      values.push(value);
    });
    offsets[row + 1] = features.length;
  }
  const codes: SparseCodes = { rows, d_sae, offsets, features: Uint32Array.from(features), values: Float32Array.from(values), nearTies: 0 };
  const counted = stream.counted.slice(first, end);
  return {
    rowOffset: first,
    contextOffset: from,
    contexts: to - from,
    positions,
    rows,
    tokens: stream.tokens?.slice(first, end) ?? null,
    counted,
    countedRows: counted.reduce((sum, value) => sum + value, 0),
    x: stream.x.slice(first * d, end * d),
    codes,
    reconstruction: () => Promise.resolve(stream.xhat.slice(first * d, end * d)),
  };
}

export interface ContextOptions {
  readonly sae?: Sae;
  readonly settings?: Readonly<Record<string, unknown>>;
  readonly seed?: number;
  readonly tokenText?: PluginContext['tokenText'];
  readonly unembed?: PluginContext['unembed'];
  readonly notice?: (text: string) => void;
  /** Default: plain f64 loops. */
  readonly ops?: PluginContext['ops'];
  readonly run?: PluginContext['run'];
  readonly compared?: PluginContext['compared'];
  /** Default: the stream's rows that count. */
  readonly rows?: PluginContext['rows'];
  /** Results of the plugins before it, by id. */
  readonly results?: Readonly<Record<string, AnalysisResult>>;
}

/** What a host would hand to the plugin. */
export function contextFor(plugin: AnalysisPlugin<SettingsSchema>, stream: Pick<TestStream, 'positions' | 'd' | 'd_sae' | 'tokens'> & Partial<Pick<TestStream, 'x' | 'counted'>>, options: ContextOptions = {}): PluginContext {
  return {
    sae: options.sae ?? makeSae({ architecture: 'standard', d_in: stream.d, d_sae: stream.d_sae, seed: 5 }),
    settings: resolveSettings(plugin.id, plugin.settings, options.settings).values,
    seed: options.seed ?? 7,
    positions: stream.positions,
    hasTokens: stream.tokens !== null,
    unembed: options.unembed ?? null,
    tokenText: options.tokenText ?? null,
    signal: undefined,
    ops: options.ops ?? plainOps,
    run: options.run ?? null,
    compared: options.compared ?? [],
    rows: options.rows ?? (() => Promise.resolve(countedRows(stream))),
    result: (id) => options.results?.[id] ?? null,
    notice: options.notice ?? (() => undefined),
  };
}

/** All rows that count, as a host's sample holds them where they fit. */
function countedRows({ x, counted, d, tokens }: Partial<Pick<TestStream, 'x' | 'counted'>> & Pick<TestStream, 'd' | 'tokens'>): SampledRows {
  if (x === undefined || counted === undefined) throw new Error('this test gives no rows');
  const index = Float64Array.from([...counted.keys()].filter((row) => counted[row] !== 0));
  const rows = Float32Array.from({ length: index.length * d }, (_, at) => x[index[Math.floor(at / d)]! * d + (at % d)]!);
  return { x: rows, d, rows: index.length, total: index.length, whole: true, index, tokens: tokens === null ? null : Int32Array.from(index, (row) => tokens[row]!) };
}

export interface Analysis {
  create(): Promise<Accumulator>;
  readonly stream: TestStream;
}

export function analysisOf(plugin: AnalysisPlugin<SettingsSchema>, stream: TestStream, options: ContextOptions = {}): Analysis {
  return { stream, create: async () => (await plugin.load()).create(contextFor(plugin, stream, options)) };
}

/** Feeds contexts in batches of these sizes; the last one goes on to the end. */
export async function feed(accumulator: Accumulator, stream: TestStream, from: number, to: number, sizes: readonly number[] = []): Promise<void> {
  let at = from;
  for (let i = 0; at < to; i++) {
    const end = Math.min(to, at + (sizes[i] ?? to));
    await accumulator.update(batchOf(stream, at, end));
    at = end;
  }
}

/** Everything in one batch. */
export async function runWhole({ create, stream }: Analysis): Promise<AnalysisResult> {
  const accumulator = await create();
  await feed(accumulator, stream, 0, stream.contexts);
  return accumulator.finish();
}

/** In batches of these sizes. */
export async function runSplit({ create, stream }: Analysis, sizes: readonly number[]): Promise<AnalysisResult> {
  const accumulator = await create();
  await feed(accumulator, stream, 0, stream.contexts, sizes);
  return accumulator.finish();
}

/** One context a batch, in this order. */
export async function runOrdered({ create, stream }: Analysis, order: readonly number[]): Promise<AnalysisResult> {
  const accumulator = await create();
  for (const context of order) await accumulator.update(batchOf(stream, context, context + 1));
  return accumulator.finish();
}

/** Every context goes to one of the shards, whose states are merged in this order, through bytes. */
export async function runShards({ create, stream }: Analysis, shardOf: readonly number[], mergeOrder: readonly number[]): Promise<AnalysisResult> {
  const shards = await Promise.all(mergeOrder.map(create));
  for (let context = 0; context < stream.contexts; context++) await shards[shardOf[context]!]!.update(batchOf(stream, context, context + 1));
  const total = await create();
  for (const shard of mergeOrder) total.merge(decodeState(encodeState(shards[shard]!.save())));
  return total.finish();
}

/** Interrupted after so many contexts: saved to bytes, restored, gone on with. */
export async function runInterrupted({ create, stream }: Analysis, after: number): Promise<AnalysisResult> {
  const first = await create();
  await feed(first, stream, 0, after);
  const second = await create();
  second.merge(decodeState(encodeState(first.save())));
  await feed(second, stream, after, stream.contexts);
  return second.finish();
}

/** A column of the features, or of a table. */
export function columnOf(result: AnalysisResult, name: string, table?: string): Column {
  const columns = table === undefined ? result.features : result.tables?.find((found) => found.name === table)?.columns;
  const column = columns?.find((found) => found.name === name);
  if (column === undefined) throw new Error(`there is no column ${name}`);
  return column;
}

/** A column's numbers, NaN for null. */
export function numbersOf(result: AnalysisResult, name: string, table?: string): number[] {
  return Array.from(columnOf(result, name, table).data as ArrayLike<number | null>, (value) => value ?? NaN);
}

/** A result as plain JSON data, to compare with deepEqual. */
export function plain(result: AnalysisResult): unknown {
  return JSON.parse(JSON.stringify(result, (_, value: unknown) => (ArrayBuffer.isView(value) ? Array.from(value as unknown as ArrayLike<number>) : value)));
}
