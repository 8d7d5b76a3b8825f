/**
 * Every choice of kernels that `chooseKernels` may make, forced: each against float64,
 * and all of them against each other, to the bit. For any runner, as gpu-suite.ts.
 *
 * The bits of two kernels may differ where a compiler contracts multiplications and additions
 * in one and not in the other, which WGSL allows it; the compilers of software adapters
 * do not, so there nothing may differ.
 */
import type { SparseCodes } from '../../engine/codes.js';
import { NumericError } from '../../engine/errors.js';
import type { Architecture, Sae } from '../../engine/sae.js';
import { createWebGpuBackend, type WebGpuBackend } from '../../gpu/backend.js';
import type { ForcedChoice } from '../../gpu/decide/kernels.js';
import { halfBits, halfValue } from '../../gpu/half.js';
import type { LoadedGpuSae } from '../../gpu/loaded.js';
import { emulatedSubgroups } from './gpu-lanes.js';
import { exactTopkTies, identity, patternSae } from './gpu-patterns.js';
import { check, equal, rejects, sameCodes, sameNumbers } from './gpu-support.js';
import { assertCodesMatch, assertCsr, assertDecodeMatches, makeSae, oracleRows, randomRows } from './oracle.js';
import { gaussian } from './random.js';

export interface KernelCase {
  readonly name: string;
  run(backend: WebGpuBackend): Promise<void>;
}

const ARCHITECTURES: readonly Architecture[] = ['standard', 'jumprelu', 'gated', 'topk', 'batchtopk'];
/** What real GPUs choose, and what they choose where their limits are the least. */
const CHOICES: readonly ForcedChoice[] = [{ core: 'registers' }, { core: 'tiled', fused: false, slice: 128 }, { core: 'tiled', slice: 128 }, {}];
/** Subgroups, where the device has them: the dense way, and the fused one. */
const WITH_SUBGROUPS: readonly ForcedChoice[] = [{ core: 'registers', subgroups: true }, { core: 'tiled', slice: 128, subgroups: true }];
/** Size of a subgroup, and how threads are strewn over them (gpu-lanes.ts). */
const SUBGROUPS = [[64, 37], [4, 1], [8, 37], [16, 1], [32, 5]] as const;
/** rows, d_in, d_sae: tiles of 64 x 128 and stages of 8 d, and one more or less; rows of row.wgsl. */
const SHAPES = [
  [1, 1, 1],
  [4, 9, 300],
  [3, 40, 129],
  [63, 7, 128],
  [65, 8, 257],
  [128, 17, 384],
] as const;

