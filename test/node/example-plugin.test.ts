/** The example plugin, through the same door as any stranger's: registry, host, pack. */
import assert from 'node:assert/strict';
import { resolve } from 'node:path';
import { describe, it } from 'node:test';
import { pathToFileURL } from 'node:url';
import { memorySink } from '../../engine/io/sink.js';
import { openPack } from '../../engine/pack/reader.js';
import { analyze } from '../../plugins/analyze.js';
import { loadPlugins } from '../../cli/plugin-files.js';
import { createRegistry } from '../../plugins/registry.js';
import type { Accumulator, Batch } from '../../engine/run/accumulator.js';
import { makeSae, oracleEncode, randomRows } from '../shared/oracle.js';
import { npy } from '../support/npy.js';

const [plugin] = await loadPlugins(['examples/plugin/plugin.js']);
assert.ok(plugin);
const { positionBits } = (await import(pathToFileURL(resolve('examples/plugin/position-bits.js')).href)) as {
  positionBits(firings: ArrayLike<number>, tokens: ArrayLike<number>): number | null;
};

const [CONTEXTS, POSITIONS, D, FEATURES] = [9, 7, 6, 16];

describe('bits about the position', () => {
  it('have their closed forms', () => {
    assert.equal(positionBits([0, 0, 0], [5, 5, 5]), null);
    assert.equal(positionBits([2, 2, 2, 2], [9, 9, 9, 9]), 0);
    assert.equal(positionBits([0, 0, 7, 0], [9, 9, 9, 9]), 2);
    // Uneven tokens: firing in proportion says nothing.
    assert.ok((positionBits([1, 2, 3], [10, 20, 30]) as number) < 1e-15);
    // Half of the firings at one of four positions, the rest alike: log2(4) - H(1/2, 1/6, 1/6, 1/6).
    const entropy = 0.5 + 0.5 * Math.log2(6);
    assert.ok(Math.abs((positionBits([3, 1, 1, 1], [4, 4, 4, 4]) as number) - (2 - entropy)) < 1e-12);
  });
});

describe('position profile', () => {
  const sae = { ...makeSae({ architecture: 'topk', d_in: D, d_sae: FEATURES, k: 3, seed: 4 }), applyBDecToInput: false };
  const x = randomRows(CONTEXTS * POSITIONS, D, 12);

  it('counts in the pack what the oracle fires, whatever the batches, and leaves ignored positions out', async () => {
    const codes = oracleEncode(sae, x, CONTEXTS * POSITIONS);
    const expected = Array.from({ length: FEATURES }, () => new Array<number>(POSITIONS).fill(0));
    for (let row = 0; row < codes.rows; row++) {
      if (row % POSITIONS === 0) continue;
      for (let i = codes.offsets[row] as number; i < (codes.offsets[row + 1] as number); i++) {
        const profile = expected[codes.features[i] as number] as number[];
        profile[row % POSITIONS] = (profile[row % POSITIONS] as number) + 1;
      }
    }
    for (const contextsPerBatch of [1, 4, CONTEXTS]) {
      const registry = createRegistry();
      registry.register(plugin);
      const sink = memorySink();
      const report = await analyze({ sae, acts: npy(x, [CONTEXTS, POSITIONS, D]), backend: 'wasm', ignorePositions: [0], registry, contextsPerBatch, out: sink });
      assert.deepEqual(report.plugins.map(({ id, status, view }) => [id, status, view]), [['example/position-profile', 'done', 'example-position-profile']]);
      const pack = await openPack(sink.files);
      const { columns } = await pack.table('example.position-profile.profile');
      assert.deepEqual(Array.from(columns['firings'] as ArrayLike<Uint32Array>, (list) => Array.from(list)), expected);
      assert.deepEqual(report.plugins[0]?.summary, { tokens_at: [0, 9, 9, 9, 9, 9, 9] });
      const bits = (await pack.table('features')).columns['example_position_profile_bits'] as ArrayLike<number | null>;
      expected.forEach((profile, feature) => {
        const exact = positionBits(profile, [0, 9, 9, 9, 9, 9, 9]);
        if (exact === null) assert.equal(bits[feature], null);
        else assert.ok(Math.abs((bits[feature] as number) - exact) < 1e-6);
      });
    }
  });

  it('adds shards up', async () => {
    const module = await plugin.load();
    const open = (): Accumulator => module.create({ sae, positions: POSITIONS } as Parameters<typeof module.create>[0]) as Accumulator;
    const batch = (from: number, to: number): Batch => {
      const rows = (to - from) * POSITIONS;
      const codes = oracleEncode(sae, x.subarray(from * POSITIONS * D, to * POSITIONS * D), rows);
      return {
        rowOffset: from * POSITIONS, contextOffset: from, contexts: to - from, positions: POSITIONS, rows, tokens: null,
        counted: new Uint8Array(rows).fill(1), countedRows: rows, x: x.subarray(from * POSITIONS * D, to * POSITIONS * D),
        codes: { ...codes, values: Float32Array.from(codes.values) },
        reconstruction: () => Promise.reject(new Error('not asked for')),
      };
    };
    const [whole, left, right, sum] = [open(), open(), open(), open()];
    whole.update(batch(0, CONTEXTS));
    left.update(batch(0, 4));
    right.update(batch(4, CONTEXTS));
    for (const shard of [right, left]) sum.merge(structuredClone(shard.save()));
    assert.deepEqual(await sum.finish(), await whole.finish());
  });
});
