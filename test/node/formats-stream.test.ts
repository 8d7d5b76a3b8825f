/** SAEs that are not held: their matrices, piece by piece, are those of the held SAE to the bit. */
import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import fc from 'fast-check';
import { loadSae } from '../../engine/formats/load-sae.js';
import { writeSafetensors, type SafetensorsEntry } from '../../engine/formats/safetensors.js';
import { columnsOf, weightsOf } from '../../engine/weight-source.js';

const D_IN = 5;
const D_SAE = 11;
const numbers = (length: number, seed: number): Float32Array => Float32Array.from({ length }, (_, i) => Math.fround(Math.sin(seed + i * 1.7)));
const tensor = (name: string, shape: readonly number[], seed: number): SafetensorsEntry => ({ name, shape, data: numbers(shape.reduce((a, b) => a * b, 1), seed) });
const MATRICES = [tensor('W_enc', [D_IN, D_SAE], 1), tensor('W_dec', [D_SAE, D_IN], 2), tensor('b_dec', [D_IN], 3)];
const CFG = { d_in: D_IN, d_sae: D_SAE, dtype: 'float32', apply_b_dec_to_input: true, normalize_activations: 'none', metadata: { sae_lens_version: '6.18.0' } };

const KINDS: Readonly<Record<string, { cfg: object; tensors: readonly SafetensorsEntry[] }>> = {
  standard: { cfg: { architecture: 'standard' }, tensors: [tensor('b_enc', [D_SAE], 4)] },
  gated: { cfg: { architecture: 'gated' }, tensors: [tensor('b_gate', [D_SAE], 4), tensor('b_mag', [D_SAE], 5), tensor('r_mag', [D_SAE], 6)] },
  'average and finetuning': { cfg: { architecture: 'standard', normalize_activations: 'expected_average_only_in', finetuning_scaling_factor: true }, tensors: [tensor('b_enc', [D_SAE], 4), tensor('finetuning_scaling_factor', [D_SAE], 7)] },
  'a BatchTopK checkpoint, rescaled, with everything': {
    cfg: { architecture: 'batchtopk', rescale_acts_by_decoder_norm: true, normalize_activations: 'expected_average_only_in', finetuning_scaling_factor: true },
    tensors: [tensor('b_enc', [D_SAE], 4), tensor('finetuning_scaling_factor', [D_SAE], 7), { name: 'topk_threshold', shape: [], data: Float64Array.of(0.3) }],
  },
};

async function inFolder(kind: keyof typeof KINDS, work: (path: string) => Promise<void>): Promise<void> {
  const { cfg, tensors } = KINDS[kind]!;
  const path = await mkdtemp(join(tmpdir(), 'saekit-stream-'));
  try {
    await writeFile(join(path, 'cfg.json'), JSON.stringify({ ...CFG, ...cfg }));
    await writeFile(join(path, 'sae_weights.safetensors'), writeSafetensors([...MATRICES, ...tensors]));
    await work(path);
  } finally {
    await rm(path, { recursive: true });
  }
}

for (const kind of Object.keys(KINDS)) {
  test(`${kind}: any piece is the held matrix's piece`, () =>
    inFolder(kind, async (path) => {
      const options = { normScalingFactor: 1.3 };
      const held = await loadSae(path, options);
      const streamed = await loadSae(path, { ...options, holdBytes: 0 });
      const source = weightsOf(streamed);
      try {
        assert.deepEqual([streamed.b_enc, streamed.b_dec, streamed.threshold, streamed.gate, streamed.k], [held.b_enc, held.b_dec, held.threshold, held.gate, held.k]);
        assert.match(streamed.conventions.at(-1) ?? '', /not held in memory/);
        assert.throws(() => streamed.W_enc, /W_enc of .* is not in memory.*11/);
        assert.throws(() => streamed.W_dec, /W_dec of/);
        const range = (length: number) => fc.tuple(fc.nat(length), fc.nat(length)).map(([a, b]) => [Math.min(a, b), Math.abs(a - b)] as const);
        await fc.assert(
          fc.asyncProperty(range(D_IN), range(D_SAE), async ([row, rows], [latent, latents]) => {
            assert.deepEqual(await source.encoderRows(row, rows), held.W_enc.subarray(row * D_SAE, (row + rows) * D_SAE));
            assert.deepEqual(await source.decoderRows(latent, latents), held.W_dec.subarray(latent * D_IN, (latent + latents) * D_IN));
            assert.deepEqual(await source.encoderColumns(latent, latents), columnsOf(held.W_enc, D_IN, D_SAE, latent, latents));
            assert.deepEqual(await weightsOf(held).encoderColumns(latent, latents), columnsOf(held.W_enc, D_IN, D_SAE, latent, latents));
          }),
          { numRuns: 40 },
        );
      } finally {
        await source.close?.();
      }
      await assert.rejects(async () => source.encoderRows(0, 1), /already closed/);
    }));
}

test('a value that is not finite is named when its piece is read; an abort ends the reading', () =>
  inFolder('standard', async (path) => {
    const bad = numbers(D_SAE * D_IN, 2);
    bad[7 * D_IN + 2] = NaN;
    await writeFile(join(path, 'sae_weights.safetensors'), writeSafetensors([MATRICES[0]!, { name: 'W_dec', shape: [D_SAE, D_IN], data: bad }, MATRICES[2]!, tensor('b_enc', [D_SAE], 4)]));
    const source = weightsOf(await loadSae(path, { holdBytes: 0 }));
    try {
      await source.decoderRows(0, 7);
      await assert.rejects(async () => source.decoderRows(6, 3), /W_dec, from row 6 on: element \[1, 2\] is NaN/);
      await assert.rejects(async () => source.encoderColumns(0, 2, AbortSignal.abort()), { name: 'AbortError' });
    } finally {
      await source.close?.();
    }
  }));

test('a transposed matrix is not streamed, and the message says what to do', () =>
  inFolder('standard', async (path) => {
    await writeFile(join(path, 'sae_weights.safetensors'), writeSafetensors([tensor('W_enc', [D_SAE, D_IN], 1), MATRICES[1]!, MATRICES[2]!, tensor('b_enc', [D_SAE], 4)]));
    await assert.rejects(loadSae(path, { holdBytes: 0 }), /W_enc has shape \[11, 5\]; to be read a piece at a time it must be \[5, 11\]/);
  }));
