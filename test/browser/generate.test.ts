/** A page generates the rows that Node does, and matches dictionaries. */
import { expect } from '@esm-bundle/chai';
import { generatedData, generatedFiles, matchDictionaries } from '../../engine/generate/index.js';
import { checkGolden, goldens } from '../shared/generate-golden.js';

describe('generators in a page', () => {
  for (const golden of goldens) it(`${golden.spec.kind}: the rows are what they have always been`, () => checkGolden(golden));

  it('recovers a dictionary from itself, and makes files', async () => {
    const { truth, d } = generatedData({ kind: 'spiked', d: 24, features: 40, active: 4, rho: 0.2 });
    const turned = Float32Array.from(truth!.directions, (_, at) => 2 * truth!.directions[(39 - Math.floor(at / d)) * d + (at % d)]!);
    const match = await matchDictionaries(turned, truth!);
    expect(match.mcc).to.be.closeTo(1, 1e-6);
    expect(match.pairs[0]!.feature).to.equal(39);
    const { files } = await generatedFiles({ kind: 'spiked', d: 24 }, 100);
    expect([...files.keys()]).to.deep.equal(['activations.safetensors', 'truth.safetensors', 'spec.json']);
  });
});
