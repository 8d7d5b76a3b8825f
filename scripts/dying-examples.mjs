/**
 * `npm run examples:dying`: the packs of examples/dying/, from runs that it trains on the embedded
 * model, each with the same recipe but for the flags below (some three minutes a run on two cores);
 * `verdicts.json`; and `acts.safetensors`, rows of the same activations for the lab.
 *
 *   npm run examples:dying -- --runs DIR     where the runs are, or go to (build/dying-runs/)
 *   npm run examples:dying -- --out DIR      in place of examples/dying/
 *   npm run examples:dying -- zero mean acts these only
 */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { ROOT } from './setup.mjs';

const EMBEDDED = 'examples/stories260k';
const MODEL = ['--model', `${EMBEDDED}/model.onnx`, '--tokens', `${EMBEDDED}/tokens.npy`, '--ignore-tokens', '1'];
const RECIPE = '--d-sae 1024 --batch 2048 --steps 12000 --lr 1e-3 --warmup 100 --b-dec zero --encoder-init kaiming:0.5 --normalize expected_average_only_in --checkpoints log:24 --log-every 40 --backend wasm'.split(' ');
const [RESIDUAL, STANDARD] = [['--hook', 'blocks.2.hook_resid_post'], ['--arch', 'standard', '--l1', '2.5', '--seed', '0']];
/** A later flag replaces an earlier one. */
const ours = (...flags) => [...MODEL, ...RESIDUAL, ...RECIPE, ...STANDARD, ...flags];

/** What each run is trained with. */
const RUNS = {
  zero: ours(),
  'seed-1': ours('--seed', '1'),
  'seed-2': ours('--seed', '2'),
  mean: ours('--b-dec', 'mean'),
  frozen: ours('--freeze-b-dec', 'true'),
  median: ours('--b-dec', 'geometric-median'),
  'l1-5': ours('--l1', '5'),
  sgd: ours('--optimizer', 'sgd', '--lr', '1e-2'),
  'sgd-l1-5': ours('--optimizer', 'sgd', '--lr', '1e-2', '--l1', '5'),
  deflate: ours('--deflate', 'mean'),
  noise: ours('--noise', '0.5'),
  'mlp-post': ours('--hook', 'blocks.2.mlp.hook_post'),
  'mlp-out': ours('--hook', 'blocks.2.hook_mlp_out'),
  topk: ours('--arch', 'topk', '--k', '16', '--l1', '0', '--auxk', '0'),
  planted: ['--generate', 'examples/generators/rare-useful.json', ...RECIPE, ...STANDARD],
};
const BESIDE = Object.keys(RUNS).filter((name) => name !== 'zero' && !name.startsWith('seed-'));

/** Of a pack that shows how densities and directions came out, no more than that. */
const HEAVY = ['hyperplane', 'conspiracy', 'gradient-anatomy', 'interpretability-null', 'rare-cofiring', 'certificate', 'verdict', 'examples'].flatMap((id) => ['--without', `sae/${id}`]);
const SMALL = [...HEAVY, '--set', 'sae/evolution.frames=13'];
/** Which run a pack is of, and its own flags. */
const PACKS = {
  zero: { run: 'zero', beside: BESIDE, flags: [] },
  mean: { run: 'mean', beside: [], flags: SMALL },
  frozen: { run: 'frozen', beside: [], flags: SMALL },
  median: { run: 'median', beside: [], flags: SMALL },
  reference: { run: null, beside: BESIDE, flags: ['--without', 'sae/examples'] },
  // Of these the verdict alone is kept.
  'seed-1': { run: 'seed-1', beside: BESIDE, flags: ['--without', 'sae/examples'], aside: true },
  'seed-2': { run: 'seed-2', beside: BESIDE, flags: ['--without', 'sae/examples'], aside: true },
};

const { values, positionals } = parseArgs({ allowPositionals: true, options: { runs: { type: 'string', default: 'build/dying-runs' }, out: { type: 'string', default: 'examples/dying' } } });
const unknown = positionals.filter((name) => name !== 'acts' && !Object.hasOwn(PACKS, name));
if (unknown.length > 0) {
  process.stderr.write(`There is no ${unknown.join(', ')}; there are ${Object.keys(PACKS).join(', ')} and acts.\n`);
  process.exit(2);
}
process.chdir(ROOT);

