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
        }[ask['kind']]
        say(ok=True)
    elif ask['do'] == 'run':
        begin = time.perf_counter()
        result = tasks[ask['task']]()
        say(seconds=time.perf_counter() - begin)
        last = result
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
  async function task<T>(kind: string, arrays: readonly (readonly [Float32Array, number[]])[], result: (values: Float32Array) => T, k?: number, how?: string): Promise<Task<T>> {
    const number = count++;
    const given = arrays.map(([values, shape]) => {
      const path = join(folder, `${files++}.f32`);
      writeFileSync(path, new Uint8Array(values.buffer, values.byteOffset, values.byteLength));
      return [path, shape] as const;
    });
    await ask({ do: 'make', task: number, kind, arrays: given, k });
    for (const [path] of given) rmSync(path);
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
    async dispose() {
      child.stdin.end();
      await ended;
      rmSync(folder, { recursive: true, force: true });
    },
  };
}
