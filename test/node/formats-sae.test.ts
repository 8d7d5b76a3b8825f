/** loadSae: SAELens folders of versions 3 to 6, every convention, and what is refused. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { loadSae, type LoadSaeOptions } from '../../engine/formats/load-sae.js';
import { displayName } from '../../engine/formats/saelens.js';
import { writeSafetensors, type SafetensorsEntry } from '../../engine/formats/safetensors.js';
import { loadUnembedding } from '../../engine/formats/unembedding.js';
import { readAll } from '../../engine/io/read.js';
import type { Sae } from '../../engine/sae.js';

const D_IN = 3;
const D_SAE = 4;
const numbers = (length: number, seed: number): Float32Array => Float32Array.from({ length }, (_, i) => Math.fround(Math.sin(seed + i * 1.7)));
const W_enc = numbers(12, 1);
const b_enc = numbers(4, 2);
const W_dec = numbers(12, 3);
const b_dec = numbers(3, 4);
const V6 = { architecture: 'standard', d_in: D_IN, d_sae: D_SAE, dtype: 'float32', apply_b_dec_to_input: true, normalize_activations: 'none', reshape_activations: 'none', metadata: { hook_name: 'blocks.0.hook_resid_post', model_name: 'm', sae_lens_version: '6.18.0' } };

type Extra = Readonly<Record<string, { shape: readonly number[]; data: Float32Array | Float64Array } | null>>;

function folder(cfg: object, extra: Extra = {}, more: Readonly<Record<string, unknown>> = {}): Record<string, Uint8Array> {
  const tensors: Extra = { W_enc: { shape: [D_IN, D_SAE], data: W_enc }, b_enc: { shape: [D_SAE], data: b_enc }, W_dec: { shape: [D_SAE, D_IN], data: W_dec }, b_dec: { shape: [D_IN], data: b_dec }, ...extra };
  const entries = Object.entries(tensors).flatMap(([name, tensor]): SafetensorsEntry[] => (tensor === null ? [] : [{ name, ...tensor }]));
  const json = (value: unknown): Uint8Array => new TextEncoder().encode(JSON.stringify(value));
  return { 'cfg.json': json(cfg), 'sae_weights.safetensors': writeSafetensors(entries), ...Object.fromEntries(Object.entries(more).map(([name, value]) => [name, json(value)])) };
}
const load = (cfg: object, extra?: Extra, more?: Readonly<Record<string, unknown>>, options?: LoadSaeOptions): Promise<Sae> => loadSae(folder(cfg, extra, more), options);
const noted = (sae: Sae, pattern: RegExp): void => assert.ok(sae.conventions.some((line) => pattern.test(line)), `${pattern} in\n${sae.conventions.join('\n')}`);
const near = (actual: Float32Array, expected: readonly number[]): void => {
  assert.equal(actual.length, expected.length);
  actual.forEach((value, i) => assert.ok(Math.abs(value - (expected[i] as number)) <= 1e-6 * (1 + Math.abs(expected[i] as number)), `[${i}] ${value} against ${expected[i]}`));
};

test('the embedded TopK SAE', async () => {
  const sae = await loadSae('examples/stories260k/sae');
  assert.deepEqual([sae.architecture, sae.d_in, sae.d_sae, sae.d_out, sae.k, sae.threshold], ['topk', 64, 512, 64, 16, null]);
  assert.deepEqual([sae.metadata.model_name, sae.metadata.hook_name, sae.metadata.format], ['stories260k', 'blocks.2.hook_resid_post', 'SAELens 6.18.0']);
  assert.match(sae.metadata.sha256 ?? '', /^[0-9a-f]{64}$/);
  assert.deepEqual(sae.conventions, ['b_dec is subtracted from the input (apply_b_dec_to_input).', 'The 16 largest pre-activations of a row are kept, then ReLU; ties go to the lowest feature.']);
});

test('version 6, standard: weights as they are', async () => {
  const sae = await load(V6);
  assert.deepEqual([sae.architecture, sae.applyBDecToInput, sae.normalizeActivations, sae.k], ['standard', true, 'none', null]);
  for (const [name, data] of Object.entries({ W_enc, b_enc, W_dec, b_dec })) assert.deepEqual(sae[name as 'W_enc'], data, name);
});

test('version 3 to 5: renamed keys, defaults, booleans, topk as an activation', async () => {
  const old = { d_in: D_IN, d_sae: D_SAE, dtype: 'torch.float32', hook_point: 'blocks.1.attn.hook_z', hook_point_layer: 1, model_name: 'gpt2', activation_fn_str: 'relu', sae_lens_training_version: '3.2.0' };
  const plain = await load(old);
  assert.deepEqual([plain.architecture, plain.applyBDecToInput, plain.normalizeActivations, plain.metadata.hook_name, plain.metadata.model_name, plain.metadata.format], ['standard', true, 'none', 'blocks.1.attn.hook_z', 'gpt2', 'SAELens before 6']);
  noted(plain, /older than SAELens 6/);
  noted(plain, /apply_b_dec_to_input is not written: true/);
  noted(plain, /hook_z/);
  const topk = await load({ ...old, activation_fn_str: 'topk', activation_fn_kwargs: { k: 2 }, normalize_activations: false, apply_b_dec_to_input: false });
  assert.deepEqual([topk.architecture, topk.k, topk.applyBDecToInput, topk.normalizeActivations], ['topk', 2, false, 'none']);
  noted(topk, /normalize_activations is false: read as none/);
  noted(topk, /read as topk/);
  const v5 = await load({ ...old, architecture: 'topk', activation_fn: 'topk', activation_fn_kwargs: { k: 3 }, sae_lens_version: '5.10.1' });
  assert.equal(v5.k, 3);
  const average = await load({ ...old, normalize_activations: true }, {}, {}, { normScalingFactor: 2 });
  near(average.W_enc, [...W_enc].map((w) => w * 2));
});

test('a release candidate of 6 is 6, its metadata is called meta', async () => {
  const { metadata, ...rest } = V6;
  const sae = await load({ ...rest, meta: { ...metadata, sae_lens_version: '6.0.0-rc.3' } });
  assert.equal(sae.metadata.hook_name, 'blocks.0.hook_resid_post');
  assert.equal(sae.metadata.format, 'SAELens 6.0.0-rc.3');
});

test('jumprelu has its threshold; normalisations that depend on the row are kept', async () => {
  const threshold = Float32Array.of(0.1, 0.2, 0.3, 0.4);
  const sae = await load({ ...V6, architecture: 'jumprelu', normalize_activations: 'layer_norm' }, { threshold: { shape: [D_SAE], data: threshold } });
  assert.deepEqual([sae.architecture, sae.threshold, sae.normalizeActivations], ['jumprelu', threshold, 'layer_norm']);
  noted(sae, /unbiased standard deviation \+ 1e-5/);
  assert.equal((await load({ ...V6, normalize_activations: 'constant_norm_rescale' })).normalizeActivations, 'constant_norm_rescale');
});

test('expected_average_only_in is folded when the scale is known, and warned about when it is not', async () => {
  const cfg = { ...V6, normalize_activations: 'expected_average_only_in' };
  for (const sae of [await load(cfg, {}, { 'activation_scaler.json': { scaling_factor: 0.5 } }), await load(cfg, {}, {}, { normScalingFactor: 0.5 })]) {
    near(sae.W_enc, [...W_enc].map((w) => w * 0.5));
    near(sae.W_dec, [...W_dec].map((w) => w / 0.5));
    near(sae.b_dec, [...b_dec].map((b) => b / 0.5));
    assert.deepEqual([sae.b_enc, sae.normalizeActivations], [b_enc, 'none']);
    noted(sae, /folded with .* 0\.5/);
  }
  for (const more of [{}, { 'activation_scaler.json': { scaling_factor: null } }]) {
    const unknown = await load(cfg, {}, more);
    assert.deepEqual([unknown.W_enc, unknown.normalizeActivations], [W_enc, 'none']);
    noted(unknown, /^WARNING: .*expected_average_only_in/);
  }
  await assert.rejects(load(cfg, {}, { 'activation_scaler.json': { scaling_factor: -1 } }), { name: 'FormatError', message: /scaling factor .* is -1/ });
});

test('finetuning factors are folded into the decoder, dropped when they are 1, refused when cfg.json does not want them', async () => {
  const factor = Float32Array.of(1, 2, 0.5, 3);
  const folded = await load({ ...V6, finetuning_scaling_factor: true }, { scaling_factor: { shape: [D_SAE], data: factor } });
  near(folded.W_dec, [...W_dec].map((w, i) => w * (factor[Math.floor(i / D_IN)] as number)));
  assert.deepEqual(folded.W_enc, W_enc);
  const ones = await load(V6, { scaling_factor: { shape: [D_SAE], data: new Float32Array(D_SAE).fill(1) } });
  assert.deepEqual(ones.W_dec, W_dec);
  noted(ones, /1 throughout and was dropped/);
  noted(await load({ ...V6, finetuning_scaling_factor: true }), /hold none/);
  await assert.rejects(load(V6, { scaling_factor: { shape: [D_SAE], data: factor } }), { name: 'FormatError', message: /scaling_factor: is not 1 throughout/ });
});

test('a BatchTopK checkpoint becomes jumprelu with its threshold, decoder norms folded first', async () => {
  const cfg = { ...V6, architecture: 'batchtopk', k: 2.5, rescale_acts_by_decoder_norm: true };
  const sae = await load(cfg, { topk_threshold: { shape: [], data: Float64Array.of(0.75) } });
  assert.deepEqual([sae.architecture, [...(sae.threshold ?? [])], sae.k, sae.rescaleActsByDecoderNorm], ['jumprelu', [0.75, 0.75, 0.75, 0.75], null, false]);
  const norms = Array.from({ length: D_SAE }, (_, i) => Math.hypot(...W_dec.subarray(i * D_IN, (i + 1) * D_IN)));
  near(sae.W_dec, [...W_dec].map((w, i) => w / (norms[Math.floor(i / D_IN)] as number)));
  near(sae.W_enc, [...W_enc].map((w, i) => w * (norms[i % D_SAE] as number)));
  near(sae.b_enc, [...b_enc].map((b, i) => b * (norms[i] as number)));
  await assert.rejects(load(cfg), { name: 'FormatError', message: /without topk_threshold/ });
  const unscaled = await load({ ...cfg, architecture: 'matryoshka_batchtopk', rescale_acts_by_decoder_norm: false }, { topk_threshold: { shape: [], data: Float64Array.of(0.75) } });
  assert.deepEqual(unscaled.W_dec, W_dec);
});

test('rescale_acts_by_decoder_norm of a topk SAE is kept', async () => {
  const sae = await load({ ...V6, architecture: 'topk', k: 2, rescale_acts_by_decoder_norm: true });
  assert.equal(sae.rescaleActsByDecoderNorm, true);
  noted(sae, /multiplied by their decoder/);
});

const GATED_EXTRA: Extra = { b_gate: { shape: [D_SAE], data: numbers(D_SAE, 7) }, b_mag: { shape: [D_SAE], data: numbers(D_SAE, 8) }, r_mag: { shape: [D_SAE], data: numbers(D_SAE, 9) } };

test('gated: b_mag is b_enc, the gate comes beside; the average is folded into the matrix that both share', async () => {
  const sae = await load({ ...V6, architecture: 'gated', normalize_activations: 'expected_average_only_in' }, { ...GATED_EXTRA, b_enc: null }, {}, { normScalingFactor: 2 });
  assert.equal(sae.architecture, 'gated');
  assert.deepEqual([sae.b_enc, sae.gate], [numbers(D_SAE, 8), { b_gate: numbers(D_SAE, 7), r_mag: numbers(D_SAE, 9) }]);
  near(sae.W_enc, [...W_enc].map((w) => w * 2));
  noted(sae, /gate.*b_gate.*both above 0/);
});

test('transposed matrices are turned and said so; a bias may be [1, d]', async () => {
  const turned = (m: Float32Array, rows: number, columns: number): Float32Array => Float32Array.from({ length: m.length }, (_, i) => m[(i % rows) * columns + Math.floor(i / rows)] as number);
  const sae = await load(V6, { W_dec: { shape: [D_IN, D_SAE], data: turned(W_dec, D_SAE, D_IN) }, W_enc: { shape: [D_SAE, D_IN], data: turned(W_enc, D_IN, D_SAE) }, b_dec: { shape: [1, D_IN], data: b_dec } });
  assert.deepEqual([sae.W_dec, sae.W_enc, sae.b_dec], [W_dec, W_enc, b_dec]);
  noted(sae, /W_dec is stored transposed, \[3, 4\]: it was turned to \[4, 3\]/);
});

test('other element types are noted', async () => {
  const sae = await load({ ...V6, dtype: 'torch.bfloat16' }, { W_enc: { shape: [D_IN, D_SAE], data: Float64Array.from(W_enc) } });
  assert.deepEqual(sae.W_enc, W_enc);
  noted(sae, /stored as f64/);
  noted(sae, /dtype bfloat16/);
});

const refused: readonly [string, object, Extra, string, RegExp][] = [
  ['gated with a b_enc', { architecture: 'gated' }, GATED_EXTRA, 'FormatError', /holds b_enc, which a gated SAE has not/],
  ['gated without its gate', { architecture: 'gated' }, { ...GATED_EXTRA, b_enc: null, b_gate: null }, 'FormatError', /no tensor b_gate/],
  ['transcoder', { architecture: 'transcoder' }, {}, 'FormatError', /"transcoder", a transcoder.*Supported are standard, topk, jumprelu and gated/],
  ['an unknown architecture', { architecture: 'quantum' }, {}, 'FormatError', /"quantum"/],
  ['an architecture that is no text', { architecture: 7 }, {}, 'FormatError', /architecture is 7/],
  ['another activation', { activation_fn: 'tanh-relu' }, {}, 'FormatError', /activation_fn is "tanh-relu"/],
  ['topk without k', { architecture: 'topk' }, {}, 'FormatError', /topk and k is undefined/],
  ['k above d_sae', { architecture: 'topk', k: 5 }, {}, 'FormatError', /k is 5, d_sae only 4/],
  ['no d_in', { d_in: undefined }, {}, 'FormatError', /d_in is undefined, a positive whole number/],
  ['d_sae as text', { d_sae: '4' }, {}, 'FormatError', /d_sae is "4"/],
  ['a flag as text', { apply_b_dec_to_input: 'yes' }, {}, 'FormatError', /apply_b_dec_to_input is "yes", true or false/],
  ['an unknown dtype', { dtype: 'int8' }, {}, 'FormatError', /dtype is "int8"/],
  ['an unknown normalisation', { normalize_activations: 'whiten' }, {}, 'FormatError', /normalize_activations is "whiten"/],
  ['an unknown reshape', { reshape_activations: 'fold' }, {}, 'FormatError', /reshape_activations is "fold"/],
  ['a missing tensor', {}, { b_enc: null }, 'FormatError', /no tensor b_enc.*W_enc \[3, 4\]/],
  ['jumprelu without threshold', { architecture: 'jumprelu' }, {}, 'FormatError', /no tensor threshold/],
  ['a threshold in a standard SAE', {}, { threshold: { shape: [4], data: b_enc } }, 'FormatError', /holds a threshold, cfg.json says standard/],
  ['gates in a standard SAE', {}, { r_mag: { shape: [4], data: b_enc } }, 'FormatError', /holds r_mag, which a standard SAE has not/],
  ['a wrong matrix', {}, { W_enc: { shape: [2, 6], data: W_enc } }, 'ShapeError', /W_enc has shape \[2, 6\], cfg.json demands \[3, 4\]/],
  ['a wrong bias', {}, { b_enc: { shape: [3], data: b_dec } }, 'ShapeError', /b_enc has shape \[3\], cfg.json demands \[4\]/],
  ['a bias of a matrix’s shape', {}, { b_enc: { shape: [2, 2], data: b_enc } }, 'ShapeError', /b_enc has shape \[2, 2\]/],
  ['NaN in a weight', {}, { W_dec: { shape: [4, 3], data: W_dec.map((w, i) => (i === 7 ? NaN : w)) } }, 'NumericError', /W_dec: element \[2, 1\] is NaN/],
  ['a weight beyond f32', {}, { b_dec: { shape: [3], data: Float64Array.of(0, 1e300, 0) } }, 'NumericError', /b_dec: element \[1\] is Infinity/],
];
for (const [what, cfg, extra, name, pattern] of refused) {
  test(`refused: ${what}`, () =>
    assert.rejects(load({ ...V6, ...cfg }, extra), (error: Error & { hint?: string }) => {
      assert.equal(error.name, name, error.stack);
      assert.match(`${error.message} ${error.hint ?? ''}`, pattern);
      return true;
    }));
}

test('folders of other tools and half-finished ones say what they are', async () => {
  const bytes = new Uint8Array([1]);
  const { 'cfg.json': cfg, 'sae_weights.safetensors': weights } = folder(V6) as { 'cfg.json': Uint8Array; 'sae_weights.safetensors': Uint8Array };
  await assert.rejects(loadSae({ 'params.npz': bytes }), { name: 'FormatError', message: /a Gemma Scope folder/ });
  await assert.rejects(loadSae({ 'cfg.json': bytes, 'sae.safetensors': bytes }), { name: 'FormatError', message: /a sparsify folder/ });
  await assert.rejects(loadSae({ 'ae.pt': bytes, 'config.json': bytes }), { name: 'FormatError', message: /dictionary_learning/ });
  await assert.rejects(loadSae({ 'cfg.json': cfg }), { name: 'FormatError', message: /holds cfg.json and no sae_weights/ });
  await assert.rejects(loadSae({ 'sae_weights.safetensors': weights }), { name: 'FormatError', message: /and no cfg.json/ });
  await assert.rejects(loadSae({ 'notes.txt': bytes }), { name: 'FormatError', message: /holds no SAE that is known; the folder holds notes.txt/ });
  await assert.rejects(loadSae({}), { name: 'FormatError', message: /the folder is empty/ });
  await assert.rejects(loadSae('examples/stories260k'), (error: Error & { hint?: string }) => /Did you mean sae inside/.test(error.hint ?? ''));
  await assert.rejects(loadSae('/nowhere/at/all'), { name: 'NotFoundError', message: /no such file/ });
  await assert.rejects(loadSae({ 'cfg.json': new TextEncoder().encode('[]'), 'sae_weights.safetensors': weights }), { message: /a JSON object was expected/ });
});

test('the unembedding: shapes are checked against each other', async () => {
  const real = await loadUnembedding('examples/stories260k/unembedding.safetensors');
  assert.deepEqual([real.d, real.vocabulary, real.W_U.length, real.final_norm_scale?.length], [64, 512, 64 * 512, 64]);
  const write = (entries: SafetensorsEntry[]) => loadUnembedding(writeSafetensors(entries));
  const W_U = { name: 'W_U', shape: [2, 3], data: Float32Array.of(1, 2, 3, 4, 5, 6) };
  assert.equal((await write([W_U])).final_norm_scale, null);
  await assert.rejects(write([{ ...W_U, name: 'lm_head' }]), { name: 'FormatError', message: /no tensor W_U/ });
  await assert.rejects(write([{ ...W_U, shape: [6] }]), { name: 'ShapeError', message: /\[d, vocabulary\] was expected/ });
  await assert.rejects(write([W_U, { name: 'final_norm_scale', shape: [3], data: new Float32Array(3) }]), { name: 'ShapeError', message: /\[3\], \[2\] was expected because W_U is \[2, 3\]/, hint: /Transpose/ });
  await assert.rejects(write([{ ...W_U, data: Float32Array.of(1, 2, 3, NaN, 5, 6) }]), { name: 'NumericError', message: /W_U: element \[1, 0\] is NaN/ });
  assert.ok((await readAll('examples/stories260k/unembedding.safetensors')).length > 0);
});

test('an SAE is called after its folder, and the one above where that says nothing', () => {
  const cases: readonly [string, string, string][] = [
    ['examples/stories260k/sae', 'sae', 'stories260k/sae'],
    ['runs/relu/step_12000/', 'step_12000', 'relu/step_12000'],
    ['https://host.example/a%20b/sae/?v=1', 'sae', 'a b/sae'],
    ['http://127.0.0.1:8080/sae/', 'sae', 'sae'],
    ['https://host.example/100%/sae/', 'sae', '100%/sae'],
    ['runs/100% sparse #2/sae', 'sae', '100% sparse #2/sae'],
    ['saes/gpt2-res-jb', 'gpt2-res-jb', 'gpt2-res-jb'],
    ['sae', 'sae', 'sae'],
    ['../sae', 'sae', 'sae'],
    ['files in memory', 'files in memory', 'files in memory'],
  ];
  for (const [name, label, expected] of cases) assert.equal(displayName({ name, label }), expected);
});
