/** What training refuses: each refusal names what is wrong. And which backend trains. */
import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import { chooseTrainBackend } from '../../engine/choose-train-backend.js';
import { NumericError, ShapeError, UsageError } from '../../engine/errors.js';
import { gpuPossible } from '../../engine/gpu-devices-node.js';
import { checkControls, checkObjective, checkOptimizer, checkTrainState } from '../../engine/train/checks.js';
import { parametersOf, type Objective, type Optimizer } from '../../engine/train/objective.js';
import type { StepControls, TrainState } from '../../engine/train/session.js';
import { plainObjective, randomParameters, trainCases } from '../shared/train-cases.js';
import { emptyMoments } from '../shared/train-oracle.js';
import { ADAM } from '../shared/train-suite.js';

const relu = plainObjective({ selection: { kind: 'relu' }, d: 4, d_sae: 6, groups: [6] });
const jump = plainObjective({ selection: { kind: 'jumprelu', bandwidth: 0.1, oneSided: false, steToInput: false }, d: 4, d_sae: 6, groups: [6] });
const gated = plainObjective({ selection: { kind: 'gated', detachAuxDecoder: true }, d: 4, d_sae: 6, groups: [6] });
const auxk = { k: 2, coefficient: 1, relu: true, scaleByDead: false, normalize: 'none', includeBDec: false } as const;

test('every objective of the suite is accepted', () => {
  for (const { objective, parameters, x, rows, controls } of trainCases([[3, 3, 5]])) {
    checkObjective(objective);
    checkOptimizer(objective, ADAM);
    checkTrainState(objective, emptyMoments(objective, parameters), true);
    checkControls(objective, rows, x, controls);
  }
});

const REFUSED: readonly (readonly [Partial<Objective>, Objective, RegExp])[] = [
  [{ d: 0 }, relu, /^d is 0, expected a positive integer/],
  [{ d_sae: 2.5 }, relu, /^d_sae is 2.5/],
  [{ selection: { kind: 'swish' } as never }, relu, /^selection is swish, expected one of relu, topk, batchtopk, jumprelu, gated/],
  [{ penalty: { kind: 'l2' } as never }, relu, /^penalty is l2/],
  [{ mse: 'median' as never }, relu, /^mse is median, expected one of sum, mean/],
  [{ penalty: { kind: 'l0' } }, relu, /^penalty l0 acts on thresholds, and selection relu has none/],
  [{ penalty: { kind: 'tanh', scale: 4 } }, gated, /^penalty tanh/],
  [{ penalty: { kind: 'tanh', scale: 0 } }, jump, /^penalty\.scale is 0/],
  [{ penalty: { kind: 'l0-target', target: -1 } }, jump, /^penalty\.target is -1/],
  [{ penalty: { kind: 'lp', root: false } }, gated, /^penalty lp does not go with selection gated/],
  [{ penalty: { kind: 'lp', root: false } }, jump, /^penalty lp does not go with selection jumprelu/],
  [{ selection: { kind: 'jumprelu', bandwidth: 0, oneSided: false, steToInput: false } }, jump, /^selection\.bandwidth is 0/],
  [{ groups: [] , groupWeights: [] }, relu, /^groups is empty, expected \[6\]/],
  [{ groups: [4, 4, 6], groupWeights: [1, 1, 1] }, relu, /^groups 4, 4, 6: 4 does not come after 4/],
  [{ groups: [2, 5], groupWeights: [1, 1] }, relu, /^groups ends at 5, expected d_sae, 6/],
  [{ groups: [2, 6], groupWeights: [1] }, relu, /^groupWeights has 1 numbers, expected 2/],
  [{ groupWeights: [NaN] }, relu, /^groupWeights\[0\] is NaN/],
  [{ groups: [2, 6], groupWeights: [1, 1] }, gated, /^groups 2, 6 do not go with selection gated/],
  [{ auxk: { ...auxk, k: 0 } }, relu, /^auxk\.k is 0/],
  [{ auxk: { ...auxk, coefficient: -1 } }, relu, /^auxk\.coefficient is -1/],
  [{ auxk: { ...auxk, normalize: 'std' as never } }, relu, /^auxk\.normalize is std/],
  [{ auxk }, gated, /^auxk does not go with selection gated/],
  [{ ghost: true }, gated, /^ghost does not go with selection gated/],
  [{ preActivationCoefficient: 1 }, relu, /^preActivationCoefficient is 1, but selection relu has no thresholds/],
  [{ preActivationCoefficient: -1 }, jump, /^preActivationCoefficient is -1/],
];

test('objectives that do not fit together are refused by name', () => {
  for (const [change, base, message] of REFUSED) {
    assert.throws(() => checkObjective({ ...base, ...change }), (error: Error) => error instanceof UsageError && message.test(error.message), `${JSON.stringify(change)}: ${message}`);
  }
});

test('optimisers out of range are refused by name', () => {
  const refused: readonly (readonly [Partial<Optimizer>, RegExp])[] = [
    [{ kind: 'lion' as never }, /^optimizer is lion/],
    [{ betas: [0.9, 1] }, /^beta2 is 1/],
    [{ betas: [-0.1, 0.9] }, /^beta1 is -0.1/],
    [{ eps: NaN }, /^eps is NaN/],
    [{ momentum: -1 }, /^momentum is -1/],
    [{ clip: 0 }, /^clip is 0/],
    [{ renormalize: 'often' as never }, /^renormalize is often/],
    [{ frozen: ['threshold'] }, /^frozen names threshold, which selection relu does not have/],
  ];
  for (const [change, message] of refused) assert.throws(() => checkOptimizer(relu, { ...ADAM, ...change }), (error: Error) => error instanceof UsageError && message.test(error.message), String(message));
});

