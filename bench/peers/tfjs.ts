/** TensorFlow.js as a peer: its WASM backend (XNNPACK) and its WebGPU backend. One global engine, so the backend is named before each run. */
import type { Core, Tensor } from './vendor/tfjs.mjs';
import { firingThreshold } from './onnx.js';
import { compact, csrOfTopk, type Outcome, type Peer, type Sparse, type Task } from './peer.js';

const VERSION = '4.22.0';

/** @param folder where its `.wasm` files lie, as a path or URL; Node finds them itself */
export async function openTfjsWasm(threads: number, folder?: string): Promise<Peer> {
  const { core, wasm } = await import('./vendor/tfjs.mjs');
  if (folder !== undefined) wasm.setWasmPaths(folder);
  wasm.setThreadsCount(threads);
  if (!(await core.setBackend('wasm'))) throw new Error('tfjs-backend-wasm does not start here');
  await core.ready();
  // In Node it has one thread whatever is asked for.
  return open(core, 'wasm', `tfjs-backend-wasm ${VERSION}`, wasm.getThreadsCount());
}

export async function openTfjsWebGpu(): Promise<Peer> {
  const { core } = await import('./vendor/tfjs-webgpu.mjs');
  if (!(await core.setBackend('webgpu'))) throw new Error('tfjs-backend-webgpu does not start here');
  await core.ready();
  return open(core, 'webgpu', `tfjs-backend-webgpu ${VERSION}`, 0);
}

function open(core: Core, backend: 'wasm' | 'webgpu', name: string, threads: number): Peer {
  const read = async (tensor: Tensor): Promise<Float32Array | Int32Array> => (backend === 'wasm' ? tensor.dataSync() : await tensor.data());

  /** `body` gets the uploaded input, and says which tensors to read. */
  async function task<T>(x: Float32Array, shape: [number, number], kept: readonly Tensor[], body: (input: Tensor) => readonly Tensor[], result: (out: (Float32Array | Int32Array)[]) => () => T, how?: string): Promise<Task<T>> {
    await core.setBackend(backend);
    return {
      ...(how === undefined ? {} : { how }),
      async run(): Promise<Outcome<T>> {
        await core.setBackend(backend);
        const input = core.tensor2d(x, shape);
        const tensors = body(input);
        const out: (Float32Array | Int32Array)[] = [];
        for (const tensor of tensors) out.push(await read(tensor));
        for (const tensor of [input, ...tensors]) tensor.dispose();
        return { value: result(out) };
      },
      dispose: () => kept.forEach((tensor) => tensor.dispose()),
    };
  }
  const affine = async (W: Float32Array, shape: [number, number], b: Float32Array): Promise<{ kept: Tensor[]; apply: (a: Tensor) => Tensor }> => {
    await core.setBackend(backend);
    const weights = core.tensor2d(W, shape);
    const bias = core.tensor1d(b);
    return { kept: [weights, bias], apply: (a) => core.fused.matMul({ a, b: weights, bias }) };
  };
  const first = (out: readonly (Float32Array | Int32Array)[]): (() => Float32Array) => () => out[0] as Float32Array;
  const sparse = (rows: number, k: number) => ([values, indices]: readonly (Float32Array | Int32Array)[]) => () => csrOfTopk(rows, k, indices ?? [], values as Float32Array);

  return {
    name,
    threads,
    async dense({ rows, d_in, d_sae, x, W, b }) {
      const { kept, apply } = await affine(W, [d_in, d_sae], b);
      return task(x, [rows, d_in], kept, (input) => [apply(input)], first);
    },
    topk({ rows, n, k, z }) {
      return task<Sparse>(z, [rows, n], [], (input) => {
        const { values, indices } = core.topk(input, k, false);
        return [values, indices];
      }, sparse(rows, k));
    },
    async encode({ rows, x, sae }) {
      const { d_in, d_sae } = sae;
      const { kept, apply } = await affine(sae.W_enc, [d_in, d_sae], sae.b_enc);
      if (sae.architecture === 'topk') {
        const k = sae.k ?? 0;
        return [
          await task<Sparse>(x, [rows, d_in], kept, (input) => {
            const z = apply(input);
            const { values, indices } = core.topk(z, k, false);
            // Not read: it stays where it was computed. tfjs frees it when the kernel is done.
            z.dispose();
            return [values, indices];
          }, sparse(rows, k), 'matmul + topk'),
        ];
      }
      const threshold = firingThreshold(sae);
      return [
        await task<Sparse>(x, [rows, d_in], kept, (input) => [apply(input)], ([z]) => {
          const codes = compact(z as Float32Array, rows, d_sae, threshold);
          return () => codes;
        }, 'matmul, then a loop in JavaScript'),
      ];
    },
    async decode({ sae, codes, f }) {
      const { kept, apply } = await affine(sae.W_dec, [sae.d_sae, sae.d_out], sae.b_dec);
      return task(f, [codes.rows, sae.d_sae], kept, (input) => [apply(input)], first, 'dense matmul');
    },
  };
}
