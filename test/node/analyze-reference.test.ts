/** The whole job against an independent run, on WASM, and the figures of its rare features. test/deno has its counterpart on WebGPU. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import test from 'node:test';
import { fileURLToPath } from 'node:url';
import type { ClusterReport, RareCofiringReport, RareDirectionsReport } from '../../engine/dying/anatomy-reports.js';
import { countFirings } from '../../engine/dying/run-frames.js';
import type { HyperplaneReport } from '../../engine/dying/hyperplane-report.js';
import type { ForecastReport } from '../../engine/dying/rates-reports.js';
import type { Accumulator } from '../../engine/run/accumulator.js';
import { openRun } from '../../engine/train/run-reader.js';
import { dyingInstruments } from '../../plugins/builtin/index.js';
import type { AnyPlugin } from '../../plugins/registry.js';
import type { PluginContext } from '../../plugins/types.js';
import { checkReluReference } from '../shared/relu-reference.js';

const RUN = 'examples/dying/reference-run';
const root = fileURLToPath(new URL('../../', import.meta.url));

/** numpy in float64, over the same tokens with the SAE's float32 weights; as many digits as it was written down with. */
const NUMPY = {
  dead: 45,
  rare: 512,
  live: 467,
  minusMean: 0.935669,
  inverseCovariance: 0.930611,
  topComponent: 0.0758,
  mahalanobis: 2.702213,
  gamma: 0.522611,
  meanNorm: 0.87372,
  biasRare: -0.1729,
  biasLive: -1.43,
  firing: 0.0080759,
  fano: 9.9078,
  maxShare: 0.12305,
} as const;

/** Equal to as many decimals. */
const digits = (name: string, value: number | null | undefined, expected: number, decimals: number): void => assert.ok(value !== null && value !== undefined && Math.abs(value - expected) <= 0.51 * 10 ** -decimals, `${name} is ${value}, expected ${expected}`);

/** Firings of every feature by step of the run, on the rows of this analysis: those of sae/density at the last, counted anew before. */
function watchCounts(counts: Map<number, ArrayLike<number>>): AnyPlugin {
  const create = (ctx: PluginContext): Accumulator => ({
    update: () => undefined,
    save: () => null,
    merge: () => undefined,
    async finish(signal) {
      counts.set(12_000, ctx.result('sae/density')!.features!.find(({ name }) => name === 'count')!.data as ArrayLike<number>);
      const run = await openRun(`${root}${RUN}`);
      counts.set(6478, await countFirings(await run.sae(6478), await ctx.rows(), { ops: ctx.ops, signal }));
      return {};
    },
  });
  return { id: 'test/counts', version: '1.0.0', api: '^1.1.0', title: 'Counts', description: 'Hands out the counts.', needs: { rows: true }, after: ['sae/density'], load: () => Promise.resolve({ create }) };
}

