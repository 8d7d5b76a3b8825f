/**
 * `node --import ./scripts/ts.mjs bench/rare.ts --acts FILE RUN…`: what became of the rare features of training runs, as a
 * table: the last checkpoint's figures, and their shared direction (engine/dying/rare-direction.ts). Wants densities over all tokens.
 */
import { parseArgs } from 'node:util';
import { rareDirections } from '../engine/dying/rare-direction.js';
import { openTrainData } from '../engine/train/open-data.js';
import { openRun } from '../engine/train/run-reader.js';
import { dataStatistics } from '../engine/train/data-statistics.js';

const { values, positionals } = parseArgs({ options: { acts: { type: 'string' } }, allowPositionals: true });
if (values.acts === undefined || positionals.length === 0) throw new Error('usage: bench/rare.ts --acts FILE RUN…');
const data = await openTrainData({ acts: values.acts, seed: 0 });
const { mean } = await dataStatistics(data, { median: false });
const text = (value: number | null | undefined, digits: number): string => (value === null || value === undefined ? '–' : value.toFixed(digits));
console.log('| run | L0 | FVU | dead | below 1e-5 | below 1e-4 | rare D/E, quartiles | live D/E, median | cos(r̄, −(μ − b_dec)) | own cosine, median | rare bias | live bias |\n|---|---:|---:|---:|---:|---:|---|---:|---:|---:|---:|---:|');
for (const path of positionals) {
  const run = await openRun(path);
  const last = run.record.checkpoints.at(-1);
  const density = (await run.densities()).at(-1);
  if (last === undefined || density === undefined) throw new Error(`${path}: has no evaluated checkpoint`);
  const sae = await run.sae(last.step);
  const { d_in: d, d_sae: n } = sae;
  const encoder = Float32Array.from({ length: n * d }, (_, at) => sae.W_enc[(at % d) * n + Math.floor(at / d)]!);
  const { rare, live } = rareDirections({ d, encoder, decoder: sae.W_dec, bias: sae.b_enc, b_dec: sae.b_dec, mean, counts: density.counts, tokens: density.tokens });
  console.log(`| ${path.replace(/.*\//, '')} | ${text(last.l0, 3)} | ${text(last.fvu, 4)} | ${last.classes?.dead ?? '–'} | ${last.below_1e_5 ?? '–'} | ${last.below_1e_4 ?? '–'} | ${text(rare.de?.q25, 3)}, ${text(rare.de?.median, 3)}, ${text(rare.de?.q75, 3)} | ${text(live.de?.median, 3)} | ${text(rare.offset_cosine, 3)} | ${text(rare.own_cosine?.median, 3)} | ${text(rare.bias?.median, 3)} | ${text(live.bias?.median, 3)} |`);
}
