/** sae/examples against sorting everything; its memory. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { Examples, rowHash } from '../../plugins/builtin/examples/analysis.js';
import { examples, type ExamplesSettings } from '../../plugins/builtin/examples/index.js';
import { checkResult } from '../../plugins/check-result.js';
import type { PluginContext } from '../../plugins/types.js';
import { analysisOf, batchOf, columnOf, contextFor, makeStream, plain, runWhole, type ContextOptions, type TestStream } from '../support/analysis-stream.js';

interface Firing {
  readonly context: number;
  readonly position: number;
  readonly value: number;
}

interface Settings {
  readonly before: number;
  readonly after: number;
  readonly top: number;
  readonly perInterval: number;
}

const DEFAULTS: Settings = { before: 10, after: 5, top: 20, perInterval: 5 };

function firingsOf(stream: TestStream, feature: number): Firing[] {
  return stream.dense.flatMap((row, r) => (row[feature]! > 0 ? [{ context: Math.floor(r / stream.positions), position: r % stream.positions, value: row[feature]! }] : []));
}

/** Greedy picks of all contexts, sorted. */
function topOracle(firings: readonly Firing[], { before, after, top }: Settings): Firing[] {
  const order = (a: Firing, b: Firing): number => b.value - a.value || a.context - b.context || a.position - b.position;
  const picks: Firing[] = [];
  for (const firing of [...firings].sort(order)) {
    if (!picks.some((pick) => pick.context === firing.context && Math.abs(pick.position - firing.position) <= Math.max(before, after))) picks.push(firing);
  }
  return picks.slice(0, top);
}

/** The interval's bottom-k by key. */
function sampleOracle(firings: readonly Firing[], group: number, seed: number, positions: number, k: number): Firing[] {
  const max = Math.max(...firings.map(({ value }) => value));
  const key = ({ context, position }: Firing): number => rowHash(seed, context, position, positions);
  const inside = firings.filter(({ value }) => value >= ((group - 1) / 10) * max && (group === 10 || value < (group / 10) * max));
  return inside.sort((a, b) => key(a) - key(b) || a.context - b.context || a.position - b.position).slice(0, k);
}

/** The row of the table for a firing. */
function rowOracle(stream: TestStream, feature: number, group: number, rank: number, { context, position, value }: Firing, { before, after }: Settings, text: ((id: number) => string) | null) {
  const start = Math.max(0, position - before);
  const end = Math.min(stream.positions, position + after + 1);
  const places = Array.from({ length: end - start }, (_, i) => context * stream.positions + start + i);
  const active = places.map((row) => stream.dense[row]![feature]!);
  const offsets = active.flatMap((found, i) => (found > 0 ? [i] : []));
  const tokens = places.map((row) => (stream.tokens === null ? '·' : text === null ? `#${stream.tokens[row]}` : text(stream.tokens[row]!)));
  return { feature, group, rank, context, position, value, start, tokens, act_offsets: offsets, act_values: offsets.map((i) => active[i]!) };
}

function rowsOf(result: unknown): ReturnType<typeof rowOracle>[] {
  const table = (result as { tables: { rows: number; columns: { name: string; data: unknown[] }[] }[] }).tables[0]!;
  return Array.from({ length: table.rows }, (_, row) => Object.fromEntries(table.columns.map(({ name, data }) => [name, data[row]]))) as ReturnType<typeof rowOracle>[];
}

/** Holds the table to the oracle. */
async function assertExamples(stream: TestStream, options: ContextOptions = {}): Promise<void> {
  const settings = { ...DEFAULTS, ...options.settings } as Settings;
  const seed = options.seed ?? 7;
  const result = await runWhole(analysisOf(examples, stream, options));
  checkResult('sae/examples', result, stream.d_sae, { columns: new Set(), tables: new Set() });
  const rows = rowsOf(plain(result));
  let at = 0;
  for (let feature = 0; feature < stream.d_sae; feature++) {
    const firings = firingsOf(stream, feature);
    if (firings.length === 0) continue;
    topOracle(firings, settings).forEach((firing, rank) => assert.deepEqual(rows[at++], rowOracle(stream, feature, 0, rank, firing, settings, options.tokenText ?? null)));
    for (let group = 1; group <= 10; group++) {
      const truth = sampleOracle(firings, group, seed, stream.positions, settings.perInterval);
      truth.forEach((firing, rank) => assert.deepEqual(rows[at++], rowOracle(stream, feature, group, rank, firing, settings, options.tokenText ?? null)));
    }
  }
  assert.equal(at, rows.length);
}

