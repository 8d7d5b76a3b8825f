/** From analysis to pack to record: what comes back is what was computed, from memory and over HTTP; damaged packs say so. */
import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test, { after, before } from 'node:test';
import { FormatError, isAbort } from '../../engine/errors.js';
import { leadingOrthogonal } from '../../engine/dying/read-plane.js';
import { readDyingRecord } from '../../engine/dying/read-record.js';
import { readRunFrames, type RunFrames } from '../../engine/dying/run-frames.js';
import { writeSafetensors } from '../../engine/formats/safetensors.js';
import { bytesSource } from '../../engine/io/bytes.js';
import { directorySink, memorySink } from '../../engine/io/sink.js';
import { plainOps } from '../../engine/ops/ops.js';
import { openPack } from '../../engine/pack/reader.js';
import { openRun, type RunReader } from '../../engine/train/run-reader.js';
import { train } from '../../engine/train/train.js';
import { createWasmTrainBackend } from '../../engine/wasm/train/backend.js';
import { analyze } from '../../plugins/analyze.js';
import { density } from '../../plugins/builtin/density/index.js';
import { evolution } from '../../plugins/builtin/evolution/index.js';
import { hyperplane } from '../../plugins/builtin/hyperplane/index.js';
import { verdict } from '../../plugins/builtin/verdict/index.js';
import { weights } from '../../plugins/builtin/weights/index.js';
import { createRegistry, type AnyPlugin } from '../../plugins/registry.js';
import { gaussian } from '../shared/random.js';
import { analysisOf, makeStream, runInterrupted, runOrdered, runShards, runSplit, runWhole } from '../support/analysis-stream.js';
import { npy } from '../support/npy.js';
import { startRangeServer } from '../support/range-server.js';
import { packInMemory, withFile } from '../support/small-pack.js';

const [d, n, rows] = [6, 48, 800];
const normal = gaussian(17);
const x = Float32Array.from({ length: rows * d }, (_, at) => normal() + (at % d === 1 ? 3 : 0));
const tokens = Int32Array.from({ length: rows }, (_, at) => at % 37);
let root = '';
let run: RunReader;
let frames: RunFrames;
let memory: Map<string, Uint8Array>;
let alone: Map<string, Uint8Array>;

const only = (...plugins: AnyPlugin[]): ReturnType<typeof createRegistry> => {
  const registry = createRegistry();
  for (const plugin of plugins) registry.register(plugin);
  return registry;
};

before(async () => {
  root = await mkdtemp(join(tmpdir(), 'saekit-record-'));
  const backend = await createWasmTrainBackend();
  const recipe = { arch: 'standard', d_sae: n, l1: 1.2, batch: 64, steps: 120, lr: 0.01, warmup: 5, b_dec: 'zero', checkpoints: '0,10,30,60,90,120', resample: 'nanda', resample_at: [60], resample_window: 30, resample_below: 0.05, resample_spare: 0.5 };
  await train({ acts: bytesSource('acts.safetensors', writeSafetensors([{ name: 'x', shape: [rows, d], data: x }])), recipe, out: join(root, 'run'), backend });
  await backend.dispose();
  run = await openRun(join(root, 'run'));
  const shared = { sae: await run.sae(120), acts: npy(x, [40, 20, d]), tokens: npy(tokens, [40, 20]), tokenizer: { text: (id: number) => `<${id}>` }, backend: 'wasm' as const, threads: 1, registry: only(density, weights, hyperplane, evolution, verdict), settings: { 'sae/evolution': { edge: 0.05, weights: 12 }, 'sae/hyperplane': { sample: 100, replicates: 1, sequence: 2 } } };
  const sink = memorySink();
  const report = await analyze({ ...shared, run: join(root, 'run'), out: sink });
  assert.deepEqual(report.plugins.map(({ id, status, message }) => [id, status, message]), ['sae/density', 'sae/weights', 'sae/hyperplane', 'sae/evolution', 'sae/verdict'].map((id) => [id, 'done', null]));
  memory = sink.files;
  await analyze({ ...shared, run: join(root, 'run'), out: await directorySink(join(root, 'pack')) });
  const single = memorySink();
  await analyze({ ...shared, out: single });
  alone = single.files;
  const pack = await openPack(memory);
  const { name, direction } = (await pack.table('hyperplane')).columns;
  assert.equal(name![0], 'w*');
  frames = await readRunFrames(run, { held: { x, rows, d }, ops: plainOps, edge: 0.05, kept: 12, direction: (direction as ArrayLike<ArrayLike<number>>)[0]! });
});
after(() => rm(root, { recursive: true, force: true }));

