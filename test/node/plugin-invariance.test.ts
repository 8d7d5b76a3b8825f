/**
 * The built-in analyses that stream: however the stream is cut into batches,
 * ordered, sharded or interrupted, integers and example sets are the same, and
 * floats differ by rounding alone.
 */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import type { AnalysisResult } from '../../engine/run/accumulator.js';
import { builtins, dyingInstruments, extras } from '../../plugins/builtin/index.js';
import { createRegistry } from '../../plugins/registry.js';
import type { AnalysisPlugin } from '../../plugins/types.js';
import { analysisOf, makeStream, plain, runInterrupted, runOrdered, runShards, runSplit, runWhole, type Analysis, type ContextOptions, type TestStream } from '../support/analysis-stream.js';

/** Relative to the larger of the two and 1; moments of a few dozen values (engine/sketches/moments.ts). */
const BOUND = 1e-10;
/** Figures that depend on the batch by definition. */
const PER_BATCH = new Set(['explained_variance_saelens_legacy', 'fvu_sparsify']);

/** Columns of f64 and figures of the summary may differ by rounding; all else is equal, f32 columns (maxima, quantiles, examples) included. */
function assertSame(got: unknown, expected: unknown, path: string, exact = true): void {
  if (typeof expected === 'number' && !exact) {
    assert.ok(typeof got === 'number' && Math.abs(got - expected) <= BOUND * Math.max(1, Math.abs(got), Math.abs(expected)), `${path}: ${String(got)}, expected ${expected}`);
  } else if (typeof expected === 'object' && expected !== null) {
    assert.deepEqual(Object.keys(got as object), Object.keys(expected), path);
    const rounded = (expected as { type?: unknown }).type === 'f64';
    for (const [key, value] of Object.entries(expected)) {
      if (!PER_BATCH.has(key)) assertSame((got as Record<string, unknown>)[key], value, `${path}.${key}`, exact && !rounded && key !== 'summary');
    }
  } else {
    assert.equal(got, expected, path);
  }
}

const CONTEXTS = 9;
const contexts = fc.shuffledSubarray([...Array(CONTEXTS).keys()], { minLength: CONTEXTS });
const cuts = fc.record({
  seed: fc.nat(1e6),
  ties: fc.boolean(),
  sizes: fc.array(fc.integer({ min: 1, max: 4 }), { maxLength: CONTEXTS }),
  order: contexts,
  shardOf: fc.array(fc.nat(2), { minLength: CONTEXTS, maxLength: CONTEXTS }),
  mergeOrder: fc.shuffledSubarray([0, 1, 2], { minLength: 3 }),
  after: fc.nat(CONTEXTS),
});

/**
 * Those with a state of their own. The others read only results of these and the held rows, at the end, and
 * sae/hyperplane descends on them, which makes rounding larger: both are in dying-shards.test.ts, in a host.
 */
const STREAMING = ['sae/density', 'sae/activations', 'sae/examples', 'sae/reconstruction', 'sae/inputs', 'sae/cofiring', 'sae/forecast', 'sae/rare-directions', 'sae/evolution', 'sae/gradient-anatomy', 'sae/verdict'];
/** With which the streams here have rare features and live ones. */
const SETTINGS: Readonly<Record<string, Readonly<Record<string, unknown>>>> = { 'sae/rare-directions': { edge: 0.2 }, 'sae/evolution': { edge: 0.2 }, 'sae/gradient-anatomy': { edge: 0.2, l1: 0.5 } };

/** The analysis after sae/density of the same stream, where it comes after that. */
async function analysisWith(plugin: AnalysisPlugin, stream: TestStream, options: ContextOptions = {}): Promise<Analysis> {
  const density = builtins.find(({ id }) => id === 'sae/density')!;
  const results = plugin.after?.includes(density.id) === true ? { [density.id]: await runWhole(analysisOf(density, stream)) } : {};
  return analysisOf(plugin, stream, { ...options, settings: SETTINGS[plugin.id] ?? {}, results });
}