describe('sae/examples', () => {
  it('is what sorting everything gives, with windows, ties and rows that are left out', async () => {
    const shape = fc.record({ seed: fc.nat(1e6), contexts: fc.integer({ min: 1, max: 12 }), positions: fc.integer({ min: 1, max: 40 }), ties: fc.boolean(), ignored: fc.constantFrom(0, 0.3), density: fc.constantFrom(0.05, 0.5, 1) });
    await fc.assert(
      fc.asyncProperty(shape, async ({ density, ...rest }) => {
        await assertExamples(makeStream({ ...rest, d_sae: 3, density: (i) => (i === 1 ? 0 : density) }));
      }),
      { numRuns: 60 },
    );
  });

  it('obeys its settings', async () => {
    const settings = fc.record({ before: fc.nat(20), after: fc.nat(11), top: fc.integer({ min: 1, max: 30 }), perInterval: fc.integer({ min: 1, max: 9 }) });
    await fc.assert(
      fc.asyncProperty(settings, fc.nat(1e6), async (chosen, seed) => {
        await assertExamples(makeStream({ contexts: 6, positions: 33, d_sae: 2, seed, density: 0.4, ties: seed % 2 === 0 }), { settings: chosen, seed });
      }),
      { numRuns: 40 },
    );
  });

  it('shows texts, ids without a tokenizer, dots without tokens, and ids beyond 16 bits', async () => {
    const shape = { contexts: 3, positions: 20, d_sae: 2, seed: 4, density: 0.2 };
    await assertExamples(makeStream(shape), { tokenText: (id) => `<${id}>` });
    await assertExamples(makeStream({ ...shape, vocabulary: 256_000 }));
    await assertExamples(makeStream({ ...shape, tokens: false }));
  });

  it('gives other samples for another seed, and the same top', async () => {
    const stream = makeStream({ contexts: 20, positions: 30, d_sae: 1, seed: 4, density: 0.5 });
    const [a, b] = await Promise.all([1, 2].map(async (seed) => rowsOf(plain(await runWhole(analysisOf(examples, stream, { seed }))))));
    assert.deepEqual(a!.filter(({ group }) => group === 0), b!.filter(({ group }) => group === 0));
    assert.notDeepEqual(a, b);
  });

  it('has no rows for a dead SAE', async () => {
    const result = await runWhole(analysisOf(examples, makeStream({ contexts: 2, positions: 5, d_sae: 3, seed: 1, density: 0 })));
    checkResult('sae/examples', result, 3, { columns: new Set(), tables: new Set() });
    assert.equal(columnOf(result, 'feature', 'examples').data.length, 0);
  });

  it('refuses the state of another stream or setting', async () => {
    const stream = makeStream({ contexts: 2, positions: 8, d_sae: 3, seed: 1, density: 0.5 });
    const state = await (async () => {
      const accumulator = await analysisOf(examples, stream).create();
      await accumulator.update(batchOf(stream, 0, 2));
      return accumulator.save();
    })();
    const other = (changes: Partial<TestStream>) => analysisOf(examples, { ...stream, ...changes }).create();
    await assert.rejects(async () => (await other({ positions: 4 })).merge(state), /window/);
    await assert.rejects(async () => (await other({ d_sae: 2 })).merge(state), /window|reservoirs|maxima/);
    await assert.rejects(async () => (await other({ tokens: null })).merge(state), /tokens/);
  });

  it('holds at most the bytes a feature that its cost says', async () => {
    // 3,000 lognormal firings a feature, as in a stream of a few million tokens.
    const stream = makeStream({ contexts: 60, positions: 100, d_sae: 12, seed: 9, density: 0.5, ignored: 0 });
    const ctx = contextFor(examples as never, stream) as unknown as PluginContext<ExamplesSettings>;
    const accumulator = new Examples(ctx);
    for (let context = 0; context < stream.contexts; context++) accumulator.update(batchOf(stream, context, context + 1));
    const bytes = accumulator.bytes / stream.d_sae;
    console.log(`# examples: ${Math.round(bytes)} bytes a feature`);
    assert.ok(bytes <= examples.cost!({ d_in: 4, d_sae: 1, positions: 100 }).bytes, `${bytes} bytes a feature`);
  });
});
