/**
 * The WebGPU backend's tests, for any runner: test/browser runs them under
 * Chromium (Tint, SwiftShader), test/deno under Deno (naga, lavapipe). A case
 * fails by throwing. Without an adapter every case fails.
 *
 * Shapes are small and pipelines are shared: software adapters are slow.
 */
import type { Backend, LoadedSae } from '../../engine/backend.js';
import { chooseBackend, describeEnvironment } from '../../engine/choose-backend.js';
import type { SparseCodes } from '../../engine/codes.js';
import { BackendError, NumericError, ShapeError } from '../../engine/errors.js';
import type { Architecture, Sae } from '../../engine/sae.js';
import { findAdapter } from '../../gpu/adapter.js';
import { createWebGpuBackend } from '../../gpu/backend.js';
import type { Plan } from '../../gpu/decide.js';
import { Device } from '../../gpu/device.js';
import { type KernelName, kernels, sourceOf, usesLanes } from '../../gpu/kernels.js';
import { compile, withParts } from '../../gpu/pipelines.js';
import { minifyWgsl } from '../../scripts/asset-loader.mjs';
import { exactTopkTies, identity, patternSae } from './gpu-patterns.js';
import { emulatedSubgroups } from './gpu-lanes.js';
import { check, equal, observed, rejects, sameCodes, sameNumbers } from './gpu-support.js';
import { checkGoldenRf, checkGoldenStories, loadGoldenRf, loadGoldenStories } from './golden.js';
import { assertCodesMatch, assertDecodeMatches, makeSae, oracleRows, randomRows } from './oracle.js';

export interface GpuCase {
  readonly name: string;
  run(context: GpuContext): Promise<void>;
}

export interface GpuContext {
  /** A backend with the device's own limits, shared by all cases. */
  readonly backend: Backend;
  /** The repository's root, as a path or URL with a slash at its end. */
  readonly root: string;
}

/** A backend for the suite; throws where there is no adapter, and it shall. */
export function openSuite(root: string): Promise<GpuContext> {
  return createWebGpuBackend().then((backend) => ({ backend, root }));
}

const ARCHITECTURES: readonly Architecture[] = ['standard', 'topk', 'jumprelu'];
/** rows, d_in, d_sae, d_out: ones, primes, tiles (32 rows, 128 columns, vec4) and a segment and a row more or less. */
const SHAPES = [
  [1, 1, 1, 1],
  [31, 3, 127, 5],
  [32, 4, 128, 4],
  [33, 5, 129, 67],
  [7, 61, 113, 64],
  [2, 64, 257, 3],
] as const;

