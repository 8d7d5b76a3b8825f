/**
 * onnxruntime-web (WASM and WebGPU) and onnxruntime-node as peers. Their graphs
 * are written here (onnx-model.ts), with the weights as constants, so that the
 * runtime packs them once.
 */
import type * as Ort from 'onnxruntime-web';
import type { Sae } from '../../engine/sae.js';
import { type Graph, type Initializer, type Node, onnxModel, type Port } from './onnx-model.js';
import { compact, csrOfTopk, type Outcome, type Peer, type Sparse, type Task } from './peer.js';

export interface OnnxOptions {
  /** A module of its own for each number of threads: a runtime's is fixed when it starts. */
  readonly ort: typeof Ort;
  readonly name: string;
  readonly provider: 'wasm' | 'webgpu' | 'cpu';
  readonly threads: number;
  readonly note?: string | undefined;
}

type Feeds = Record<string, Ort.Tensor>;

const floats = (name: string, ...dims: number[]): Port => ({ name, type: 'float32', dims });
const one = (value: number): Initializer => ({ name: 'k', dims: [1], data: BigInt64Array.of(BigInt(value)) });

/** MatMul and Add: what every graph here begins with. */
function affine(x: string, W: Initializer, b: Initializer): { nodes: Node[]; initializers: Initializer[] } {
  return {
    nodes: [
      { op: 'MatMul', inputs: [x, W.name], outputs: ['product'] },
      { op: 'Add', inputs: ['product', b.name], outputs: ['z'] },
    ],
    initializers: [W, b],
  };
}

