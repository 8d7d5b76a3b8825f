/** The page reads what Node reads: relative URLs, Blobs, an SAE, a tokenizer, and the model in the page and in a worker. */
import { expect } from '@esm-bundle/chai';
import { loadSae } from '../../engine/formats/load-sae.js';
import { openTensor } from '../../engine/formats/tensor-file.js';
import { hasFileSystem, openFolder, openRef } from '../../engine/io/open.js';
import { readAll } from '../../engine/io/read.js';
import { modelSource } from '../../engine/sources/model-source.js';
import { loadTokenizer } from '../../engine/tokenizer.js';
import { writeSafetensors } from '../../engine/formats/safetensors.js';

const EXAMPLE = 'examples/stories260k/';

describe('sources in a page', () => {
  it('has no file system and no process', () => {
    expect(hasFileSystem()).to.equal(false);
    expect('process' in globalThis).to.equal(false);
  });

  it('reads paths relative to the document, Blobs by range, blob: and data: URLs', async () => {
    const source = await openRef(`${EXAMPLE}tokens.npy`);
    const head = new Uint8Array(await source.slice(0, 6));
    const bytes = await readAll(`${EXAMPLE}tokens.npy`);
    expect(bytes.length).to.equal(source.byteLength);
    const blob = new Blob([bytes]);
    for (const ref of [blob, URL.createObjectURL(blob), new URL(`/${EXAMPLE}tokens.npy`, location.href)]) {
      const other = await openRef(ref);
      expect(other.byteLength).to.equal(bytes.length);
      expect([...new Uint8Array(await other.slice(0, 6))]).to.deep.equal([...head]);
      expect([...new Uint8Array(await other.slice(800_000, 800_010))]).to.deep.equal([...bytes.subarray(800_000, 800_010)]);
    }
    expect((await openRef('data:,hello')).byteLength).to.equal(5);
  });

  it('says what it cannot open', async () => {
    const reason = async (promise: Promise<unknown>): Promise<string> => promise.then(() => 'nothing', (error: unknown) => (error instanceof Error ? `${error.name}: ${error.message}` : 'no error'));
    expect(await reason(openRef('examples/none.npy'))).to.match(/^NotFoundError: .*examples\/none\.npy: the server answered 404/);
    expect(await reason(openRef('file:///etc/hosts'))).to.match(/^FormatError: .*a page cannot read files/);
    expect(await reason(openRef('ftp://h/x'))).to.match(/^FormatError: .*ftp: is not supported/);
    expect(await reason(loadSae('examples/'))).to.match(/^FormatError: .*holds no SAE/);
  });

  it('loads the SAE from a URL and from files in memory, with the same hash', async () => {
    const sae = await loadSae(`${EXAMPLE}sae`);
    expect([sae.d_in, sae.d_sae, sae.k]).to.deep.equal([64, 512, 16]);
    const folder = await openFolder(`${EXAMPLE}sae/`);
    const file = async (name: string): Promise<Blob> => new Blob([await (await folder.file(name)).slice(0)]);
    const dropped = await loadSae({ 'cfg.json': await file('cfg.json'), 'sae_weights.safetensors': await file('sae_weights.safetensors') });
    expect(dropped.metadata.sha256).to.equal(sae.metadata.sha256);
    expect(dropped.W_enc).to.deep.equal(sae.W_enc);
    const { tensor } = await openTensor(writeSafetensors([{ name: 'x', shape: [2], data: Float32Array.of(1, 2) }]));
    expect([...(await tensor.read())]).to.deep.equal([1, 2]);
  });

  it('shows tokens', async () => {
    const tokenizer = await loadTokenizer(`${EXAMPLE}tokenizer.json`);
    expect([1, 403, 600].map((id) => tokenizer.text(id))).to.deep.equal(['<s>', ' Once', '#600']);
  });

  it('runs the model in the page and in a module worker, to the same activations', async () => {
    const source = await modelSource({ model: `${EXAMPLE}model.onnx`, tokens: `${EXAMPLE}tokens.npy`, hook: 'blocks.2.hook_resid_post' });
    let x = new Float32Array(0);
    for await (const batch of source.batches({ contextsPerBatch: 2, end: 2 })) x = batch.x as Float32Array<ArrayBuffer>;
    await source.close();
    expect(x.length).to.equal(2 * 128 * 64);
    expect(x.every(Number.isFinite)).to.equal(true);
    const worker = new Worker(new URL('../support/model-worker.ts', import.meta.url), { type: 'module' });
    const message = await new Promise<{ x: Float32Array; tokens: Int32Array; d: number; error?: string }>((resolve, reject) => {
      worker.onmessage = ({ data }) => resolve(data as { x: Float32Array; tokens: Int32Array; d: number });
      worker.onerror = (event) => reject(new Error(event.message || 'the worker could not be loaded'));
    });
    worker.terminate();
    expect(message.error).to.equal(undefined);
    expect(message.d).to.equal(64);
    expect([...message.tokens.subarray(0, 3)]).to.deep.equal([1, 403, 407]);
    expect(message.x).to.deep.equal(x);
  });
});
