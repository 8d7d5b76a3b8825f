/** Sweeps that train: tables, resuming, failures, and the program around them. */
import assert from 'node:assert/strict';
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { UsageError } from '../../engine/errors.js';
import { executeRun, parseSweep, planRun, readSweep, runSweep, type SweepConfig, type SweepEvent, type SweepOptions, type SweepRow, type SweepTable } from '../../engine/sweep/index.js';
import { cli, jsonOf, outcome, startCli } from '../support/cli.js';
import { parseCsv, parseXml } from '../support/sweep-files.js';

const CONFIG = {
  name: 'small',
  data: { kind: 'spiked', d: 12, features: 24, active: 2 },
  base: { arch: 'topk', d_sae: 24, k: 3, mse: 'mean', auxk: 0, lr: 0.003, warmup: 0, clip: null, batch: 32, steps: 60, dead_after: 640, checkpoints: '0,30,60', log_every: 10 },
  grid: { 'data.rho': [0, 0.9], b_dec: ['zero', 'mean'], seed: [0, 1] },
  evaluate: { rows: 2048 },
  backend: 'wasm',
};

let dir = '';
before(async () => void (dir = await mkdtemp(join(tmpdir(), 'saekit-sweep-'))));
after(() => rm(dir, { recursive: true, force: true }));

const config = (change: Record<string, unknown> = {}): SweepConfig => parseSweep({ ...CONFIG, ...change }, 'config.json');
const sweep = (out: string, change: Record<string, unknown> = {}, options: Partial<SweepOptions> = {}): Promise<SweepTable> => runSweep({ config: config(change), out, plan: planRun, execute: executeRun, ...options });
/** What two sweeps that did the same must have in common: all but how long it took. */
const timeless = (rows: readonly SweepRow[]): unknown => rows.map((row) => ({ ...row, figures: row.figures === null ? null : { ...row.figures, seconds: 0 } }));
/** Everything that a run learnt, as it would go on from it. */
const weights = (folder: string): Promise<Buffer> => readFile(join(folder, 'state.bin'));

