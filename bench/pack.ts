/**
 * `npm run bench:pack`: what a card of a large pack costs over HTTP, and what the
 * pack costs on disk, against the budgets. Ends with status 1 when one is broken.
 *
 *   node --import ./scripts/ts.mjs bench/pack.ts [--features N] [--json FILE]
 *
 * Budgets are of 24,576 features; KB are 1024 bytes.
 */
import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { directorySink } from '../engine/io/sink.js';
import { openPack } from '../engine/pack/reader.js';
import type { PackIndex } from '../engine/pack/schema.js';
import { writePack } from '../engine/pack/writer.js';
import { startRangeServer } from '../test/support/range-server.js';
import { syntheticPack } from '../test/support/synthetic-pack.js';

export const BUDGET = { features: 24_576, ranges: 4, cardBytes: 128 * 1024, bytesPerFeature: 6 * 1024 } as const;

export interface CardCost {
  readonly feature: number;
  readonly examples: number;
  readonly ranges: number;
  /** Plain GETs: the manifest and the index. */
  readonly plain: number;
  /** Of all answers together, headers left out. */
  readonly bytes: number;
}

export interface PackCost {
  readonly features: number;
  readonly bytesPerFeature: number;
  readonly tables: Readonly<Record<string, number>>;
  readonly manifestBytes: number;
  readonly indexBytes: number;
  readonly writeSeconds: number;
  readonly cards: readonly CardCost[];
  /** Bytes of the dearest card of all features, by the index. */
  readonly worstBytes: number;
  /** A cold card from the directory, the median of the features above: reading and decoding without a network. */
  readonly cardMilliseconds: number;
}

