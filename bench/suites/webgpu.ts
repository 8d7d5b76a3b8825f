/**
 * Suite 2: WebGPU against WebGPU on the same adapter, in a page (Tint) and in Deno
 * (naga), which needs no screen and so runs on a server's GPU. On a software
 * adapter shapes are small and the rows say so: SwiftShader runs WGSL on the CPU,
 * one invocation after another, and what wins there says nothing about a GPU. On
 * a real one the same command takes the full shapes, and puts beside each rate
 * what share it is of the adapter's own multiply-add peak.
 */
import type { Backend } from '../../engine/backend.js';
import { describeAdapter, findAdapter } from '../../gpu/adapter.js';
import { createWebGpuBackend } from '../../gpu/backend.js';
import { decodeBounds, denseBounds, sameCodes, sameDense } from '../agreement.js';
import { encoderWeights, gaussians, saeOf, thresholdsFor } from '../arrays.js';
import { closeAll, tryOpen } from '../contenders.js';
import { hold, rate } from '../contest.js';
import type { Host } from '../host.js';
import { openOnnx } from '../peers/onnx.js';
import type { EncodeProblem, Peer, Sparse } from '../peers/peer.js';
import { openSaekit } from '../peers/saekit.js';
import type { Row } from '../rows.js';
import { decodeProblem } from './decode.js';
import { peakFlops } from './peak.js';
import { budgetFor, label, type Suite, type SuiteOptions } from './suite.js';

const SHAPES = {
  quick: [[16, 64, 256]],
  software: [[64, 256, 1024]],
  hardware: [[256, 768, 6144], [1024, 768, 24_576], [4096, 768, 24_576]],
} as const;

/** The adapter for people, and whether it is one. */
export async function adapterDescription(): Promise<{ name: string; software: boolean }> {
  const { name, software } = describeAdapter(await findAdapter());
  return { name, software };
}

async function openGpuPeers(host: Host): Promise<Peer[]> {
  return [
    ...(await tryOpen('onnxruntime-web WebGPU', host, async () => {
      const ort = await host.ortWeb('webgpu', 1);
      (ort.env.webgpu as { powerPreference?: string }).powerPreference = 'high-performance';
      return openOnnx({ ort, name: `onnxruntime-web ${ort.env.versions.common} webgpu`, provider: 'webgpu', threads: 0 });
    })),
    ...(await tryOpen('tfjs-backend-webgpu', host, async () => (await import('../peers/tfjs.js')).openTfjsWebGpu())),
    ...(await tryOpen('jax-js WebGPU', host, async () => (await import('../peers/jax.js')).openJax('webgpu', 0))),
  ];
}

async function measurePeak(): Promise<number> {
  const device = await (await findAdapter()).requestDevice();
  try {
    return await peakFlops(device);
  } finally {
    device.destroy();
  }
}

/** Screening is asked for on WebGPU, and this says where that would pay (docs/decisions/0012). */
const DENSE = 'saekit webgpu';
const SCREENED = 'saekit webgpu screened';

/** A first contest would have no reference without us, so there is none without a backend. */
export const webgpuSuite: Suite = {
  name: 'webgpu',
  title: 'WebGPU against WebGPU on one adapter: dense encode, encode to codes, decode',
  runtimes: ['chromium', 'deno'],
  byDefault: ['chromium', 'deno'],
  async run(host, options) {
    const { name: adapter, software } = await adapterDescription();
    const peak = await measurePeak();
    host.say(`adapter: ${adapter}${software ? ' (software)' : ''}, multiply-add peak ${rate(peak)}FLOP/s`);
    const backend: Backend = await createWebGpuBackend();
    const subject = openSaekit({ backend, name: DENSE, threads: 0, load: { screen: 'off' } });
    const screened = openSaekit({ backend: await createWebGpuBackend(), name: SCREENED, threads: 0, load: { screen: 'on' } });
    const peers = await openGpuPeers(host);
    const rows: Row[] = [];
    try {
      for (const shape of options.quick ? SHAPES.quick : software ? SHAPES.software : SHAPES.hardware) {
        rows.push(...(await contests(host, options, [subject, ...peers], screened, shape, { adapter, software, peak })));
      }
    } finally {
      await closeAll([subject, screened, ...peers]);
    }
    return rows;
  },
};

