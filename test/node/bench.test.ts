/**
 * The benchmarks: their statistics and checks by closed forms, and a tiny run end
 * to end. Speed is not tested. Peers that are installed for `npm run bench` only
 * (bench/package.json) are left out where they are missing, which is tested too.
 */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { decodeBounds, denseBounds, denseCodes, Disagreement, identicalCodes, sameCodes, sameDense, sameTopk } from '../../bench/agreement.js';
import { encoderWeights, gaussians, normalQuantile, saeOf, thresholdsFor } from '../../bench/arrays.js';
import { tryOpen } from '../../bench/contenders.js';
import { hold } from '../../bench/contest.js';
import { figures, replaceFigures } from '../../bench/figures.js';
import type { Host } from '../../bench/host.js';
import { compare, interleave } from '../../bench/measure.js';
import { HELP, LIST, readOptions, Usage } from '../../bench/options.js';
import type { Peer } from '../../bench/peers/peer.js';
import { compact, csrOfTopk } from '../../bench/peers/peer.js';
import { openPlain } from '../../bench/peers/plain.js';
import { type BenchResult, problems, type Row } from '../../bench/rows.js';
import { exponent, median, quantile, ratioSpread, rounded } from '../../bench/statistics.js';
import { randomCodes } from '../../bench/suites/decode.js';
import { markdown, table, time } from '../../bench/table.js';
import { targets, verdicts, verdictText } from '../../bench/targets.js';

const folder = mkdtempSync(join(tmpdir(), 'saekit-bench-test-'));
after(() => rmSync(folder, { recursive: true, force: true }));

test('quantiles and medians', () => {
  assert.equal(median([3, 1, 2]), 2);
  assert.equal(median([4, 1, 2, 3]), 2.5);
  assert.deepEqual([0, 0.25, 0.5, 0.75, 1].map((p) => quantile([5, 1, 3, 2, 4], p)), [1, 2, 3, 4, 5]);
  assert.equal(quantile([1, 2], 0.25), 1.25);
  assert.ok(Number.isNaN(median([])));
  assert.equal(rounded(0.0123456), 0.0123);
});

test('the spread of a ratio is that of its rounds: weather that both met cancels', () => {
  const weather = [1, 3, 1.5, 7, 2];
  assert.ok(ratioSpread(weather, weather.map((time) => 2 * time)) < 1e-12);
  // Ratios 1, 2, 3, 4, 5: quartiles 2 and 4 about a median of 3.
  assert.equal(ratioSpread([1, 1, 1, 1, 1], [5, 1, 3, 2, 4]), 2 / 3);
  // Rounds that only one ran in are no rounds.
  assert.equal(ratioSpread([1, 1, 1], [2]), 0);
});

test('exponents of power laws', () => {
  const x = [1, 2, 4, 8];
  for (const power of [0, 0.5, 1, 2]) assert.ok(Math.abs(exponent(x, x.map((value) => 3 * value ** power)) - power) < 1e-12);
});

test('rounds: everybody once in each, the slow leave early, warm-up is not counted', async () => {
  const order: string[] = [];
  const contender = (name: string, seconds: number) => ({
    name,
    note: () => `note of ${name}`,
    run: () => {
      order.push(name);
      return Promise.resolve(seconds);
    },
  });
  const timings = await interleave([contender('a', 1), contender('b', 2), contender('slow', 50)], { rounds: 6, seconds: 60, warmup: 0 });
  assert.deepEqual(order.splice(0, 3), ['a', 'b', 'slow'], 'one warm-up each');
  assert.deepEqual(timings.map(({ times, median, note }) => [times.length, median, note]), [
    [6, 1, 'note of a'],
    [6, 2, 'note of b'],
    [1, 50, 'note of slow'],
  ]);
  assert.deepEqual([...order.slice(0, 3)].sort(), ['a', 'b', 'slow']);
  const followers = new Set(order.slice(3).flatMap((name, at, all) => (at % 2 === 0 ? [`${name}${all[at + 1]}`] : [])));
  assert.deepEqual(followers, new Set(['ab', 'ba']), 'in both orders');
});

const row = (changes: Partial<Row> = {}): Row => ({ suite: 'encode', case: 'node 1x2x3', subject: 'saekit', peer: 'other', subject_median_s: 0.5, peer_median_s: 1, ratio: 2, spread: 0.1, runs: 5, note: '', ...changes });