describe('a sweep', () => {
  let out = '';
  let table: SweepTable;
  const events: SweepEvent[] = [];
  before(async () => {
    out = join(dir, 'whole');
    table = await sweep(out, {}, { onEvent: (event) => events.push(event) });
  });

  it('has a row for every run in the grid\'s order, each with its figures', () => {
    assert.deepEqual(table.rows.map(({ run }) => run), ['rho-0_b_dec-zero_seed-0', 'rho-0_b_dec-zero_seed-1', 'rho-0_b_dec-mean_seed-0', 'rho-0_b_dec-mean_seed-1', 'rho-0.9_b_dec-zero_seed-0', 'rho-0.9_b_dec-zero_seed-1', 'rho-0.9_b_dec-mean_seed-0', 'rho-0.9_b_dec-mean_seed-1']);
    for (const { status, figures, message } of table.rows) {
      assert.equal(status, 'done', message ?? '');
      assert.ok(figures !== null);
      assert.equal(figures.steps, 60);
      assert.equal(figures.tokens, 60 * 32);
      assert.equal(figures.rows, 2048);
      assert.ok(figures.l0 > 0 && figures.l0 <= 3 && figures.fvu > 0 && figures.ev === 1 - figures.fvu);
      assert.deepEqual([figures.n_over_N, figures.N_is], [1, 'features']);
      for (const share of [figures.dead, figures.silent, figures.below_1e_4, figures.coherence, figures.coherence_truth, figures.mcc, figures.mmcs]) assert.ok(share !== null && share >= 0 && share <= 1);
      assert.ok(figures.below_1e_4 >= figures.dead);
    }
  });

  it('knows γ: that of the generator in closed form, and none around b_dec where it began at the mean', () => {
    for (const { settings, figures } of table.rows) {
      const { gamma, gamma_start, gamma_end } = figures ?? assert.fail();
      if (settings['b_dec'] === 'zero') assert.ok(Math.abs((gamma_start ?? 0) - gamma) < 1e-9);
      else assert.ok((gamma_start ?? 9) < 0.12, `${gamma_start}`);
      // Learning moves b_dec, by at most lr a step and dimension.
      assert.ok(Math.abs(gamma_end - (gamma_start ?? 0)) * Math.sqrt(1) < 60 * 0.0035 * Math.sqrt(12));
    }
    // 2 active of U(1, 3) with a shared direction: mean 4 sqrt(.9) along v, variance 2 E a^2 / 10 + 0.9 * 2 / 3, E a^2 = 13 / 3; the rest of the dictionary adds its own.
    const spiked = table.rows.filter(({ settings }) => settings['data.rho'] === 0.9).map(({ figures }) => figures?.gamma ?? 0);
    const expected = (4 * Math.sqrt(0.9)) / Math.sqrt((2 * 13) / 3 / 10 + (0.9 * 2) / 3);
    for (const gamma of spiked) assert.ok(Math.abs(gamma / expected - 1) < 0.15, `${gamma} for ${expected}`);
  });

  it('flags that γ and the coherence moved with rho', () => {
    const flagged = table.confounds.filter(({ knob, where }) => knob === 'data.rho' && where === null).map(({ quantity }) => quantity);
    assert.ok(flagged.includes('gamma') && flagged.includes('coherence_truth'), flagged.join());
    assert.ok(table.confounds.some(({ knob, quantity, rho }) => knob === 'b_dec' && quantity === 'gamma_start' && rho < 0));
  });

  it('leaves the table as JSON and CSV, the frontier as SVG, and a folder a run', async () => {
    assert.deepEqual((await readdir(out)).sort(), [...table.rows.flatMap(({ run }) => [run, `${run}.json`]), 'frontier.svg', 'sweep.csv', 'sweep.json'].sort());
    assert.deepEqual(JSON.parse(await readFile(join(out, 'sweep.json'), 'utf8')), JSON.parse(JSON.stringify(table)));
    const [head = [], ...lines] = parseCsv(await readFile(join(out, 'sweep.csv'), 'utf8'));
    assert.equal(lines.length, 8);
    assert.equal(Number(lines[3]?.[head.indexOf('fvu')]), table.rows[3]?.figures?.fvu);
    parseXml(await readFile(join(out, 'frontier.svg'), 'utf8'));
    assert.deepEqual(await readSweep(out), JSON.parse(JSON.stringify(table)));
  });

  it('tells its plan, its progress to the end, and each row', () => {
    assert.deepEqual(events[0], { type: 'plan', runs: 8, skipped: 0, due: 8 });
    const progress = events.filter((event) => event.type === 'progress');
    assert.deepEqual([progress.at(-1)?.done, progress.at(-1)?.of, progress.at(-1)?.etaSeconds], [480, 480, 0]);
    for (let i = 1; i < progress.length; i++) assert.ok((progress[i]?.done ?? 0) >= (progress[i - 1]?.done ?? 0));
    assert.deepEqual(events.filter((event) => event.type === 'end').map(({ row }) => row), table.rows);
  });

  it('skips what is done', async () => {
    const before = await readFile(join(out, `${table.rows[0]?.run}.json`));
    const again: SweepEvent[] = [];
    assert.deepEqual(await sweep(out, {}, { onEvent: (event) => again.push(event), execute: () => assert.fail('a run that was done') }), table);
    assert.deepEqual(again, [{ type: 'plan', runs: 8, skipped: 8, due: 0 }]);
    assert.deepEqual(await readFile(join(out, `${table.rows[0]?.run}.json`)), before);
  });

  it('grows: values that are added are new runs beside the old', async () => {
    const grown = await sweep(out, { grid: { ...CONFIG.grid, seed: [0, 1, 2] } }, { maxRuns: 1 });
    assert.equal(grown.rows.length, 12);
    assert.deepEqual(grown.rows.filter(({ status }) => status === 'done').length, 9);
    assert.equal(grown.rows.find(({ run }) => run === 'rho-0_b_dec-zero_seed-2')?.status, 'done');
    assert.equal((await sweep(out)).rows.length, 8);
  });

  it('interrupted and resumed it is what it is uninterrupted, to the byte', async () => {
    const cut = join(dir, 'cut');
    const controller = new AbortController();
    let begun = 0;
    const stopped = await sweep(cut, {}, {
      signal: controller.signal,
      onEvent: (event) => {
        if (event.type === 'begin') begun++;
        if (event.type === 'progress' && begun === 3 && event.done >= 2 * 60 + 41) controller.abort();
      },
    });
    assert.deepEqual(stopped.rows.map(({ status }) => status), ['done', 'done', 'stopped', ...Array<string>(5).fill('waiting')]);
    const part = await sweep(cut, {}, { only: 'rho=0, b_dec=mean', maxRuns: 1 });
    assert.deepEqual(part.rows.map(({ status, message }) => message ?? status), ['done', 'done', 'done', ...Array<string>(5).fill('waiting')]);
    const resumed = await sweep(cut);
    assert.deepEqual(timeless(resumed.rows), timeless(table.rows));
    assert.deepEqual(resumed.confounds, table.confounds);
    for (const { run } of table.rows) assert.deepEqual(await weights(join(cut, run)), await weights(join(out, run)), run);
  });

  it('refuses a run whose recipe, data or evaluation changed, before anything starts', async () => {
    const execute = (): never => assert.fail('a run was started');
    await assert.rejects(sweep(out, { base: { ...CONFIG.base, lr: 0.004 } }, { execute }), (error) => error instanceof UsageError && /rho-0_b_dec-zero_seed-0: was begun with other settings: lr was 0\.003 and is now 0\.004/.test(error.message));
    await assert.rejects(sweep(out, { data: { ...CONFIG.data, active: 3 } }, { execute }), /data\.active was 2 and is now 3/);
    await assert.rejects(sweep(out, { evaluate: { rows: 4096 } }, { execute }), /evaluate\.rows was 2048 and is now 4096/);
  });

  it('refuses knobs and settings of the data that there are not, or that do not fit', async () => {
    await assert.rejects(sweep(join(dir, 'no'), { grid: { learning_rate: [1] } }), (error) => error instanceof UsageError && /run learning_rate-1: .*learning_rate/.test(error.message));
    await assert.rejects(sweep(join(dir, 'no'), { grid: { 'data.coherence': [1] } }), (error) => error instanceof UsageError && /coherence/.test(error.message));
    await assert.rejects(sweep(join(dir, 'no'), { grid: { lr: ['fast'] } }), (error) => error instanceof UsageError && /lr/.test(error.message));
    assert.ok(!(await readdir(dir)).includes('no'));
  });
});

