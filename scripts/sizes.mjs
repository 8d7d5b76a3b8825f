/**
 * `npm run sizes`: what a page loads, minified as dist/ is and gzipped (level 9),
 * against the budgets of ARCHITECTURE.md; writes docs/size.md. test/node/sizes.test.ts
 * holds the budgets.
 *
 * A part is an entry with everything that it imports statically, its
 * dependencies included: what is loaded before anything is asked for. What it
 * imports dynamically is loaded when it is used, and counted where it says so.
 */
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { gzipSync } from 'node:zlib';
import { rollup } from 'rollup';
import configurations from '../rollup.config.mjs';
import { minifyWgsl } from './asset-loader.mjs';
import { ROOT } from './setup.mjs';

const [, page] = configurations;
/** What each WASM module is. */
const MODULES = {
  'kernels.wasm': 'the WASM backend',
  'relaxed.wasm': 'the same with relaxed SIMD, loaded where it is asked for',
  'shared.wasm': 'the same for threads that share a memory, loaded where there are such threads',
  'shared-relaxed.wasm': 'both',
  'train.wasm': 'training on WASM, loaded with it',
  'train-relaxed.wasm': 'the same with relaxed SIMD',
};
const gzipped = (data) => gzipSync(data, { level: 9 }).length;

/** An entry that takes some names from a module, as a user's bundler sees it. */
const picking = (names, from) => ({
  name: 'saekit-picking',
  resolveId: (id) => (id === '\0picked' ? id : null),
  load: (id) => (id === '\0picked' ? `export { ${names} } from ${JSON.stringify(join(ROOT, from))};` : null),
});

/** Chunks of a bundle that is made as the CDN file is, but split where imports are dynamic. */
async function chunks(input, plugins = []) {
  const bundle = await rollup({ input, plugins: [...plugins, ...page.plugins], external: (id) => id.startsWith('node:') });
  const { output } = await bundle.generate({ format: 'es', plugins: page.output.plugins });
  await bundle.close();
  return new Map(output.filter(({ type }) => type === 'chunk').map((chunk) => [chunk.fileName, chunk]));
}

/** Bytes of some chunks and of what they import statically, each gzipped on its own as a server sends it. */
function closure(all, first) {
  const seen = new Set();
  const queue = [...first];
  for (let name = queue.pop(); name !== undefined; name = queue.pop()) {
    const chunk = all.get(name);
    if (chunk === undefined || seen.has(name)) continue;
    seen.add(name);
    queue.push(...chunk.imports);
  }
  return [...seen].reduce((sum, name) => sum + gzipped(all.get(name).code), 0);
}

const entries = (all) => [...all.values()].filter(({ isEntry }) => isEntry).map(({ fileName }) => fileName);
const holding = (all, module) => [...all.values()].filter(({ moduleIds }) => moduleIds.some((id) => id.endsWith(module))).map(({ fileName }) => fileName);

/**
 * @returns {Promise<{name: string, what: string, bytes: number, budget: number | null}[]>} sizes and budgets in bytes; 1 kB is 1,000 of them
 */
export async function measureSizes() {
  const rows = [];
  const add = (name, budget, bytes, what) => rows.push({ name, what, bytes, budget: budget === null ? null : budget * 1000 });

  const card = await chunks('components/feature-card/define.ts');
  add('card with Lit', 12, closure(card, entries(card)), '`<sae-feature-card>` defined: it reserves its place, shows its states, and finds its data');
  add('card with Lit, drawn', null, closure(card, [...entries(card), ...holding(card, 'feature-card/card-view.ts')]), 'the same and the view, which is loaded when the first card has data');
  const reader = await chunks('engine/pack/reader.ts');
  add('pack reader', 20, closure(reader, entries(reader)), '`openPack`, with Parquet and gzip; loaded when `src` is used');
  const engine = await chunks('\0picked', [picking('analyze, registry', 'plugins/index.ts')]);
  add('engine with registry', 15, closure(engine, entries(engine)), "`import { analyze, registry } from 'saekit'` through a bundler, before a run: formats, kernels, analyses, the pack's writer and the ONNX runtime are loaded by it");
  const wgsl = (folder) => readdirSync(folder, { withFileTypes: true }).flatMap((entry) => (entry.isDirectory() ? wgsl(join(folder, entry.name)) : entry.name.endsWith('.wgsl') ? [join(folder, entry.name)] : []));
  const shaders = wgsl(join(ROOT, 'gpu')).sort();
  const training = shaders.filter((file) => file.startsWith(join(ROOT, 'gpu', 'train')));
  for (const [name, files, what] of [
    ['all WGSL', shaders.filter((file) => !training.includes(file)), 'minified; of the analysis'],
    ['training WGSL', training, 'minified; loaded with training'],
  ]) {
    if (files.length === 0) throw new Error(`no .wgsl files for ${name} under gpu`);
    add(name, 8, gzipped(files.map((file) => minifyWgsl(readFileSync(file, 'utf8'))).join('\n')), `${files.length} files, ${what}`);
  }
  for (const file of readdirSync(join(ROOT, 'build', 'wasm')).filter((name) => name.endsWith('.wasm') && !name.includes('.tmp.')).sort()) {
    add(file, 8, gzipped(readFileSync(join(ROOT, 'build', 'wasm', file))), MODULES[file]);
  }
  const bundle = await rollup({ input: page.input, plugins: page.plugins });
  const { output } = await bundle.generate({ ...page.output, sourcemap: false });
  await bundle.close();
  add('CDN file', 60, gzipped(output[0].code), '`dist/saekit.js`: every element, the pack reader and the registry in one file');
  return rows;
}

/** Kilobytes with one decimal. */
const kilobytes = (bytes) => `${(bytes / 1000).toFixed(1)} kB`;

function table(rows) {
  return [
    '# Sizes',
    '',
    'Minified and gzipped at level 9; 1 kB is 1,000 bytes. `npm run sizes` measures and writes this page, and the test suite holds the budgets. A part is counted with all that it imports statically, its dependencies included; what is loaded on use is not.',
    '',
    '| part | size | budget | what it is |',
    '|---|---:|---:|---|',
    ...rows.map(({ name, what, bytes, budget }) => `| ${name} | ${kilobytes(bytes)} | ${budget === null ? '–' : `${budget / 1000} kB`} | ${what} |`),
    '',
  ].join('\n');
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  process.chdir(ROOT);
  const rows = await measureSizes();
  writeFileSync(join(ROOT, 'docs', 'size.md'), table(rows));
  for (const { name, bytes, budget } of rows) console.log(`${name.padEnd(24)} ${kilobytes(bytes).padStart(9)}${budget === null ? '' : `  of ${budget / 1000} kB${bytes > budget ? '  TOO LARGE' : ''}`}`);
  process.exit(rows.some(({ bytes, budget }) => budget !== null && bytes > budget) ? 1 : 0);
}
