/** Bundles Deno's test files with esbuild: the sources use `.js` specifiers for `.ts` files, and import WGSL and WASM. */
import { readFile } from 'node:fs/promises';
import { build } from 'esbuild';
import { assetModule } from './asset-loader.mjs';

/**
 * @param {string[]} entries test files
 * @param {string} outdir where the `.test.js` files go
 */
export async function bundleForDeno(entries, outdir) {
  await build({
    entryPoints: entries,
    outdir,
    bundle: true,
    splitting: true,
    format: 'esm',
    target: 'es2022',
    platform: 'neutral',
    packages: 'external',
    external: ['node:*'],
    sourcemap: 'inline',
    logLevel: 'warning',
    tsconfig: 'tsconfig.json',
    plugins: [
      {
        name: 'saekit-assets',
        setup(context) {
          context.onLoad({ filter: /\.(wgsl|wasm)$/ }, async ({ path }) => ({ contents: assetModule(path, await readFile(path)), loader: 'js' }));
        },
      },
    ],
  });
}