describe('runs that end badly', () => {
  it('stand in the table, and the others go on', async () => {
    const out = join(dir, 'bad');
    // A file where a run's folder has to be: that run cannot write.
    await mkdir(out);
    await writeFile(join(out, 'lr-0.003'), '');
    const grid = { lr: [0.003, 1e30, 0.002] };
    const table = await sweep(out, { grid });
    assert.deepEqual(table.rows.map(({ status }) => status), ['failed', 'diverged', 'done']);
    assert.match(table.rows[0]?.message ?? '', /lr-0\.003: cannot be a run's folder \(it is a file\)/);
    assert.match(table.rows[1]?.message ?? '', /step \d+/);
    const [head = [], ...lines] = parseCsv(await readFile(join(out, 'sweep.csv'), 'utf8'));
    assert.deepEqual(lines.map((line) => line[head.indexOf('status')]), ['failed', 'diverged', 'done']);
    assert.deepEqual(lines.map((line) => line[head.indexOf('fvu')] === ''), [true, true, false]);
    // What failed is tried again once its cause is gone; what diverged is not.
    await rm(join(out, 'lr-0.003'), { recursive: true });
    const begun: string[] = [];
    const again = await sweep(out, { grid }, { onEvent: (event) => void (event.type === 'begin' && begun.push(event.run)) });
    assert.deepEqual(begun, ['lr-0.003']);
    assert.deepEqual(again.rows.map(({ status }) => status), ['done', 'diverged', 'done']);
  });
});

describe('saekit sweep', () => {
  const file = (): string => join(dir, 'config.json');
  before(() => writeFile(file(), JSON.stringify(CONFIG)));

  it('prints the table, and again with --summary', async () => {
    const out = join(dir, 'program');
    const first = await cli(['sweep', file(), '--out', out, '--quiet']);
    assert.equal(first.status, 0, first.stderr);
    for (const word of ['γ', 'coh', 'L0', 'n/N', 'EV', 'FVU', 'dead %', 'MCC', 'MMCS', 'Means over seeds', 'γ of the data rises with data.rho']) assert.ok(first.stdout.includes(word), `${word} in\n${first.stdout}`);
    const table = (text: string): string => text.slice(0, text.lastIndexOf('\n\n'));
    assert.equal(table((await cli(['sweep', '--summary', out])).stdout), table(first.stdout));
  });

  it('with --jobs 2 comes to the same, to the byte', async () => {
    const [one, two] = [join(dir, 'program'), join(dir, 'jobs')];
    const result = jsonOf(await cli(['sweep', file(), '--out', two, '--jobs', '2', '--json', '--quiet']));
    assert.deepEqual([result['runs'], result['failed']], [8, 0]);
    const rows = (await readSweep(two)).rows;
    assert.deepEqual(timeless(rows), timeless((await readSweep(one)).rows));
    for (const { run } of rows) assert.deepEqual(await weights(join(two, run)), await weights(join(one, run)), run);
  });

  for (const jobs of ['1', '2']) {
    it(`stops at Ctrl-C and goes on after it, --jobs ${jobs}`, async () => {
      const out = join(dir, `stopped-${jobs}`);
      await writeFile(join(dir, 'long.json'), JSON.stringify({ ...CONFIG, base: { ...CONFIG.base, steps: 100_000, checkpoints: '0,100000' }, grid: { seed: [0, 1] } }));
      const child = startCli(['sweep', join(dir, 'long.json'), '--out', out, '--jobs', jobs]);
      const ended = outcome(child);
      for (let waited = 0; !(await readdir(join(out, 'seed-0')).catch((): string[] => [])).includes('state.bin'); waited += 50) {
        assert.ok(waited < 30_000, 'no run began');
        await new Promise((later) => setTimeout(later, 50));
      }
      await new Promise((later) => setTimeout(later, 700));
      child.kill('SIGINT');
      const { status, stderr } = await ended;
      assert.equal(status, 1);
      assert.match(stderr, /stopped; 2 runs of 2 not done\n {2}The same command goes on from here\./);
      const statuses = (await readSweep(out)).rows.map((row) => row.status);
      assert.equal(statuses[0], 'stopped');
      assert.ok((await readdir(join(out, 'seed-0'))).includes('state.bin'));
    });
  }

  it('says what is wrong with its input, with status 2', async () => {
    const wrong = async (json: unknown, message: RegExp, ...args: string[]): Promise<void> => {
      const path = join(dir, 'wrong.json');
      await writeFile(path, typeof json === 'string' ? json : JSON.stringify(json));
      const { status, stdout, stderr } = await cli(['sweep', path, ...args]);
      assert.match(stderr, message);
      assert.deepEqual([stdout, status], ['', 2], stderr);
    };
    const out = ['--out', join(dir, 'never')];
    await wrong({ ...CONFIG, grid: {} }, /wrong\.json: grid: is empty/, ...out);
    await wrong({ ...CONFIG, grid: { lr: [1, 1] } }, /grid\.lr: has 1 twice/, ...out);
    await wrong({ ...CONFIG, grid: { learning_rate: [1] } }, /learning_rate/, ...out);
    await wrong(CONFIG, /says no out folder, and there is no --out/);
    await wrong(CONFIG, /--only k=3: k is not swept/, ...out, '--only', 'k=3');
    const { status, stderr } = await cli(['sweep']);
    assert.ok(status === 2 && /a config file is missing/.test(stderr), stderr);
    const none = await cli(['sweep', '--summary', dir]);
    assert.ok(none.status === 2 && /holds no sweep/.test(none.stderr), none.stderr);
    assert.ok(!(await readdir(dir)).includes('never'));
  });

  it('says which file cannot be read', async () => {
    await writeFile(join(dir, 'broken.json'), '{');
    const { status, stderr } = await cli(['sweep', join(dir, 'broken.json'), '--out', join(dir, 'never')]);
    assert.ok(status === 1 && /broken\.json: is not JSON/.test(stderr), stderr);
  });
});
