/** Deno reads the embedded example: SAE, tokens, tokenizer, files, and one batch of the model. */
import { loadSae } from '../../engine/formats/load-sae.js';
import { openTensor } from '../../engine/formats/tensor-file.js';
import { loadUnembedding } from '../../engine/formats/unembedding.js';
import { openFolder, openRef } from '../../engine/io/open.js';
import { readAll, readJson } from '../../engine/io/read.js';
import { fileSource } from '../../engine/sources/file-source.js';
import { modelSource } from '../../engine/sources/model-source.js';
import { loadTokenizer } from '../../engine/tokenizer.js';
import { npyBytes } from '../support/arrays.js';

declare const Deno: { test(name: string, run: () => Promise<void>): void; cwd(): string };

function equal(actual: unknown, expected: unknown): void {
  const [a, b] = [JSON.stringify(actual), JSON.stringify(expected)];
  if (a !== b) throw new Error(`${a} is not ${b}`);
}

const EXAMPLE = 'examples/stories260k/';

Deno.test('the SAE, by path and by file: URL', async () => {
  const sae = await loadSae(`${EXAMPLE}sae`);
  equal([sae.architecture, sae.d_in, sae.d_sae, sae.k, sae.metadata.hook_name], ['topk', 64, 512, 16, 'blocks.2.hook_resid_post']);
  const byUrl = await loadSae(new URL(`file://${Deno.cwd()}/${EXAMPLE}sae`));
  equal(byUrl.metadata.sha256, sae.metadata.sha256);
  equal((await loadUnembedding(`${EXAMPLE}unembedding.safetensors`)).vocabulary, 512);
});

Deno.test('files and folders: ranges, listings, what is missing', async () => {
  const source = await openRef(`${EXAMPLE}tokens.npy`);
  equal(new TextDecoder('latin1').decode(await source.slice(1, 6)), 'NUMPY');
  await source.close?.();
  const folder = await openFolder(EXAMPLE);
  equal([await folder.has('tokens.npy'), await folder.has('none')], [true, false]);
  const error = await openRef(`${EXAMPLE}none`).catch((reason: unknown) => reason);
  if (!(error instanceof Error) || error.name !== 'NotFoundError') throw new Error(`a NotFoundError was expected, not ${String(error)}`);
});

Deno.test('the tokenizer', async () => {
  const tokenizer = await loadTokenizer(`${EXAMPLE}tokenizer.json`);
  const bytes = await openRef('test/fixtures/stories260k/prompts.json');
  const prompts = (await readJson(bytes)) as { text: string; ids: number[] }[];
  await bytes.close?.();
  for (const { text, ids } of prompts) equal(tokenizer.encode(text), ids);
  equal(tokenizer.text(403), ' Once');
});

Deno.test('one batch of the model agrees with the float64 reference, under onnxruntime-web', async () => {
  const prompts = JSON.parse(new TextDecoder().decode(await readAll('test/fixtures/stories260k/prompts.json'))) as { ids: number[] }[];
  const ids = prompts[0]!.ids;
  const source = await modelSource({ model: `${EXAMPLE}model.onnx`, tokens: npyBytes(Int32Array.from(ids), [1, ids.length]), hook: 'blocks.2.hook_resid_post' });
  const reference = await openTensor('test/fixtures/stories260k/prompts.resid_post.safetensors#p0.blocks.2.resid_post');
  const expected = await reference.tensor.read();
  await reference.close();
  let rows = 0;
  for await (const batch of source.batches({ contextsPerBatch: 1 })) {
    rows += batch.contexts * batch.positions;
    const worst = batch.x.reduce((largest, value, i) => Math.max(largest, Math.abs(value - expected[i]!)), 0);
    if (!(worst <= 1e-4)) throw new Error(`activations differ by ${worst}`);
  }
  equal(rows, ids.length);
  equal(source.provenance['runtime'], 'onnxruntime-web 1.30.0');
  await source.close();
});

Deno.test('activations from a file', async () => {
  const source = await fileSource({ acts: 'test/fixtures/stories260k/prompts.resid_post.safetensors#p2.blocks.2.resid_post' });
  let rows = 0;
  for await (const batch of source.batches({ contextsPerBatch: 10 })) rows += batch.contexts;
  equal([source.d, rows], [64, 56]);
  await source.close();
});
