/**
 * `node --import ./scripts/ts.mjs bench/wasm.ts [threads]`: how fast the WASM
 * backend encodes, median and best of several runs, on random weights and on
 * the embedded SAE with real activations. One JSON object a line.
 */
import { prepareInput } from '../engine/prepare.js';
import type { Sae } from '../engine/sae.js';
import { createWasmBackend } from '../engine/wasm/backend.js';
import { loadGoldenStories } from '../test/shared/golden.js';
import { makeSae, randomRows } from '../test/shared/oracle.js';

const threads = Number(process.argv[2] ?? 1);
const backend = await createWasmBackend({ threads });
console.error(`${backend.info.description}, Node ${process.version}`);

async function measure(name: string, sae: Sae, xbar: Float32Array, rows: number): Promise<void> {
  const loaded = await backend.load(sae);
  const flop = 2 * rows * sae.d_in * sae.d_sae;
  const runs = Math.max(7, Math.min(41, Math.round(5e10 / flop)));
  const time = async (run: () => Promise<unknown>) => {
    const times: number[] = [];
    for (let i = 0; i < runs; i++) {
      const started = performance.now();
      await run();
      times.push(performance.now() - started);
    }
    return times.sort((a, b) => a - b);
  };
  const codes = await loaded.encode(xbar, rows);
  const encode = await time(() => loaded.encode(xbar, rows));
  const decode = await time(() => loaded.decode(codes));
  const median = encode[runs >> 1]!;
  console.log(
    JSON.stringify({
      name,
      shape: `${rows} x ${sae.d_in} x ${sae.d_sae}`,
      l0: codes.features.length / rows,
      encode_ms: Number(median.toFixed(2)),
      gflops: Number((flop / median / 1e6).toFixed(1)),
      best_gflops: Number((flop / encode[0]! / 1e6).toFixed(1)),
      tokens_per_second: Math.round((1000 * rows) / median),
      decode_ms: Number(decode[runs >> 1]!.toFixed(2)),
    }),
  );
  loaded.dispose();
}

const stories = await loadGoldenStories('examples/stories260k/sae/', 'test/fixtures/');
const many = Float32Array.from({ length: 4096 * 64 }, (_, at) => stories.activations[at % stories.activations.length]!);
await measure('stories260k topk', stories.sae, prepareInput(stories.sae, many, 4096).xbar, 4096);
for (const [architecture, rows, d_in, d_sae] of [['standard', 256, 768, 6144], ['topk', 256, 768, 6144], ['jumprelu', 256, 768, 6144], ['topk', 256, 768, 24_576], ['topk', 1, 768, 6144]] as const) {
  const sae = makeSae({ architecture, d_in, d_sae, k: 32, seed: 1 });
  // An L0 as trained SAEs have it.
  sae.b_enc.fill(-2.5);
  sae.threshold?.fill(0.2);
  await measure(architecture, sae, randomRows(rows, d_in, 2), rows);
}
await backend.dispose();