export const kernelSuite: readonly KernelCase[] = [
  ...ARCHITECTURES.map((architecture) => ({
    name: `${architecture}: every kernel against float64, and the same bits from all`,
    async run(backend: WebGpuBackend) {
      const next = gaussian(77);
      const any = (most: number): number => 1 + (Math.floor(Math.abs(next()) * 1e6) % most);
      const random = Array.from({ length: 3 }, () => [any(150), any(50), any(700)] as const);
      for (const [index, [rows, d_in, d_sae]] of [...SHAPES, ...random].entries()) {
        const sae = makeSae({ architecture, d_in, d_sae, d_out: 3, seed: 300 + index });
        await allAgree(backend, sae, randomRows(rows, d_in, 400 + index), rows);
      }
    },
  })),
  {
    name: 'subgroups of any size, however threads lie in them: the same bits as without',
    async run(backend) {
      // Where the device has subgroups itself, all else is tried with those.
      for (const [size, scatter] of backend.capabilities.subgroups === null ? SUBGROUPS : SUBGROUPS.slice(0, 1)) {
        const subgroups = emulatedSubgroups(size, scatter);
        for (const architecture of ['jumprelu', 'topk', 'batchtopk'] as const) {
          const sae = makeSae({ architecture, d_in: 5, d_sae: 260, d_out: 3, k: 20, seed: 600 });
          const choices: readonly ForcedChoice[] = [{ core: 'registers' }, { core: 'registers', slice: 128, subgroups }, ...(architecture === 'topk' ? [{ core: 'tiled', slice: 128, subgroups } as const] : [])];
          await allAgree(backend, sae, randomRows(66, 5, 601), 66, choices);
        }
        const adversarial = patternSae(8);
        const codes = await using(backend, adversarial, { core: 'registers', subgroups }, (loaded) => loaded.encode(identity(adversarial.d_in), adversarial.d_in));
        assertCodesMatch(adversarial, identity(adversarial.d_in), adversarial.d_in, codes, { exact: true });
      }
    },
  },
  {
    name: 'gated: closed form of one dimension; both edges are strict',
    async run(backend) {
      const gate = { r_mag: Float32Array.of(0, Math.fround(Math.LN2), 0, 0), b_gate: Float32Array.of(-1, -1, -1, 0) };
      const sae: Sae = { ...makeSae({ architecture: 'gated', d_in: 1, d_sae: 4, seed: 1 }), W_enc: Float32Array.of(1, 1, 1, 1), b_enc: Float32Array.of(0.5, 0.5, -5, 0), gate };
      for (const kernels of choicesOf(backend)) {
        const codes = await using(backend, sae, kernels, (loaded) => loaded.encode(Float32Array.of(1, 3, 0), 3));
        sameNumbers(codes.offsets, [0, 1, 4, 4], 'offsets');
        sameNumbers(codes.features, [3, 0, 1, 3], 'features');
        codes.values.forEach((value, at) => check(Math.abs(value - [1, 3.5, 6.5, 3][at]!) < 1e-6, `value ${value}`));
        equal(codes.nearTies, 3, 'near ties');
      }
    },
  },
  {
    name: 'topk: adversarial rows exactly, for k from 0 to past the slice',
    async run(backend) {
      for (const k of [0, 1, 8, 100]) {
        const small = patternSae(k);
        // The patterns three times, so that there are columns after the slice, equal to those in it.
        const d_sae = 3 * small.d_sae;
        const sae: Sae = { ...small, d_sae, W_enc: widen(small.W_enc, small.d_in, 3), b_enc: new Float32Array(d_sae), W_dec: new Float32Array(d_sae * small.d_out) };
        for (const kernels of choicesOf(backend)) {
          const codes = await using(backend, sae, kernels, (loaded) => loaded.encode(identity(sae.d_in), sae.d_in));
          assertCodesMatch(sae, identity(sae.d_in), sae.d_in, codes, { exact: true });
          equal(codes.nearTies, exactTopkTies(sae, k), `near ties at k ${k}`);
        }
      }
    },
  },
  {
    name: 'fused: everything after the slice is larger, everything fires: there is room in the end',
    async run(backend) {
      for (const architecture of ['topk', 'standard'] as const) {
        const sae = makeSae({ architecture, d_in: 2, d_sae: 900, d_out: 2, k: 5, seed: 3 });
        sae.W_enc.fill(0);
        sae.b_enc.set(Float32Array.from({ length: 900 }, (_, i) => i + 1));
        const xbar = randomRows(70, 2, 4);
        for (const kernels of fusedOf(backend)) await using(backend, sae, kernels, async (loaded) => {
          for (let again = 0; again < 2; again++) assertCodesMatch(sae, xbar, 70, await loaded.encode(xbar, 70), { exact: true });
        });
      }
    },
  },
  {
    name: 'batchtopk: one look at some columns is enough, or is seen not to be; equal values go to the first rows',
    async run(backend) {
      const made = makeSae({ architecture: 'batchtopk', d_in: 4, d_sae: 600, k: 3, seed: 5 });
      const rows = 100;
      const xbar = randomRows(rows, 4, 6);
      // All that is large lies in the columns looked at, so that too little seems to be enough elsewhere.
      const misleading = { ...made, b_enc: made.b_enc.map((b, i) => (i < 128 ? b + 10 : b - 10)), k: 150.5 };
      const flat = { ...made, W_enc: new Float32Array(4 * 600), b_enc: new Float32Array(600).fill(1) };
      for (const sae of [made, misleading, { ...made, k: 0 }, { ...made, k: 500 }, flat]) {
        const results = [];
        for (const kernels of choicesOf(backend)) results.push(await using(backend, sae, kernels, (loaded) => loaded.encode(xbar, rows)));
        for (const codes of results) {
          assertBatch(sae, xbar, rows, codes);
          sameCodes(codes, results[0]!);
          equal(codes.nearTies, results[0]!.nearTies, 'near ties');
        }
        if (sae === flat) sameNumbers(results[0]!.offsets, Array.from({ length: rows + 1 }, (_, r) => Math.min(600 * r, 300)), 'offsets of equal values');
      }
    },
  },
  {
    name: 'limits forced low: latents and rows are cut, as real GPUs encode, to the same bits',
    async run(backend) {
      const cutting = await createWebGpuBackend({ limits: { maxStorageBufferBindingSize: 36_000, maxBufferSize: 36_000, maxComputeWorkgroupsPerDimension: 5 } });
      try {
        for (const architecture of ARCHITECTURES) {
          const sae = makeSae({ architecture, d_in: 30, d_sae: 700, d_out: 3, k: 20, seed: 11 });
          const xbar = randomRows(70, 30, 12);
          const whole = await using(backend, sae, {}, (loaded) => loaded.encode(xbar, 70));
          await using(cutting, sae, { core: 'tiled', slice: 128 }, async (loaded) => {
            const { plan } = loaded;
            check(plan.encode.blocks.length > 2 && plan.encode.rows < 70, `the plan cuts: ${JSON.stringify(plan)}`);
            const codes = await loaded.encode(xbar, 70);
            sameCodes(codes, whole);
            equal(codes.nearTies, whole.nearTies, `near ties of ${architecture}`);
          });
        }
      } finally {
        await cutting.dispose();
      }
    },
  },
  {
    name: 'what is not finite is named by every kernel',
    async run(backend) {
      for (const architecture of ARCHITECTURES) {
        const sae = makeSae({ architecture, d_in: 2, d_sae: 300, d_out: 2, seed: 31 });
        for (const [a, b] of [[3e38, 3e38], [-3e38, -3e38], [3e38, -3e38]] as const) {
          // In the slice, and after it.
          for (const column of [5, 299]) {
            const large = { ...sae, W_enc: sae.W_enc.slice() };
            large.W_enc[column] = a;
            large.W_enc[300 + column] = b;
            const xbar = new Float32Array(40 * 2);
            xbar.fill(1e3, 34 * 2, 36 * 2);
            for (const kernels of choicesOf(backend)) {
              const error = await rejects(using(backend, large, kernels, (loaded) => loaded.encode(xbar, 40)), NumericError);
              check(error.message.includes('pre-activations, row 34'), error.message);
            }
          }
        }
      }
    },
  },
  {
    name: 'the same bits again, and however the batch is cut',
    async run(backend) {
      for (const architecture of ['jumprelu', 'topk'] as const) {
        const sae = makeSae({ architecture, d_in: 17, d_sae: 500, d_out: 2, seed: 21 });
        const xbar = randomRows(150, 17, 22);
        for (const kernels of fusedOf(backend)) await using(backend, sae, kernels, async (loaded) => {
          const whole = await loaded.encode(xbar, 150);
          sameCodes(await loaded.encode(xbar, 150), whole);
          const cuts = [0, 1, 5, 69, 150];
          const parts = await Promise.all(cuts.slice(1).map((end, at) => loaded.encode(xbar.slice(cuts[at]! * 17, end * 17), end - cuts[at]!)));
          sameNumbers(parts.flatMap((part) => Array.from(part.features)), whole.features, 'features');
          sameNumbers(parts.flatMap((part) => Array.from(part.values)), whole.values, 'values');
        });
      }
    },
  },
  {
    name: 'pre-activations within the rounding bound, the bits that encode decides on',
    async run(backend) {
      for (const architecture of ['standard', 'topk', 'gated'] as const) {
        const sae = makeSae({ architecture, d_in: 19, d_sae: 300, d_out: 2, seed: 41 });
        for (const [rows, kernels] of [[70, { core: 'registers' }], [70, { core: 'tiled' }], [2, { core: 'row' }]] as const) {
          const xbar = randomRows(rows, 19, 42);
          await using(backend, sae, kernels, async (loaded) => {
            const z = await loaded.preactivations(xbar, rows);
            equal(z.length, rows * 300, 'length');
            const plain: Sae = sae.gate ? { ...sae, architecture: 'standard', gate: null, b_enc: sae.gate.b_gate } : sae;
            let r = 0;
            for (const { z: exact, bound } of oracleRows(plain, xbar, rows)) {
              exact.forEach((value, i) => check(Math.abs(z[r * 300 + i]! - value) <= bound[i]!, `row ${r}, feature ${i}: ${z[r * 300 + i]}, expected ${value} within ${bound[i]}`));
              r++;
            }
            if (architecture !== 'standard') return;
            const codes = await loaded.encode(xbar, rows);
            codes.features.forEach((i, e) => equal(codes.values[e], z[rowOf(codes, e) * 300 + i], 'value'));
          });
        }
      }
    },
  },
  {
    name: 'rows of more features than llvmpipe has turns of a loop: selected from, and decoded, whole',
    async run(backend) {
      const d_sae = 70_000;
      const sae = makeSae({ architecture: 'topk', d_in: 1, d_sae, d_out: 1, k: d_sae, seed: 61 });
      sae.b_enc.set(Float32Array.from({ length: d_sae }, (_, i) => 1 + (i % 97)));
      sae.W_enc.fill(0);
      sae.W_dec.fill(1);
      sae.b_dec.fill(0);
      await using(backend, sae, {}, async (loaded) => {
        const codes = await loaded.encode(Float32Array.of(1), 1);
        equal(codes.values.length, d_sae, 'entries');
        // Whole numbers below 2^24: exact.
        equal((await loaded.decode(codes))[0], sae.b_enc.reduce((sum, b) => sum + b, 0), 'their sum');
      });
    },
  },
  {
    name: 'weights of 16 bits: as float64 has them for the rounded weights, within the reported bound of the others',
    async run(backend) {
      if (!backend.capabilities.f16) return;
      for (const architecture of ['standard', 'topk', 'gated'] as const) {
        const sae = makeSae({ architecture, d_in: 21, d_sae: 400, d_out: 9, seed: 51 });
        const round = (weights: Float32Array): Float32Array => weights.map((weight) => halfValue(halfBits(weight)));
        const rounded = { ...sae, W_enc: round(sae.W_enc), W_dec: round(sae.W_dec) };
        for (const [rows, kernels] of [[70, { core: 'registers' }], [70, { core: 'tiled', slice: 128 }], [3, { core: 'row' }]] as const) {
          const xbar = randomRows(rows, 21, 52);
          const loaded = await backend.load(sae, { storage: 'f16', kernels });
          const codes = await loaded.encode(xbar, rows);
          assertCodesMatch(rounded, xbar, rows, codes);
          assertDecodeMatches(rounded, codes, await loaded.decode(codes));
          const { storageErrorPerNorm, weightBytes } = loaded.report();
          check(storageErrorPerNorm! > 0 && weightBytes < 0.8 * (await using(backend, sae, {}, (f32) => Promise.resolve(f32.report().weightBytes))), 'half the bytes');
          const z = await loaded.preactivations(xbar, rows);
          const plain: Sae = sae.gate ? { ...sae, architecture: 'standard', gate: null, b_enc: sae.gate.b_gate } : sae;
          let r = 0;
          for (const { z: exact, bound } of oracleRows(plain, xbar, rows)) {
            const norm = Math.hypot(...xbar.subarray(r * 21, (r + 1) * 21));
            exact.forEach((value, i) => check(Math.abs(z[r * 400 + i]! - value) <= storageErrorPerNorm! * norm + 1.01 * bound[i]!, `row ${r}, feature ${i}: ${z[r * 400 + i]}, expected ${value}`));
            r++;
          }
          loaded.dispose();
        }
      }
    },
  },
];