/** Writes a synthetic pack, serves it, and reads nine cold cards of it, from the first feature to the last. */
export async function measurePack(features: number): Promise<PackCost> {
  const folder = await mkdtemp(join(tmpdir(), 'saekit-bench-'));
  try {
    const input = syntheticPack({ features });
    const started = performance.now();
    const manifest = await writePack({ ...input, sink: await directorySink(join(folder, 'pack')) });
    const writeSeconds = (performance.now() - started) / 1000;
    const server = await startRangeServer(folder);
    try {
      const cards: CardCost[] = [];
      for (let i = 0; i <= 8; i++) {
        const feature = Math.floor(((features - 1) * i) / 8);
        server.requests.length = 0;
        // A URL of its own each time: the reader keeps packs by URL, a new reader has nothing.
        const card = await (await openPack(`${server.url}pack/?cold=${i}`)).card(feature);
        const ranges = server.requests.filter(({ range }) => range !== null);
        cards.push({
          feature,
          examples: card.examples.length,
          ranges: ranges.length,
          plain: server.requests.length - ranges.length,
          bytes: server.requests.reduce((sum, request) => sum + request.bytes, 0),
        });
      }
      const times: number[] = [];
      for (const { feature } of cards) {
        const before = performance.now();
        await (await openPack(join(folder, 'pack'))).card(feature);
        times.push(performance.now() - before);
      }
      const index = await readFile(join(folder, 'pack', 'index.json'));
      const [manifestBytes, indexBytes] = [(await stat(join(folder, 'pack', 'manifest.json'))).size, index.byteLength];
      const worstBytes = manifestBytes + indexBytes + dearestGroups(JSON.parse(index.toString()) as PackIndex, features);
      const tables = Object.fromEntries(manifest.tables.map(({ name, bytes }) => [name, bytes]));
      const total = manifestBytes + indexBytes + Object.values(tables).reduce((sum, bytes) => sum + bytes, 0);
      const cardMilliseconds = times.sort((a, b) => a - b)[times.length >> 1] ?? NaN;
      return { features, bytesPerFeature: total / features, tables, manifestBytes, indexBytes, writeSeconds, cards, worstBytes, cardMilliseconds };
    } finally {
      await server.close();
    }
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** The most that the four row groups of any one feature take together. */
function dearestGroups(index: PackIndex, features: number): number {
  let most = 0;
  for (let feature = 0; feature < features; feature++) {
    const groups = Object.values(index.tables).map(({ featuresPerGroup, sizes }) => sizes[Math.floor(feature / featuresPerGroup)] ?? 0);
    most = Math.max(most, groups.reduce((sum, size) => sum + size, 0));
  }
  return most;
}

/** One line for each broken budget. A smaller pack's index is counted as if it were of 24,576 features. */
export function brokenBudgets(cost: PackCost): string[] {
  const grown = Math.round(cost.indexBytes * Math.max(0, BUDGET.features / cost.features - 1));
  const broken: string[] = [];
  for (const card of cost.cards) {
    if (card.ranges > BUDGET.ranges || card.plain > 2) broken.push(`feature ${card.feature}: ${card.ranges} range requests and ${card.plain} plain ones; the budget is ${BUDGET.ranges} and 2`);
    if (card.bytes + grown > BUDGET.cardBytes) broken.push(`feature ${card.feature}: ${card.bytes + grown} bytes; the budget is ${BUDGET.cardBytes}`);
  }
  if (cost.worstBytes + grown > BUDGET.cardBytes) broken.push(`the dearest card: ${cost.worstBytes + grown} bytes; the budget is ${BUDGET.cardBytes}`);
  if (cost.bytesPerFeature > BUDGET.bytesPerFeature) broken.push(`${cost.bytesPerFeature.toFixed(0)} bytes a feature; the budget is ${BUDGET.bytesPerFeature}`);
  return broken;
}

async function main(): Promise<void> {
  const { values } = parseArgs({ options: { features: { type: 'string', default: String(BUDGET.features) }, json: { type: 'string' } } });
  const features = Number(values.features);
  if (!Number.isInteger(features) || features < 1) throw new Error(`--features takes a whole number, not ${values.features}`);
  console.error(`saekit: a synthetic pack of ${features} features is written and served …`);
  const cost = await measurePack(features);
  const broken = brokenBudgets(cost);
  const first = cost.cards[0]?.bytes ?? NaN;
  const kb = (bytes: number): string => `${(bytes / 1024).toFixed(1)} KB`;
  console.log(`pack of ${features} features, written in ${cost.writeSeconds.toFixed(1)} s`);
  for (const [name, bytes] of Object.entries(cost.tables)) console.log(`  ${name.padEnd(14)} ${kb(bytes).padStart(12)}  ${(bytes / features).toFixed(0).padStart(5)} bytes a feature`);
  console.log(`  ${'manifest.json'.padEnd(14)} ${kb(cost.manifestBytes).padStart(12)}`);
  console.log(`  ${'index.json'.padEnd(14)} ${kb(cost.indexBytes).padStart(12)}`);
  console.log(`range requests for a cold card   ${Math.max(...cost.cards.map((card) => card.ranges))}  (at most ${BUDGET.ranges})`);
  console.log(`plain requests for a cold card   ${Math.max(...cost.cards.map((card) => card.plain))}  (manifest.json and index.json)`);
  console.log(`bytes for the first card         ${first} = ${kb(first)}; for the dearest of all ${cost.worstBytes} = ${kb(cost.worstBytes)}  (at most ${kb(BUDGET.cardBytes)})`);
  console.log(`bytes a feature, all files       ${cost.bytesPerFeature.toFixed(0)} = ${kb(cost.bytesPerFeature)}  (at most ${kb(BUDGET.bytesPerFeature)})`);
  console.log(`time for a cold card from disk   ${cost.cardMilliseconds.toFixed(0)} ms`);
  if (values.json !== undefined) await writeFile(values.json, `${JSON.stringify({ ...cost, budget: BUDGET, broken }, null, 1)}\n`);
  for (const line of broken) console.error(`over budget: ${line}`);
  if (broken.length > 0) process.exitCode = 1;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await main();
