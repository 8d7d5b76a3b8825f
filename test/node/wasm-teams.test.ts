/**
 * Both kinds of team (shared memory, transfer) against one thread: the same codes
 * whatever the architecture, shape, screen and number of threads; threads that end in
 * the middle; more rows than a memory holds at once; nothing asked for in the steady state.
 */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, describe, test } from 'node:test';
import fc from 'fast-check';
import { batchBudget } from '../../engine/batch-topk.js';
import type { SparseCodes } from '../../engine/codes.js';
import { NumericError } from '../../engine/errors.js';
import type { Architecture, Sae } from '../../engine/sae.js';
import { decoderNorms } from '../../engine/ties.js';
import { createWasmBackend } from '../../engine/wasm/backend.js';
import { compileKernels } from '../../engine/wasm/loader.js';
import { WorkerPool } from '../../engine/wasm/pool.js';
import { CHUNK, encoderWeights } from '../../engine/wasm/shape.js';
import { giveMemory, takeMemory } from '../../engine/wasm/shared-memories.js';
import { SharedTeam } from '../../engine/wasm/shared-team.js';
import { divide } from '../../engine/wasm/space.js';
import type { Team, TeamMemory } from '../../engine/wasm/team.js';
import { TransferTeam } from '../../engine/wasm/transfer-team.js';
import { assertCodesMatch, makeSae, randomRows } from '../shared/oracle.js';

const ARCHITECTURES: readonly Architecture[] = ['standard', 'jumprelu', 'gated', 'topk', 'batchtopk'];
const KINDS = ['shared', 'transfer'] as const;
type Kind = (typeof KINDS)[number];
type Screen = 'auto' | 'on' | 'off';

async function team(kind: Kind, pool: WorkerPool, sae: Sae, screen: Screen = 'off'): Promise<Team> {
  const weights = encoderWeights(sae, sae.rescaleActsByDecoderNorm ? decoderNorms(sae) : null, { screen });
  if (kind === 'transfer') return TransferTeam.start(pool, await compileKernels(), 'plain', weights);
  const shared = await SharedTeam.start(pool, await compileKernels('plain', true), 'plain', weights);
  assert.ok(shared !== null);
  return shared;
}

const alone = await createWasmBackend();
const pool = await WorkerPool.start(2);
after(() => pool.dispose());

async function expected(sae: Sae, xbar: Float32Array, rows: number): Promise<SparseCodes> {
  const loaded = await alone.load(sae, { screen: 'off' });
  try {
    return await loaded.encode(xbar, rows);
  } finally {
    loaded.dispose();
  }
}

/** As bits: -0 and the last place count. */
function same(actual: SparseCodes, wanted: SparseCodes): void {
  assert.deepEqual(actual.offsets, wanted.offsets);
  assert.deepEqual(actual.features, wanted.features);
  assert.deepEqual(new Uint32Array(actual.values.slice().buffer), new Uint32Array(wanted.values.slice().buffer));
  assert.equal(actual.nearTies, wanted.nearTies);
}

test('pre-activations of threads that share a memory: the bits of one thread, for every architecture, staged or not', async () => {
  for (const [index, architecture] of ARCHITECTURES.entries()) {
    for (const [rows, d_in, d_sae] of [[700, 30, 333], [131, 9, 4100], [5, 64, 8]] as const) {
      const sae = makeSae({ architecture, d_in, d_sae, seed: index, d_out: 2 });
      const xbar = randomRows(rows, d_in, index);
      const loaded = await alone.load(sae, { screen: 'off' });
      const wanted = await loaded.preactivations!(xbar, rows);
      const shared = await team('shared', pool, sae);
      const z = await shared.preactivations(xbar, rows, {});
      assert.ok(z !== null);
      assert.deepEqual(new Uint32Array(z.slice().buffer), new Uint32Array(wanted.slice().buffer));
      for (const out of [new Float32Array(rows * d_sae + 3), new Float32Array(new SharedArrayBuffer(4 * (rows * d_sae + 3)))]) {
        assert.equal(await shared.preactivations(xbar, rows, { out }), out);
        assert.deepEqual(out.slice(0, rows * d_sae), wanted);
        assert.deepEqual([...out.subarray(rows * d_sae)], [0, 0, 0]);
        if (!(out.buffer instanceof SharedArrayBuffer)) assert.equal(await loaded.preactivations!(xbar, rows, { out: out.fill(7) }), out);
      }
      shared.dispose();
      loaded.dispose();
    }
  }
  const sae = makeSae({ architecture: 'standard', d_in: 30, d_sae: 50, seed: 1, d_out: 2 });
  const shared = await team('shared', pool, sae);
  const bad = randomRows(700, 30, 2);
  bad[400 * 30 + 3] = NaN;
  bad[600 * 30 + 3] = NaN;
  await assert.rejects(shared.preactivations(bad, 700, {})!, /xbar, row 400/);
  await assert.rejects(shared.preactivations(bad, 700, { signal: AbortSignal.abort(new Error('enough')) })!, /enough/);
  shared.dispose();
});