test('the record of a pack has the frames that were computed, to the bit, and all that goes with them', async () => {
  const record = await readDyingRecord(await openPack(memory));
  assert.deepEqual([record.features, record.d, record.certificates], [n, d, null]);
  const manifest = JSON.parse(new TextDecoder().decode(memory.get('manifest.json'))) as { plugins: { id: string; summary: { results: unknown } }[] };
  assert.deepEqual(record.verdict, manifest.plugins.find(({ id }) => id === 'sae/verdict')!.summary.results);
  assert.deepEqual(record.frames, frames.frames);
  assert.deepEqual(record.recipe, run.record.recipe);
  const { resampled } = run.record;
  assert.ok(resampled!.some(({ features, spared }) => features.length > 0 && spared.length > 0));
  assert.deepEqual(Array.from(record.cohorts!, (cohort, i) => [i, cohort]).filter(([, cohort]) => cohort === 2).map(([i]) => i), [...new Set(resampled!.flatMap(({ spared }) => spared))].sort((a, b) => a - b));
  const plane = record.plane!;
  assert.deepEqual([plane.features, plane.encoder, plane.offset], [frames.features, frames.encoder, frames.offset]);
  assert.deepEqual(plane.mean, frames.mean);
  assert.ok(Math.abs(Math.hypot(...plane.direction) - 1) < 1e-12 && Math.abs(Math.hypot(...plane.complement) - 1) < 1e-12);
  assert.ok(Math.abs(plane.direction.reduce((sum, value, c) => sum + value * plane.complement[c]!, 0)) < 1e-6);
  assert.equal(plane.m - plane.chosen, 100);
  assert.equal(plane.text!.length, plane.m);
  // Every sampled row is a row of the data, with its own token.
  const known = new Map(Array.from({ length: rows }, (_, r) => [x.subarray(r * d, (r + 1) * d).join(), tokens[r]!]));
  for (let r = 0; r < plane.m; r++) assert.equal(plane.text![r], `<${known.get(plane.x.subarray(r * d, (r + 1) * d).join())}>`);
  // The rows at the end: of each kept feature that is rare at the end the eight on which it fires most strongly.
  const end = frames.frames.at(-1)!;
  const strongest = new Set<string>();
  frames.features.forEach((feature, at) => {
    if (!(end.counts[feature]! > 0 && end.counts[feature]! < 0.05 * rows)) return;
    const z = Array.from({ length: rows }, (_, r) => frames.encoder.at(-1)!.subarray(at * d, (at + 1) * d).reduce((sum, w, c) => sum + w * x[r * d + c]!, frames.offset.at(-1)![at]!));
    for (const r of [...z.keys()].filter((row) => z[row]! > 0).sort((a, b) => z[b]! - z[a]! || a - b).slice(0, 8)) strongest.add(x.subarray(r * d, (r + 1) * d).join());
  });
  assert.ok(strongest.size > 0);
  assert.deepEqual(new Set(Array.from({ length: plane.chosen }, (_, i) => plane.x.subarray((100 + i) * d, (101 + i) * d).join())), strongest);
  assert.equal(plane.chosen, strongest.size);
  // The survival curve is the share of all rows beyond a level. Levels come from rows, rounded: they may go either way themselves.
  const along = Float64Array.from({ length: rows }, (_, r) => plane.direction.reduce((sum, value, c) => sum + value * x[r * d + c]!, 0));
  assert.equal(plane.survival.rows, rows);
  plane.survival.c.forEach((c, at) => {
    const [least, most] = [1e-5, -1e-5].map((off) => along.filter((value) => value > c + off).length / rows) as [number, number];
    assert.ok(plane.survival.p[at]! >= least && plane.survival.p[at]! <= most, `P(w* . x > ${c}) is ${plane.survival.p[at]}, expected ${least} to ${most}`);
  });
});

test('over HTTP it is the same record, a request a table', async () => {
  const expected = await readDyingRecord(await openPack(memory));
  const server = await startRangeServer(root, {});
  try {
    const record = await readDyingRecord(await openPack(`${server.url}pack`));
    assert.deepEqual(record, expected);
    const paths = server.requests.map(({ path }) => path.replace('pack/', ''));
    assert.deepEqual([...paths].sort(), ['manifest.json', 'dying_cohorts.parquet', 'dying_firing.parquet', 'dying_frames.parquet', 'dying_mean.parquet', 'dying_sample.parquet', 'dying_steps.parquet', 'dying_weights.parquet', 'hyperplane.parquet', 'survival.parquet', 'verdict.parquet'].sort());
    await assert.rejects(readDyingRecord(await openPack(`${server.url}pack/`), { signal: AbortSignal.abort() }), isAbort);
  } finally {
    await server.close();
  }
});

