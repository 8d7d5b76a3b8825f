/**
 * `npm run build`: the WASM module, the bundles, and with `--types` the declarations.
 * It builds beside dist/, so that a program that runs from there meets no half
 * build, and one that is interrupted leaves the old one.
 */
import { existsSync, renameSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ROOT, run } from './setup.mjs';

const started = new Date();
const types = process.argv.includes('--types');
const dist = join(ROOT, 'dist');
const next = `dist-${process.pid}.tmp`;

try {
  run(process.execPath, ['scripts/build-wasm.mjs']);
  run(process.execPath, ['node_modules/rollup/dist/bin/rollup', '-c', '--silent'], { env: { ...process.env, SAEKIT_DIST: next } });
  if (types) run(process.execPath, ['node_modules/typescript/bin/tsc', '-p', 'tsconfig.build.json', '--outDir', `${next}/types`]);
  // The stamp is as old as the sources that were read: what is changed meanwhile is newer.
  const stamp = join(ROOT, next, '.built');
  writeFileSync(stamp, '');
  utimesSync(stamp, started, started);
  putInPlace();
} catch (error) {
  console.error(`saekit: the build failed: ${error.message}`);
  process.exitCode = 1;
} finally {
  rmSync(join(ROOT, next), { recursive: true, force: true });
}

function putInPlace() {
  const old = join(ROOT, `dist-${process.pid}-old.tmp`);
  if (existsSync(dist)) renameSync(dist, old);
  renameSync(join(ROOT, next), dist);
  rmSync(old, { recursive: true, force: true });
}
