/** The rare features' shared direction: against numpy on a real run's SAE, and against planted directions. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import test from 'node:test';
import { fileURLToPath } from 'node:url';
import { quartiles, rareDirections } from '../../engine/dying/rare-direction.js';
import { loadSae } from '../../engine/formats/load-sae.js';
import { gaussian } from '../shared/random.js';

const folder = fileURLToPath(new URL('../fixtures/stories260k-relu-step12000/', import.meta.url));
const near = (value: number | null | undefined, expected: number, tolerance: number): void => assert.ok(value !== null && value !== undefined && Math.abs(value - expected) <= tolerance, `${value}, expected ${expected} ± ${tolerance}`);

/** numpy (linalg.svd, quantile) over the same weights and counts. */
const EXPECTED = {
  rare: { de: [-0.04975083, -0.00075218, 0.05392004], own: 0.89481439, offset: 0.9356693300833412, encoder: 0.7990016965164881, decoder: 0.02779949960970949, bias: -0.17289956659078598 },
  live: { de: [0.91981551, 0.98948126, 1.03635852], own: 0.6410529, offset: 0.9697673487733033, encoder: 0.3921448895407572, decoder: 0.09938720374891818, bias: -1.4298956394195557 },
} as const;

/** [d, n] as [n, d]. */
function transposed(matrix: Float32Array, rows: number, columns: number): Float32Array {
  return Float32Array.from({ length: matrix.length }, (_, at) => matrix[(at % rows) * columns + Math.floor(at / rows)]!);
}

test('a run whose rare half shares a direction: the figures of numpy', async () => {
  const sae = await loadSae(folder);
  const { counts, mean } = JSON.parse(readFileSync(`${folder}statistics.json`, 'utf8')) as { counts: number[]; mean: number[] };
  const { rare, dead, live } = rareDirections({ d: sae.d_in, encoder: transposed(sae.W_enc, sae.d_in, sae.d_sae), decoder: sae.W_dec, bias: sae.b_enc, b_dec: sae.b_dec, mean, counts, tokens: 406_395 });
  assert.deepEqual([rare.features, dead.features, live.features], [512, 45, 467]);
  for (const [group, expected] of [
    [rare, EXPECTED.rare],
    [live, EXPECTED.live],
  ] as const) {
    near(group.de?.q25, expected.de[0], 1e-6);
    near(group.de?.median, expected.de[1], 1e-6);
    near(group.de?.q75, expected.de[2], 1e-6);
    near(group.own_cosine?.median, expected.own, 1e-7);
    near(group.offset_cosine, expected.offset, 1e-9);
    near(group.encoder_leading_share, expected.encoder, 1e-9);
    near(group.decoder_leading_share, expected.decoder, 1e-9);
    near(group.bias?.median, expected.bias, 1e-6);
  }
});

test('a planted direction: own cosines are δ / √(δ² + σ² d), the leading share 1 where there is nothing else', () => {
  const [d, n, delta, sigma] = [64, 2000, 1, 0.05];
  const draw = gaussian(3);
  const noise = Float32Array.from({ length: n * d }, draw);
  const encoder = noise.map((value, at) => (at % d === 5 ? delta : 0) + sigma * value);
  const input = { d, encoder, decoder: noise, bias: new Float32Array(n), b_dec: new Float32Array(d), mean: Float64Array.from({ length: d }, (_, c) => (c === 5 ? -2 : 0)), counts: new Uint32Array(n).fill(1), tokens: 1e6 };
  const { rare } = rareDirections(input);
  near(rare.own_cosine?.median, delta / Math.sqrt(delta ** 2 + sigma ** 2 * d), 0.01);
  near(rare.offset_cosine, 1, 1e-3);
  // Spread evenly: 1 / d, and what chance adds to the largest of d (Marchenko and Pastur).
  near(rare.decoder_leading_share, (1 + Math.sqrt(d / n)) ** 2 / d, 0.002);
  const same = rareDirections({ ...input, encoder: encoder.map((_, at) => (at % d === 5 ? -3 : 0)) });
  near(same.rare.encoder_leading_share, 1, 1e-12);
  near(same.rare.offset_cosine, -1, 1e-12);
  assert.equal(same.rare.above_95, 1);
});

test('empty groups are null, and lengths that do not fit are named', () => {
  const input = { d: 2, encoder: new Float32Array(2), decoder: new Float32Array(2), bias: new Float32Array(1), b_dec: new Float32Array(2), mean: [0, 0], counts: [5], tokens: 10 };
  const { rare, dead, live } = rareDirections(input);
  assert.equal(rare.de, null);
  assert.equal(dead.offset_cosine, null);
  assert.equal(live.features, 1);
  assert.equal(live.encoder_leading_share, 0);
  assert.throws(() => rareDirections({ ...input, mean: [0] }), /mean has 1 values, expected 2/);
  assert.deepEqual(quartiles([3, 1, 2]), { q25: 1.5, median: 2, q75: 2.5 });
});