export function openOnnx({ ort, name, provider, threads, note }: OnnxOptions): Peer {
  const create = (graph: Graph): Promise<Ort.InferenceSession> =>
    ort.InferenceSession.create(onnxModel(graph), {
      executionProviders: [provider],
      graphOptimizationLevel: 'all',
      logSeverityLevel: 3,
      // onnxruntime-web takes the number when its module starts, and ignores this one.
      ...(provider === 'cpu' ? { intraOpNumThreads: threads, interOpNumThreads: 1 } : {}),
    });

  async function task<T>(graph: Graph, x: Float32Array, dims: number[], read: (out: Feeds) => () => T, how?: string): Promise<Task<T>> {
    const session = await create(graph);
    return {
      ...(how === undefined ? {} : { how }),
      async run(): Promise<Outcome<T>> {
        const out = (await session.run({ x: new ort.Tensor('float32', x, dims) })) as unknown as Feeds;
        // Reading is part of the work: WebGPU's results are downloaded by then, WASM's copied out.
        return { value: read(out) };
      },
      dispose: () => session.release(),
    };
  }
  const data = <A>(tensor: Ort.Tensor | undefined): A => tensor?.data as unknown as A;

  return {
    name,
    threads,
    ...(note === undefined ? {} : { note }),
    dense({ rows, d_in, d_sae, x, W, b }) {
      const graph = affine('x', { name: 'W', dims: [d_in, d_sae], data: W }, { name: 'b', dims: [d_sae], data: b });
      return task({ ...graph, inputs: [floats('x', rows, d_in)], outputs: [floats('z', rows, d_sae)] }, x, [rows, d_in], (out) => {
        const z = data<Float32Array>(out.z);
        return () => z;
      });
    },
    topk({ rows, n, k, z }) {
      const graph = { nodes: [topkNode('x', provider)], initializers: [one(k)], inputs: [floats('x', rows, n)], outputs: topkPorts(rows, k) };
      return task(graph, z, [rows, n], readTopk(rows, k));
    },
    async encode({ rows, x, sae }) {
      const { d_in, d_sae } = sae;
      const graph = affine('x', { name: 'W', dims: [d_in, d_sae], data: sae.W_enc }, { name: 'b', dims: [d_sae], data: sae.b_enc });
      const inputs = [floats('x', rows, d_in)];
      if (sae.architecture === 'topk') {
        const k = sae.k ?? 0;
        return [await task({ nodes: [...graph.nodes, topkNode('z', provider)], initializers: [...graph.initializers, one(k)], inputs, outputs: topkPorts(rows, k) }, x, [rows, d_in], readTopk(rows, k), 'matmul + TopK')];
      }
      const threshold = firingThreshold(sae);
      const loop = await task({ ...graph, inputs, outputs: [floats('z', rows, d_sae)] }, x, [rows, d_in], (out) => {
        const codes = compact(data<Float32Array>(out.z), rows, d_sae, threshold);
        return () => codes;
      }, 'matmul, then a loop in JavaScript');
      // WebGPU has no NonZero: such a graph would go back and forth to the CPU.
      if (provider === 'webgpu') return [loop];
      const nodes = [
        ...graph.nodes,
        { op: 'Greater', inputs: ['z', 'threshold'], outputs: ['fires'] },
        { op: 'NonZero', inputs: ['fires'], outputs: ['at'] },
        { op: 'Transpose', inputs: ['at'], outputs: ['pairs'] },
        { op: 'GatherND', inputs: ['z', 'pairs'], outputs: ['values'] },
      ];
      const outputs: Port[] = [{ name: 'pairs', type: 'int64', dims: ['n', 2] }, { name: 'values', type: 'float32', dims: ['n'] }];
      const inGraph = await task({ nodes, initializers: [...graph.initializers, { name: 'threshold', dims: [d_sae], data: threshold }], inputs, outputs }, x, [rows, d_in], (out) => {
        const [pairs, values] = [data<BigInt64Array>(out.pairs), data<Float32Array>(out.values)];
        return () => csrOfPairs(rows, pairs, values);
      }, 'matmul + Greater + NonZero + GatherND');
      return [loop, inGraph];
    },
    decode({ sae, codes, f }) {
      const { d_sae, d_out, W_dec, b_dec } = sae;
      const graph = affine('x', { name: 'W', dims: [d_sae, d_out], data: W_dec }, { name: 'b', dims: [d_out], data: b_dec });
      return task({ ...graph, inputs: [floats('x', codes.rows, d_sae)], outputs: [floats('z', codes.rows, d_out)] }, f, [codes.rows, d_sae], (out) => {
        const y = data<Float32Array>(out.z);
        return () => y;
      }, 'dense matmul');
    },
  };
}

/** Unsorted where the runtime lets it: an order within the row is not asked for. */
function topkNode(input: string, provider: OnnxOptions['provider']): Node {
  return { op: 'TopK', inputs: [input, 'k'], outputs: ['values', 'indices'], attributes: { axis: 1, largest: 1, sorted: provider === 'webgpu' ? 1 : 0 } };
}

const topkPorts = (rows: number, k: number): Port[] => [floats('values', rows, k), { name: 'indices', type: 'int64', dims: [rows, k] }];

function readTopk(rows: number, k: number): (out: Feeds) => () => Sparse {
  return ({ values, indices }) => {
    const [v, i] = [values?.data as Float32Array, indices?.data as unknown as BigInt64Array];
    return () => csrOfTopk(rows, k, i, v);
  };
}

/** z > threshold and z > 0 as one comparison. */
export function firingThreshold(sae: Sae): Float32Array {
  return Float32Array.from({ length: sae.d_sae }, (_, i) => Math.max(0, sae.threshold?.[i] ?? 0));
}

function csrOfPairs(rows: number, pairs: BigInt64Array, values: Float32Array): Sparse {
  const offsets = new Uint32Array(rows + 1);
  const features = new Uint32Array(values.length);
  for (let at = 0; at < values.length; at++) {
    offsets[Number(pairs[2 * at]) + 1]!++;
    features[at] = Number(pairs[2 * at + 1]);
  }
  for (let row = 0; row < rows; row++) offsets[row + 1]! += offsets[row]!;
  return { offsets, features, values };
}