test('406,395 tokens of stories260K with a ReLU SAE: the figures of numpy, of the rare cluster too', async (t) => {
  const ids = ['sae/forecast', 'sae/clusters', 'sae/hyperplane', 'sae/rare-directions', 'sae/rare-cofiring'];
  const watched = new Map<number, ArrayLike<number>>();
  const report = await checkReluReference(root, 'wasm', {
    plugins: [...(dyingInstruments.filter(({ id }) => ids.includes(id)) as readonly AnyPlugin[]), watchCounts(watched)],
    // Its closed forms are of all rows; what it minimises on rows is held elsewhere.
    settings: { 'sae/hyperplane': { rows: 256, sequence: 1, replicates: 0, null_rows: 256, sample: 16 } },
  });
  t.diagnostic(`L0 ${report.l0}, FVU ${report.fvu}, ${report.classes.dead} dead, ${report.seconds.toFixed(1)} s, ${Math.round(report.tokens_per_second)} tokens/s`);
  assert.equal(report.features, 1024);
  const summary = <T>(id: string): T => report.plugins.find((plugin) => plugin.id === id)!.summary as T;

  assert.deepEqual([...watched.keys()], [12_000, 6478]);
  const counts = watched.get(12_000)!;
  // A pre-activation within rounding of 0 may fall on either side.
  const expected = (JSON.parse(readFileSync(`${root}test/fixtures/stories260k-relu-step12000/statistics.json`, 'utf8')) as { counts: number[] }).counts;
  const off = expected.map((count, i) => Math.abs(count - counts[i]!));
  assert.ok(counts.length === 1024 && Math.max(...off) <= 1 && off.filter((by) => by > 0).length <= 4, `${off.filter((by) => by > 0).length} counts differ, by ${Math.max(...off)} at most`);
  t.diagnostic(`${off.filter((by) => by > 0).length} counts differ from numpy's, by ${Math.max(...off)} at most`);
  const reference = (JSON.parse(readFileSync(`${root}${RUN}/run.json`, 'utf8')) as { provenance: { reference: { step: number; l0: number; dead: number; below_1e_5: number; below_1e_4: number }[] } }).provenance.reference;
  for (const [step, found] of watched) {
    const { l0, dead: never, below_1e_5, below_1e_4 } = reference.find((one) => one.step === step)!;
    const below = (density: number): number => Array.from(found).filter((count) => count > 0 && count < density * report.tokens).length;
    assert.deepEqual([Array.from(found).filter((count) => count === 0).length, below(1e-5), below(1e-4)], [never, below_1e_5, below_1e_4], `step ${step}`);
    assert.ok(Math.abs(Array.from(found).reduce((sum, count) => sum + count, 0) / report.tokens - l0) < 1e-4, `L0 of step ${step}`);
  }

  const { rare, dead, live, proposed, rows, tokens } = summary<RareDirectionsReport>('sae/rare-directions');
  assert.deepEqual([rows, tokens, dead.features, rare.features, live.features], [406_395, 406_395, NUMPY.dead, NUMPY.rare, NUMPY.live]);
  const along = (name: string): number => proposed.find((one) => one.name === name)!.cosine.value!;
  digits('cos(rbar, -mu~)', along('minus_mean'), NUMPY.minusMean, 6);
  digits('cos(rbar, -mu~) of the group', rare.offset_cosine, NUMPY.minusMean, 6);
  digits('cos(rbar, -Sigma^-1 mu~)', along('inverse_covariance'), NUMPY.inverseCovariance, 6);
  digits('|cos(rbar, top component)|', along('top_component'), NUMPY.topComponent, 4);
  digits('median bias, rare', rare.bias?.median, NUMPY.biasRare, 4);
  digits('median bias, live', live.bias?.median, NUMPY.biasLive, 3);

  const { sequence, mean_norm } = summary<HyperplaneReport>('sae/hyperplane');
  digits('M', sequence.points[0]!.gaussian_kappa, NUMPY.mahalanobis, 6);
  digits('||mu~||', mean_norm, NUMPY.meanNorm, 6);
  digits('gamma', summary<ForecastReport>('sae/forecast').raw.gamma, NUMPY.gamma, 6);

  const cofiring = summary<RareCofiringReport>('sae/rare-cofiring');
  assert.ok(cofiring.whole);
  assert.deepEqual([cofiring.features, cofiring.histogram.reduce((sum, count) => sum + count, 0)], [NUMPY.rare, rows]);
  digits('E K', cofiring.firings / rows, NUMPY.firing, 7);
  digits('Fano', cofiring.fano.value, NUMPY.fano, 4);
  digits('max K / n', cofiring.max_share, NUMPY.maxShare, 5);

  const clusters = summary<ClusterReport>('sae/clusters');
  assert.deepEqual([clusters.dead, clusters.below_edge, clusters.both], [NUMPY.dead, NUMPY.rare, NUMPY.rare]);
  assert.ok(clusters.density?.split === true && clusters.joint?.split === true, 'the rare half is a cluster of its own');
});

test('its SAE is the last checkpoint of the run in examples/dying', () => {
  const bytes = (path: string): Buffer => readFileSync(`${root}${path}/sae_weights.safetensors`);
  assert.ok(bytes('test/fixtures/stories260k-relu-step12000').equals(bytes(`${RUN}/step_12000`)));
});