test('rows say what they compare, and what is no row is found', () => {
  const made = compare('encode', 'case', { name: 's', note: 'mine', times: [1, 1, 1], median: 1 }, { name: 'p', note: 'theirs', times: [2, 2], median: 2 }, 'fast');
  assert.deepEqual(made, { suite: 'encode', case: 'case', subject: 's', peer: 'p', subject_median_s: 1, peer_median_s: 2, ratio: 2, spread: 0, runs: 2, note: 'fast; mine; theirs' });
  const machine = { description: 'a machine', runtimes: ['Node'], adapter: null, load: null, saekit: '0', date: 'today' };
  assert.deepEqual(problems({ machine, rows: [row(), made] }), []);
  assert.equal(problems({ machine, rows: [row({ ratio: 0.5 })] }).length, 1, 'the ratio upside down');
  assert.equal(problems({ machine, rows: [row({ runs: 0 })] }).length, 1);
  assert.equal(problems({ machine, rows: [row({ spread: NaN })] }).length, 1);
  assert.equal(problems({ machine, rows: [{ ...row(), extra: 1 }] }).length, 1);
  assert.equal(problems({ machine: { ...machine, runtimes: [] }, rows: 3 }).length, 2);
  assert.ok(problems(null).length > 3);
});

test('tables', () => {
  assert.deepEqual([12.3, 0.5, 0.0123, 4.2e-4, 1e-5, 1.4e-7].map(time), ['12.30 s', '500 ms', '12.30 ms', '420 µs', '10.00 µs', '140 ns']);
  const text = table([row({ note: 'said' }), row({ suite: 'codes' })], new Map([['encode', 'dense part']]));
  assert.match(text, /^encode: dense part\ncase .*\nnode 1x2x3 {2}saekit {2}other {2}500 ms {2}1\.00 s {2}2\.00x {4}10 % {5}5 {2}said\n\ncodes: \n/);
  const ways = [row({ peer: 'onnx 1.30 wasm, one way, 1 thread' }), row({ peer: 'onnx 1.30 wasm, another way, 1 thread', ratio: 1.5 }), row({ peer: 'numpy 2 (blas), 1 thread', ratio: 0.8 }), row({ case: 'other', peer: 'numpy 2 (blas), 1 thread' })];
  assert.equal(
    markdown(ways),
    '| case | way | median | onnx wasm | numpy |\n|---|---|---:|---:|---:|\n| node 1x2x3 | saekit | 500 ms | 1.50x ± 5 % | 0.80x ± 5 % |\n| other | saekit | 500 ms | – | 2.00x ± 5 % |',
  );
});

test('a target is reached where the best peer is beaten in every case', () => {
  const named = (name: string, peer: string, ratio: number) => row({ case: `node ${name}`, subject: 'saekit wasm, 1 thread', peer, peer_median_s: ratio * 0.5, ratio });
  const rows = [named('256x768x6144', 'onnxruntime-web 1 wasm, 1 thread', 1.5), named('256x768x6144', 'tfjs-backend-wasm 4, 1 thread', 1.9), named('256x768x6144', 'onnxruntime-node 1, 1 thread', 0.4)];
  const verdict = (list: readonly Row[]) => verdicts(list).find(({ target }) => target.what.startsWith('dense encode, 1 thread, plain SIMD, node'));
  assert.deepEqual([verdict(rows)?.ratio, verdict(rows)?.reached], [1.5, true]);
  const missed = [...rows, named('1024x768x24576', 'tfjs-backend-wasm 4, 1 thread', 1.2)];
  assert.deepEqual([verdict(missed)?.ratio, verdict(missed)?.reached, verdict(missed)?.row?.case], [1.2, false, 'node 1024x768x24576']);
  assert.deepEqual([verdict([])?.ratio, verdict([])?.reached], [null, null]);
  assert.match(verdictText(verdicts(missed)), /^not reached {5}1\.20x of 1\.3x {2}dense encode[^\n]*$/);
  assert.ok(targets.every(({ want }) => want > 0));
});

