/**
 * Suite 6: `saekit analyze` from files to a pack, in a process of its own, as
 * features and tokens grow twofold, fourfold and eightfold. What is compared is
 * seconds per feature and token: 1 and more means that cost grows no faster than
 * the work does. Peak memory, which tokens must not move, stands in the notes.
 */
import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { npyBytes } from '../../test/support/arrays.js';
import { encoderWeights, gaussians } from '../arrays.js';
import { compare, interleave, type Timing } from '../measure.js';
import type { Row } from '../rows.js';
import { bundleForNode } from '../runtimes.js';
import { exponent, median } from '../statistics.js';
import type { SuiteOptions } from './suite.js';

const CONTEXT = 128;
const K = 32;
const GROWTH = [1, 2, 4, 8] as const;
const BASE = {
  quick: { d_in: 32, d_sae: 256, tokens: 1024, growth: [1, 2], rounds: 1 },
  full: { d_in: 128, d_sae: 1024, tokens: 8192, growth: GROWTH, rounds: 3 },
} as const;

/** A safetensors file of f32 tensors. */
function safetensors(tensors: Readonly<Record<string, { shape: number[]; data: Float32Array }>>): Uint8Array {
  let at = 0;
  const header: Record<string, unknown> = {};
  for (const [name, { shape, data }] of Object.entries(tensors)) {
    header[name] = { dtype: 'F32', shape, data_offsets: [at, at + data.byteLength] };
    at += data.byteLength;
  }
  const json = new TextEncoder().encode(JSON.stringify(header));
  const padded = Math.ceil(json.length / 8) * 8;
  const file = new Uint8Array(8 + padded + at).fill(0x20, 8, 8 + padded);
  new DataView(file.buffer).setBigUint64(0, BigInt(padded), true);
  file.set(json, 8);
  let offset = 8 + padded;
  for (const { data } of Object.values(tensors)) {
    file.set(new Uint8Array(data.buffer, data.byteOffset, data.byteLength), offset);
    offset += data.byteLength;
  }
  return file;
}

function writeSae(folder: string, d_in: number, d_sae: number): void {
  const { W_enc, b_enc } = encoderWeights(d_in, d_sae);
  const W_dec = gaussians(d_sae * d_in, 5, 1 / Math.sqrt(d_in));
  writeFileSync(
    join(folder, 'sae_weights.safetensors'),
    safetensors({ W_enc: { shape: [d_in, d_sae], data: W_enc }, b_enc: { shape: [d_sae], data: b_enc }, W_dec: { shape: [d_sae, d_in], data: W_dec }, b_dec: { shape: [d_in], data: new Float32Array(d_in) } }),
  );
  writeFileSync(join(folder, 'cfg.json'), JSON.stringify({ architecture: 'topk', k: K, d_in, d_sae, dtype: 'float32', apply_b_dec_to_input: false, normalize_activations: 'none', metadata: { model_name: 'random', hook_name: 'random', sae_lens_version: '6.18.0' } }));
}

interface Measured {
  readonly seconds: number;
  readonly peakBytes: number;
}

/** One run, to its end. @throws Error with what it said when it failed */
async function analyze(program: string, folder: string, args: readonly string[]): Promise<Measured> {
  const rss = join(folder, 'rss');
  const out = join(folder, 'pack');
  const child = spawn(process.execPath, [program, 'analyze', ...args, '--out', out, '--backend', 'wasm', '--json', '--quiet'], { env: { ...process.env, SAEKIT_BENCH_RSS: rss }, stdio: ['ignore', 'pipe', 'pipe'] });
  let [stdout, stderr] = ['', ''];
  child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text));
  const status = await new Promise<number | null>((resolve, reject) => {
    child.on('error', reject);
    child.on('close', resolve);
  });
  if (status !== 0) throw new Error(`saekit analyze ended with status ${status}: ${stderr}`);
  rmSync(out, { recursive: true, force: true });
  return { seconds: (JSON.parse(stdout) as { seconds: number }).seconds, peakBytes: Number(readFileSync(rss, 'utf8')) * 1024 };
}

