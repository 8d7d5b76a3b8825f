/** `analyze` over an SAE that is not held leaves the same pack. */
import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'node:test';
import { writeSafetensors } from '../../engine/formats/safetensors.js';
import { memorySink } from '../../engine/io/sink.js';
import { openPack, tableRows } from '../../engine/pack/reader.js';
import { analyze, type AnalyzeOptions } from '../../plugins/analyze.js';
import { makeSae, randomRows } from '../shared/oracle.js';
import { npy } from '../support/npy.js';

const D = 12;
const D_SAE = 90;

async function inFolder(architecture: 'standard' | 'topk' | 'jumprelu' | 'gated', work: (folder: string) => Promise<void>): Promise<void> {
  const sae = makeSae({ architecture, d_in: D, d_sae: D_SAE, k: 5, seed: 7 });
  const folder = await mkdtemp(join(tmpdir(), 'saekit-held-'));
  const vector = (name: string, data: Float32Array) => ({ name, shape: [data.length], data });
  try {
    await writeFile(join(folder, 'cfg.json'), JSON.stringify({ architecture, d_in: D, d_sae: D_SAE, k: 5, dtype: 'float32', apply_b_dec_to_input: true, normalize_activations: 'none', metadata: { sae_lens_version: '6.18.0' } }));
    await writeFile(
      join(folder, 'sae_weights.safetensors'),
      writeSafetensors([
        { name: 'W_enc', shape: [D, D_SAE], data: sae.W_enc },
        { name: 'W_dec', shape: [D_SAE, D], data: sae.W_dec },
        vector('b_dec', sae.b_dec),
        vector(architecture === 'gated' ? 'b_mag' : 'b_enc', sae.b_enc),
        ...(sae.threshold === null ? [] : [vector('threshold', sae.threshold)]),
        ...(sae.gate ? [vector('b_gate', sae.gate.b_gate), vector('r_mag', sae.gate.r_mag)] : []),
      ]),
    );
    await work(folder);
  } finally {
    await rm(folder, { recursive: true });
  }
}

const tables = async (sink: ReturnType<typeof memorySink>): Promise<Record<string, Record<string, unknown>[]>> => {
  const pack = await openPack(sink.files);
  return Object.fromEntries(await Promise.all(['features', 'examples', 'histograms', 'logits'].map(async (name) => [name, tableRows(await pack.table(name))])));
};

for (const architecture of ['standard', 'topk', 'jumprelu', 'gated'] as const) {
  test(`${architecture}: held or not, the pack is the same but for the neighbours`, () =>
    inFolder(architecture, async (folder) => {
      const run = async (holdBytes: number | undefined): Promise<{ sink: ReturnType<typeof memorySink>; notices: string[] }> => {
        const sink = memorySink();
        const notices: string[] = [];
        const unembed = writeSafetensors([{ name: 'W_U', shape: [D, 30], data: randomRows(D, 30, 2) }]);
        const options: AnalyzeOptions = { sae: folder, holdBytes, acts: npy(randomRows(400, D, 3), [50, 8, D]), unembed, backend: 'wasm', out: sink, onNotice: (text) => notices.push(text) };
        const report = await analyze(options);
        assert.deepEqual(report.plugins.filter(({ status }) => status === 'failed'), []);
        return { sink, notices };
      };
      const held = await run(undefined);
      const streamed = await run(0);
      assert.match(streamed.notices.join(' '), /neighbours are left out.*--hold-weights/);
      const [a, b] = [await tables(held.sink), await tables(streamed.sink)];
      const without = (rows: Record<string, unknown>[] = []): unknown => rows.map((row) => ({ ...row, neighbours: null, neighbour_cosines: null }));
      assert.deepEqual(without(b['features']), without(a['features']));
      for (const name of ['examples', 'histograms', 'logits']) assert.deepEqual(b[name], a[name], name);
      const card = await (await openPack(streamed.sink.files)).card(3);
      assert.deepEqual(card.neighbours, []);
    }));
}