export const gpuSuite: readonly GpuCase[] = [
  {
    name: 'every kernel compiles, as it is and minified',
    async run() {
      const device = await Device.open(await findAdapter());
      try {
        for (const name of Object.keys(kernels) as KernelName[]) {
          for (const storage of device.capabilities.f16 ? (['f32', 'f16'] as const) : (['f32'] as const)) {
            for (const subgroups of [false, device.capabilities.subgroups === null ? emulatedSubgroups(8, 37) : true]) {
              const variant = withParts(name, { storage, subgroups });
              if (storage === 'f16' && variant.prelude === withParts(name, { subgroups }).prelude) continue;
              if (subgroups !== false && !usesLanes(name)) continue;
              const code = sourceOf(name, subgroups !== false);
              // The compiler of the device's own language takes seconds for a barrier: once is enough, and gpu-kernels-suite.ts runs those with subgroups.
              if (subgroups === false) await compile(device, name, code, variant);
              const enabled = (variant.enable ?? []).map((extension) => `enable ${extension};\n`).join('');
              const { messages } = await device.gpu.createShaderModule({ code: enabled + minifyWgsl(variant.prelude! + code) }).getCompilationInfo();
              equal(messages.filter(({ type }) => type === 'error').map(({ message }) => message).join(), '', `errors of ${name}, minified`);
            }
          }
        }
      } finally {
        device.destroy();
      }
    },
  },
  {
    name: 'a WGSL error is readable, and a GPU error is a BackendError',
    async run() {
      const device = await Device.open(await findAdapter());
      try {
        const error = await rejects(compile(device, 'broken', '@compute @workgroup_size(1)\nfn f() {\n  let x = nowhere;\n}\n'), BackendError);
        check(/broken\.wgsl:3:\d+: /.test(error.message), `place of the error: ${error.message}`);
        check(error.message.includes('let x = nowhere;'), `line of the error: ${error.message}`);
        const { valid } = device.scoped('a buffer without a use', () => device.gpu.createBuffer({ size: 16, usage: 0xffff }));
        await rejects(valid, BackendError);
      } finally {
        device.destroy();
      }
    },
  },
  ...ARCHITECTURES.map((architecture) => ({
    name: `${architecture}: encode and decode against float64, shapes 1, prime, tile and one more or less`,
    async run({ backend }: GpuContext) {
      for (const [index, [rows, d_in, d_sae, d_out]] of SHAPES.entries()) {
        const sae = makeSae({ architecture, d_in, d_sae, d_out, seed: 100 + index });
        await againstOracle(backend, sae, randomRows(rows, d_in, 200 + index), rows);
      }
    },
  })),
  {
    name: 'topk with activations rescaled by the decoder norms, one of which is 0',
    async run({ backend }) {
      const sae = makeSae({ architecture: 'topk', d_in: 12, d_sae: 130, d_out: 7, k: 9, seed: 5, rescaleActsByDecoderNorm: true });
      sae.W_dec.fill(0, 3 * 7, 4 * 7);
      const codes = await againstOracle(backend, sae, randomRows(20, 12, 6), 20);
      check(!codes.features.includes(3), 'a feature of norm 0 fires');
    },
  },
  {
    name: 'topk: adversarial rows, exactly, for k from 0 to past d_sae',
    async run({ backend }) {
      for (const k of [0, 1, 8, 131, 200]) {
        const sae = patternSae(k);
        const rows = sae.d_in;
        const codes = await onGpu(backend, sae, (loaded) => loaded.encode(identity(rows), rows));
        assertCodesMatch(sae, identity(rows), rows, codes, { exact: true });
        equal(codes.nearTies, exactTopkTies(sae, k), `near ties at k ${k}`);
      }
    },
  },
  {
    name: 'jumprelu: z on the threshold does not fire; what is nearer than the rounding bound is counted',
    async run({ backend }) {
      const sae = patternSae(null);
      const rows = sae.d_in;
      const codes = await onGpu(backend, sae, (loaded) => loaded.encode(identity(rows), rows));
      assertCodesMatch(sae, identity(rows), rows, codes, { exact: true });
      let on = 0;
      let near = 0;
      for (const { z, tolerance } of oracleRows(sae, identity(rows), rows)) {
        z.forEach((value, i) => {
          const distance = Math.abs(value - Math.max(0, sae.threshold![i]!));
          if (distance === 0) on++;
          if (distance < tolerance) near++;
        });
      }
      check(on > 100 && near > on + 5, `the patterns hold ties: ${on} and ${near}`);
      equal(codes.nearTies, near, 'near ties');
    },
  },
  {
    name: 'more fires than there was room for: the batch comes again, whole',
    async run({ backend }) {
      const sae = makeSae({ architecture: 'standard', d_in: 8, d_sae: 300, seed: 9 });
      sae.b_enc.fill(10);
      await onGpu(backend, sae, async (loaded) => {
        const xbar = randomRows(40, 8, 10);
        for (let again = 0; again < 2; again++) {
          const codes = await loaded.encode(xbar, 40);
          assertCodesMatch(sae, xbar, 40, codes);
          check(codes.features.length > 40 * 290, 'nearly everything fires');
        }
      });
    },
  },
  {
    name: 'limits forced low: latents and rows are cut, grids folded, codes and decoded values the same to the bit',
    async run({ backend }) {
      const limited = await createWebGpuBackend({ limits: { maxStorageBufferBindingSize: 36_000, maxBufferSize: 36_000, maxComputeWorkgroupsPerDimension: 5 } });
      try {
        for (const architecture of ARCHITECTURES) {
          const sae = makeSae({ architecture, d_in: 30, d_sae: 700, d_out: 33, k: 20, seed: 11 });
          const rows = 70;
          const xbar = randomRows(rows, 30, 12);
          const whole = await onGpu(backend, sae, async (loaded) => {
            const codes = await loaded.encode(xbar, rows);
            return { codes, y: await loaded.decode(codes) };
          });
          await onGpu(limited, sae, async (loaded) => {
            const { plan } = loaded as unknown as { plan: Plan };
            check(plan.encode.blocks.length > 2 && plan.decode.blocks.length > 2 && plan.encode.rows < rows, `the plan cuts: ${JSON.stringify(plan)}`);
            const codes = await loaded.encode(xbar, rows);
            sameCodes(codes, whole.codes);
            equal(codes.nearTies, whole.codes.nearTies, 'near ties');
            sameNumbers(await loaded.decode(codes), whole.y, 'decoded');
          });
          assertCodesMatch(sae, xbar, rows, whole.codes);
          assertDecodeMatches(sae, whole.codes, whole.y);
        }
      } finally {
        await limited.dispose();
      }
    },
  },
  {
    name: 'a batch cut anywhere gives the same codes, also with calls side by side',
    async run({ backend }) {
      for (const architecture of ARCHITECTURES) {
        const sae = makeSae({ architecture, d_in: 17, d_sae: 150, seed: 21 });
        const rows = 37;
        const xbar = randomRows(rows, 17, 22);
        await onGpu(backend, sae, async (loaded) => {
          const whole = await loaded.encode(xbar, rows);
          const cuts = [0, 1, 5, 5, 36, 37];
          const parts = await Promise.all(cuts.slice(1).map((end, at) => loaded.encode(xbar.slice(cuts[at]! * 17, end * 17), end - cuts[at]!)));
          const joined = parts.flatMap((part) => Array.from(part.features));
          sameNumbers(joined, whole.features, 'features');
          sameNumbers(parts.flatMap((part) => Array.from(part.values)), whole.values, 'values');
          equal(parts.reduce((sum, part) => sum + part.nearTies, 0), whole.nearTies, 'near ties');
          const decoded = await Promise.all(parts.map((part) => loaded.decode(part)));
          sameNumbers(decoded.flatMap((y) => Array.from(y)), await loaded.decode(whole), 'decoded');
        });
      }
    },
  },
  {
    name: 'what is not finite is a NumericError that names the tensor and the row',
    async run({ backend }) {
      for (const architecture of ARCHITECTURES) {
        const sae = makeSae({ architecture, d_in: 3, d_sae: 140, seed: 31 });
        await onGpu(backend, sae, async (loaded) => {
          for (const value of [NaN, Infinity, -Infinity]) {
            const xbar = randomRows(40, 3, 32);
            xbar[35 * 3 + 1] = value;
            const error = await rejects(loaded.encode(xbar, 40), NumericError);
            check(error.message.includes('xbar, row 35'), error.message);
          }
          await againstLoaded(loaded, sae, randomRows(4, 3, 33), 4);
        });
        // Finite weights and rows whose product overflows: to +inf, to -inf, and to inf - inf.
        for (const [a, b] of [[3e38, 3e38], [-3e38, -3e38], [3e38, -3e38]] as const) {
          const large = { ...sae, W_enc: sae.W_enc.slice() };
          large.W_enc[139] = a;
          large.W_enc[140 + 139] = b;
          await onGpu(backend, large, async (loaded) => {
            const xbar = new Float32Array(40 * 3);
            xbar.fill(1e3, 34 * 3, 36 * 3);
            const error = await rejects(loaded.encode(xbar, 40), NumericError);
            check(error.message.includes('pre-activations, row 34'), error.message);
          });
        }
        await rejects(backend.load({ ...sae, b_enc: sae.b_enc.map((v, i) => (i === 7 ? NaN : v)) }), NumericError);
      }
    },
  },
  {
    name: 'no rows, wrong shapes, foreign codes',
    async run({ backend }) {
      const sae = makeSae({ architecture: 'topk', d_in: 4, d_sae: 9, k: 3, seed: 41 });
      await onGpu(backend, sae, async (loaded) => {
        const none = await loaded.encode(new Float32Array(0), 0);
        equal(none.offsets.join(), '0', 'offsets of no rows');
        equal((await loaded.decode(none)).length, 0, 'decoded length of no rows');
        await rejects(loaded.encode(new Float32Array(7), 2), ShapeError);
        await rejects(loaded.encode(new Float32Array(0), loaded.maxRows + 1), ShapeError);
        const codes = { rows: 2, d_sae: 9, offsets: Uint32Array.of(0, 0, 1), features: Uint32Array.of(8), values: Float32Array.of(2), nearTies: 0 };
        assertDecodeMatches(sae, codes, await loaded.decode(codes));
        await rejects(loaded.decode({ ...codes, d_sae: 10 }), ShapeError);
        await rejects(loaded.decode({ ...codes, features: Uint32Array.of(9) }), ShapeError);
        await rejects(loaded.decode({ ...codes, offsets: Uint32Array.of(0, 2, 1) }), ShapeError);
      });
    },
  },
  {
    name: 'an aborted call rejects with AbortError, and the next one works',
    async run({ backend }) {
      const sae = makeSae({ architecture: 'standard', d_in: 5, d_sae: 40, seed: 51 });
      const xbar = randomRows(9, 5, 52);
      await rejects(backend.load(sae, { signal: AbortSignal.abort() }), DOMException);
      await onGpu(backend, sae, async (loaded) => {
        await rejects(loaded.encode(xbar, 9, { signal: AbortSignal.abort() }), DOMException);
        const abort = new AbortController();
        const running = loaded.encode(xbar, 9, { signal: abort.signal });
        abort.abort();
        await rejects(running, DOMException);
        await againstLoaded(loaded, sae, xbar, 9);
      });
    },
  },
  {
    name: 'a lost device rejects what waits and what comes with BackendError, where it is not to be replaced',
    async run() {
      const { adapter, devices } = observed(await findAdapter());
      const backend = await createWebGpuBackend({ adapter, recover: false });
      const sae = makeSae({ architecture: 'standard', d_in: 6, d_sae: 50, seed: 61 });
      const loaded = await backend.load(sae);
      const running = loaded.encode(randomRows(9, 6, 62), 9);
      running.catch(() => undefined);
      devices[0]!.destroy();
      await rejects(running, BackendError);
      await devices[0]!.lost;
      const error = await rejects(loaded.encode(randomRows(9, 6, 62), 9), BackendError);
      check(/device was lost/.test(error.message), error.message);
      await rejects(backend.load(sae), BackendError);
      loaded.dispose();
      await backend.dispose();
      // Another one on the same machine is not affected.
      const next = await createWebGpuBackend();
      await againstOracle(next, sae, randomRows(9, 6, 62), 9);
      await next.dispose();
    },
  },
  {
    name: 'disposing ends calls with BackendError, and frees every weight',
    async run() {
      const { adapter, live } = observed(await findAdapter());
      const backend = await createWebGpuBackend({ adapter });
      const sae = makeSae({ architecture: 'jumprelu', d_in: 6, d_sae: 50, seed: 71 });
      const xbar = randomRows(9, 6, 72);
      await onGpu(backend, sae, (loaded) => againstLoaded(loaded, sae, xbar, 9));
      const idle = live();
      for (let i = 0; i < 3; i++) await onGpu(backend, sae, (loaded) => againstLoaded(loaded, sae, xbar, 9));
      equal(live(), idle, 'buffers after loading, using and disposing of an SAE three times');
      const loaded = await backend.load(sae);
      loaded.dispose();
      await rejects(loaded.encode(xbar, 9), BackendError);
      const other = await backend.load(sae);
      const running = other.encode(xbar, 9);
      running.catch(() => undefined);
      await backend.dispose();
      const error = await rejects(running, BackendError);
      check(/disposed/.test(error.message), error.message);
      await rejects(other.encode(xbar, 9), BackendError);
    },
  },
  {
    name: 'golden: rf-modulation-topk8, all 1,408 rows',
    async run({ backend, root }) {
      const report = await checkGoldenRf(backend, await loadGoldenRf(`${root}test/fixtures/rf-modulation-topk8/`));
      equal(report.rows, 1408, 'rows');
    },
  },
  {
    name: 'golden: stories260k-resid2-topk16, three prompts',
    async run({ backend, root }) {
      const report = await checkGoldenStories(backend, await loadGoldenStories(`${root}examples/stories260k/sae/`, `${root}test/fixtures/`));
      equal(report.rows, 112, 'rows');
    },
  },
  {
    name: 'the choice: auto takes a real GPU only and says why not; webgpu is webgpu; the description is plain JSON',
    async run({ backend }) {
      const environment = await describeEnvironment();
      equal(JSON.stringify(JSON.parse(JSON.stringify(environment))), JSON.stringify(environment), 'JSON round trip');
      check(environment.webgpu.available && environment.webgpu.limits!.maxBufferSize! > 0, JSON.stringify(environment));
      equal(environment.webgpu.software, backend.info.software, 'software');
      const notices: string[] = [];
      const auto = await chooseBackend({ backend: 'auto', notice: (text) => notices.push(text) });
      equal(auto.info.kind, backend.info.software ? 'wasm' : 'webgpu', 'auto');
      equal(auto.info.kind, environment.backend, 'what the description says auto takes');
      if (auto.info.kind === 'wasm') check(notices.some((text) => text.includes('on the CPU')), `notices: ${notices.join('; ')}`);
      await auto.dispose();
      const gpu = await chooseBackend({ backend: 'webgpu' });
      equal(gpu.info.kind, 'webgpu', 'webgpu');
      await gpu.dispose();
      const wasm = await chooseBackend({ backend: 'wasm' });
      equal(wasm.info.kind, 'wasm', 'wasm');
      await wasm.dispose();
      await rejects(createWebGpuBackend({ gpu: { requestAdapter: () => Promise.resolve(null) } as unknown as GPU }), BackendError);
      if (backend.info.software) await rejects(createWebGpuBackend({ softwareAllowed: false }), BackendError);
    },
  },
];

/** Loads, runs, disposes. */
async function onGpu<T>(backend: Backend, sae: Sae, use: (loaded: LoadedSae) => Promise<T>): Promise<T> {
  const loaded = await backend.load(sae);
  try {
    return await use(loaded);
  } finally {
    loaded.dispose();
  }
}

async function againstOracle(backend: Backend, sae: Sae, xbar: Float32Array, rows: number): Promise<SparseCodes> {
  return onGpu(backend, sae, (loaded) => againstLoaded(loaded, sae, xbar, rows));
}

async function againstLoaded(loaded: LoadedSae, sae: Sae, xbar: Float32Array, rows: number): Promise<SparseCodes> {
  const where = `${sae.architecture}, ${rows} rows, ${sae.d_in} -> ${sae.d_sae} -> ${sae.d_out}: `;
  try {
    const codes = await loaded.encode(xbar, rows);
    assertCodesMatch(sae, xbar, rows, codes);
    assertDecodeMatches(sae, codes, await loaded.decode(codes));
    return codes;
  } catch (error) {
    throw new Error(where + (error as Error).message, { cause: error });
  }
}
