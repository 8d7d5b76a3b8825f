/**
 * Screened encode in WGSL: the codes, values and near ties of the dense path, to the bit,
 * whatever the numbers. For any runner, as gpu-suite.ts.
 *
 * To the bit holds where a compiler contracts multiplications and additions in both ways of
 * computing a z or in neither, as those of software adapters do (gpu-kernels-suite.ts). On other
 * adapters the dense and the screened codes are held against float64.
 */
import type { SparseCodes } from '../../engine/codes.js';
import { NumericError } from '../../engine/errors.js';
import type { Architecture, Sae } from '../../engine/sae.js';
import { tieTolerance } from '../../engine/ties.js';
import { findGpu } from '../../gpu/adapter.js';
import { createWebGpuBackend, type WebGpuBackend, type WebGpuLoadOptions } from '../../gpu/backend.js';
import type { KernelCase } from './gpu-kernels-suite.js';
import { exactTopkTies, identity, patternSae } from './gpu-patterns.js';
import { check, equal, observedGpu, rejects, sameCodes } from './gpu-support.js';
import { assertCodesMatch, makeSae, randomRows } from './oracle.js';
import { gaussian } from './random.js';

const ARCHITECTURES: readonly Architecture[] = ['standard', 'jumprelu', 'gated', 'topk', 'batchtopk'];
/** A slice for topk, so that there is something to screen after it. */
const SCREENED: WebGpuLoadOptions = { screen: 'on', kernels: { slice: 128 } };

