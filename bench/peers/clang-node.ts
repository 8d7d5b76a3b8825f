/**
 * The design of assembly/gemm.ts in C (bench/native/gemm.c), compiled to WebAssembly by
 * clang where there is one: how much of the machine AssemblyScript leaves.
 */
import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import type { Peer } from './peer.js';

const run = promisify(execFile);
/** Newest first, then whatever it is called. */
const COMPILERS = ['clang-21', 'clang-20', 'clang-19', 'clang-18', 'clang-17', 'clang-16', 'clang'];
const FLAGS = ['--target=wasm32', '-O3', '-msimd128', '-ffp-contract=off', '-nostdlib', '-Wl,--no-entry', '-Wl,--initial-memory=131072'];
const CHUNK = 128;
const BLOCK = 128;

interface Exports {
  readonly memory: WebAssembly.Memory;
  readonly __heap_base: WebAssembly.Global;
  pack_rows(x: number, rows: number, d_in: number, out: number): void;
  pack_weights(w: number, d_in: number, d_sae: number, out: number): void;
  dense(x: number, quads: number, w: number, panels: number, d_in: number, bias: number, z: number, stride: number): void;
}

/** @returns null where there is no clang that knows WebAssembly */
export async function openClang(): Promise<Peer | null> {
  const folder = await mkdtemp(join(tmpdir(), 'saekit-clang-'));
  try {
    for (const compiler of COMPILERS) {
      const out = join(folder, 'gemm.wasm');
      try {
        await run(compiler, [...FLAGS, '-Wl,--export=__heap_base', '-o', out, fileURLToPath(new URL('../native/gemm.c', import.meta.url))]);
      } catch {
        continue;
      }
      const { stdout } = await run(compiler, ['--version']);
      return peerOf(`C by clang ${/version (\d+[\d.]*)/.exec(stdout)?.[1] ?? ''}`.trim(), await WebAssembly.compile(await readFile(out)));
    }
    return null;
  } finally {
    await rm(folder, { recursive: true });
  }
}

function peerOf(name: string, module: WebAssembly.Module): Peer {
  return {
    name,
    threads: 1,
    note: 'the same tile and blocking, plain SIMD',
    dense({ rows, d_in, d_sae, x, W, b }) {
      const call = new WebAssembly.Instance(module).exports as unknown as Exports;
      let top = Math.ceil((call.__heap_base.value as number) / 16) * 16;
      const alloc = (floats: number): number => {
        const at = top;
        top += Math.ceil((floats * 4) / 16) * 16;
        const missing = Math.ceil((top - call.memory.buffer.byteLength) / 65_536);
        if (missing > 0) call.memory.grow(missing);
        return at;
      };
      const floats = (at: number, length: number): Float32Array => new Float32Array(call.memory.buffer, at, length);
      const [w, bias, from, packed, tile] = [alloc(d_in * d_sae), alloc(d_sae), alloc(CHUNK * d_in), alloc(CHUNK * d_in), alloc(CHUNK * BLOCK)];
      const staging = alloc(d_in * d_sae);
      floats(staging, d_in * d_sae).set(W);
      call.pack_weights(staging, d_in, d_sae, w);
      floats(bias, d_sae).set(b);
      return Promise.resolve({
        run() {
          const z = new Float32Array(rows * d_sae);
          for (let first = 0; first < rows; first += CHUNK) {
            const count = Math.min(CHUNK, rows - first);
            floats(from, count * d_in).set(x.subarray(first * d_in, (first + count) * d_in));
            call.pack_rows(from, count, d_in, packed);
            for (let begin = 0; begin < d_sae; begin += BLOCK) {
              const columns = Math.min(BLOCK, d_sae - begin);
              call.dense(packed, Math.ceil(count / 4), w + begin * d_in * 4, columns / 8, d_in, bias + begin * 4, tile, BLOCK);
              const values = floats(tile, CHUNK * BLOCK);
              for (let r = 0; r < count; r++) z.set(values.subarray(r * BLOCK, r * BLOCK + columns), (first + r) * d_sae + begin);
            }
          }
          return Promise.resolve({ value: () => z });
        },
      });
    },
  };
}
