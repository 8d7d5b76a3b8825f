/** `npm run bench`: what a fresh clone needs first, then bench/run.ts with the same arguments. */
import { spawnSync } from 'node:child_process';
import { ROOT, installPackages, run } from './setup.mjs';

installPackages();
run(process.execPath, ['scripts/build-wasm.mjs']);
const { status } = spawnSync(process.execPath, ['--import', './scripts/ts.mjs', 'bench/run.ts', ...process.argv.slice(2)], { cwd: ROOT, stdio: 'inherit' });
process.exit(status ?? 1);
