/** The streaming run on the WASM backend: what batches, orders, shards and ignore rules may and may not change. */
import assert from 'node:assert/strict';
import test, { after, before } from 'node:test';
import fc from 'fast-check';
import type { Backend, LoadedSae } from '../../engine/backend.js';
import { BackendError, NumericError, ShapeError, UsageError, isAbort } from '../../engine/errors.js';
import { prepareInput } from '../../engine/prepare.js';
import type { Batch } from '../../engine/run/accumulator.js';
import { joinCodes } from '../../engine/codes.js';
import { withFallback } from '../../engine/run/encode-rows.js';
import type { ProgressEvent } from '../../engine/run/progress.js';
import { defaultContextsPerBatch, runStream, type RunOptions } from '../../engine/run/run.js';
import type { Sae } from '../../engine/sae.js';
import { decodeState, encodeState } from '../../engine/state.js';
import { createWasmBackend } from '../../engine/wasm/backend.js';
import { assertCodesMatch, makeSae, oracleDecode, randomRows } from '../shared/oracle.js';
import { FiringCounter, limited, LowestHash, memorySource, permuteContexts, Recorder, type Stream } from '../shared/stream.js';

const D = 12;
const saes: Sae[] = [
  makeSae({ architecture: 'standard', d_in: D, d_sae: 40, seed: 1 }),
  makeSae({ architecture: 'topk', d_in: D, d_sae: 40, k: 5, seed: 2 }),
  { ...makeSae({ architecture: 'jumprelu', d_in: D, d_sae: 40, seed: 3 }), normalizeActivations: 'layer_norm' },
];
let backend: Backend;
let loadedSaes: LoadedSae[];

before(async () => {
  backend = await createWasmBackend({ threads: 1 });
  loadedSaes = await Promise.all(saes.map((sae) => backend.load(sae)));
});
after(() => backend.dispose());

const makeStream = (contexts: number, positions: number, seed: number): Stream => ({
  x: randomRows(contexts * positions, D, seed),
  tokens: Int32Array.from({ length: contexts * positions }, (_, i) => (i % positions === 0 ? 1 : 2 + ((i * 7 + seed) % 9))),
  contexts,
  positions,
  d: D,
});

/** Runs a counter and a sampler; both are integers all through. */
async function integers(stream: Stream, which: number, options: Partial<RunOptions> = {}) {
  const sae = saes[which]!;
  const counter = new FiringCounter(sae.d_sae);
  const sampler = new LowestHash(sae.d_sae, 11);
  const recorder = new Recorder();
  const totals = await runStream({ source: memorySource(stream), sae, loaded: loadedSaes[which]!, accumulators: [counter, sampler, recorder], ...options });
  return { counter, sampler, recorder, totals, counts: [...counter.counts], rows: [...sampler.rows] };
}

const shape = fc.record({
  which: fc.nat({ max: saes.length - 1 }),
  contexts: fc.integer({ min: 1, max: 9 }),
  positions: fc.integer({ min: 1, max: 7 }),
  seed: fc.nat({ max: 1000 }),
  ignoreTokens: fc.uniqueArray(fc.integer({ min: 1, max: 10 }), { maxLength: 3 }),
});

test('codes are those of the oracle, and only of the rows that count', async () => {
  for (const [which, sae] of saes.entries()) {
    const stream = makeStream(6, 5, which);
    const { recorder, totals } = await integers(stream, which, { ignoreTokens: [1], contextsPerBatch: 4 });
    assert.equal(totals.rows, 30);
    assert.equal(totals.tokens, 24);
    assert.equal(totals.nnz, recorder.entries.length);
    for (const batch of recorder.batches) {
      assert.equal(batch.codes.offsets.length, batch.rows + 1);
      const kept = [...batch.counted.keys()].filter((row) => batch.counted[row] === 1);
      for (let row = 0; row < batch.rows; row++) assert.equal(batch.counted[row], batch.tokens![row] === 1 ? 0 : 1);
      const x = Float32Array.from(kept.flatMap((row) => [...batch.x.subarray(row * D, (row + 1) * D)]));
      const offsets = Uint32Array.of(0, ...kept.map((row) => batch.codes.offsets[row + 1]!));
      assertCodesMatch(sae, prepareInput(sae, x, kept.length).xbar, kept.length, { ...batch.codes, rows: kept.length, offsets });
    }
  }
});