test('without a run there is one frame, with counts of the whole stream; it has a plane all the same', async () => {
  const record = await readDyingRecord(await openPack(alone));
  const { columns } = await (await openPack(alone)).table('features');
  assert.deepEqual(record.frames.map(({ step, tokens: seen, rows: of }) => [step, seen, of]), [[0, null, rows]]);
  const [frame] = record.frames;
  assert.deepEqual(Array.from(frame!.counts), Array.from(columns.count as ArrayLike<number>, Number));
  for (const [mine, theirs] of [['bias', 'bias'], ['effective_bias', 'effective_bias'], ['encoder_norm', 'encoder_norm'], ['de', 'de_projection'], ['de_cosine', 'de_cosine']] as const) assert.deepEqual(Array.from(frame![mine]), Array.from(columns[theirs] as ArrayLike<number>), mine);
  assert.deepEqual([record.cohorts, record.recipe, record.plane!.encoder.length], [null, null, 1]);
});

test('any pack with weights has a frame; one without says what it lacks', async () => {
  const files = await packInMemory({ features: 20 });
  const pack = await openPack(files);
  const record = await readDyingRecord(pack);
  const { columns } = await pack.summary();
  assert.deepEqual(Array.from(record.frames[0]!.effective_bias), Array.from(columns.effective_bias!, Math.fround));
  assert.deepEqual([record.frames.length, record.plane, record.cohorts], [1, null, null]);
  assert.ok(record.frames[0]!.direction_cosine.every(Number.isNaN) && record.frames[0]!.b_dec.every(Number.isNaN));
  const bare = memorySink();
  await analyze({ sae: await run.sae(120), acts: npy(x, [40, 20, d]), backend: 'wasm', threads: 1, registry: only(density), out: bare });
  await assert.rejects(async () => readDyingRecord(await openPack(bare.files)), (error) => error instanceof FormatError && /neither frames of a training run/.test(error.message));
});

test('tables that contradict each other are refused by name', async () => {
  const manifest = JSON.parse(new TextDecoder().decode(memory.get('manifest.json'))) as { tables: { name: string; path: string; columns: { name: string }[] }[]; features: number };
  const refused = async (change: (copy: typeof manifest) => void, pattern: RegExp): Promise<void> => {
    const copy = structuredClone(manifest);
    change(copy);
    await assert.rejects(async () => readDyingRecord(await openPack(withFile(memory, 'manifest.json', copy))), (error) => error instanceof FormatError && pattern.test(error.message));
  };
  await refused((copy) => void (copy.features = n + 1), /dying_frames has 288 rows, expected 6 frames x 49 features|dying_cohorts does not name/);
  await refused((copy) => void (copy.tables = copy.tables.filter(({ name }) => name !== 'dying_steps')), /dying_steps has no column frame/);
  await refused((copy) => {
    const steps = copy.tables.find(({ name }) => name === 'dying_steps')!;
    steps.columns = steps.columns.filter(({ name }) => name !== 'b_dec');
  }, /dying_steps has no column b_dec/);
  // The weights of a run of another length.
  const other = memory.get('dying_mean.parquet')!;
  await assert.rejects(async () => readDyingRecord(await openPack(withFile(memory, 'dying_weights.parquet', other))), FormatError);
});

test('the direction of most variance beside w* is the leading eigenvector there', async () => {
  // Variance 9, 4, 1 along the axes: with w* along the first, the second leads.
  const [draw, m] = [gaussian(3), 4000];
  const data = Float32Array.from({ length: m * 3 }, (_, at) => draw() * [3, 2, 1][at % 3]! + 5);
  const v = await leadingOrthogonal(data, m, Float64Array.of(5, 5, 5), Float64Array.of(1, 0, 0), undefined);
  assert.ok(Math.abs(v[1]!) > 0.999 && v[0] === 0);
});

test('sae/evolution gives the same however the stream is cut, merged or interrupted', async () => {
  const stream = makeStream({ contexts: 12, positions: 5, d_sae: 16, seed: 6 });
  const kept = Array.from(stream.counted.keys()).filter((row) => stream.counted[row] === 1);
  const held = { x: Float32Array.from(kept.flatMap((row) => Array.from(stream.x.subarray(row * stream.d, (row + 1) * stream.d)))), rows: kept.length, d: stream.d, total: kept.length, whole: true, tokens: null, index: Float64Array.from(kept) };
  const analysis = analysisOf(evolution as never, stream, { rows: () => Promise.resolve(held) });
  const whole = await runWhole(analysis);
  const counts = whole.tables!.find(({ name }) => name === 'dying_frames')!.columns.find(({ name }) => name === 'count')!.data;
  stream.dense[0]!.forEach((_, i) => assert.equal(counts[i], stream.dense.filter((row) => row[i]! > 0).length));
  const order = Array.from({ length: 12 }, (_, at) => (at * 5) % 12);
  for (const other of [await runSplit(analysis, [1, 4, 2]), await runOrdered(analysis, order), await runShards(analysis, order.map((at) => at % 3), [2, 0, 1]), await runInterrupted(analysis, 5)]) assert.deepEqual(other, whole);
});