function saekit(args) {
  process.stderr.write(`saekit ${args.join(' ')}\n`);
  const { status, error } = spawnSync(process.execPath, ['dist/cli.js', ...args], { stdio: ['ignore', 'ignore', 'inherit'] });
  if (error !== undefined) throw error;
  if (status !== 0) throw new Error(`saekit ${args[0]} ended with status ${status}`);
}

/** The folder of a run that is done; trained where it is not there. */
function trained(name) {
  const folder = join(values.runs, name);
  const record = join(folder, 'run.json');
  if (existsSync(record) && JSON.parse(readFileSync(record, 'utf8')).status === 'done') return folder;
  mkdirSync(values.runs, { recursive: true });
  saekit(['train', ...RUNS[name], '--overwrite', '--quiet', '--out', folder]);
  return folder;
}

/** verdicts.json: what came out for each run, in the order of PACKS. */
function keepVerdict(name, pack) {
  const file = join(values.out, 'verdicts.json');
  const all = existsSync(file) ? JSON.parse(readFileSync(file, 'utf8')) : {};
  const { plugins } = JSON.parse(readFileSync(join(pack, 'manifest.json'), 'utf8'));
  all[name] = plugins.find(({ id }) => id === 'sae/verdict').summary.results.map(({ id, value, interval, null_value, outcome, needs_tokens }) => ({ id, value, interval, null_value, outcome, needs_tokens }));
  const ordered = Object.keys(PACKS).filter((one) => Object.hasOwn(all, one));
  const lines = ordered.map((one) => `  ${JSON.stringify(one)}: [\n${all[one].map((result) => `    ${JSON.stringify(result)}`).join(',\n')}\n  ]`);
  writeFileSync(file, `{\n${lines.join(',\n')}\n}\n`);
}

/** Rows of acts.safetensors, evenly spaced over those that count. */
const ROWS = 32_768;

async function writeActivations() {
  const { modelSource, writeSafetensors } = await import('../dist/index.js');
  const [, model, , tokens, , bos] = MODEL;
  const source = await modelSource({ model, tokens, hook: RESIDUAL[1] });
  const rows = [];
  for await (const { x, tokens: ids } of source.batches({ contextsPerBatch: 64 })) ids.forEach((id, row) => id !== Number(bos) && rows.push(x.slice(row * source.d, (row + 1) * source.d)));
  await source.close();
  const data = new Uint16Array(ROWS * source.d);
  for (let i = 0; i < ROWS; i++) data.set(Array.from(rows[Math.floor((i * rows.length) / ROWS)], half), i * source.d);
  writeFileSync(join(values.out, 'acts.safetensors'), writeSafetensors([{ name: 'acts', shape: [ROWS, source.d], data, dtype: 'F16' }], { model: 'stories260K', hook: RESIDUAL[1], rows: `${ROWS} of ${rows.length}, evenly spaced` }));
}

/** Bits of the nearest IEEE binary16, ties to even. */
function half(value) {
  const bits = new Uint32Array(Float32Array.of(value).buffer)[0];
  const magnitude = bits & 0x7fffffff;
  if (magnitude >= 0x477ff000) throw new Error(`${value} is too large for f16`);
  // Below 2^-14 halves are multiples of 2^-24; adding 2^52 of them rounds as f64 does.
  const rounded = magnitude < 0x38800000 ? Math.abs(value) * 2 ** 24 + 2 ** 52 - 2 ** 52 : (magnitude - 0x38000000 + 0xfff + ((magnitude >>> 13) & 1)) >>> 13;
  return ((bits >>> 16) & 0x8000) | rounded;
}

for (const name of positionals.length > 0 ? positionals : ['zero', 'mean', 'frozen', 'median', 'reference', 'acts']) {
  if (name === 'acts') {
    await writeActivations();
    continue;
  }
  const { run, beside, flags, aside = false } = PACKS[name];
  const others = beside.flatMap((other) => ['--compare', `${other}=${trained(other)}`]);
  const folder = run === null ? 'examples/dying/reference-run' : trained(run);
  const pack = join(aside ? values.runs : values.out, aside ? `${name}-pack` : name);
  saekit(['dying', '--run', folder, ...MODEL, '--tokenizer', `${EMBEDDED}/tokenizer.json`, '--backend', 'wasm', ...others, ...flags, '--out', pack]);
  if (beside.length > 0) keepVerdict(name, pack);
}