for (const kind of KINDS) {
  describe(kind, () => {
    test('any architecture, shape and screen: the codes of one thread, bit for bit', async () => {
      const shape = fc.record({
        architecture: fc.constantFrom(...ARCHITECTURES.filter((name) => name !== 'batchtopk')),
        rows: fc.integer({ min: 0, max: 700 }),
        d_in: fc.integer({ min: 1, max: 40 }),
        d_sae: fc.integer({ min: 1, max: 300 }),
        k: fc.integer({ min: 0, max: 20 }),
        seed: fc.nat(),
        screen: fc.constantFrom<Screen>('auto', 'on', 'off'),
      });
      await fc.assert(
        fc.asyncProperty(shape, async ({ rows, screen, ...rest }) => {
          const sae = makeSae({ ...rest, d_out: 3 });
          const xbar = randomRows(rows, rest.d_in, rest.seed);
          const threads = await team(kind, pool, sae, screen);
          try {
            const wanted = await expected(sae, xbar, rows);
            same(await threads.encode(xbar, rows, {}), wanted);
            same(await threads.encode(xbar, rows, {}), wanted);
          } finally {
            threads.dispose();
          }
        }),
        { numRuns: 40 },
      );
    });

    test('batchtopk: what the backend selects, of floors that each thread raises for itself', async () => {
      const threads = await createWasmBackend({ threads: 3, shared: kind === 'shared' });
      for (const k of [0.5, 3, 200]) {
        const sae = makeSae({ architecture: 'batchtopk', d_in: 40, d_sae: 2000, k, seed: 9 });
        const rows = 900;
        const xbar = randomRows(rows, 40, 7);
        // Rows that grow: a floor of the first ones would be wrong for none, one of the last for all.
        for (let r = 0; r < rows; r++) for (let d = 0; d < 40; d++) xbar[r * 40 + d]! *= 0.2 + r / rows;
        const loaded = await threads.load(sae);
        const codes = await loaded.encode(xbar, rows);
        assert.equal(codes.features.length, batchBudget(k, rows));
        same(codes, await expected(sae, xbar, rows));
      }
      await threads.dispose();
    });

    test('the screen that one thread packs is taken by all', async () => {
      const sae = makeSae({ architecture: 'topk', d_in: 128, d_sae: 2048, k: 8, d_out: 2, seed: 3 });
      const xbar = randomRows(1600, 128, 3);
      const wanted = await expected(sae, xbar, 1600);
      const threads = await team(kind, pool, sae, 'auto');
      const before = threads.weightBytes();
      for (let i = 0; i < 3; i++) same(await threads.encode(xbar, 1600, {}), wanted);
      // So many rows that `auto` has tried it; shared memory has it once.
      const extra = threads.weightBytes() - before;
      const one = 2048 * (128 * 2 + 16);
      assert.ok(kind === 'shared' ? extra === one : extra > 0 && extra % one === 0, `${extra} bytes`);
      threads.dispose();

      const always = await team(kind, pool, sae, 'on');
      for (let i = 0; i < 2; i++) same(await always.encode(xbar, 1600, {}), wanted);
      // Whoever did it: everything was screened, and little of it computed.
      const { screened, computed } = always.screen()!;
      assert.equal(screened, 2 * 1600 * 2048);
      assert.ok(computed > 2 * 1600 * 8 && computed < 0.3 * screened, `${computed}`);
      always.dispose();
    });

    test('everything fires: entries that fit no stretch are found row by row', async () => {
      const sae = makeSae({ architecture: 'standard', d_in: 8, d_sae: 3000, d_out: 2, seed: 3 });
      sae.b_enc.fill(100);
      const xbar = randomRows(400, 8, 3);
      const threads = await team(kind, pool, sae);
      const codes = await threads.encode(xbar, 400, {});
      assert.equal(codes.features.length, 400 * 3000);
      same(codes, await expected(sae, xbar, 400));
      threads.dispose();
    });

    test('more rows than are held at once', async () => {
      const d_in = 1024;
      const rows = 9000;
      const sae = makeSae({ architecture: 'jumprelu', d_in, d_sae: 24, d_out: 2, seed: 3 });
      const space = divide(encoderWeights(sae, null), 3);
      assert.ok(space !== null && space.staged < rows);
      const xbar = randomRows(rows, d_in, 3);
      const threads = await team(kind, pool, sae);
      same(await threads.encode(xbar, rows, {}), await expected(sae, xbar, rows));
      // In the second part, and named as in the whole.
      xbar[8700 * d_in + 5] = Infinity;
      xbar[8900 * d_in + 5] = NaN;
      await assert.rejects(threads.encode(xbar, rows, {}), (error) => error instanceof NumericError && /xbar, row 8700:/.test(error.message));
      threads.dispose();
    });

    test('few rows: wider blocks fit a stretch too', async () => {
      for (const architecture of ['topk', 'standard'] as const) {
        const sae = makeSae({ architecture, d_in: 16, d_sae: 9001, k: 32, d_out: 2, seed: 3 });
        const xbar = randomRows(130, 16, 3);
        for (const screen of ['on', 'off'] as const) {
          const threads = await team(kind, pool, sae, screen);
          for (const rows of [1, 2, 4, 5, 8, 9, 17, 33, 65, 130]) same(await threads.encode(xbar.subarray(0, rows * 16), rows, {}), await expected(sae, xbar.subarray(0, rows * 16), rows));
          threads.dispose();
        }
      }
    });

    test('calls at the same time', async () => {
      const sae = makeSae({ architecture: 'topk', d_in: 64, d_sae: 1000, k: 5, d_out: 2, seed: 3 });
      const threads = await team(kind, pool, sae);
      const inputs = [1, 2, 3, 4].map((seed) => randomRows(300 * seed, 64, seed));
      const all = await Promise.all(inputs.map((xbar, i) => threads.encode(xbar, 300 * (i + 1), {})));
      for (const [i, codes] of all.entries()) same(codes, await expected(sae, inputs[i]!, 300 * (i + 1)));
      threads.dispose();
    });

    for (const victims of [[0], [1], [0, 1]]) {
      test(`worker ${victims.join(' and ')} of 2 ends in the middle: what it had is done again, and calls go on`, async () => {
        const own = await WorkerPool.start(2);
        const sae = makeSae({ architecture: 'standard', d_in: 64, d_sae: 4000, d_out: 2, seed: 3 });
        sae.b_enc.fill(-2);
        const threads = await team(kind, own, sae);
        const rows = 5000;
        const xbar = randomRows(rows, 64, 3);
        const wanted = await expected(sae, xbar, rows);
        same(await threads.encode(xbar, rows, {}), wanted);
        const pending = threads.encode(xbar, rows, {});
        const members = own.having(0);
        setTimeout(() => victims.forEach((index) => members[index]!.end(new Error('ended by the test'))), 15);
        same(await pending, wanted);
        assert.equal(own.size, 2 - victims.length);
        same(await threads.encode(xbar, rows, {}), wanted);
        // The lowest bad row is found though the thread that met it may be gone.
        xbar[70 * 64] = NaN;
        await assert.rejects(threads.encode(xbar, rows, {}), /xbar, row 70:/);
        threads.dispose();
        own.dispose();
      });
    }

    test('in the steady state nothing is asked for', async () => {
      const rows = 8 * CHUNK;
      const backend = await createWasmBackend({ threads: 3, shared: kind === 'shared' });
      assert.equal(backend.info.details.sharedMemory, kind === 'shared');
      for (const architecture of ['topk', 'jumprelu'] as const) {
        const sae = makeSae({ architecture, d_in: 64, d_sae: 2000, k: 8, d_out: 16, seed: 3 });
        const loaded = await backend.load(sae, { screen: 'on' });
        const memory = () => (loaded as unknown as { memory(): TeamMemory }).memory();
        const inputs = [1, 2, 3].map((seed) => randomRows(rows, 64, seed));
        const wanted = await expected(sae, inputs[0]!, rows);
        // What each thread takes is chance; each has room for all of it from the second call on.
        const counts: number[] = [];
        let linear = 0;
        for (let i = 0; i < 24; i++) {
          const xbar = inputs[i % 3]!;
          const codes = await loaded.encode(xbar, rows);
          if (i % 3 === 0) same(codes, wanted);
          await loaded.decode(codes);
          counts.push(memory().made);
          if (i === 1) ({ linear } = memory());
        }
        assert.equal(memory().linear, linear, 'WASM memory');
        // 3 rooms, which are made, grow in the first call, and are made as large as the whole of it; without shared memory 5, and 4 buffers for rows.
        assert.ok(counts[1]! <= (kind === 'shared' ? 9 : 19), counts.join());
        // The three inputs have not the same number of entries.
        assert.equal(counts.at(-1), counts[5], counts.join());
        loaded.dispose();
      }
      await backend.dispose();
    });
  });
}