test('the size of a batch, and of the backend\'s chunks, changes nothing', async () => {
  await fc.assert(fc.asyncProperty(shape, fc.integer({ min: 1, max: 10 }), fc.integer({ min: 1, max: 9 }), async ({ which, contexts, positions, seed, ignoreTokens }, contextsPerBatch, maxRows) => {
    const stream = makeStream(contexts, positions, seed);
    const whole = await integers(stream, which, { ignoreTokens, contextsPerBatch: contexts });
    const split = await integers(stream, which, { ignoreTokens, contextsPerBatch, loaded: limited(loadedSaes[which]!, maxRows) });
    assert.deepEqual(split.recorder.entries, whole.recorder.entries);
    assert.deepEqual(split.counts, whole.counts);
    assert.deepEqual(split.rows, whole.rows);
    assert.deepEqual({ ...split.totals, seconds: 0 }, { ...whole.totals, seconds: 0 });
    assert.deepEqual(split.recorder.batches.map(({ contextOffset }) => contextOffset), Array.from({ length: Math.ceil(contexts / contextsPerBatch) }, (_, i) => i * contextsPerBatch));
  }), { numRuns: 60 });
});

test('the order of contexts changes no count', async () => {
  await fc.assert(fc.asyncProperty(shape, fc.infiniteStream(fc.nat()), async ({ which, contexts, positions, seed, ignoreTokens }, keys) => {
    const stream = makeStream(contexts, positions, seed);
    const order = Array.from({ length: contexts }, (_, i) => ({ i, key: keys.next().value as number })).sort((a, b) => a.key - b.key || a.i - b.i).map(({ i }) => i);
    const [a, b] = [await integers(stream, which, { ignoreTokens }), await integers(permuteContexts(stream, order), which, { ignoreTokens })];
    assert.deepEqual(b.counts, a.counts);
    assert.deepEqual({ ...b.totals, seconds: 0 }, { ...a.totals, seconds: 0 });
  }), { numRuns: 40 });
});

test('shards that are merged, by way of bytes, equal the whole, in any order and over sources that cannot seek', async () => {
  await fc.assert(fc.asyncProperty(shape, fc.nat({ max: 9 }), fc.nat({ max: 9 }), fc.boolean(), async ({ which, contexts, positions, seed, ignoreTokens }, a, b, ranges) => {
    const stream = makeStream(contexts, positions, seed);
    const cuts = [0, Math.min(a, b, contexts), Math.min(Math.max(a, b), contexts), contexts];
    const whole = await integers(stream, which, { ignoreTokens });
    const merged = { counter: new FiringCounter(40), sampler: new LowestHash(40, 11) };
    let nnz = 0;
    let tokens = 0;
    for (const part of [2, 0, 1]) {
      const shard = await integers(stream, which, { ignoreTokens, contextsPerBatch: 2, contexts: [cuts[part]!, cuts[part + 1]!], source: memorySource(stream, { ranges }) });
      merged.counter.merge(decodeState(encodeState(shard.counter.save())));
      merged.sampler.merge(decodeState(encodeState(shard.sampler.save())));
      nnz += shard.totals.nnz;
      tokens += shard.totals.tokens;
      for (const { rowOffset, contextOffset } of shard.recorder.batches) assert.equal(rowOffset, contextOffset * positions);
    }
    assert.deepEqual([...merged.counter.counts], whole.counts);
    assert.equal(merged.counter.tokens, whole.counter.tokens);
    assert.deepEqual([...merged.sampler.rows], whole.rows);
    assert.deepEqual([nnz, tokens], [whole.totals.nnz, whole.totals.tokens]);
  }), { numRuns: 40 });
});

