/** The worker is found from a rollup build too, wherever the pool's code lands: in an entry or in chunks/. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { rollup, type OutputOptions, type RollupOptions } from 'rollup';
// @ts-expect-error: the configuration is plain JavaScript
import configurations from '../../rollup.config.mjs';

mkdirSync('build', { recursive: true });
const folder = mkdtempSync(join('build', 'wasm-bundle-'));
after(() => rmSync(folder, { recursive: true, force: true }));

/** Builds as dist/ is built, with these entries beside the worker's, and runs one of them in plain Node. */
async function buildAndRun(name: string, entries: Record<string, string>, run: string): Promise<{ stdout: string; pool: string[] }> {
  const [modules] = configurations as RollupOptions[];
  const out = join(folder, name);
  const bundle = await rollup({ ...modules!, input: { ...entries, worker: 'engine/wasm/worker.ts' } });
  await bundle.write({ ...(modules!.output as OutputOptions), dir: out });
  await bundle.close();
  writeFileSync(
    join(out, 'main.mjs'),
    `import { createWasmBackend } from './${run}.js';
     const backend = await createWasmBackend({ threads: 2 });
     const sae = { architecture: 'topk', d_in: 2, d_sae: 2, d_out: 2, k: 1, W_enc: Float32Array.of(1, 0, 0, 1), b_enc: new Float32Array(2), W_dec: Float32Array.of(1, 0, 0, 1), b_dec: new Float32Array(2), threshold: null, rescaleActsByDecoderNorm: false };
     const loaded = await backend.load(sae);
     const codes = await loaded.encode(Float32Array.of(1, 2, 4, 3), 2);
     console.log(backend.info.details.threads, backend.info.details.sharedMemory, backend.info.details.threadsReason ?? backend.info.details.sharedReason ?? 'fine', codes.features.join(), codes.values.join());
     await backend.dispose();`,
  );
  const { stdout, stderr } = spawnSync(process.execPath, [join(out, 'main.mjs')], { encoding: 'utf8', timeout: 60_000 });
  assert.equal(stderr, '');
  const modulesWritten = readdirSync(out, { recursive: true, encoding: 'utf8' }).filter((file) => file.endsWith('.js'));
  // Which modules the pool's own code is in.
  return { stdout, pool: modulesWritten.filter((file) => readFileSync(join(out, file), 'utf8').includes('the WASM backend was disposed of')) };
}

test('pool in an entry', async () => {
  const { stdout, pool } = await buildAndRun('entry', { index: 'engine/wasm/backend.ts' }, 'index');
  assert.equal(stdout, '2 true fine 1,0 2,4\n');
  assert.deepEqual(pool, ['index.js']);
});

test('pool in chunks/', async () => {
  // Two entries that share the backend push it into a chunk.
  for (const name of ['a', 'b']) writeFileSync(join(folder, `${name}.ts`), `export { createWasmBackend } from '../../engine/wasm/backend.js';\nexport const name = '${name}';\n`);
  const { stdout, pool } = await buildAndRun('chunks', { a: join(folder, 'a.ts'), b: join(folder, 'b.ts') }, 'b');
  assert.equal(stdout, '2 true fine 1,0 2,4\n');
  assert.ok(pool.length === 1 && pool[0]!.startsWith('chunks'), pool.join());
});
