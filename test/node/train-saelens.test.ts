/** What is saved is what is loaded: SAELens' folders, written and read back. */
import assert from 'node:assert/strict';
import test from 'node:test';
import { loadSae } from '../../engine/formats/load-sae.js';
import { saelensFiles } from '../../engine/formats/write-saelens.js';
import { openSafetensors } from '../../engine/formats/safetensors.js';
import { bytesSource } from '../../engine/io/bytes.js';
import { makeSae } from '../shared/oracle.js';

const folder = (files: ReturnType<typeof saelensFiles>): Record<string, Uint8Array> => Object.fromEntries(Object.entries(files).map(([name, content]) => [name, typeof content === 'string' ? new TextEncoder().encode(content) : (content as Uint8Array)]));

for (const architecture of ['standard', 'topk', 'jumprelu', 'gated'] as const) {
  test(`${architecture}: the same tensors and conventions`, async () => {
    for (const flags of [{}, { applyBDecToInput: false }] as const) {
      const sae = { ...makeSae({ architecture, d_in: 6, d_sae: 11, seed: 3, ...(architecture === 'topk' ? { k: 4 } : {}) }), ...flags };
      const read = await loadSae(folder(saelensFiles(sae)));
      for (const name of ['W_enc', 'b_enc', 'W_dec', 'b_dec'] as const) assert.deepEqual(read[name], sae[name], name);
      assert.deepEqual([read.architecture, read.k, read.applyBDecToInput, read.normalizeActivations], [sae.architecture, sae.k, sae.applyBDecToInput, 'none']);
      assert.deepEqual(read.threshold, sae.threshold);
      if (architecture === 'gated') assert.deepEqual([read.gate?.r_mag, read.gate?.b_gate], [sae.gate?.r_mag, sae.gate?.b_gate]);
    }
  });
}

test('densities are saved as SAELens has them, and an SAE that cfg.json cannot describe is refused', async () => {
  const sae = makeSae({ architecture: 'standard', d_in: 4, d_sae: 3, seed: 1 });
  const { 'sparsity.safetensors': bytes } = saelensFiles(sae, { counts: [0, 1, 1000], tokens: 1000, metadata: { training_step: 7 } });
  const { tensors } = await openSafetensors(bytesSource('sparsity.safetensors', bytes!));
  assert.deepEqual(Array.from(await tensors.get('sparsity')!.read(), (value) => Math.round(value * 1e4) / 1e4), [-10, -3, 0]);
  assert.throws(() => saelensFiles({ ...sae, architecture: 'batchtopk' }), /needs its threshold/);
  assert.throws(() => saelensFiles({ ...sae, d_out: 5 }), /d_in = d_out/);
});