/** All that this device can do. */
function choicesOf({ capabilities }: WebGpuBackend): readonly ForcedChoice[] {
  return capabilities.subgroups === null ? CHOICES : [...CHOICES, ...WITH_SUBGROUPS];
}

function fusedOf(backend: WebGpuBackend): readonly ForcedChoice[] {
  return choicesOf(backend).filter(({ core, fused }) => core === 'tiled' && fused !== false);
}

/** Loads with kernels chosen, runs, disposes. */
async function using<T>(backend: WebGpuBackend, sae: Sae, kernels: ForcedChoice, use: (loaded: LoadedGpuSae) => Promise<T>): Promise<T> {
  const loaded = await backend.load(sae, { kernels });
  try {
    return await use(loaded);
  } finally {
    loaded.dispose();
  }
}

async function allAgree(backend: WebGpuBackend, sae: Sae, xbar: Float32Array, rows: number, choices = choicesOf(backend)): Promise<void> {
  let first: SparseCodes | null = null;
  for (const kernels of choices) {
    try {
      await using(backend, sae, kernels, async (loaded) => {
        const codes = await loaded.encode(xbar, rows);
        if (sae.architecture === 'batchtopk') assertBatch(sae, xbar, rows, codes);
        else assertCodesMatch(sae, xbar, rows, codes);
        first ??= codes;
        if (!backend.info.software) return;
        sameCodes(codes, first);
        equal(codes.nearTies, first.nearTies, 'near ties');
      });
    } catch (error) {
      throw new Error(`${sae.architecture}, ${rows} rows, ${sae.d_in} -> ${sae.d_sae}, ${JSON.stringify(kernels).slice(0, 80)}: ${(error as Error).message}`, { cause: error });
    }
  }
}

