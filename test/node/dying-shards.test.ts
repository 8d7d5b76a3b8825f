/**
 * All instruments of dying as the host runs them, after each other's results and on its shared sample
 * of rows: shards, merged in another order and through bytes, give what one run gives.
 */
import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import type { LoadedSae } from '../../engine/backend.js';
import type { RareDirectionsReport } from '../../engine/dying/anatomy-reports.js';
import { writeSafetensors } from '../../engine/formats/safetensors.js';
import { bytesSource } from '../../engine/io/bytes.js';
import type { StateValue } from '../../engine/run/accumulator.js';
import { runStream } from '../../engine/run/run.js';
import type { Sae } from '../../engine/sae.js';
import { decodeState, encodeState } from '../../engine/state.js';
import { openRun, type RunReader } from '../../engine/train/run-reader.js';
import { train } from '../../engine/train/train.js';
import { createWasmBackend } from '../../engine/wasm/backend.js';
import { createWasmTrainBackend } from '../../engine/wasm/train/backend.js';
import { builtins, dyingInstruments } from '../../plugins/builtin/index.js';
import { createHost, type HostResult, type PluginHost } from '../../plugins/host.js';
import type { AnyPlugin } from '../../plugins/registry.js';
import { gaussian } from '../shared/random.js';
import { memorySource, type Stream } from '../shared/stream.js';

interface Part {
  readonly status: string;
  readonly message: string | null;
  readonly summary: Readonly<Record<string, unknown>> | null;
}

/** Relative; hyperplanes differ by 5e-15 here, moments of activations by 1e-14. */
const BOUND = 1e-11;
const [D, F, CONTEXTS, POSITIONS] = [6, 64, 40, 25];
/** Fewer rows than count, so that they are a sample. */
const HELD = 700;
const EDGE = 0.03;
const plugins = [...builtins.filter(({ id }) => id === 'sae/density' || id === 'sae/activations'), ...dyingInstruments] as readonly AnyPlugin[];
const edge = { edge: EDGE };
const settings: Readonly<Record<string, Readonly<Record<string, unknown>>>> = {
  'sae/clusters': edge,
  'sae/hyperplane': { ...edge, rows: 512, sequence: 3, replicates: 2, null_rows: 256, sample: 64 },
  'sae/rare-directions': edge,
  'sae/evolution': edge,
  'sae/rare-cofiring': { ...edge, replicates: 19 },
  'sae/gradient-anatomy': edge,
  'sae/conspiracy': { ...edge, replicates: 19 },
  'sae/interpretability-null': { ...edge, features: 10, halfspaces: 19, min_firings: 3 },
  'sae/certificate': edge,
  'sae/verdict': edge,
};

const folder = await mkdtemp(join(tmpdir(), 'saekit-dying-shards-'));
after(() => rm(folder, { recursive: true, force: true }));

function rowsOf(count: number, seed: number): Float32Array {
  const normal = gaussian(seed);
  return Float32Array.from({ length: count * D }, (_, at) => normal() + (at % D === 0 ? 2.5 : 0));
}
const stream: Stream = { x: rowsOf(CONTEXTS * POSITIONS, 8), tokens: Int32Array.from({ length: CONTEXTS * POSITIONS }, (_, i) => (i * 7 + (i >> 3)) % 19), contexts: CONTEXTS, positions: POSITIONS, d: D };

let run: RunReader;
let other: RunReader;
let sae: Sae;
let loaded: LoadedSae;

async function newHost(notices: string[]): Promise<PluginHost> {
  const compared = [{ name: 'mean', run: other, rows: null }];
  return createHost({ plugins, settings, holdRows: HELD * 4 * D, context: { sae, run, compared, seed: 5, positions: POSITIONS, hasTokens: true, unembed: null, tokenText: (id) => `t${id}`, signal: undefined, notice: (text) => void notices.push(text) } });
}

async function shard(contexts: readonly [number, number], contextsPerBatch: number, notices: string[] = []): Promise<PluginHost> {
  const host = await newHost(notices);
  await runStream({ source: memorySource(stream), sae, loaded, accumulators: [host], contexts, contextsPerBatch, ignoreTokens: [4] });
  return host;
}