test('divide: stretches follow each other, none overlaps, and what a memory cannot hold is refused', () => {
  for (const architecture of ARCHITECTURES) {
    for (const [d_in, d_sae] of [[1, 1], [768, 6144], [4608, 65_536]] as const) {
      const sae: Sae = { ...makeSae({ architecture, d_in: 1, d_sae: 1, seed: 1 }), d_in, d_sae };
      const weights = { ...encoderWeights(makeSae({ architecture, d_in: 1, d_sae: 1, seed: 1 }), null), d_in, d_sae, k: sae.k };
      const space = divide(weights, 4)!;
      const stretches = [{ begin: 0, end: space.control }, space.weights, space.screen, ...space.threads, space.rows];
      for (const [i, { begin, end }] of stretches.entries()) {
        assert.ok(begin % 16 === 0 && begin <= end);
        if (i > 0) assert.ok(begin >= stretches[i - 1]!.end);
      }
      assert.equal(space.rows.end, space.bytes);
      assert.ok(space.staged >= 8 * 4 * CHUNK && space.staged * d_in * 4 <= space.rows.end - space.rows.begin);
    }
  }
  const huge = { ...encoderWeights(makeSae({ architecture: 'topk', d_in: 1, d_sae: 1, seed: 1 }), null), d_in: 4096, d_sae: 250_000 };
  assert.equal(divide(huge, 2), null);
});