/** The definition: every z > 0 of the call, by value, then row, then feature; the first int(k * rows). */
function assertBatch(sae: Sae, xbar: Float32Array, rows: number, codes: SparseCodes): void {
  assertCsr(sae, rows, codes);
  const all: { at: string; z: number; bound: number }[] = [];
  let tolerance = 0;
  let r = 0;
  for (const row of oracleRows(sae, xbar, rows)) {
    row.z.forEach((z, i) => (z > 0 ? all.push({ at: `${r},${i}`, z, bound: row.bound[i]! }) : 0));
    tolerance = Math.max(tolerance, row.tolerance);
    r++;
  }
  // A stable sort: of equal ones the first row, then the first feature.
  all.sort((a, b) => b.z - a.z);
  const budget = Math.floor(sae.k! * rows);
  const values = new Map(all.map(({ at, z, bound }) => [at, { z, bound }]));
  const got = Array.from(codes.features, (i, e) => `${rowOf(codes, e)},${i}`);
  got.forEach((at, e) => {
    const { z, bound } = values.get(at) ?? { z: 0, bound: tolerance };
    check(Math.abs(codes.values[e]! - z) <= bound, `${at}: ${codes.values[e]}, expected ${z} within ${bound}`);
  });
  const expected = new Set(all.slice(0, budget).map(({ at }) => at));
  if (got.length === expected.size && got.every((at) => expected.has(at))) return;
  const last = all[Math.min(budget, all.length) - 1]?.z ?? Infinity;
  const after = all[budget]?.z ?? 0;
  check(codes.nearTies > 0 && (last - after < tolerance || last < tolerance), `another selection, though ${last} and ${after} are more than ${tolerance} apart`);
}

function rowOf({ offsets }: SparseCodes, entry: number): number {
  let row = 0;
  while (offsets[row + 1]! <= entry) row++;
  return row;
}

/** Rows of a matrix, each several times over. */
function widen(matrix: Float32Array, rows: number, times: number): Float32Array {
  const width = matrix.length / rows;
  return Float32Array.from({ length: matrix.length * times }, (_, at) => matrix[Math.floor(at / (width * times)) * width + (at % width)]!);
}