interface Point {
  readonly axis: 'tokens' | 'features';
  readonly growth: number;
  readonly d_sae: number;
  readonly tokens: number;
}

interface Variant {
  readonly name: string;
  readonly axes: readonly Point['axis'][];
  readonly args: readonly string[];
}

/** Nearest neighbours of all features are all pairs of features: quadratic by definition, so they are measured with and without. */
const VARIANTS: readonly Variant[] = [
  { name: 'all analyses', axes: ['tokens', 'features'], args: [] },
  { name: 'without neighbours', axes: ['features'], args: ['--without', 'sae/weights'] },
];

export async function runAnalyze(say: (line: string) => void, { quick }: SuiteOptions): Promise<Row[]> {
  const { d_in, d_sae, tokens, growth, rounds } = quick ? BASE.quick : BASE.full;
  const folder = mkdtempSync(join(tmpdir(), 'saekit-bench-'));
  const { program, remove } = await bundleForNode('analyze-child.ts');
  const rows: Row[] = [];
  try {
    const points: Point[] = growth.flatMap((g): Point[] => [
      { axis: 'tokens', growth: g, d_sae, tokens: g * tokens },
      { axis: 'features', growth: g, d_sae: g * d_sae, tokens },
    ]);
    for (const g of growth) {
      const acts = npyBytes(gaussians(g * tokens * d_in, 31), [(g * tokens) / CONTEXT, CONTEXT, d_in]);
      writeFileSync(join(folder, `acts-${g * tokens}.npy`), acts);
    }
    for (const variant of quick ? VARIANTS.slice(0, 1) : VARIANTS) {
      for (const axis of variant.axes) {
        const chosen = points.filter((point) => point.axis === axis);
        const peaks = chosen.map((): number[] => []);
        say(`analyze, ${variant.name}: ${axis} x ${growth.join(', ')}`);
        const contenders = chosen.map((point, at) => ({
          name: `${point.d_sae} features, ${point.tokens} tokens`,
          async run() {
            // The SAE is written anew each time: its folder is shared, and it is small.
            writeSae(folder, d_in, point.d_sae);
            const { seconds, peakBytes } = await analyze(program, folder, ['--sae', folder, '--acts', join(folder, `acts-${point.tokens}.npy`), ...variant.args]);
            peaks[at]?.push(peakBytes);
            return seconds / (point.d_sae * point.tokens);
          },
        }));
        const timings = await interleave(contenders, { rounds, seconds: Infinity, warmup: null });
        rows.push(...growthRows(variant, axis, chosen, timings, peaks.map(median)));
      }
    }
  } finally {
    rmSync(folder, { recursive: true, force: true });
    remove();
  }
  return rows;
}

function growthRows(variant: Variant, axis: string, points: readonly Point[], timings: readonly Timing[], peaks: readonly number[]): Row[] {
  const [base] = timings;
  if (base === undefined) return [];
  const factors = points.map(({ growth }) => growth);
  const seconds = timings.map(({ median: each }, at) => each * points[at]!.d_sae * points[at]!.tokens);
  const slopes = `time grows as ${axis}^${exponent(factors, seconds).toFixed(2)}, peak memory as ${axis}^${exponent(factors, peaks).toFixed(2)}`;
  return timings.slice(1).map((timing, at) => {
    const [point, peak] = [points[at + 1]!, peaks[at + 1]!];
    const note = [
      `seconds per feature and token, ${(1 / timing.median / 1e6).toPrecision(3)} M features x tokens a second`,
      `${seconds[at + 1]!.toFixed(2)} s in all`,
      `peak ${Math.round(peak / 2 ** 20)} MiB, ${(peak / peaks[0]!).toFixed(2)} of the base's`,
      ...(at === timings.length - 2 ? [slopes] : []),
    ].join('; ');
    return compare('analyze', `${axis} x${point.growth}, ${variant.name}`, timing, base, note);
  });
}