export const screenSuite: readonly KernelCase[] = [
  ...ARCHITECTURES.map((architecture) => ({
    name: `screened ${architecture}: as dense, for any shape, scale and outliers`,
    async run(backend: WebGpuBackend) {
      const next = gaussian(architecture.length);
      const any = (most: number): number => 1 + (Math.floor(Math.abs(next()) * 1e6) % most);
      const shapes = [[1, 1, 1], [4, 9, 300], [65, 16, 257], ...Array.from({ length: 5 }, () => [any(140), any(70), any(700)])] as const;
      for (const [index, [rows, d_in, d_sae]] of shapes.entries()) {
        const [scaleX, scaleW, outliers] = [[0, 0, 0], [60, -40, 0], [-60, -40, 1], [-30, 40, 0], [0, 0, 3], [0, 0, 12], [50, 39, 0], [-20, 0, 2]][index]!;
        const sae = scaled(makeSae({ architecture, d_in: d_in!, d_sae: d_sae!, d_out: 3, seed: 700 + index }), 2 ** scaleX!, 2 ** scaleW!, index % 3 === 0 ? 0 : -1);
        const xbar = randomRows(rows!, d_in!, 800 + index).map((x) => x * 2 ** scaleX!);
        for (let d = 0; d < Math.min(outliers!, d_in!); d++) for (let r = 0; r < rows!; r++) xbar[r * d_in! + d]! *= 300;
        await bothAgree(backend, sae, xbar, rows!);
      }
    },
  })),
  {
    name: 'screened: few pre-activations are computed, also where some dimensions are massive',
    async run(backend) {
      const d_in = 256;
      for (const architecture of ['jumprelu', 'topk', 'batchtopk'] as const) {
        const sae = makeSae({ architecture, d_in, d_sae: 2000, d_out: 2, k: 8, seed: 5 });
        sae.threshold?.fill(2.8);
        const xbar = randomRows(64, d_in, 6);
        const plain = await bothAgree(backend, sae, xbar, 64);
        // 3.2 standard deviations in 64 rows x 2000: about one in 100 is kept, and topk ranks a slice of 128.
        check(plain > 0.001 && plain < (architecture === 'topk' ? 0.2 : 0.03), `${plain} of the pre-activations of ${architecture} were computed`);
        // What they add to z is the same for all features.
        for (const d of [3, 100]) sae.W_enc.fill(0.001, d * 2000, (d + 1) * 2000);
        for (let r = 0; r < 64; r++) {
          xbar[r * d_in + 3] = 1000 + r / 100;
          xbar[r * d_in + 100] = -1000;
        }
        const massive = await bothAgree(backend, sae, xbar, 64);
        check(massive < 0.25, `${massive} of the pre-activations of ${architecture} with massive dimensions were computed`);
      }
    },
  },
  {
    name: 'screened: where rounding loses all that the bound allows, nothing is lost',
    async run(backend) {
      // Largest value 1: what is below half of a 127th is rounded to 0, and its products are all that z has.
      const d_in = 64;
      const small = 0.499 / 127;
      // 20 large ones: none of them holds a sixteenth of the energy, and is kept out of the integers.
      const few = (d: number): number => (d < 20 ? 1 : small);
      const others = (d: number): number => (d < 20 ? 0 : 1);
      const apart = (d: number): number => (d < 42 ? (d < 20 ? 0 : 1) : small);
      for (const [x, w] of [[few, others], [others, few], [few, apart], [apart, few]] as const) {
        const z = Array.from({ length: d_in }, (_, d) => Math.fround(x(d)) * Math.fround(w(d))).reduce((sum, part) => sum + part, 0);
        for (const below of [0.999, 0.9, 0.5]) {
          const sae = makeSae({ architecture: 'jumprelu', d_in, d_sae: 200, d_out: 2, seed: 1 });
          sae.W_enc.forEach((_, at, all) => (all[at] = w(Math.floor(at / 200))));
          sae.b_enc.fill(0);
          sae.threshold!.fill(below * z);
          const xbar = Float32Array.from({ length: 8 * d_in }, (_, at) => x(at % d_in));
          await bothAgree(backend, sae, xbar, 8);
          const codes = await using(backend, sae, SCREENED, (encode) => encode(xbar, 8));
          equal(codes.codes.values.length, 8 * 200, 'all fire');
        }
      }
    },
  },
  {
    name: 'screened: integers that are exact, and sums that f32 rounds up past their thresholds',
    async run(backend) {
      const d_in = 4000;
      const next = gaussian(71);
      // A largest value of 127 in each row and column: the scales are 1.
      const whole = (length: number, period: number): Float32Array => Float32Array.from({ length }, (_, at) => (at < period ? 127 : 64 + (Math.floor(Math.abs(next()) * 1e6) % 64)));
      const sae: Sae = { ...makeSae({ architecture: 'jumprelu', d_in, d_sae: 128, d_out: 2, seed: 1 }), W_enc: whole(d_in * 128, 128), b_enc: new Float32Array(128) };
      const xbar = whole(d_in, 1);
      const loaded = await backend.load(sae);
      const z = await loaded.preactivations(xbar, 1);
      loaded.dispose();
      const exact = Array.from({ length: 128 }, (_, i) => xbar.reduce((sum, x, d) => sum + x * sae.W_enc[d * 128 + i]!, 0));
      check(exact.some((sum, i) => z[i]! > sum + 4), 'a sum is rounded up');
      // Just below z: it fires, however far below the exact sum is.
      z.forEach((value, i) => (sae.threshold![i] = value * (1 - 2 ** -24)));
      await bothAgree(backend, sae, xbar, 1);
      equal((await using(backend, sae, SCREENED, (encode) => encode(xbar, 1))).codes.values.length, 128, 'all fire');
    },
  },
  {
    name: 'screened: a tolerance that is wider than a feature’s own rounding, by a longer one',
    async run(backend) {
      const sae = makeSae({ architecture: 'jumprelu', d_in: 33, d_sae: 400, d_out: 2, seed: 9 });
      for (let d = 0; d < 33; d++) sae.W_enc[d * 400]! *= 10_000;
      const { perNorm, constant } = tieTolerance(sae);
      const xbar = randomRows(70, 33, 2);
      const loaded = await backend.load(sae);
      const z = await loaded.preactivations(xbar, 70);
      loaded.dispose();
      sae.threshold!.forEach((_, i, all) => {
        const row = i % 70;
        const tolerance = perNorm * Math.hypot(...xbar.subarray(row * 33, (row + 1) * 33)) + constant;
        all[i] = Math.abs(z[row * 400 + i]!) + 0.9 * tolerance;
      });
      await bothAgree(backend, sae, xbar, 70);
      const { codes } = await using(backend, sae, SCREENED, (encode) => encode(xbar, 70));
      check(codes.nearTies > 100, `${codes.nearTies} near ties`);
    },
  },
  {
    name: 'screened: equal values, zeros, edges met exactly and by a last place',
    async run(backend) {
      for (const architecture of ARCHITECTURES) {
        const made = makeSae({ architecture, d_in: 4, d_sae: 700, d_out: 2, k: 7, seed: 8 });
        const next = gaussian(9);
        const whole = (length: number): Float32Array => Float32Array.from({ length }, () => Math.round(next()));
        const gate = made.gate ? { r_mag: new Float32Array(700), b_gate: whole(700) } : null;
        const sae: Sae = { ...made, W_enc: whole(4 * 700), b_enc: whole(700), threshold: made.threshold && whole(700), gate };
        const xbar = whole(90 * 4);
        xbar.fill(0, 0, 40);
        await bothAgree(backend, sae, xbar, 90, { exact: true });
      }
      const near = makeSae({ architecture: 'jumprelu', d_in: 33, d_sae: 400, d_out: 2, seed: 9 });
      const xbar = randomRows(70, 33, 2);
      const loaded = await backend.load(near);
      const z = await loaded.preactivations(xbar, 70);
      loaded.dispose();
      near.threshold!.forEach((_, i, all) => (all[i] = z[(i % 70) * 400 + i]! * (1 + ((i % 3) - 1) * 2 ** -23)));
      await bothAgree(backend, near, xbar, 70);
      for (const k of [0, 1, 8, 100]) {
        const sae = patternSae(k);
        const codes = await using(backend, sae, SCREENED, (encode) => encode(identity(sae.d_in), sae.d_in));
        assertCodesMatch(sae, identity(sae.d_in), sae.d_in, codes.codes, { exact: true });
        equal(codes.codes.nearTies, exactTopkTies(sae, k), `near ties at k ${k}`);
      }
    },
  },
  {
    name: 'screened: everything passes, more than there was room for; the batch comes again, whole',
    async run(backend) {
      for (const architecture of ['standard', 'topk'] as const) {
        const sae = makeSae({ architecture, d_in: 2, d_sae: 900, d_out: 2, k: 5, seed: 3 });
        sae.W_enc.fill(0);
        sae.b_enc.set(Float32Array.from({ length: 900 }, (_, i) => i + 1));
        await bothAgree(backend, sae, randomRows(70, 2, 4), 70, { exact: true });
      }
    },
  },
  {
    name: 'screened: rows that may overflow go the dense way, which names what is not finite',
    async run(backend) {
      for (const architecture of ARCHITECTURES) {
        const sae = makeSae({ architecture, d_in: 2, d_sae: 300, d_out: 2, seed: 31 });
        sae.W_enc[299] = 3e38;
        sae.W_enc[300 + 299] = 3e38;
        const xbar = new Float32Array(40 * 2);
        xbar.fill(1e3, 34 * 2, 36 * 2);
        const error = await rejects(using(backend, sae, SCREENED, (encode) => encode(xbar, 40)), NumericError);
        check(error.message.includes('pre-activations, row 34'), error.message);
        // Long, and finite after all.
        const long = makeSae({ architecture, d_in: 2, d_sae: 300, d_out: 2, seed: 32 });
        const { codes, ratio } = await using(backend, long, SCREENED, (encode) => encode(new Float32Array(10).fill(1e37), 5));
        sameCodes(codes, (await using(backend, long, {}, (encode) => encode(new Float32Array(10).fill(1e37), 5))).codes);
        equal(ratio, 1, 'share of rows that were not screened');
      }
    },
  },
  {
    name: 'screened, limits forced low, rows cut anywhere: the same bits',
    async run(backend) {
      const cutting = await createWebGpuBackend({ limits: { maxStorageBufferBindingSize: 36_000, maxBufferSize: 36_000, maxComputeWorkgroupsPerDimension: 5 } });
      try {
        for (const architecture of ARCHITECTURES) {
          const sae = makeSae({ architecture, d_in: 30, d_sae: 700, d_out: 3, k: 20, seed: 11 });
          const xbar = randomRows(70, 30, 12);
          const whole = await using(backend, sae, { screen: 'off' }, (encode) => encode(xbar, 70));
          const cut = await using(cutting, sae, SCREENED, (encode) => encode(xbar, 70));
          if (!backend.info.software) continue;
          sameCodes(cut.codes, whole.codes);
          equal(cut.codes.nearTies, whole.codes.nearTies, `near ties of ${architecture}`);
        }
      } finally {
        await cutting.dispose();
      }
    },
  },
  {
    name: 'screened: a lost device is replaced, and the integers with it',
    async run() {
      const gpu = observedGpu(await findGpu());
      const backend = await createWebGpuBackend({ gpu: gpu.gpu });
      const sae = makeSae({ architecture: 'jumprelu', d_in: 20, d_sae: 300, d_out: 2, seed: 3 });
      const xbar = randomRows(40, 20, 4);
      const loaded = await backend.load(sae, SCREENED);
      const before = await loaded.encode(xbar, 40);
      const { survivorRatio } = loaded.report().screen!;
      gpu.lose();
      sameCodes(await loaded.encode(xbar, 40), before);
      equal(loaded.report().generation, 2, 'generation');
      equal(loaded.report().screen?.survivorRatio, survivorRatio, 'survivors');
      loaded.dispose();
      equal(backend.memory.weights, 0, 'bytes of weights left');
      await backend.dispose();
    },
  },
  {
    name: 'screened: only where it can be, and said so',
    async run(backend) {
      const sae = makeSae({ architecture: 'standard', d_in: 20, d_sae: 300, d_out: 2, seed: 3 });
      const xbar = randomRows(10, 20, 4);
      const screenOf = async (on: WebGpuBackend, options: WebGpuLoadOptions, of: Sae = sae): Promise<unknown> => (await using(on, of, options, (encode) => encode(xbar, 10))).ratio;
      check(typeof (await screenOf(backend, { screen: 'on' })) === 'number', 'screened when asked for');
      for (const screen of ['off', 'auto', undefined] as const) equal(await screenOf(backend, { screen }), null, `screen of ${screen}`);
      // The integers do not stand for weights of 16 bits, nor for thresholds where rows are ranked.
      if (backend.capabilities.f16) equal(await screenOf(backend, { screen: 'on', storage: 'f16' }), null, 'f16');
      const ranked = { ...makeSae({ architecture: 'topk', d_in: 20, d_sae: 300, d_out: 2, seed: 3 }), threshold: new Float32Array(300) };
      equal(await screenOf(backend, { screen: 'on' }, ranked), null, 'topk with thresholds');
      const lesser = await createWebGpuBackend({ without: ['packedDot'] });
      equal(await screenOf(lesser, { screen: 'on' }), null, 'without packed products');
      await lesser.dispose();
      // Room for weights of 621 kB and batches, and not for 774 kB more.
      const small = await createWebGpuBackend({ memoryBudget: 1_200_000 });
      const deep = makeSae({ architecture: 'standard', d_in: 400, d_sae: 300, d_out: 2, seed: 3 });
      const { codes, ratio } = await using(small, deep, SCREENED, (encode) => encode(randomRows(5, 400, 4), 5));
      equal(ratio, null, 'without room');
      assertCodesMatch(deep, randomRows(5, 400, 4), 5, codes);
      await small.dispose();
    },
  },
];

