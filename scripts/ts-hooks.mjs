/** Node's module hooks for running the TypeScript sources as they are: `node --import ./scripts/ts.mjs FILE`. */
import { readFile } from 'node:fs/promises';
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { transform } from 'esbuild';
import { assetModule } from './asset-loader.mjs';

export async function resolve(specifier, context, next) {
  if (specifier.startsWith('.') && specifier.endsWith('.js') && context.parentURL?.startsWith('file:') && !context.parentURL.includes('/node_modules/')) {
    const url = new URL(specifier.slice(0, -3) + '.ts', context.parentURL);
    if (existsSync(fileURLToPath(url))) return { url: url.href, shortCircuit: true };
  }
  return next(specifier, context);
}

export async function load(url, context, next) {
  if (url.startsWith('file:')) {
    const path = fileURLToPath(url.split('?')[0]);
    if (path.endsWith('.ts') && !path.includes('/node_modules/')) {
      const { code } = await transform(await readFile(path, 'utf8'), {
        loader: 'ts',
        sourcefile: path,
        sourcemap: 'inline',
        target: 'node20',
        tsconfigRaw: { compilerOptions: { useDefineForClassFields: false, verbatimModuleSyntax: true } },
      });
      return { format: 'module', source: code, shortCircuit: true };
    }
    if (path.endsWith('.wgsl') || path.endsWith('.wasm')) {
      return { format: 'module', source: assetModule(path, await readFile(path)), shortCircuit: true };
    }
  }
  return next(url, context);
}
