/**
 * `npm run examples:dying`: the packs of examples/dying/, from runs that it trains on the embedded
 * model, each with the same recipe but for the flags below (some three minutes a run on two cores).
 *
 *   npm run examples:dying -- --runs DIR     where the runs are, or go to (build/dying-runs/)
 *   npm run examples:dying -- --out DIR      in place of examples/dying/
 *   npm run examples:dying -- zero mean      these packs only
 */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync } from 'node:fs';
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
  topk: ours('--arch', 'topk', '--k', '16', '--l1', '0'),
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
  'seed-1': { run: 'seed-1', beside: BESIDE, flags: ['--without', 'sae/examples'] },
  'seed-2': { run: 'seed-2', beside: BESIDE, flags: ['--without', 'sae/examples'] },
};

const { values, positionals } = parseArgs({ allowPositionals: true, options: { runs: { type: 'string', default: 'build/dying-runs' }, out: { type: 'string', default: 'examples/dying' } } });
const unknown = positionals.filter((name) => !Object.hasOwn(PACKS, name));
if (unknown.length > 0) {
  process.stderr.write(`There is no pack ${unknown.join(', ')}; there are ${Object.keys(PACKS).join(', ')}.\n`);
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

for (const name of positionals.length > 0 ? positionals : ['zero', 'mean', 'frozen', 'median', 'reference']) {
  const { run, beside, flags } = PACKS[name];
  const others = beside.flatMap((other) => ['--compare', `${other}=${trained(other)}`]);
  const folder = run === null ? 'examples/dying/reference-run' : trained(run);
  saekit(['dying', '--run', folder, ...MODEL, '--tokenizer', `${EMBEDDED}/tokenizer.json`, '--backend', 'wasm', ...others, ...flags, '--out', join(values.out, name)]);
}