test('a memory that is given back is the next one, grown where it is too small', () => {
  const first = takeMemory(300_000)!;
  assert.ok(first.buffer.byteLength >= 300_000);
  const second = takeMemory(65_536)!;
  assert.notEqual(first, second);
  giveMemory(second);
  giveMemory(first);
  assert.equal(takeMemory(1_000_000), first);
  assert.ok(first.buffer.byteLength >= 1_000_000);
  assert.equal(takeMemory(1), second);
});

test('SAE after SAE takes one memory', async () => {
  const backend = await createWasmBackend({ threads: 2 });
  const saes = (['topk', 'jumprelu', 'gated', 'standard'] as const).map((architecture, seed) => makeSae({ architecture, d_in: 200, d_sae: 1003 - 100 * seed, k: 5, seed, d_out: 2 }));
  const xbar = randomRows(500, 200, 1);
  const sizes: number[] = [];
  for (let i = 0; i < 40; i++) {
    const sae = saes[i % 4]!;
    const loaded = await backend.load(sae, { screen: i % 8 < 4 ? 'on' : 'off' });
    const pending = loaded.encode(xbar, 500);
    // Given back in the middle of a call: the memory is another's only after it.
    loaded.dispose();
    const next = await backend.load(saes[(i + 1) % 4]!);
    if (i < 4) assertCodesMatch(sae, xbar, 500, await pending);
    same(await pending, await expected(sae, xbar, 500));
    next.dispose();
    sizes.push(process.memoryUsage().rss);
  }
  // 40 memories of some 50 MB each would be 2 GB.
  assert.ok(sizes.at(-1)! - sizes[8]! < 4e8, sizes.join());
  await backend.dispose();
});

test('modules for shared memory hold no data: an instance changes nothing that others see', () => {
  for (const name of ['shared', 'shared-relaxed']) {
    const bytes = readFileSync(`build/wasm/${name}.wasm`);
    const sections = new Set<number>();
    for (let at = 8; at < bytes.length; ) {
      sections.add(bytes[at++]!);
      let size = 0;
      for (let shift = 0, byte = 0x80; byte & 0x80; shift += 7) size |= ((byte = bytes[at++]!) & 0x7f) << shift;
      at += size;
    }
    // 10: code, 11: data, 12: how many data. (8, the start, sets this instance's globals.)
    assert.ok(sections.has(10) && !sections.has(11) && !sections.has(12), [...sections].join());
  }
});
