/** `node --import ./scripts/ts.mjs FILE` runs a TypeScript file with `.wgsl` and `.wasm` imports. */
import { register } from 'node:module';

register('./ts-hooks.mjs', import.meta.url);
process.setSourceMapsEnabled(true);
