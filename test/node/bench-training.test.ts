/**
 * The benchmark of training: the check before the timing passes what is the same step,
 * and catches one that is not: a penalty, k or rate a little off, a parameter without its gradient.
 */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'node:test';
import { Disagreement, sameLosses } from '../../bench/agreement.js';
import { openSaekitTrain } from '../../bench/peers/train-saekit.js';
import { COMPARED, type TrainProblem } from '../../bench/peers/training.js';
import { type BenchResult, problems } from '../../bench/rows.js';
import { trainProblem } from '../../bench/suites/training.js';
import { targets } from '../../bench/targets.js';
import { createWasmTrainBackend } from '../../engine/wasm/train/backend.js';
import type { ParameterName } from '../../engine/train/objective.js';
import type { TrainBackend } from '../../engine/train/session.js';
import { createOracleTrainBackend } from '../shared/train-oracle.js';

/** The losses that the check looks at. */
async function losses(backend: TrainBackend, problem: TrainProblem): Promise<Float64Array> {
  const task = await openSaekitTrain(backend, 'saekit', 1).train!(problem);
  const outcome = await task.run();
  await task.dispose?.();
  return outcome.value();
}

/** The oracle with a parameter that does not learn. */
function without(name: ParameterName): TrainBackend {
  const oracle = createOracleTrainBackend();
  return { ...oracle, start: (objective, optimizer, state) => oracle.start(objective, { ...optimizer, frozen: [name] }, state) };
}

for (const [rule, k, l1] of [['topk', 6, 0], ['l1', null, 0.5]] as const) {
  test(`${rule}: what is the same step agrees, and what is not is found`, async () => {
    const shape = { rows: 48, d: 16, d_sae: 96, k, l1, density: 0.2 };
    const problem = trainProblem(shape);
    const wanted = await losses(createOracleTrainBackend(), problem);
    assert.equal(wanted.length, COMPARED);
    assert.ok(wanted.every((loss) => Number.isFinite(loss) && loss > 0));
    sameLosses('wasm', wanted, await losses(await createWasmTrainBackend(), problem));
    const changes: Partial<TrainProblem>[] = [{ lr: problem.lr * 1.05 }, { batches: problem.batches.slice(1) }, k === null ? { l1: l1 * 1.05 } : { k: k - 1 }];
    for (const change of changes) {
      const other = await losses(createOracleTrainBackend(), { ...problem, ...change });
      assert.throws(() => sameLosses('other', wanted, other), Disagreement, Object.keys(change).join());
    }
    for (const name of ['W_enc', 'b_enc', 'W_dec', 'b_dec'] as const) {
      const other = await losses(without(name), problem);
      assert.throws(() => sameLosses('other', wanted, other), Disagreement, name);
    }
    assert.throws(() => sameLosses('other', wanted, wanted.map(() => NaN)), Disagreement);
  });
}

test('a tiny run end to end', () => {
  const folder = mkdtempSync(join(tmpdir(), 'saekit-bench-test-'));
  try {
    const file = join(folder, 'result.json');
    const args = ['--import', './scripts/ts.mjs', 'bench/run.ts', '--quick', '--runtime', 'node', '--suite', 'training', '--json', file];
    const { status, stderr } = spawnSync(process.execPath, args, { encoding: 'utf8', timeout: 120_000, env: { ...process.env, SAEKIT_BENCH_INSTALL: 'no' } });
    assert.equal(status, 0, stderr);
    const result = JSON.parse(readFileSync(file, 'utf8')) as BenchResult;
    assert.deepEqual(problems(result), []);
    assert.ok(result.rows.every(({ suite }) => suite === 'training'));
    assert.ok(result.rows.some((row) => /growth to x4$/.test(row.case) && /the step grows/.test(row.note)));
    // The last rows' names are what the targets look for.
    assert.ok(targets.some((target) => target.suite === 'training' && result.rows.some((row) => /growth/.test(target.case.source) && target.case.test(row.case) && target.subject.test(row.subject) && target.peer.test(row.peer))));
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});