/** The device's own time for one encode, by timestamps: what is left of it without uploads, readback and the page. Null where it keeps no time. */
async function deviceSeconds({ sae, x, rows }: EncodeProblem): Promise<number | null> {
  const runs = 5;
  const backend = await createWebGpuBackend({ timings: true });
  try {
    const loaded = await backend.load(sae, { screen: 'off' });
    await loaded.encode(x, rows);
    backend.resetTimings();
    for (let run = 0; run < runs; run++) await loaded.encode(x, rows);
    const seconds = backend.timings?.['encode']?.gpuSeconds ?? null;
    return seconds === null || seconds === 0 ? null : seconds / runs;
  } finally {
    await backend.dispose();
  }
}

interface Adapter {
  readonly adapter: string;
  readonly software: boolean;
  readonly peak: number;
}

async function contests(host: Host, options: SuiteOptions, everybody: readonly Peer[], screened: Peer, [count, d_in, d_sae]: readonly [number, number, number], { adapter, software, peak }: Adapter): Promise<Row[]> {
  const flop = 2 * count * d_in * d_sae;
  const shape = `${count}x${d_in}x${d_sae}`;
  const weights = encoderWeights(d_in, d_sae);
  const x = gaussians(count * d_in, 3);
  const common = { suite: 'webgpu', budget: budgetFor(options, count * d_sae > 1e7), say: host.say };
  const share = (seconds: number): string => `${((100 * flop) / seconds / peak).toPrecision(2)} % of the adapter's peak`;
  const where = `${adapter}${software ? ', a software adapter: no figure of a GPU' : ''}`;
  // The whole way from JavaScript and back is timed: uploads and downloads are in it for everybody.
  const shareOf = (rows: Row[], device: number | null = null): Row[] =>
    rows.map((row) => ({
      ...row,
      note: [row.note, share(row.subject_median_s), ...(device === null ? [] : [`the device alone: ${rate(flop / device)}FLOP/s, ${share(device)}`]), where].join('; '),
    }));
  const entrants = everybody.map((peer, at) => ({ peer, ours: at === 0 }));
  const rows: Row[] = [];

  const dense = { rows: count, d_in, d_sae, x, W: weights.W_enc, b: weights.b_enc };
  const bounds = denseBounds(dense);
  const denseName = label(host, 'dense', shape);
  host.say(denseName);
  rows.push(
    ...shareOf(
      await hold<Float32Array>({
        ...common,
        label: denseName,
        entrants: entrants.map((entrant) => ({ ...entrant, make: async (peer) => (peer.dense === undefined ? [] : [await peer.dense(dense)]) })),
        check: (who, ours, theirs) => sameDense(`${who}, ${denseName}`, ours, theirs, d_sae, bounds),
        flop,
      }),
    ),
  );

  for (const [rule, sae] of [
    ['TopK-32', saeOf({ architecture: 'topk', d_in, d_sae, ...weights, k: 32 })],
    ['JumpReLU L0 50', saeOf({ architecture: 'jumprelu', d_in, d_sae, ...weights, threshold: thresholdsFor(50, d_sae) })],
  ] as const) {
    const problem: EncodeProblem = { rows: count, x, sae };
    const name = label(host, 'codes', shape, rule);
    host.say(name);
    rows.push(
      ...shareOf(
        await hold<Sparse>({
          ...common,
          label: name,
          entrants: [...entrants, { peer: screened, ours: true }].map((entrant) => ({ ...entrant, make: async (peer) => (await peer.encode?.(problem)) ?? [] })),
          own: [{ subject: SCREENED, peer: DENSE, note: 'screened against dense' }],
          check: (who, ours, theirs) => sameCodes(`${who}, ${name}`, ours, theirs, problem),
          flop,
          tokens: count,
        }),
        await deviceSeconds(problem),
      ),
    );
  }

  const decode = decodeProblem(count, d_in, d_sae);
  const decodeLimit = decodeBounds(decode);
  const decodeName = label(host, 'decode', `${count}x${d_sae}x${d_in}`, 'L0 32');
  host.say(decodeName);
  rows.push(
    ...(await hold<Float32Array>({
      ...common,
      label: decodeName,
      entrants: entrants.map((entrant) => ({ ...entrant, make: async (peer) => (peer.decode === undefined ? [] : [await peer.decode(decode)]) })),
      check: (who, ours, theirs) => sameDense(`${who}, ${decodeName}`, ours, theirs, d_in, decodeLimit),
      note: where,
    })),
  );
  return rows;
}
