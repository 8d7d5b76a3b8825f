/**
 * The builds:
 *   dist/index.js            engine and plugins, ES modules, dependencies external
 *   dist/train.js            the trainer, dist/generate.js generators and matching, likewise
 *   dist/components/*.js     elements, ES modules
 *   dist/cli.js              the program, for Node and Deno
 *   dist/saekit.js           everything a page needs in one minified file, for a <script type="module">
 *   dist/browser/engine.js   engine and plugins with their dependencies, for workers: those have no import maps
 *   dist/browser/training.js the training monitor and live training, for a <script type="module">; live-worker.js beside it is its worker
 *   dist/dying.js           the mathematics of dying features; dist/components/dying.js and dist/browser/dying.js its elements
 *   dist/browser/generate.js data with known answers, for pages and workers
 * Types are emitted by tsc (scripts/build.mjs).
 */
import { readFile } from 'node:fs/promises';
import { nodeResolve } from '@rollup/plugin-node-resolve';
import terser from '@rollup/plugin-terser';
import esbuild from 'rollup-plugin-esbuild';
import { assetModule } from './scripts/asset-loader.mjs';

/** scripts/build.mjs builds beside dist/ and puts it in its place when it is whole. */
const dist = process.env.SAEKIT_DIST ?? 'dist';

const assets = {
  name: 'saekit-assets',
  async load(id) {
    if (!id.endsWith('.wgsl') && !id.endsWith('.wasm')) return null;
    this.addWatchFile(id);
    return assetModule(id, await readFile(id), { minify: true });
  },
};

/** Modules for Node's file system are never reached in a page; left in, their `node:` imports would keep a bundle from loading. */
const withoutNode = {
  name: 'saekit-without-node',
  resolveId: (id) => (id.endsWith('-node.js') ? '\0saekit-without-node' : null),
  load: (id) => (id === '\0saekit-without-node' ? 'export {};' : null),
};

const typescript = () => esbuild({ target: 'es2022', tsconfig: 'tsconfig.json', sourceMap: true });
const plugins = [withoutNode, assets, typescript(), nodeResolve({ exportConditions: ['browser'], browser: true })];
/** Travels with the file when it is copied alone; terser keeps comments that begin so. */
const LICENCES = '/*! saekit, MIT. Contains Lit (BSD-3-Clause), hyparquet and fflate (MIT), d3-array (ISC), wgpu-matrix (MIT); their licences are in NOTICE. */';
/** Dependencies stay imports in the module builds: the user's bundler or Node finds them. */
const external = (id) => !id.startsWith('.') && !id.startsWith('/') && !id.startsWith('\0');

export default [
  {
    input: {
      index: 'plugins/index.ts',
      train: 'engine/train/index.ts',
      generate: 'engine/generate/index.ts',
      cli: 'cli/main.ts',
      worker: 'engine/wasm/worker.ts',
      'live-worker': 'engine/train/live-worker.ts',
      'components/index': 'components/index.ts',
      'components/training': 'components/training.ts',
      'components/dying': 'components/dying.ts',
      dying: 'engine/dying/index.ts',
    },
    external,
    plugins: [assets, typescript(), nodeResolve()],
    output: { dir: dist, format: 'es', sourcemap: true, chunkFileNames: 'chunks/[name]-[hash].js' },
  },
  {
    input: 'components/saekit.ts',
    plugins,
    output: { file: `${dist}/saekit.js`, format: 'es', sourcemap: true, inlineDynamicImports: true, banner: LICENCES, plugins: [terser({ module: true })] },
  },
  {
    input: { engine: 'plugins/index.ts', training: 'components/training.ts', dying: 'components/dying.ts', generate: 'engine/generate/index.ts', 'live-worker': 'engine/train/live-worker.ts' },
    plugins,
    external: (id) => id.startsWith('node:'),
    // In chunks: a run loads the backend, the formats and the ONNX runtime that it uses.
    output: { dir: `${dist}/browser`, format: 'es', sourcemap: true, chunkFileNames: ({ name }) => `${name.startsWith('_') ? 'core' : name}-[hash].js`, plugins: [terser({ module: true })] },
  },
];
