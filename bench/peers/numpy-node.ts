/**
 * numpy with its BLAS as a peer: native code, in another process (python3), which
 * holds the arrays and times itself. It takes its turn in the rounds like everybody.
 */
import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { csrOfTopk, type Outcome, type Peer, type Sparse, type Task } from './peer.js';
import { trainTask } from './training.js';

/** Answers one JSON object a line. Tasks are numbered in the order in which they were made. */
const PROGRAM = `
import json, sys, time
import numpy as np

def blas():
    try:
        return np.show_config(mode='dicts')['Build Dependencies']['blas']['name']
    except Exception:
        return 'BLAS'

def load(path, shape):
    return np.fromfile(path, dtype=np.float32).reshape(shape)

def say(**answer):
    print(json.dumps(answer), flush=True)

tasks = {}

def topk(z, k):
    index = np.argpartition(z, z.shape[1] - k, axis=1)[:, -k:]
    return np.take_along_axis(z, index, axis=1), index.astype(np.float32)

def trainer(W, b, D, xs, k, l1, lr):
    '''Steps of bench/peers/training.ts, densely, in place where that is simple; W and D are [d_sae, d].'''
    c = np.zeros(xs.shape[2], np.float32)
    parameters = [W, b, D, c]
    m, v, room = ([np.zeros_like(p) for p in parameters] for _ in range(3))
    rows, n = xs.shape[1], len(b)
    t = 0

    def step():
        nonlocal t
        x = xs[t % len(xs)]
        t += 1
        xbar = x - c
        f = xbar @ W.T
        f += b
        if k is not None:
            f *= f >= np.partition(f, n - k, axis=1)[:, n - k, None]
        np.maximum(f, 0, out=f)
        residual = f @ D
        residual += c
        residual -= x
        loss = (np.vdot(residual, residual) + l1 * f.sum()) / rows
        residual *= 2 / rows
        gz = residual @ D.T
        if l1:
            gz += np.float32(l1 / rows)
        gz *= f > 0
        gb = gz.sum(axis=0)
        gradients = [gz.T @ xbar, gb, f.T @ residual, residual.sum(axis=0) - gb @ W]
        rate, scale = lr / (1 - 0.9 ** t), (1 - 0.999 ** t) ** -0.5
        for p, g, first, second, r in zip(parameters, gradients, m, v, room):
            first *= np.float32(0.9)
            np.multiply(g, np.float32(0.1), out=r)
            first += r
            second *= np.float32(0.999)
            g *= g
            g *= np.float32(0.001)
            second += g
            np.sqrt(second, out=r)
            r *= np.float32(scale)
            r += np.float32(1e-8)
            np.divide(first, r, out=r)
            r *= np.float32(rate)
            p -= r
        return float(loss), float(np.count_nonzero(f)) / rows
    return step

say(version=np.__version__, blas=blas())
for line in sys.stdin:
    ask = json.loads(line)
    if ask['do'] == 'make':
        arrays = [load(path, shape) for path, shape in ask['arrays']]
        k = ask.get('k')
        tasks[ask['task']] = {
            'affine': lambda a=arrays: (a[0] @ a[1] + a[2],),
            'topk': lambda a=arrays, k=k: topk(a[0], k),
            'affine-topk': lambda a=arrays, k=k: topk(a[0] @ a[1] + a[2], k),
            'train': None if ask['kind'] != 'train' else trainer(*arrays, k, ask['l1'], ask['lr']),
        }[ask['kind']]
        say(ok=True)
    elif ask['do'] == 'run':
        begin = time.perf_counter()
        result = tasks[ask['task']]()
        say(seconds=time.perf_counter() - begin)
        last = result
    elif ask['do'] == 'step':
        begin = time.perf_counter()
        loss, l0 = tasks[ask['task']]()
        say(seconds=time.perf_counter() - begin, loss=loss, l0=l0)
    elif ask['do'] == 'save':
        np.concatenate([np.ascontiguousarray(part).ravel() for part in last]).tofile(ask['path'])
        say(ok=True)
    elif ask['do'] == 'drop':
        tasks.pop(ask['task'], None)
        last = None
        say(ok=True)
`;

interface Answer {
  readonly version?: string;
  readonly blas?: string;
  readonly seconds?: number;
  readonly loss?: number;
  readonly l0?: number;
}

