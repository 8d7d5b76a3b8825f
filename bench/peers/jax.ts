/** jax-js as a peer: `jit` of matmul and add, and its top-k, on its WASM or WebGPU device. */
import { firingThreshold } from './onnx.js';
import { compact, csrOfTopk, type Outcome, type Peer, type Sparse, type Task } from './peer.js';
import type * as Jax from './vendor/jax.mjs';

const VERSION = '0.1.25';

/**
 * On one thread: jax-js asks again and again whether there is a `Worker`, and
 * must always get the answer that it began with. In Node there is none until
 * onnxruntime-web defines one for its own threads.
 */
async function withoutWorkers<T>(body: () => Promise<T>): Promise<T> {
  const own = Object.getOwnPropertyDescriptor(globalThis, 'Worker');
  if (own === undefined) return body();
  Reflect.deleteProperty(globalThis, 'Worker');
  try {
    return await body();
  } finally {
    Object.defineProperty(globalThis, 'Worker', own);
  }
}

/** @param threads what is known of the device's threads: jax-js starts as many as there are cores where memory can be shared */
export async function openJax(device: 'wasm' | 'webgpu', threads: number): Promise<Peer> {
  const alone = device === 'wasm' && threads === 1 ? withoutWorkers : <T>(body: () => Promise<T>): Promise<T> => body();
  const jax = await alone(() => import('./vendor/jax.mjs'));
  const { numpy: np } = jax;
  if (!(await alone(() => jax.init(device))).includes(device)) throw new Error(`jax-js has no device ${device} here`);

  async function task<T>(x: Float32Array, dims: number[], kept: readonly Jax.Array[], body: (input: Jax.Array, ...kept: Jax.Array[]) => Jax.Array[], result: (out: (Float32Array | Int32Array)[]) => () => T, how?: string): Promise<Task<T>> {
    const compiled = jax.jit(body);
    return Promise.resolve({
      ...(how === undefined ? {} : { how }),
      run: (): Promise<Outcome<T>> =>
        alone(async () => {
          jax.defaultDevice(device);
          const out = compiled(np.array(x).reshape(dims), ...kept.map((array) => array.ref));
          return { value: result(await Promise.all(out.map((array) => array.data()))) };
        }),
      dispose() {
        compiled.dispose();
        kept.forEach((array) => array.dispose());
      },
    });
  }
  const upload = (values: Float32Array, dims: number[]): Jax.Array => {
    jax.defaultDevice(device);
    return np.array(values).reshape(dims);
  };
  const affine = (x: Jax.Array, W: Jax.Array, b: Jax.Array): Jax.Array => np.matmul(x, W).add(b);
  const first = ([z]: readonly (Float32Array | Int32Array)[]) => () => z as Float32Array;
  const sparse = (rows: number, k: number) => ([values, indices]: readonly (Float32Array | Int32Array)[]) => () => csrOfTopk(rows, k, indices ?? [], values as Float32Array);

  return {
    name: `jax-js ${VERSION}`,
    threads,
    dense: ({ rows, d_in, d_sae, x, W, b }) => task(x, [rows, d_in], [upload(W, [d_in, d_sae]), upload(b, [d_sae])], (input, w, bias) => [affine(input, w!, bias!)], first),
    topk: ({ rows, n, k, z }) => task<Sparse>(z, [rows, n], [], (input) => jax.lax.topK(input, k), sparse(rows, k)),
    async encode({ rows, x, sae }) {
      const { d_in, d_sae } = sae;
      const kept = [upload(sae.W_enc, [d_in, d_sae]), upload(sae.b_enc, [d_sae])];
      if (sae.architecture === 'topk') {
        const k = sae.k ?? 0;
        return [await task<Sparse>(x, [rows, d_in], kept, (input, w, bias) => jax.lax.topK(affine(input, w!, bias!), k), sparse(rows, k), 'matmul + topK')];
      }
      const threshold = firingThreshold(sae);
      return [
        await task<Sparse>(x, [rows, d_in], kept, (input, w, bias) => [affine(input, w!, bias!)], ([z]) => {
          const codes = compact(z as Float32Array, rows, d_sae, threshold);
          return () => codes;
        }, 'matmul, then a loop in JavaScript'),
      ];
    },
    decode: ({ sae, codes, f }) => task(f, [codes.rows, sae.d_sae], [upload(sae.W_dec, [sae.d_sae, sae.d_out]), upload(sae.b_dec, [sae.d_out])], (input, w, bias) => [affine(input, w!, bias!)], first, 'dense matmul'),
  };
}
