/** Any objective that is accepted, at any small shape: the backend's gradients against the oracle's, and the oracle's loss against the other program for it. */
import test from 'node:test';
import fc from 'fast-check';
import { createWasmTrainBackend } from '../../engine/wasm/train/backend.js';
import { UsageError } from '../../engine/errors.js';
import { checkObjective } from '../../engine/train/checks.js';
import type { AuxK, Objective, Penalty, Selection } from '../../engine/train/objective.js';
import { plainObjective, randomParameters, randomRows } from '../shared/train-cases.js';
import { gradientsOf, lossOf } from '../shared/train-oracle.js';
import { checkCase } from '../shared/train-suite.js';

const flag = fc.boolean();
const positive = fc.double({ min: 0.05, max: 2, noNaN: true });
const selection: fc.Arbitrary<Selection> = fc.oneof(
  fc.record({ kind: fc.constant('relu' as const) }),
  fc.record({ kind: fc.constantFrom('topk' as const, 'batchtopk' as const), byDecoderNorm: flag }),
  fc.record({ kind: fc.constant('jumprelu' as const), bandwidth: positive, oneSided: flag, steToInput: flag }),
  fc.record({ kind: fc.constant('gated' as const), detachAuxDecoder: flag }),
);
const penalty: fc.Arbitrary<Penalty> = fc.oneof(
  fc.record({ kind: fc.constantFrom('none' as const, 'l0' as const) }),
  fc.record({ kind: fc.constant('l1' as const), byDecoderNorm: flag }),
  fc.record({ kind: fc.constant('lp' as const), root: flag }),
  fc.record({ kind: fc.constant('l0-target' as const), target: positive }),
  fc.record({ kind: fc.constant('tanh' as const), scale: positive }),
);
const auxk: fc.Arbitrary<AuxK | null> = fc.option(fc.record({ k: fc.integer({ min: 1, max: 12 }), coefficient: positive, relu: flag, scaleByDead: flag, normalize: fc.constantFrom('none' as const, 'variance' as const), includeBDec: flag }));

const problem = fc
  .record({ rows: fc.integer({ min: 1, max: 19 }), d: fc.integer({ min: 1, max: 13 }), d_sae: fc.integer({ min: 1, max: 37 }), selection, penalty, auxk, mse: fc.constantFrom('sum' as const, 'mean' as const), applyBDecToInput: flag, ghost: flag, preActivationCoefficient: fc.constantFrom(0, 0.3), cuts: fc.uniqueArray(fc.integer({ min: 1, max: 36 }), { maxLength: 3 }), coefficient: positive, p: fc.constantFrom(1, 0.7, 0.4), k: fc.nat(12), quarter: fc.constantFrom(0, 0.25, 0.5), seed: fc.integer({ min: 1, max: 1e6 }) })
  .map(({ rows, cuts, coefficient, p, k, quarter, seed, ...rest }) => {
    const groups = [...cuts.filter((cut) => cut < rest.d_sae).sort((a, b) => a - b), rest.d_sae];
    const objective = plainObjective({ ...rest, groups, groupWeights: groups.map((_, g) => 0.5 + g) });
    const dead = Uint8Array.from({ length: rest.d_sae }, (_, i) => Number((i * 7 + seed) % 3 === 0));
    return { objective, rows, seed, controls: { step: 1, lr: 0, coefficient, p, pNext: rest.penalty.kind === 'lp' ? 0.5 : null, k: rest.selection.kind === 'batchtopk' ? k + quarter : k, dead } };
  });

function accepted(objective: Objective): boolean {
  try {
    checkObjective(objective);
    return true;
  } catch (error) {
    if (error instanceof UsageError) return false;
    throw error;
  }
}

test('any objective that is accepted', async () => {
  const backend = await createWasmTrainBackend();
  let compared = 0;
  await fc.assert(
    fc.asyncProperty(problem, async ({ objective, rows, seed, controls }) => {
      fc.pre(accepted(objective));
      const parameters = randomParameters(objective, seed);
      const x = randomRows(rows, objective.d, seed + 1);
      const oracle = gradientsOf(objective, parameters, x, rows, controls);
      // Where a decision is within rounding of another, so may the backend's be.
      fc.pre(oracle.margin > 2);
      const loss = lossOf(objective, parameters, x, rows, controls);
      if (!(Math.abs(loss - oracle.result.loss) <= 1e-11 * Math.abs(loss))) throw new Error(`the oracle's losses: ${oracle.result.loss} and ${loss}`);
      await checkCase(backend, { name: JSON.stringify(objective), objective, parameters, x, rows, controls });
      compared++;
    }),
    { numRuns: 150, maxSkipsPerRun: 20 },
  );
  if (compared < 150) throw new Error(`only ${compared} objectives were compared`);
  await backend.dispose();
});