test('a state with any one array missing, too short or not finite is refused, and names it', () => {
  for (const objective of [relu, jump, gated]) {
    const good = emptyMoments(objective, randomParameters(objective, 1));
    checkTrainState(objective, good, true);
    checkTrainState(objective, {});
    fc.assert(
      fc.property(fc.constantFrom('parameters', 'm', 'v' as const), fc.constantFrom(...parametersOf(objective)), fc.nat(), fc.constantFrom(NaN, Infinity, -Infinity), (part, name, place, value) => {
        const called = part === 'parameters' ? name : `${part} of ${name}`;
        const changed = (values: Float32Array | undefined): TrainState => ({ ...good, [part]: { ...good[part], [name]: values } });
        const values = good[part][name]!;
        assert.throws(() => checkTrainState(objective, changed(undefined), true), (error: Error) => error instanceof ShapeError && error.message.startsWith(`the state lacks ${called},`));
        assert.throws(() => checkTrainState(objective, changed(values.subarray(1))), (error: Error) => error instanceof ShapeError && error.message.startsWith(`${called} has ${values.length - 1} values, expected ${values.length}`));
        const bad = values.slice();
        const at = place % bad.length;
        bad[at] = value;
        const where = name.startsWith('W') ? `feature ${Math.floor(at / 4)}, column ${at % 4}` : `position ${at}`;
        assert.throws(() => checkTrainState(objective, changed(bad)), (error: Error) => error instanceof NumericError && error.message === `${called}: ${value} at ${where}`);
      }),
      { numRuns: 50 },
    );
  }
  const parameters = randomParameters(relu, 1);
  assert.throws(() => checkTrainState(relu, { parameters: { threshold: new Float32Array(6) } }), { name: 'ShapeError', message: /^the state has threshold, which selection relu does not have/ });
  assert.throws(() => checkTrainState(relu, { v: { b_enc: new Float32Array(6).fill(-1) } }), { name: 'NumericError', message: /second moments of at least 0/ });
  assert.throws(() => checkTrainState(gated, { parameters: { ...parameters, r_mag: new Float32Array(6).fill(200) } }), { name: 'NumericError', message: /^r_mag: exp\(200\) at position 0/ });
});

test('rows and controls that do not fit are refused by name', () => {
  const controls: StepControls = { step: 1, lr: 0.1, coefficient: 0, p: 1, pNext: null, k: 2, dead: null };
  const x = new Float32Array(8);
  const topk = plainObjective({ selection: { kind: 'topk', byDecoderNorm: false }, d: 4, d_sae: 6, groups: [6] });
  const batch = plainObjective({ selection: { kind: 'batchtopk', byDecoderNorm: false }, d: 4, d_sae: 6, groups: [6] });
  const lp = { ...relu, penalty: { kind: 'lp', root: false } } as const;
  checkControls(relu, 2, x, { ...controls, k: NaN, p: NaN });
  checkControls(topk, 2, x, { k: 0 });
  checkControls(batch, 2, x, { k: 0.25 });
  const refused: readonly (readonly [Objective, number, Partial<StepControls>, new (...args: never[]) => Error, RegExp])[] = [
    [relu, 0, {}, ShapeError, /^a batch has 0 rows, expected 1 to 16/],
    [relu, 17, {}, ShapeError, /^a batch has 17 rows/],
    [relu, 1.5, {}, ShapeError, /^a batch has 1.5 rows/],
    [relu, 3, {}, ShapeError, /^x has 8 values, expected 3 rows x d 4/],
    [relu, 2, { step: 0 }, UsageError, /^step is 0/],
    [relu, 2, { lr: Infinity }, UsageError, /^lr is Infinity/],
    [relu, 2, { coefficient: -1 }, UsageError, /^coefficient is -1/],
    [lp, 2, { p: 0 }, UsageError, /^p is 0/],
    [lp, 2, { pNext: -1 }, UsageError, /^pNext is -1/],
    [topk, 2, { k: 1.5 }, UsageError, /^k is 1.5, expected an integer/],
    [batch, 2, { k: -1 }, UsageError, /^k is -1/],
    [relu, 2, { dead: new Uint8Array(5) }, ShapeError, /^dead has 5 values, expected d_sae, 6/],
  ];
  for (const [objective, rows, change, kind, message] of refused) {
    assert.throws(() => checkControls(objective, rows, x, { ...controls, ...change }, 16), (error: Error) => error instanceof kind && message.test(error.message), String(message));
  }
  x[6] = NaN;
  assert.throws(() => checkControls(relu, 2, x, controls), (error: Error) => error instanceof NumericError && error.message === 'x, row 1: NaN at column 2');
});

test('auto trains on WASM where there is no GPU, and says why', async () => {
  const notices: string[] = [];
  const notice = (text: string): void => void notices.push(text);
  const wasm = await chooseTrainBackend({ backend: 'wasm', notice });
  assert.equal(wasm.info.kind, 'wasm');
  assert.deepEqual(notices, []);
  await wasm.dispose();
  if (gpuPossible()) return;
  const auto = await chooseTrainBackend({ backend: 'auto', notice });
  assert.equal(auto.info.kind, 'wasm');
  assert.match(notices.join('\n'), /^running on WASM SIMD, 1 thread\. This machine has no GPU/);
  await auto.dispose();
});
