/**
 * The built-in analyses as the host runs them: batches, orders of shards and a
 * way through bytes change no integer and no text, and floats by rounding only.
 */
import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import type { StateValue } from '../../engine/run/accumulator.js';
import { runStream } from '../../engine/run/run.js';
import type { Column } from '../../engine/run/table.js';
import { decodeState, encodeState } from '../../engine/state.js';
import { createWasmBackend } from '../../engine/wasm/backend.js';
import { builtins } from '../../plugins/builtin/index.js';
import { createHost, type HostResult, type PluginHost } from '../../plugins/host.js';
import type { AnyPlugin } from '../../plugins/registry.js';
import { makeSae, randomRows } from '../shared/oracle.js';
import { memorySource, type Stream } from '../shared/stream.js';

const D = 8;
const sae = makeSae({ architecture: 'topk', d_in: D, d_sae: 24, k: 3, seed: 6 });
const backend = await createWasmBackend({ threads: 1 });
const loaded = await backend.load(sae);
const unembed = { d: D, vocabulary: 30, W_U: randomRows(D, 30, 3), final_norm_scale: null };

const makeStream = (contexts: number, positions: number, seed: number): Stream => ({
  x: randomRows(contexts * positions, D, seed),
  tokens: Int32Array.from({ length: contexts * positions }, (_, i) => (i * 7 + seed) % 13),
  contexts,
  positions,
  d: D,
});

const newHost = (stream: Stream): Promise<PluginHost> =>
  createHost({ plugins: builtins as readonly AnyPlugin[], context: { sae, seed: 5, positions: stream.positions, hasTokens: true, unembed, tokenText: (id) => `t${id}`, signal: undefined, notice: assert.fail } });

async function shard(stream: Stream, contexts: readonly [number, number], contextsPerBatch: number): Promise<PluginHost> {
  const host = await newHost(stream);
  await runStream({ source: memorySource(stream), sae, loaded, accumulators: [host], contexts, contextsPerBatch, ignoreTokens: [4] });
  return host;
}

function compareColumn(where: string, got: Column, expected: Column): void {
  assert.equal(got.name, expected.name);
  assert.deepEqual(got.type, expected.type);
  const scalar = typeof expected.type === 'string' ? expected.type : expected.type.list;
  if (scalar !== 'f32' && scalar !== 'f64') return assert.deepEqual(Array.from(got.data), Array.from(expected.data), where);
  for (let row = 0; row < expected.data.length; row++) {
    const [a, b] = [got.data[row], expected.data[row]];
    // A list, a list that is not there, or a value: all as lists.
    const items = (entry: unknown): unknown[] => (typeof entry === 'object' && entry !== null ? Array.from(entry as ArrayLike<unknown>) : [entry]);
    const [left, right] = [items(a), items(b)];
    assert.equal(left.length, right.length, where);
    left.forEach((value, i) => {
      const other = right[i];
      if (value === null || other === null) assert.equal(value, other, `${where}, row ${row}`);
      // Higher moments of few values cancel: an absolute part as large as the rounding of a sum of squares.
      else assert.ok(Math.abs((value as number) - (other as number)) <= 1e-5 * (1 + Math.abs(other as number)), `${where}, row ${row}: ${String(value)} and ${String(other)}`);
    });
  }
}

function compare(got: HostResult, expected: HostResult): void {
  assert.deepEqual(got.plugins.map(({ status }) => status), got.plugins.map(() => 'done'));
  for (const [i, { plugin, columns }] of expected.featureColumns.entries()) {
    assert.equal(got.featureColumns[i]!.plugin, plugin);
    columns.forEach((column, c) => compareColumn(`${plugin} ${column.name}`, got.featureColumns[i]!.columns[c]!, column));
  }
  for (const [i, { plugin, table }] of expected.tables.entries()) {
    const other = got.tables[i]!;
    assert.deepEqual([other.plugin, other.table.name, other.table.rows], [plugin, table.name, table.rows]);
    table.columns.forEach((column, c) => compareColumn(`${table.name} ${column.name}`, other.table.columns[c]!, column));
  }
}

test('shards of any sizes, merged in any order, give what one run gives', async () => {
  const cases = fc.record({
    contexts: fc.integer({ min: 1, max: 12 }),
    positions: fc.integer({ min: 1, max: 9 }),
    seed: fc.nat({ max: 99 }),
    cuts: fc.array(fc.nat({ max: 12 }), { maxLength: 3 }),
    order: fc.array(fc.nat(), { minLength: 4, maxLength: 4 }),
    contextsPerBatch: fc.integer({ min: 1, max: 5 }),
  });
  await fc.assert(fc.asyncProperty(cases, async ({ contexts, positions, seed, cuts, order, contextsPerBatch }) => {
    const stream = makeStream(contexts, positions, seed);
    const expected = await (await shard(stream, [0, contexts], contexts)).finish();
    const edges = [0, ...cuts.map((cut) => Math.min(cut, contexts)).sort((a, b) => a - b), contexts];
    const states: { key: number; state: StateValue }[] = [];
    for (let i = 0; i + 1 < edges.length; i++) {
      const host = await shard(stream, [edges[i]!, edges[i + 1]!], contextsPerBatch);
      states.push({ key: order[i]!, state: decodeState(encodeState(await host.save())) });
    }
    const merged = await newHost(stream);
    for (const { state } of states.sort((a, b) => a.key - b.key)) await merged.merge(state);
    compare(await merged.finish(), expected);
  }), { numRuns: 40, includeErrorInReport: true });
});