test('the reconstruction is the oracle\'s in the space of x, made once and only when asked for, zero where nothing counts', async () => {
  for (const [which, sae] of saes.entries()) {
    const stream = makeStream(4, 6, 20 + which);
    const counted = limited(loadedSaes[which]!, 5);
    let checked = 0;
    const check = async (batch: Batch): Promise<void> => {
      const [first, second] = await Promise.all([batch.reconstruction(), batch.reconstruction()]);
      assert.equal(first, second);
      for (let row = 0; row < batch.rows; row++) {
        const got = first.subarray(row * D, (row + 1) * D);
        if (batch.counted[row] === 0) {
          assert.ok(got.every((value) => value === 0));
          continue;
        }
        const [from, to] = [batch.codes.offsets[row]!, batch.codes.offsets[row + 1]!];
        const one = { rows: 1, d_sae: sae.d_sae, offsets: Uint32Array.of(0, to - from), features: batch.codes.features.slice(from, to), values: batch.codes.values.slice(from, to), nearTies: 0 };
        const expected = oracleDecode(sae, one);
        const x = [...batch.x.subarray(row * D, (row + 1) * D)];
        const mean = x.reduce((sum, value) => sum + value, 0) / D;
        const sd = Math.sqrt(x.reduce((sum, value) => sum + (value - mean) ** 2, 0) / (D - 1));
        expected.forEach((value, c) => {
          const restored = sae.normalizeActivations === 'layer_norm' ? value * sd + mean : value;
          assert.ok(Math.abs(got[c]! - restored) < 1e-5 * (1 + Math.abs(restored)), `${got[c]} is not ${restored}`);
          checked++;
        });
      }
    };
    await runStream({ source: memorySource(stream), sae, loaded: counted, accumulators: [{ update: check }, { update: check }], ignorePositions: [0, 3], contextsPerBatch: 2 });
    assert.equal(checked, 2 * 16 * D);
    // Two batches of 8 rows that count, in chunks of at most 5.
    assert.deepEqual(counted.calls.decode, [5, 3, 5, 3]);
    assert.deepEqual(counted.calls.encode, [5, 3, 5, 3]);
    const idle = limited(loadedSaes[which]!, 100);
    await runStream({ source: memorySource(stream), sae, loaded: idle, accumulators: [new Recorder()] });
    assert.deepEqual(idle.calls.decode, []);
  }
});

test('what an ignore rule leaves out may be anything; a NaN that counts is named', async () => {
  const stream = makeStream(3, 4, 5);
  stream.x[(1 * 4 + 0) * D + 3] = NaN;
  const clean = await integers(makeStream(3, 4, 5), 0, { ignorePositions: [0] });
  assert.deepEqual((await integers(stream, 0, { ignorePositions: [0] })).recorder.entries, clean.recorder.entries);
  for (const [value, word] of [[NaN, /NaN/], [Infinity, /Infinity/], [-Infinity, /-Infinity/]] as const) {
    stream.x[(2 * 4 + 3) * D + 7] = value;
    await assert.rejects(integers(stream, 0, { ignorePositions: [0], contextsPerBatch: 1 }), (error: unknown) => error instanceof NumericError && word.test(error.message) && /context 2, position 3 \(row 11\), column 7/.test(error.message));
  }
});

test('a pre-activation that overflows names the contexts of its batch', async () => {
  const stream = makeStream(3, 4, 5);
  stream.x.fill(3e38, 5 * D, 6 * D);
  await assert.rejects(integers(stream, 0, { contextsPerBatch: 1 }), (error: unknown) => error instanceof NumericError && /^contexts 1 to 1, rows that count: /.test(error.message));
});

