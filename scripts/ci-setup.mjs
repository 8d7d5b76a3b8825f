/** Installs the packages and builds the WASM module, which the type check and the linter need to see. */
import { installPackages, run } from './setup.mjs';

installPackages();
run(process.execPath, ['scripts/build-wasm.mjs']);
