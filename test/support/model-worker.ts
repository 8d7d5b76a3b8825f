/** A module worker that runs one batch of the embedded model; paths are relative to the worker, the runtime is found by URL. */
import { modelSource } from '../../engine/sources/model-source.js';

const host = globalThis as unknown as { postMessage(message: unknown, transfer?: Transferable[]): void };

try {
  const source = await modelSource({
    model: '../../examples/stories260k/model.onnx',
    tokens: '../../examples/stories260k/tokens.npy',
    hook: 'blocks.2.hook_resid_post',
    ortUrl: '/node_modules/onnxruntime-web/dist/ort.wasm.bundle.min.mjs',
  });
  for await (const { x, tokens } of source.batches({ contextsPerBatch: 2, end: 2 })) host.postMessage({ x, tokens, d: source.d, runtime: source.provenance['runtime'] });
  await source.close();
} catch (error) {
  host.postMessage({ error: String(error) });
}