/** @returns null where python3 with numpy is not there */
export async function openNumpy(threads: number): Promise<Peer | null> {
  const limits = Object.fromEntries(['OPENBLAS_NUM_THREADS', 'OMP_NUM_THREADS', 'MKL_NUM_THREADS', 'VECLIB_MAXIMUM_THREADS'].map((name) => [name, String(threads)]));
  // OpenBLAS' threads wait busily after their work, up to 2^26 cycles unless told otherwise: that would be in other people's turns.
  const child = spawn('python3', ['-c', PROGRAM], { env: { ...process.env, ...limits, OPENBLAS_THREAD_TIMEOUT: '4' }, stdio: ['pipe', 'pipe', 'ignore'] });
  const ended = new Promise<null>((resolve) => {
    child.on('error', () => resolve(null));
    child.on('close', () => resolve(null));
  });
  // A child that is gone must not end us by a broken pipe.
  child.stdin.on('error', () => undefined);
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const answer = async (): Promise<Answer> => {
    const line = await Promise.race([lines.next(), ended]);
    if (line === null || line.done === true) throw new Error('python3 ended');
    return JSON.parse(line.value) as Answer;
  };
  let hello: Answer;
  try {
    hello = await answer();
  } catch {
    return null;
  }
  const ask = (question: Record<string, unknown>): Promise<Answer> => {
    child.stdin.write(`${JSON.stringify(question)}\n`);
    return answer();
  };

  const folder = mkdtempSync(join(tmpdir(), 'saekit-bench-'));
  let files = 0;
  let count = 0;
  type Shaped = readonly [Float32Array, number[]];
  /** Has python make a task; its number. */
  async function make(kind: string, arrays: readonly Shaped[], settings: Readonly<Record<string, unknown>>): Promise<number> {
    const number = count++;
    const given = arrays.map(([values, shape]) => {
      const path = join(folder, `${files++}.f32`);
      writeFileSync(path, new Uint8Array(values.buffer, values.byteOffset, values.byteLength));
      return [path, shape] as const;
    });
    await ask({ do: 'make', task: number, kind, arrays: given, ...settings });
    for (const [path] of given) rmSync(path);
    return number;
  }
  async function task<T>(kind: string, arrays: readonly Shaped[], result: (values: Float32Array) => T, k?: number, how?: string): Promise<Task<T>> {
    const number = await make(kind, arrays, { k });
    return {
      ...(how === undefined ? {} : { how }),
      async run(): Promise<Outcome<T>> {
        const { seconds = NaN } = await ask({ do: 'run', task: number });
        return {
          seconds,
          async value() {
            const path = join(folder, 'result.f32');
            await ask({ do: 'save', path });
            const bytes = readFileSync(path);
            return result(new Float32Array(bytes.buffer, bytes.byteOffset, bytes.byteLength / 4));
          },
        };
      },
      async dispose() {
        await ask({ do: 'drop', task: number });
      },
    };
  }
  // Indices below 2^24 are exact in f32.
  const sparse = (rows: number, k: number) => (values: Float32Array): Sparse => csrOfTopk(rows, k, values.subarray(rows * k), values.subarray(0, rows * k));

  return {
    name: `numpy ${hello.version} (${hello.blas})`,
    threads,
    note: 'numpy runs natively in another process, on arrays of its own',
    dense: ({ rows, d_in, d_sae, x, W, b }) => task('affine', [[x, [rows, d_in]], [W, [d_in, d_sae]], [b, [d_sae]]], (values) => values),
    topk: ({ rows, n, k, z }) => task('topk', [[z, [rows, n]]], sparse(rows, k), k, 'argpartition'),
    async encode({ rows, x, sae }) {
      if (sae.architecture !== 'topk') return [];
      const k = sae.k ?? 0;
      return [await task('affine-topk', [[x, [rows, sae.d_in]], [sae.W_enc, [sae.d_in, sae.d_sae]], [sae.b_enc, [sae.d_sae]]], sparse(rows, k), k, 'matmul + argpartition')];
    },
    decode: ({ sae, codes, f }) => task('affine', [[f, [codes.rows, sae.d_sae]], [sae.W_dec, [sae.d_sae, sae.d_out]], [sae.b_dec, [sae.d_out]]], (values) => values, undefined, 'dense matmul'),
    async train(problem) {
      const { rows, d, d_sae, k, l1, lr, batches, W, b, D } = problem;
      const all = new Float32Array(batches.length * rows * d);
      batches.forEach((batch, at) => all.set(batch, at * rows * d));
      const number = await make('train', [[W, [d_sae, d]], [b, [d_sae]], [D, [d_sae, d]], [all, [batches.length, rows, d]]], { k, l1, lr });
      return trainTask(problem, async () => {
        const { loss = NaN, seconds = NaN, l0 = NaN } = await ask({ do: 'step', task: number });
        return { loss, seconds, l0 };
      }, { how: 'dense matmuls', dispose: async () => void (await ask({ do: 'drop', task: number })) });
    },
    async dispose() {
      child.stdin.end();
      await ended;
      rmSync(folder, { recursive: true, force: true });
    },
  };
}
