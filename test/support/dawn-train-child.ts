/**
 * Run by test/node/gpu-dawn.test.ts in a process of its own: a training step of each selection on
 * the npm package `webgpu`, against float64. Prints one JSON object, and must then end by itself.
 */
import { SaekitError } from '../../engine/errors.js';
import { parametersOf } from '../../engine/train/objective.js';
import { createWebGpuTrainBackend } from '../../gpu/train/backend.js';
import { trainCases } from '../shared/train-cases.js';
import { emptyMoments, gradientsOf } from '../shared/train-oracle.js';
import { ADAM, nearAll, nearResult, within } from '../shared/train-suite.js';

try {
  const backend = await createWebGpuTrainBackend();
  const cases = trainCases([[9, 5, 13]], true);
  for (const { name, objective, parameters, x, rows, controls } of cases) {
    const oracle = gradientsOf(objective, parameters, x, rows, controls);
    await within(backend, objective, ADAM, emptyMoments(objective, parameters), async (session) => {
      const { result, gradients } = await session.gradients(x, rows, controls);
      nearResult(result, oracle, name);
      for (const parameter of parametersOf(objective)) nearAll(gradients[parameter], oracle.gradients.get(parameter)!, `${name}: gradient of ${parameter}`);
      await session.step(x, rows, controls);
    });
  }
  console.log(JSON.stringify({ adapter: backend.info.description, cases: cases.length, ended: performance.now() }));
} catch (error) {
  console.log(JSON.stringify({ error: String(error), hint: error instanceof SaekitError ? error.hint : undefined }));
}
