/**
 * Small problems whose answers are known, trained to the end on the backend that is there.
 *
 * One direction u with continuous strength a, all rows in every batch: the minimum of
 * mean (f - a)^2 + lambda f over f = g a + b has gain g = 1 and b = -lambda / 2, so that
 * D/E = w . d = 1 and f falls short by lambda / 2 everywhere.
 */
import assert from 'node:assert/strict';
import test from 'node:test';
import { chooseTrainBackend } from '../../engine/choose-train-backend.js';
import type { Objective, Optimizer, Penalty } from '../../engine/train/objective.js';
import type { Parameters, StepControls } from '../../engine/train/session.js';
import { plainObjective } from '../shared/train-cases.js';
import { emptyMoments } from '../shared/train-oracle.js';
import { ADAM, within } from '../shared/train-suite.js';

const ROWS = 64;
const U = [0.6, 0, -0.8];
/** Strengths of U(1, 2) by quantiles. */
const STRENGTHS = Array.from({ length: ROWS }, (_, r) => 1 + (r + 0.5) / ROWS);
const X = Float32Array.from(STRENGTHS.flatMap((a) => U.map((u) => a * u)));
const LAMBDA = 0.2;
const UNIT: Optimizer = { ...ADAM, removeParallel: true, renormalize: 'always', frozen: ['b_dec'] };
const L1: Penalty = { kind: 'l1', byDecoderNorm: false };
const CONTROLS: StepControls = { step: 1, lr: 0, coefficient: LAMBDA, p: 1, pNext: null, k: 1, dead: null };

/** Trains on all rows, the rate falling to nothing. */
async function settle(objective: Objective, optimizer: Optimizer, parameters: Parameters, steps = 4000, some: Partial<StepControls> = {}): Promise<Parameters> {
  const backend = await chooseTrainBackend({ backend: 'wasm' });
  try {
    return await within(backend, objective, optimizer, emptyMoments(objective, parameters), async (session) => {
      for (let step = 1; step <= steps; step++) await session.step(X, ROWS, { ...CONTROLS, ...some, step, lr: 0.02 * (1 - (step - 1) / steps) ** 2 });
      return (await session.read()).parameters;
    });
  } finally {
    await backend.dispose();
  }
}

const dot = (a: ArrayLike<number>, b: ArrayLike<number>): number => Array.from(a).reduce((sum, value, j) => sum + value * b[j]!, 0);
const rowOf = (matrix: Float32Array | undefined, i: number): number[] => Array.from(matrix!.subarray(3 * i, 3 * i + 3));
const one = (given: Partial<Objective> = {}): Objective => plainObjective({ selection: { kind: 'relu' }, penalty: L1, d: 3, d_sae: 1, groups: [1], applyBDecToInput: false, ...given });
const START = (objective: Objective, more: Readonly<Record<string, readonly number[]>> = {}): Parameters => {
  const start = { W_enc: [0.5, 0.2, -0.4], b_enc: [0.1], W_dec: [0.48, 0.6, -0.64], b_dec: [0, 0, 0], ...(objective.selection.kind === 'gated' ? { r_mag: [0.1], b_gate: [0.1] } : {}), ...more };
  return Object.fromEntries(Object.entries(start).map(([name, values]) => [name, Float32Array.from(values)]));
};
const near = (actual: number, expected: number, what: string): void => assert.ok(Math.abs(actual - expected) <= 1e-3, `${what}: ${actual}, expected ${expected} ± 1e-3`);

test('one feature: D/E is 1 and activations fall short by lambda / 2', async () => {
  for (const [what, given, shortfall] of [
    ['sum over dims', {}, LAMBDA / 2],
    ['mean over dims', { mse: 'mean' }, (3 * LAMBDA) / 2],
    ['no penalty', { penalty: { kind: 'none' } }, 0],
    ['topk, which has no penalty', { selection: { kind: 'topk', byDecoderNorm: false }, penalty: { kind: 'none' } }, 0],
    ['(sum f^1)^1', { penalty: { kind: 'lp', root: true } }, LAMBDA / 2],
  ] as const satisfies readonly (readonly [string, Partial<Objective>, number])[]) {
    const objective = one(given);
    const { W_enc, b_enc, W_dec } = await settle(objective, UNIT, START(objective));
    near(dot(W_enc!, W_dec!), 1, `${what}: D/E`);
    near(dot(W_dec!, U), 1, `${what}: the decoder along u`);
    for (const a of STRENGTHS) near(a * dot(W_enc!, U) + b_enc![0]! - a, -shortfall, `${what}: f - a at ${a}`);
  }
});

test('the decoder free: L1 weighed with its length gives the same, whatever the length', async () => {
  const objective = one({ penalty: { kind: 'l1', byDecoderNorm: true } });
  for (const scale of [0.5, 2]) {
    const { W_enc, b_enc, W_dec } = await settle(objective, { ...ADAM, frozen: ['b_dec'] }, START(objective, { W_dec: [0.48 * scale, 0.6 * scale, -0.64 * scale] }));
    const length = Math.hypot(...W_dec!);
    near(dot(W_enc!, W_dec!), 1, 'D/E');
    for (const a of STRENGTHS) near((a * dot(W_enc!, U) + b_enc![0]!) * length - a, -LAMBDA / 2, `f ||d|| - a at ${a}`);
  }
});