describe('streaming analyses', () => {
  const streaming: AnalysisPlugin[] = [...builtins, ...extras].filter(({ id }) => STREAMING.includes(id));
  for (const plugin of streaming) {
    it(`${plugin.id}: batch splits, order of contexts, shards and interruption change nothing`, async () => {
      await fc.assert(
        fc.asyncProperty(cuts, async ({ seed, ties, sizes, order, shardOf, mergeOrder, after }) => {
          const stream = makeStream({ contexts: CONTEXTS, positions: 24, d_sae: 4, seed, ties, density: (i) => [0, 0.05, 0.4, 0.95][i]! });
          const analysis = await analysisWith(plugin, stream, { seed });
          const expected = plain(await runWhole(analysis));
          const check = (name: string, result: AnalysisResult): void => assertSame(plain(result), expected, `${plugin.id}, ${name}: `);
          check('split', await runSplit(analysis, sizes));
          check('ordered', await runOrdered(analysis, order));
          check('sharded', await runShards(analysis, shardOf, mergeOrder));
          check('interrupted', await runInterrupted(analysis, after));
        }),
        { numRuns: 40 },
      );
    });

    it(`${plugin.id}: saving and restoring in the middle gives the very result of going on`, async () => {
      const stream = makeStream({ contexts: CONTEXTS, positions: 24, d_sae: 4, seed: 33, density: 0.4 });
      const analysis = await analysisWith(plugin, stream);
      const uninterrupted = await runSplit(analysis, [4, CONTEXTS - 4]);
      assert.deepEqual(plain(await runInterrupted(analysis, 4)), plain(uninterrupted));
    });
  }

  it('do not mind contexts without a counted row, or an empty shard', async () => {
    const stream = makeStream({ contexts: 3, positions: 5, d_sae: 3, seed: 1, density: 0.5 });
    const silent = { ...stream, counted: stream.counted.map((value, row) => (row < 5 ? 0 : value)), dense: stream.dense.map((row, r) => (r < 5 ? row.map(() => 0) : row)) };
    for (const plugin of streaming) {
      const analysis = await analysisWith(plugin, silent);
      assertSame(plain(await runShards(analysis, [0, 1, 1], [0, 2, 1])), plain(await runWhole(analysis)), plugin.id);
    }
  });
});

const DYING = ['sae/forecast', 'sae/clusters', 'sae/hyperplane', 'sae/rare-directions', 'sae/evolution', 'sae/rare-cofiring', 'sae/gradient-anatomy', 'sae/conspiracy', 'sae/interpretability-null', 'sae/certificate', 'sae/verdict'];

/** What keeps no more than a number while the stream goes by says no cost. */
const STATELESS = ['sae/clusters', 'sae/rare-cofiring', 'sae/conspiracy', 'sae/interpretability-null', 'sae/certificate', 'sae/verdict'];

describe('built-in plugins', () => {
  it('are seven manifests and twelve more in the order of the pack, that a registry takes', () => {
    assert.deepEqual(builtins.map(({ id }) => id), ['sae/density', 'sae/activations', 'sae/examples', 'sae/weights', 'sae/reconstruction', 'sae/logits', 'sae/inputs']);
    assert.deepEqual(extras.map(({ id }) => id), ['sae/cofiring', ...DYING]);
    assert.deepEqual(dyingInstruments.map(({ id }) => id), DYING);
    const registry = createRegistry();
    for (const plugin of [...builtins, ...extras]) registry.register(plugin);
    assert.equal(registry.list().length, 19);
    assert.deepEqual(registry.warnings, []);
    for (const plugin of [...builtins, ...extras]) {
      const { bytes } = plugin.cost?.({ d_in: 64, d_sae: 512, positions: 128 }) ?? {};
      if (bytes !== undefined) assert.ok(Number.isFinite(bytes) && bytes > 0, plugin.id);
      assert.equal(bytes === undefined, STATELESS.includes(plugin.id), plugin.id);
    }
  });
});