test('rules and ranges that do not fit the source are wrong use', async () => {
  const stream = makeStream(3, 4, 5);
  for (const [options, message] of [
    [{ ignorePositions: [4] }, /position 4 .* 0 to 3/],
    [{ ignorePositions: [-1] }, /position -1/],
    [{ contexts: [0, 4] }, /contexts 0 to 4/],
    [{ contexts: [2, 1] }, /contexts 2 to 1/],
    [{ contextsPerBatch: 0 }, /batch of 0/],
    [{ contextsPerBatch: 1.5 }, /batch of 1.5/],
  ] as const) {
    await assert.rejects(integers(stream, 0, options as Partial<RunOptions>), (error: unknown) => error instanceof UsageError && message.test(error.message));
  }
  await assert.rejects(integers({ ...stream, tokens: null }, 0, { ignoreTokens: [1] }), UsageError);
});

test('a source that breaks its word is a ShapeError', async () => {
  const stream = makeStream(4, 3, 5);
  const good = memorySource(stream);
  const breaking = (change: (batch: { contexts: number; positions: number; x: Float32Array; tokens: Int32Array | null }) => object) => ({
    ...good,
    async *batches(options: Parameters<typeof good.batches>[0]) {
      for await (const batch of good.batches(options)) yield { ...batch, ...change(batch) };
    },
  });
  for (const source of [
    { ...good, d: D + 1 },
    { ...good, contexts: 5 },
    breaking(({ x }) => ({ x: x.subarray(1) })),
    breaking(() => ({ positions: 2 })),
    breaking(() => ({ tokens: null })),
    breaking(({ tokens }) => ({ tokens: tokens!.subarray(1) })),
    breaking(({ contexts, x, tokens }) => ({ contexts: contexts + 3, x: Float32Array.of(...x, ...x), tokens: Int32Array.of(...tokens!, ...tokens!) })),
    breaking(() => ({ contexts: 0 })),
  ]) {
    await assert.rejects(integers(stream, 0, { source, contextsPerBatch: 3 }), ShapeError);
  }
});

test('an abort is seen wherever it happens, and stops the source', async () => {
  const stream = makeStream(6, 4, 5);
  const places: ((controller: AbortController, step: { n: number }, at: number) => Partial<RunOptions>)[] = [
    (controller, step, at) => ({ accumulators: [{ update: () => void (++step.n === at && controller.abort()) }, { update: () => assert.ok(!controller.signal.aborted, 'fed after the abort') }] }),
    (controller, step, at) => ({ onProgress: () => void (++step.n === at && controller.abort()) }),
    (controller, step, at) => ({ loaded: { ...limited(loadedSaes[0]!, 3), encode: async (xbar, rows) => (++step.n === at && controller.abort(), loadedSaes[0]!.encode(xbar, rows)) } }),
  ];
  for (const place of places) {
    for (let at = 1; at <= 3; at++) {
      const controller = new AbortController();
      const source = memorySource(stream);
      const step = { n: 0 };
      const fed = new Recorder();
      // The progress of a fast run comes as its first and its last event only.
      const options: RunOptions = { source, sae: saes[0]!, loaded: loadedSaes[0]!, accumulators: [fed], contextsPerBatch: 1, signal: controller.signal, ...place(controller, step, at) };
      const outcome = await runStream(options).then(() => 'done', (error: unknown) => error);
      if (step.n < at) continue;
      assert.ok(isAbort(outcome), `place ${places.indexOf(place)}, step ${at}: ${String(outcome)}`);
      assert.ok(source.log.length === 0 || source.log.at(-1) === 'stopped', source.log.join(', '));
    }
  }
  await assert.rejects(integers(stream, 0, { signal: AbortSignal.abort() }), isAbort);
});

test('an abort that comes as an event is let in', async () => {
  const stream = makeStream(20_000, 4, 5);
  const controller = new AbortController();
  const source = memorySource(stream);
  setTimeout(() => controller.abort(), 10);
  await assert.rejects(integers(stream, 0, { source, contextsPerBatch: 1, signal: controller.signal }), isAbort);
  assert.ok(source.log.length < 20_000, `${source.log.length} steps`);
});