/** Weights and biases times a power of two; `shift` keeps features silent. */
function scaled(sae: Sae, x: number, w: number, shift: number): Sae {
  const size = x * w;
  return {
    ...sae,
    W_enc: sae.W_enc.map((value) => value * w),
    b_enc: sae.b_enc.map((b) => (b + shift) * size),
    threshold: sae.threshold && sae.threshold.map((t) => t * size),
    gate: sae.gate ? { ...sae.gate, b_gate: sae.gate.b_gate.map((b) => (b + shift) * size) } : null,
  };
}

async function using(backend: WebGpuBackend, sae: Sae, options: WebGpuLoadOptions, use: (encode: (xbar: Float32Array, rows: number) => Promise<SparseCodes>) => Promise<SparseCodes>): Promise<{ codes: SparseCodes; ratio: number | null }> {
  const loaded = await backend.load(sae, options);
  try {
    const codes = await use((xbar, rows) => loaded.encode(xbar, rows));
    return { codes, ratio: loaded.report().screen?.survivorRatio ?? null };
  } finally {
    loaded.dispose();
  }
}

/** @returns what share was computed in f32 */
async function bothAgree(backend: WebGpuBackend, sae: Sae, xbar: Float32Array, rows: number, options: { exact?: boolean } = {}): Promise<number> {
  const what = `${sae.architecture}, ${rows} rows, ${sae.d_in} -> ${sae.d_sae}`;
  const { codes, ratio } = await using(backend, sae, SCREENED, (encode) => encode(xbar, rows));
  check(ratio !== null, `${what} is screened`);
  try {
    if (sae.architecture !== 'batchtopk' && usual(xbar, sae)) assertCodesMatch(sae, xbar, rows, codes, options);
    if (!backend.info.software && options.exact !== true) return ratio!;
    const dense = await using(backend, sae, { screen: 'off', kernels: { core: 'registers' } }, (encode) => encode(xbar, rows));
    equal(dense.ratio, null, 'ratio of the dense path');
    sameCodes(codes, dense.codes);
    equal(codes.nearTies, dense.codes.nearTies, 'near ties');
  } catch (error) {
    throw new Error(`${what}: ${(error as Error).message}`, { cause: error });
  }
  return ratio!;
}

/** Whether products keep away from where f32 has no normal numbers, which the oracle does not know of. */
function usual(xbar: Float32Array, { W_enc }: Sae): boolean {
  const most = (values: Float32Array): number => values.reduce((largest, value) => Math.max(largest, Math.abs(value)), 0);
  return most(xbar) * most(W_enc) > 1e-20;
}