test('gated: the gate falls short by lambda / 2, the activation does not', async () => {
  const objective = one({ selection: { kind: 'gated', detachAuxDecoder: true } });
  const { W_enc, b_enc, b_gate, r_mag, W_dec } = await settle(objective, UNIT, START(objective));
  near(dot(W_enc!, W_dec!), 1, 'D/E of the gate');
  for (const a of STRENGTHS) {
    near(a * dot(W_enc!, U) + b_gate![0]! - a, -LAMBDA / 2, `pi - a at ${a}`);
    near(Math.exp(r_mag![0]!) * a * dot(W_enc!, U) + b_enc![0]! - a, 0, `f - a at ${a}`);
  }
});

test('two features of one direction share its gain, and the shortfall', async () => {
  const objective = one({ d_sae: 2, groups: [2] });
  const start = START(objective, { W_enc: [0.36, 0, -0.48, 0.18, 0, -0.24], b_enc: [0.1, 0.05], W_dec: [...U, ...U] });
  const { W_enc, b_enc, W_dec } = await settle(objective, UNIT, start);
  const gains = [0, 1].map((i) => dot(rowOf(W_enc, i), rowOf(W_dec, i)));
  near(gains[0]! + gains[1]!, 1, 'D/E together');
  assert.ok(gains.every((gain) => gain > 0.2 && gain < 0.8), `each has a part: ${gains.join(', ')}`);
  for (const a of STRENGTHS) near(a * (dot(rowOf(W_enc, 0), U) + dot(rowOf(W_enc, 1), U)) + b_enc![0]! + b_enc![1]! - a, -LAMBDA / 2, `f - a at ${a}`);

  const same = await settle(objective, UNIT, START(objective, { W_enc: [0.3, 0, -0.4, 0.3, 0, -0.4], b_enc: [0.1, 0.1], W_dec: [...U, ...U] }));
  for (const i of [0, 1]) near(dot(rowOf(same.W_enc, i), rowOf(same.W_dec, i)), 0.5, `D/E of twin ${i}`);
});

test('topk: a feature that is never selected keeps its parameters bit for bit, and AuxK moves it', async () => {
  const objective = one({ selection: { kind: 'topk', byDecoderNorm: false }, penalty: { kind: 'none' }, d_sae: 2, groups: [2] });
  const start = START(objective, { W_enc: [0.5, 0.2, -0.4, 0.1, 0.3, 0.2], b_enc: [0.1, -1], W_dec: [0.48, 0.6, -0.64, 0, 1, 0] });
  const free = { ...ADAM, frozen: ['b_dec'] } as const;
  const frozen = await settle(objective, free, start, 200);
  for (const name of ['W_enc', 'W_dec'] as const) assert.deepEqual(rowOf(frozen[name], 1), rowOf(start[name], 1), name);
  assert.equal(frozen.b_enc![1], -1);
  const auxk = { k: 1, coefficient: 1, relu: false, scaleByDead: false, normalize: 'none', includeBDec: false } as const;
  const moved = await settle({ ...objective, auxk }, free, start, 200, { dead: Uint8Array.from([0, 1]) });
  for (const name of ['W_enc', 'W_dec'] as const) assert.notDeepEqual(rowOf(moved[name], 1), rowOf(start[name], 1), name);
  assert.notEqual(moved.b_enc![1], -1);
});

test('a useless feature dies under SGD: with an exponential tail, p = 1 / (1 + lr lambda t)', async () => {
  // z = x + b with P(x > c) = exp(-c): db/dt = -lr lambda p, and p = exp(b).
  const rows = 2048;
  const x = Float32Array.from({ length: rows }, (_, r) => -Math.log(1 - (r + 0.5) / rows));
  const objective = plainObjective({ selection: { kind: 'relu' }, penalty: L1, d: 1, d_sae: 1, groups: [1], applyBDecToInput: false });
  const parameters: Parameters = { W_enc: Float32Array.of(1), b_enc: Float32Array.of(0), W_dec: Float32Array.of(0), b_dec: Float32Array.of(0) };
  const optimizer: Optimizer = { ...ADAM, kind: 'sgd', momentum: 0, frozen: ['W_enc', 'W_dec', 'b_dec'] };
  const backend = await chooseTrainBackend({ backend: 'wasm' });
  await within(backend, objective, optimizer, emptyMoments(objective, parameters), async (session) => {
    let before = Infinity;
    for (let step = 1; step <= 2000; step++) {
      const { fired } = await session.step(x, rows, { ...CONTROLS, step, lr: 0.05 });
      const p = fired[0]! / rows;
      assert.ok(p <= before, `step ${step}: p rises from ${before} to ${p}`);
      before = p;
      if (step % 400 === 0) {
        const expected = 1 / (1 + 0.05 * LAMBDA * (step - 1));
        assert.ok(Math.abs(p / expected - 1) < 0.02, `step ${step}: p is ${p}, the law says ${expected}`);
      }
    }
    assert.ok(before < 0.06);
  });
  await backend.dispose();
});