test('an accumulator that throws ends the run; a backend that fails in a reconstruction does so even when that is swallowed', async () => {
  const stream = makeStream(2, 3, 5);
  const source = memorySource(stream);
  await assert.rejects(integers(stream, 0, { source, accumulators: [{ update: () => { throw new Error('mine'); } }] }), /^Error: mine$/);
  assert.equal(source.log.at(-1), 'stopped');
  const broken: LoadedSae = { ...limited(loadedSaes[0]!, 100), decode: () => Promise.reject(new BackendError('lost')) };
  for (const update of [
    (batch: Batch) => batch.reconstruction().then(() => undefined, () => undefined),
    (batch: Batch) => void batch.reconstruction(),
  ]) {
    await assert.rejects(integers(stream, 0, { loaded: broken, accumulators: [{ update }] }), BackendError);
  }
});

test('a backend that is lost is replaced in the middle, with the same codes', async () => {
  const sae = saes[0]!;
  const stream = makeStream(8, 3, 5);
  const whole = await integers(stream, 0, { contextsPerBatch: 2 });
  for (const failing of ['encode', 'decode'] as const) {
    for (let at = 0; at < 4; at++) {
      let calls = 0;
      const first = limited(loadedSaes[0]!, 100);
      const lost: LoadedSae = { ...first, [failing]: (...args: never[]) => (calls++ >= at ? Promise.reject(new BackendError('device lost')) : (first[failing] as (...a: never[]) => Promise<never>)(...args)) };
      const reasons: string[] = [];
      // The second takes fewer rows at a time than the first.
      const loaded = withFallback(lost, sae, (error) => (reasons.push(error.message), Promise.resolve(limited(loadedSaes[0]!, 4))));
      const recorder = new Recorder();
      const sums: number[] = [];
      const totals = await runStream({ source: memorySource(stream), sae, loaded, contextsPerBatch: 2, accumulators: [recorder, { update: async (batch) => void sums.push((await batch.reconstruction()).reduce((a, b) => a + b, 0)) }] });
      assert.deepEqual(recorder.entries, whole.recorder.entries);
      assert.equal(totals.nnz, whole.totals.nnz);
      assert.equal(sums.length, 4);
      assert.deepEqual(reasons, ['device lost']);
    }
  }
  const loaded = withFallback({ ...limited(loadedSaes[0]!, 9), encode: () => Promise.reject(new NumericError('NaN')) }, sae, () => assert.fail('only a BackendError falls back'));
  await assert.rejects(integers(stream, 0, { loaded }), NumericError);
  const hopeless = withFallback({ ...limited(loadedSaes[0]!, 9), encode: () => Promise.reject(new BackendError('first')) }, sae, () => Promise.resolve({ ...limited(loadedSaes[0]!, 9), encode: () => Promise.reject(new BackendError('second')) }));
  await assert.rejects(integers(stream, 0, { loaded: hopeless }), /second/);
});

test('progress begins at 0, ends at the total, and never goes back', async () => {
  const events: ProgressEvent[] = [];
  await integers(makeStream(9, 4, 5), 0, { ignorePositions: [0], contextsPerBatch: 2, contexts: [1, 8], onProgress: (event) => events.push(event) });
  assert.deepEqual({ ...events[0]!, seconds: 0 }, { phase: 'run', contexts: 0, totalContexts: 7, tokens: 0, seconds: 0, tokensPerSecond: 0, etaSeconds: null });
  const last = events.at(-1)!;
  assert.deepEqual([last.contexts, last.tokens, last.etaSeconds], [7, 21, 0]);
  for (const [i, event] of events.entries()) assert.ok(i === 0 || (event.contexts >= events[i - 1]!.contexts && event.seconds >= events[i - 1]!.seconds));
});

test('a batch is about 4,096 rows by default, and at least one context', () => {
  assert.equal(defaultContextsPerBatch(128), 32);
  assert.equal(defaultContextsPerBatch(1), 4096);
  assert.equal(defaultContextsPerBatch(5000), 1);
});

test('joining no codes gives no rows', () => {
  assert.deepEqual(joinCodes([], 7), { rows: 0, d_sae: 7, offsets: Uint32Array.of(0), features: new Uint32Array(0), values: new Float32Array(0), nearTies: 0 });
});
