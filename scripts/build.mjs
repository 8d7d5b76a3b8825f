/** `npm run build`: the WASM module, the bundles, and with `--types` the declarations. */
import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ROOT, run } from './setup.mjs';

const types = process.argv.includes('--types');
rmSync(join(ROOT, 'dist'), { recursive: true, force: true });
run(process.execPath, ['scripts/build-wasm.mjs']);
run(process.execPath, ['node_modules/rollup/dist/bin/rollup', '-c', '--silent']);
if (types) run(process.execPath, ['node_modules/typescript/bin/tsc', '-p', 'tsconfig.build.json']);
writeFileSync(join(ROOT, 'dist', '.built'), '');
