/**
 * `node scripts/build-wasm.mjs [--force]`: compiles assembly/ with AssemblyScript:
 * build/wasm/kernels.wasm, and build/wasm/relaxed.wasm with relaxed SIMD, which
 * runtimes without it refuse whole; both once more for a memory that threads
 * share, which they import; and train.wasm, with and without relaxed SIMD. Does nothing for a module that is newer than every
 * source, this script and the compiler's version.
 */
import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import asc from 'assemblyscript/asc';

const root = fileURLToPath(new URL('..', import.meta.url));
const folder = join(root, 'assembly');
const RELAXED = ['--enable', 'relaxed-simd'];
const SMALLER = ['--shrinkLevel', '1'];
const SHARED = ['--enable', 'threads', '--importMemory', '--sharedMemory', '--maximumMemory', '65536'];
/** The modules: where each begins, and what it may use besides SIMD. */
const MODULES = {
  kernels: ['assembly/index.ts', []],
  relaxed: ['assembly/index.ts', RELAXED],
  shared: ['assembly/index.ts', SHARED],
  'shared-relaxed': ['assembly/index.ts', [...SHARED, ...RELAXED]],
  // Copies of what is called in several places would be half of it.
  train: ['assembly/train/index.ts', SMALLER],
  'train-relaxed': ['assembly/train/index.ts', [...SMALLER, ...RELAXED]],
};
const outputOf = (name) => join(root, 'build', 'wasm', `${name}.wasm`);
/** A whole module, gzipped, in bytes. */
const BUDGET = 8 * 1024;

const inputs = [
  ...readdirSync(folder, { recursive: true }).filter((name) => name.endsWith('.ts')).map((name) => join(folder, name)),
  fileURLToPath(import.meta.url),
  join(root, 'node_modules', 'assemblyscript', 'package.json'),
];

function isFresh(name) {
  const time = (path) => statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? 0;
  const built = time(outputOf(name));
  return built > 0 && inputs.every((path) => time(path) <= built);
}

async function build(name, [entry, flags]) {
  mkdirSync(join(root, 'build', 'wasm'), { recursive: true });
  // Under a name of our own first: two test runners may build at the same moment.
  const temporary = `build/wasm/${name}.${process.pid}.tmp.wasm`;
  const { error, stderr } = await asc.main(
    [
      entry,
      '--outFile', temporary,
      '-O3',
      '--noAssert',
      '--enable', 'simd',
      ...flags,
      '--runtime', 'stub',
      '--use', 'abort=',
    ],
    { baseDir: root },
  );
  if (error) {
    process.stderr.write(String(stderr));
    throw error;
  }
  const size = gzipSync(readFileSync(join(root, temporary)), { level: 9 }).length;
  if (size > BUDGET) {
    rmSync(join(root, temporary));
    throw new Error(`${name}.wasm is ${size} bytes gzipped, the budget is ${BUDGET}`);
  }
  renameSync(join(root, temporary), outputOf(name));
  console.error(`saekit: built build/wasm/${name}.wasm, ${size} bytes gzipped`);
}

for (const [name, module] of Object.entries(MODULES)) {
  if (process.argv.includes('--force') || !isFresh(name)) await build(name, module);
}