/** What differs by more than rounding; integers, text and what is null are equal. */
function differences(got: unknown, expected: unknown, at: string, found: string[]): string[] {
  if (typeof got === 'number' && typeof expected === 'number' && !(Number.isInteger(got) && Number.isInteger(expected))) {
    const error = Math.abs(got - expected) / (1 + Math.abs(expected));
    if (!(error <= BOUND)) found.push(`${at}: ${got}, expected ${expected}`);
  } else if (typeof got === 'object' && typeof expected === 'object' && got !== null && expected !== null) {
    const [keys, others] = [Object.keys(got), Object.keys(expected)];
    if (keys.join() !== others.join()) found.push(`${at}: has ${keys.slice(0, 9).join()}, expected ${others.slice(0, 9).join()}`);
    else for (const key of keys) differences((got as Record<string, unknown>)[key], (expected as Record<string, unknown>)[key], `${at}.${key}`, found);
  } else if (got !== expected) {
    found.push(`${at}: ${String(got)}, expected ${String(expected)}`);
  }
  return found;
}

/** By plugin: its columns, tables and summary. */
function parts(result: HostResult): Record<string, unknown> {
  return Object.fromEntries(
    result.plugins.map(({ id, status, message, summary }) => {
      const named = <T extends { readonly name: string }>(all: readonly T[]): Record<string, T> => Object.fromEntries(all.map((one) => [one.name, one]));
      const tables = result.tables.filter(({ plugin }) => plugin === id).map(({ table }) => ({ name: table.name, rows: table.rows, columns: named(table.columns) }));
      return [id, { status, message, summary, features: named(result.featureColumns.find(({ plugin }) => plugin === id)?.columns ?? []), tables: named(tables) }];
    }),
  );
}

describe('instruments of dying, in shards', () => {
  let whole: Record<string, unknown>;
  const notices: string[] = [];
  before(async () => {
    const backend = await createWasmTrainBackend();
    const recipe = { arch: 'standard', d_sae: F, l1: 1.5, batch: 64, steps: 240, lr: 0.01, warmup: 5, b_dec: 'zero', checkpoints: '0,10,30,60,100,150,200,240', resample: 'nanda', resample_at: [100, 150], resample_window: 50, resample_below: 0.02, resample_spare: 0.5 };
    for (const b_dec of ['zero', 'mean']) {
      const acts = bytesSource('acts.safetensors', writeSafetensors([{ name: 'x', shape: [3000, D], data: rowsOf(3000, 31) }]));
      await train({ acts, recipe: { ...recipe, b_dec }, out: join(folder, b_dec), backend });
    }
    await backend.dispose();
    [run, other] = [await openRun(join(folder, 'zero')), await openRun(join(folder, 'mean'))];
    sae = await run.sae(240);
    loaded = await (await createWasmBackend({ threads: 1 })).load(sae);
    whole = parts(await (await shard([0, CONTEXTS], CONTEXTS, notices)).finish());
  });

  it('are all done, on features of every class and a part of the rows', () => {
    for (const [id, part] of Object.entries(whole)) assert.deepEqual([(part as Part).status, (part as Part).message], ['done', null], id);
    const { rare, dead, live, rows, tokens } = (whole['sae/rare-directions'] as Part).summary as unknown as RareDirectionsReport;
    assert.ok(rare.features >= 10 && dead.features >= 1 && live.features >= 10, `${rare.features} rare, ${dead.features} dead, ${live.features} live`);
    assert.ok(rows === HELD && rows < tokens, `${rows} of ${tokens} rows`);
    assert.deepEqual(notices, [`sae/evolution: densities of the checkpoints are over ${rows} of ${tokens} rows (--hold-rows)`]);
  });

  /** Shards from cut to cut, merged in this order; what is not named is lost. */
  async function inShards(cuts: readonly number[], order: readonly number[], contextsPerBatch: number): Promise<{ got: Record<string, unknown>; said: string[] }> {
    const edges = [0, ...cuts, CONTEXTS];
    const states = new Map<number, StateValue>();
    for (const at of order) states.set(at, decodeState(encodeState(await (await shard([edges[at]!, edges[at + 1]!], contextsPerBatch)).save())));
    const said: string[] = [];
    const merged = await newHost(said);
    for (const at of order) await merged.merge(states.get(at)!);
    return { got: parts(await merged.finish()), said };
  }

  for (const [name, cuts, order, contextsPerBatch] of [
    ['three, backwards', [13, 29], [2, 1, 0], 4],
    ['four, one of a single context and one empty', [7, 8, 8], [2, 0, 3, 1], 1],
  ] as const) {
    it(name, async () => {
      const { got, said } = await inShards(cuts, order, contextsPerBatch);
      assert.deepEqual(said, notices);
      assert.deepEqual(differences(got, whole, '', []), []);
    });
  }

  it('a shard that is lost changes what every one of them says', async () => {
    const { got } = await inShards([13, 29], [2, 0], 4);
    for (const [id, part] of Object.entries(whole)) assert.ok(differences(got[id], part, id, []).length > 0, id);
  });
});