test('figures of a page come from files; of a suite in two, from the last', () => {
  const machine = { description: 'a machine', runtimes: ['Node 20'], adapter: null, load: [1, 2], saekit: '0', date: '2026-01-02T03:04:05Z' };
  const text = figures([{ machine, rows: [row({ ratio: 9 }), row({ suite: 'codes' })] }, { machine: { ...machine, description: 'another' }, rows: [row()] }]);
  assert.match(text, /### encode: .*\n\nanother; Node 20; load average 1 to 2; 2026-01-02\.\n\n\| case \| way \| median \| other \|\n.*\n\| node 1x2x3 \| saekit \| 500 ms \| 2\.00x ± 5 % \|/);
  assert.match(text, /### codes: .*\n\na machine;/);
  assert.ok(!text.includes('9.00x'));
  assert.match(text, /\| – \| not measured \|/);
  const page = readFileSync('docs/benchmarks.md', 'utf8');
  const twice = replaceFigures(replaceFigures(page, 'one'), 'two');
  assert.ok(twice.includes('-->\ntwo\n<!--') && !twice.includes('\none\n'));
  assert.throws(() => replaceFigures('no marks', 'x'), /lacks its marks/);
});

test('normal quantiles, and thresholds that give the L0 that was asked for', () => {
  for (const [tail, z] of [[0.5, 0], [0.158655, 1], [0.0227501, 2], [0.00134990, 3]] as const) assert.ok(Math.abs(normalQuantile(tail) - z) < 1e-3, `${tail}`);
  const z = gaussians(64 * 4096, 5);
  assert.ok(Math.abs(z.reduce((sum, value) => sum + value * value, 0) / z.length - 1) < 0.01);
  const thresholds = thresholdsFor(50, 4096);
  const l0 = compact(z, 64, 4096, thresholds).features.length / 64;
  assert.ok(Math.abs(l0 - 50) < 4, `${l0}`);
});

test('plain JavaScript: ragged shapes against f64, ties to the lower index', async () => {
  const { W_enc: W, b_enc: b } = encoderWeights(13, 71);
  const problem = { rows: 7, d_in: 13, d_sae: 71, x: gaussians(7 * 13, 3), W, b };
  const plain = openPlain();
  const z = await (await (await plain.dense!(problem)).run()).value();
  const exact = Float32Array.from({ length: 7 * 71 }, (_, at) => {
    const [r, i] = [Math.floor(at / 71), at % 71];
    let sum = b[i]!;
    for (let d = 0; d < 13; d++) sum += problem.x[r * 13 + d]! * W[d * 71 + i]!;
    return sum;
  });
  sameDense('plain', exact, z, 71, denseBounds(problem));
  const top = await (await (await plain.topk!({ rows: 2, n: 6, k: 3, z: Float32Array.of(1, 5, 5, 5, 5, 0, 9, 1, 8, 2, 7, 3) })).run()).value();
  assert.deepEqual([0, 1].map((r) => [...top.features.slice(3 * r, 3 * r + 3)].sort()), [[1, 2, 3], [0, 2, 4]]);
});

test('a peer that computes something else is found out', () => {
  const { W_enc, b_enc } = encoderWeights(16, 64);
  const x = gaussians(2 * 16, 3);
  const dense = { rows: 2, d_in: 16, d_sae: 64, x, W: W_enc, b: b_enc };
  const bounds = denseBounds(dense);
  const z = gaussians(2 * 64, 9);
  const nudged = z.map((value, at) => (at === 70 ? value + 1e-4 : value));
  sameDense('same', z, z.map((value) => value * (1 + 2 ** -23)), 64, bounds);
  assert.throws(() => sameDense('other', z, nudged, 64, bounds), (error: Error) => error instanceof Disagreement && /^other: row 1, column 6:/.test(error.message));
  assert.throws(() => sameDense('NaN', z, z.map(() => NaN), 64, bounds), Disagreement);
  assert.throws(() => sameDense('short', z, z.subarray(1), 64, bounds), Disagreement);

  const problem = { rows: 1, n: 4, k: 2, z: Float32Array.of(3, 1, 2, 2) };
  const right = csrOfTopk(1, 2, [0, 2], Float32Array.of(3, 2));
  sameTopk('tie', right, csrOfTopk(1, 2, [3, 0], Float32Array.of(2, 3)), problem);
  assert.throws(() => sameTopk('wrong value', right, csrOfTopk(1, 2, [0, 1], Float32Array.of(3, 1)), problem), Disagreement);
  assert.throws(() => sameTopk('wrong index', right, csrOfTopk(1, 2, [0, 1], Float32Array.of(3, 2)), problem), Disagreement);
  assert.throws(() => sameTopk('twice', csrOfTopk(1, 2, [2, 3], Float32Array.of(2, 2)), csrOfTopk(1, 2, [2, 2], Float32Array.of(2, 2)), problem), Disagreement);

  const sae = saeOf({ architecture: 'jumprelu', d_in: 16, d_sae: 64, W_enc, b_enc, threshold: new Float32Array(64).fill(1) });
  const codes = (features: number[], values: number[]) => ({ offsets: Uint32Array.of(0, features.length), features: Uint32Array.from(features), values: Float32Array.from(values) });
  const encode = { rows: 1, x: x.subarray(0, 16), sae };
  const ours = codes([3, 5], [2, 1.5]);
  sameCodes('near its threshold', ours, codes([3, 5, 7], [2, 1.5, 1 + 1e-7]), encode);
  assert.throws(() => sameCodes('one more', ours, codes([3, 5, 7], [2, 1.5, 1.1]), encode), Disagreement);
  assert.throws(() => sameCodes('one fewer', ours, codes([3], [2]), encode), Disagreement);
  assert.throws(() => sameCodes('other value', ours, codes([3, 5], [2, 1.6]), encode), Disagreement);
  identicalCodes('same', ours, codes([3, 5], [2, 1.5]));
  assert.throws(() => identicalCodes('last bit', ours, codes([3, 5], [2, 1.5 + 2 ** -23])), Disagreement);

  const sparse = randomCodes(2, 64, 1);
  assert.deepEqual([...denseCodes(sparse)].filter((value) => value > 0), [...sparse.values]);
  assert.ok(decodeBounds({ sae, codes: sparse, f: new Float32Array(0) }).every((bound) => bound === 0), 'zero weights leave nothing to round');
});

test('a contest fails where results differ, and says who', async () => {
  const peer = (name: string, value: number): Peer => ({ name, threads: 1, dense: () => Promise.resolve({ run: () => Promise.resolve({ value: () => Float32Array.of(value) }) }) });
  const contest = (values: readonly number[]) =>
    hold<Float32Array>({
      suite: 'encode',
      label: 'case',
      entrants: values.map((value, at) => ({ peer: peer(at === 0 ? 'saekit' : `peer ${at}`, value), ours: at === 0, make: async (who) => [await who.dense!({} as never)] })),
      budget: { rounds: 2, seconds: 1, warmup: 0 },
      check: (who, ours, theirs) => sameDense(who, ours, theirs, 1, Float64Array.of(0)),
      flop: 1e6,
      say: () => undefined,
    });
  assert.deepEqual((await contest([1, 1, 1])).map(({ subject, peer: other, runs }) => [subject, other, runs]), [['saekit, 1 thread', 'peer 1, 1 thread', 2], ['saekit, 1 thread', 'peer 2, 1 thread', 2]]);
  await assert.rejects(contest([1, 1, 2]), /^Disagreement|peer 2, 1 thread: row 0, column 0: 2 where saekit has 1/);
});

test('a package that is missing is said, with what installs it', async () => {
  const said: string[] = [];
  const host = { say: (line: string) => said.push(line) } as unknown as Host;
  const name = 'a-package-that-nobody-has';
  assert.deepEqual(await tryOpen('someone', host, async () => (await import(name)) as Peer), []);
  assert.deepEqual(await tryOpen('another', host, () => Promise.reject(new Error('no adapter\nstack'))), []);
  assert.deepEqual(said, ['  without someone: the package is not installed; run `npm ci --prefix bench`', '  without another: no adapter']);
});

test('the command line', () => {
  assert.deepEqual(readOptions(['--suite', 'topk,codes', '--suite', 'decode', '--quick', '--json', 'x.json']), { suites: ['topk', 'codes', 'decode'], runtime: null, quick: true, json: 'x.json', markdown: false });
  assert.equal(readOptions(['--list']), LIST);
  assert.equal(readOptions(['--help']), HELP);
  for (const wrong of [['--suite', 'speed'], ['--runtime', 'bun'], ['--fast'], ['--suite', 'webgpu', '--runtime', 'node']]) assert.throws(() => readOptions(wrong), Usage);
});

test('a tiny run end to end: peers agree, the file is of the format', () => {
  const file = join(folder, 'result.json');
  const args = ['--import', './scripts/ts.mjs', 'bench/run.ts', '--quick', '--runtime', 'node', '--suite', 'codes,decode', '--json', file];
  const { status, stdout, stderr } = spawnSync(process.execPath, args, { encoding: 'utf8', timeout: 120_000, env: { ...process.env, SAEKIT_BENCH_INSTALL: 'no' } });
  assert.equal(status, 0, stderr);
  const result = JSON.parse(readFileSync(file, 'utf8')) as BenchResult;
  assert.deepEqual(problems(result), []);
  assert.match(stdout, /codes: encode to sparse codes on WASM\ncase /);
  assert.deepEqual([...new Set(result.rows.map(({ suite }) => suite))], ['codes', 'decode']);
  const peers = new Set(result.rows.map(({ peer }) => peer.split(' ')[0]));
  // These two are among saekit's own dependencies.
  assert.ok(peers.has('onnxruntime-web') && peers.has('onnxruntime-node'), [...peers].join());
  assert.ok(result.rows.some(({ note }) => /\d tokens\/s against \d/.test(note)));
});

test('wrong use ends with status 2 and says what would be right', () => {
  const { status, stderr } = spawnSync(process.execPath, ['--import', './scripts/ts.mjs', 'bench/run.ts', '--suite', 'speed'], { encoding: 'utf8' });
  assert.equal(status, 2);
  assert.match(stderr, /^bench: --suite takes encode, webgpu, topk, codes, decode, training, analyze, not speed\n$/);
});
