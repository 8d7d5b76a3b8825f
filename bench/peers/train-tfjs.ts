/**
 * The same training step in TensorFlow.js: its kernels and its Adam. The backward pass
 * is written out, since its Node build registers no gradients, and since that is the
 * least work: what is not needed is not computed. Transposes are ops of their own: matMul's
 * flags for them leave XNNPACK, and take twenty times as long.
 */
import { type Peer, Unsupported } from './peer.js';
import { EPS, BETAS, trainTask } from './training.js';
import type { Core, Tensor } from './vendor/tfjs.mjs';

const VERSION = '4.22.0';

/** @param folder where its `.wasm` files lie, as a path or URL; Node finds them itself */
export async function openTfjsWasmTrain(folder?: string): Promise<Peer> {
  const { core, wasm } = await import('./vendor/tfjs.mjs');
  if (folder !== undefined) wasm.setWasmPaths(folder);
  wasm.setThreadsCount(1);
  if (!(await core.setBackend('wasm'))) throw new Error('tfjs-backend-wasm does not start here');
  await core.ready();
  return open(core, 'wasm', `tfjs-backend-wasm ${VERSION}`, wasm.getThreadsCount());
}

export async function openTfjsWebGpuTrain(): Promise<Peer> {
  const { core } = await import('./vendor/tfjs-webgpu.mjs');
  if (!(await core.setBackend('webgpu'))) throw new Error('tfjs-backend-webgpu does not start here');
  await core.ready();
  return open(core, 'webgpu', `tfjs-backend-webgpu ${VERSION}`, 0);
}

function open(core: Core, backend: 'wasm' | 'webgpu', name: string, threads: number): Peer {
  return {
    name,
    threads,
    async train(problem) {
      const { rows, d, d_sae: n, k, l1, lr, batches } = problem;
      await core.setBackend(backend);
      const transposed = new Float32Array(n * d);
      problem.W.forEach((value, e) => (transposed[(e % d) * n + Math.floor(e / d)] = value));
      const W = core.variable(core.tensor2d(transposed, [d, n]));
      const b = core.variable(core.tensor1d(problem.b));
      const D = core.variable(core.tensor2d(problem.D, [n, d]));
      const c = core.variable(core.tensor1d(new Float32Array(d)));
      const adam = core.train.adam(lr, BETAS[0], BETAS[1], EPS);

      /** Loss and gradients, in the order of W, b, D, c. */
      const backward = (x: Tensor): Tensor[] => {
        const xbar = core.sub(x, c);
        const z = core.fused.matMul({ a: xbar, b: W, bias: b });
        let f = core.relu(z);
        if (k !== null) {
          // 1 where z is below the row's k-th; a comparison that broadcasts takes a hundred times as long as a difference.
          const below = core.step(core.sub(core.slice(core.topk(z, k, true).values, [0, k - 1], [rows, 1]), z));
          f = core.mul(f, core.add(core.mul(below, -1), 1));
        }
        const on = core.step(f);
        const residual = core.sub(core.fused.matMul({ a: f, b: D, bias: c }), x);
        const squares = core.sum(core.square(residual));
        const loss = core.mul(l1 === 0 ? squares : core.add(squares, core.mul(core.sum(f), l1)), 1 / rows);
        const slope = core.mul(residual, 2 / rows);
        const through = core.matMul(slope, core.transpose(D));
        const gz = core.mul(l1 === 0 ? through : core.add(through, l1 / rows), on);
        const gb = core.sum(gz, 0);
        const gc = core.sub(core.sum(slope, 0), core.reshape(core.matMul(core.reshape(gb, [1, n]), core.transpose(W)), [d]));
        return [loss, core.matMul(core.transpose(xbar), gz), gb, core.matMul(core.transpose(f), slope), gc];
      };

      const step = async (batch: number): Promise<{ loss: number }> => {
        await core.setBackend(backend);
        const x = core.tensor2d(batches[batch]!, [rows, d]);
        const made = core.tidy(() => backward(x));
        const [loss, ...gradients] = made;
        adam.applyGradients(Object.fromEntries([W, b, D, c].map((variable, at) => [variable.name, gradients[at]!])));
        const [value] = backend === 'wasm' ? loss!.dataSync() : await loss!.data();
        for (const tensor of [x, ...made]) tensor.dispose();
        return { loss: value! };
      };
      try {
        return await trainTask(problem, step, {
          how: 'backward from its ops, its Adam',
          dispose() {
            adam.dispose();
            for (const variable of [W, b, D, c]) variable.dispose();
          },
        });
      } catch (error) {
        if (error instanceof Error && /not registered|Kernel/.test(error.message)) throw new Unsupported(`${name}: ${error.message.split('\n')[0]}`);
        throw error;
      }
    },
  };
}
