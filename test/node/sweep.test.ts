/** Sweeps: the grid, its names and filters, the table as CSV, the confounds, the frontier. Runs that train are in sweep-runs.test.ts. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { UsageError } from '../../engine/errors.js';
import { canonical, expandGrid, onlyRuns, parseSweep, type Json, type SweepConfig } from '../../engine/sweep/config.js';
import { averageRanks, CONFOUND_LEVEL, confoundText, findConfounds, spearman } from '../../engine/sweep/confounds.js';
import { frontierOf, frontierSvg } from '../../engine/sweep/frontier.js';
import { FIGURES, sweepCsv, type SweepFigures, type SweepRow } from '../../engine/sweep/row.js';
import { parseCsv, parseXml } from '../support/sweep-files.js';

const config = (grid: Record<string, unknown>, rest: Record<string, unknown> = {}): SweepConfig => parseSweep({ data: { kind: 'spiked', d: 8 }, grid, ...rest }, 'sweep.json');

const FIGURE: SweepFigures = {
  steps: 100, tokens: 25_600, seconds: 1.5, rows: 4096, gamma: 2, gamma_start: 2, gamma_end: 0.5, coherence: 0.05, coherence_truth: 0.05, l0: 32, n_over_N: 1, N_is: 'features',
  mse: 1, fvu: 0.2, ev: 0.8, dead: 0.1, silent: 0.1, below_1e_4: 0.2, mcc: 0.5, mmcs: 0.6, uniqueness: 0.9,
};
const row = (settings: Record<string, Json>, figures: Partial<SweepFigures> | null, rest: Partial<SweepRow> = {}): SweepRow => ({
  run: Object.entries(settings).map((pair) => pair.join('-')).join('_'), settings, status: figures === null ? 'failed' : 'done', message: figures === null ? 'it broke' : null, figures: figures === null ? null : { ...FIGURE, ...figures }, ...rest,
});

describe('the grid', () => {
  it('is the product of its lists in their order, the last key fastest', () => {
    const runs = expandGrid(config({ 'data.rho': [0, 0.3], b_dec: ['zero', 'mean'], seed: [0, 1] }));
    assert.deepEqual(runs.map(({ name }) => name), [
      'rho-0_b_dec-zero_seed-0', 'rho-0_b_dec-zero_seed-1', 'rho-0_b_dec-mean_seed-0', 'rho-0_b_dec-mean_seed-1',
      'rho-0.3_b_dec-zero_seed-0', 'rho-0.3_b_dec-zero_seed-1', 'rho-0.3_b_dec-mean_seed-0', 'rho-0.3_b_dec-mean_seed-1',
    ]);
    assert.deepEqual(runs[5]?.settings, { 'data.rho': 0.3, b_dec: 'zero', seed: 1 });
    assert.deepEqual(runs[5]?.data, { kind: 'spiked', d: 8, rho: 0.3, seed: 1 });
    assert.deepEqual(runs[5]?.recipe, { b_dec: 'zero', seed: 1 });
  });

  it('puts nested settings where they belong, and leaves the config as it was', () => {
    const given = { kind: 'spiked', codes: { low: 1, high: 3 }, seed: 7 };
    const runs = expandGrid(config({ 'data.codes.high': [2, 4] }, { data: given }));
    assert.deepEqual(runs.map(({ data }) => data), [{ ...given, codes: { low: 1, high: 2 } }, { ...given, codes: { low: 1, high: 4 } }]);
    assert.deepEqual(given.codes, { low: 1, high: 3 });
  });

  it("takes the base's seed for a generator without one, and none for files", () => {
    assert.deepEqual(expandGrid(config({ lr: [1] }, { base: { seed: 5 } }))[0]?.data['seed'], 5);
    assert.deepEqual(expandGrid(config({ lr: [1] }, { data: { acts: 'x.npy' } }))[0]?.data, { acts: 'x.npy' });
  });

  it('names keys whose last part is not the only one in full', () => {
    assert.equal(expandGrid(config({ 'data.seed': [1], seed: [2] }))[0]?.name, 'data.seed-1_seed-2');
  });

  it('gives every run a name of its own that a file system takes', () => {
    const values = fc.uniqueArray(fc.oneof(fc.string(), fc.double({ noNaN: true }), fc.boolean(), fc.constant(null), fc.array(fc.integer(), { maxLength: 3 })), { minLength: 1, maxLength: 6, selector: canonical });
    fc.assert(
      fc.property(values, values, (a, b) => {
        const runs = expandGrid(config({ encoder_init: a, 'data.x': b }));
        assert.equal(runs.length, a.length * b.length);
        assert.equal(new Set(runs.map(({ name }) => name.toLowerCase())).size, runs.length);
        for (const { name } of runs) assert.match(name, /^[A-Za-z][A-Za-z0-9_.+-]{0,140}$/);
      }),
    );
  });

  it('keeps the names of runs when values are added', () => {
    const few = expandGrid(config({ encoder_init: ['kaiming:0.5', 'decoder'], seed: [0] })).map(({ name }) => name);
    const more = expandGrid(config({ encoder_init: ['kaiming:0.5', 'decoder', 'normal:1'], seed: [0, 1] })).map(({ name }) => name);
    assert.deepEqual(few.filter((name) => !more.includes(name)), []);
  });

  const refused: [string, unknown, RegExp][] = [
    ['a list', [], /sweep\.json: is no sweep/],
    ['an unknown key', { data: {}, grid: { seed: [0] }, grids: {} }, /sweep\.json: grids: there is no such key/],
    ['no data', { grid: { seed: [0] } }, /data: expected an object, found nothing/],
    ['no grid', { data: {} }, /grid: expected an object, found nothing/],
    ['an empty grid', { data: {}, grid: {} }, /grid: is empty/],
    ['an axis without values', { data: {}, grid: { seed: [] } }, /grid\.seed: has no values/],
    ['an axis that is no list', { data: {}, grid: { seed: 3 } }, /grid\.seed: expected a list of values, found 3/],
    ['a value twice', { data: {}, grid: { lr: [1e-3, 0.001] } }, /grid\.lr: has 0\.001 twice/],
    ['an object twice, in other order', { data: {}, grid: { 'data.x': [{ a: 1, b: 2 }, { b: 2, a: 1 }] } }, /grid\.data\.x: has .* twice/],
    ['a path that is neither knob nor data', { data: {}, grid: { 'base.lr': [1] } }, /grid\.base\.lr: is neither a knob/],
    ['a path through a number', { data: { d: 8 }, grid: { 'data.d.x': [1] } }, /grid\.data\.d\.x: data\.d is 8/],
    ['a key inside of another', { data: {}, grid: { 'data.x': [{}], 'data.x.y': [1] } }, /grid\.data\.x\.y: lies inside of data\.x/],
    ['far too many runs', { data: {}, grid: Object.fromEntries('abcdef'.split('').map((key) => [key, [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]])) }, /has 1000000 runs/],
    ['rows that are none', { data: {}, grid: { seed: [0] }, evaluate: { rows: 0 } }, /evaluate\.rows: expected a whole number/],
    ['an unknown key of the evaluation', { data: {}, grid: { seed: [0] }, evaluate: { row: 9 } }, /evaluate\.row: there is no such key/],
    ['an unknown backend', { data: {}, grid: { seed: [0] }, backend: 'cuda' }, /backend: expected auto, webgpu, wasm, found "cuda"/],
  ];
  for (const [what, json, message] of refused) {
    it(`refuses ${what}`, () => assert.throws(() => parseSweep(json, 'sweep.json'), (error) => error instanceof UsageError && message.test(error.message)));
  }

  it('--only leaves the runs that have all the values', () => {
    const runs = expandGrid(config({ 'data.rho': [0, 0.3], b_dec: ['zero', 'mean'], seed: [0, 1] }));
    assert.deepEqual(onlyRuns(runs, 'rho=0.3, b_dec=mean').map(({ name }) => name), ['rho-0.3_b_dec-mean_seed-0', 'rho-0.3_b_dec-mean_seed-1']);
    assert.equal(onlyRuns(runs, 'data.rho=0.30').length, 4);
    assert.throws(() => onlyRuns(runs, 'k=3'), /--only k=3: k is not swept/);
    assert.throws(() => onlyRuns(runs, 'rho'), /is no KEY=VALUE/);
    assert.throws(() => onlyRuns(runs, 'rho=0.5'), /no run has that/);
  });
});

describe('the table as CSV', () => {
  it('comes back as it was, whatever stands in it', () => {
    const text = fc.oneof(fc.string(), fc.constantFrom('a,b', 'a "b"', 'two\nlines', ' edge ', ''));
    fc.assert(
      fc.property(fc.array(fc.record({ word: text, number: fc.double({ noNaN: true, noDefaultInfinity: true }), message: text }), { minLength: 1, maxLength: 5 }), (items) => {
        const rows = items.map(({ word, number, message }) => row({ word, number }, { mse: number }, { message: message, run: 'r' }));
        const [head, ...lines] = parseCsv(sweepCsv(['word', 'number'], rows));
        assert.deepEqual(head, ['run', 'status', 'word', 'number', ...FIGURES, 'message']);
        for (const [i, line] of lines.entries()) {
          assert.equal(line.length, head?.length);
          const unguarded = (cell: string | undefined, is: string): void => assert.ok(cell === is || cell === `'${is}`, `${JSON.stringify(cell)} for ${JSON.stringify(is)}`);
          unguarded(line[2], items[i]?.word ?? '');
          unguarded(line.at(-1), items[i]?.message ?? '');
          assert.equal(Number(line[3]), (items[i]?.number ?? 0) + 0);
          assert.equal(Number(line[head?.indexOf('mse') ?? -1]), (items[i]?.number ?? 0) + 0);
        }
      }),
    );
  });

  it('leaves what a failed run has not, and says why it failed', () => {
    const [head = [], line = []] = parseCsv(sweepCsv(['seed'], [row({ seed: 1 }, null)]));
    assert.equal(line[head.indexOf('fvu')], '');
    assert.equal(line[head.indexOf('status')], 'failed');
    assert.equal(line[head.indexOf('message')], 'it broke');
  });

  it('begins no cell with what a spreadsheet would run', () => {
    const csv = sweepCsv(['word'], [row({ word: '=1+1' }, {}, { run: 'r', message: '-cmd' })]);
    assert.match(csv, /,'=1\+1,/);
    assert.match(csv, /,'-cmd\n$/);
  });
});

describe('confounds', () => {
  it('ranks ties with their mean, and agrees with a worked example', () => {
    assert.deepEqual(averageRanks([3, 1, 3, 2]), [3.5, 1, 3.5, 2]);
    // Without ties rho = 1 - 6 sum d^2 / (n^3 - n); here sum d^2 = 182.
    assert.ok(Math.abs(spearman([7, 4, 3, 10, 6, 2, 9, 8, 1, 5], [5, 7, 3, 10, 1, 9, 6, 2, 8, 4]) - (1 - (6 * 182) / 990)) < 1e-12);
    assert.equal(spearman([1, 2, 3], [10, 100, 1000]), 1);
    assert.ok(Number.isNaN(spearman([1, 1, 1], [1, 2, 3])));
  });

  const rhos = [0, 0.3, 0.9];
  const grid = rhos.flatMap((rho) => ['zero', 'mean'].flatMap((b_dec) => [0, 1, 2].map((seed) => ({ rho, b_dec, seed }))));

  it('finds a planted one, and says so in words', () => {
    const rows = grid.map(({ rho, b_dec, seed }) => row({ 'data.rho': rho, b_dec, seed }, { gamma: 0.8 + 9 * rho + 0.001 * seed, gamma_start: 1, gamma_end: 1 }));
    const found = findConfounds(['data.rho', 'b_dec', 'seed'], rows);
    assert.deepEqual(found.map(({ knob, quantity, where }) => [knob, quantity, where]), [['data.rho', 'gamma', null]]);
    const [one] = found;
    assert.ok(one !== undefined && one.rho > 0.9 && one.p < 0.001 && one.runs === 18);
    assert.match(confoundText(one), /^γ of the data rises with data\.rho \(Spearman 0\.\d\d over 18 runs, 0\.8 to 8\.9\): what data\.rho seems to do may be its doing\.$/);
  });

  it('finds one that holds in a slice only', () => {
    const rows = grid.map(({ rho, b_dec, seed }) => row({ 'data.rho': rho, b_dec, seed }, { gamma_start: b_dec === 'zero' ? 1 + rho : 0.5 }));
    const found = findConfounds(['data.rho', 'b_dec', 'seed'], rows).filter(({ knob }) => knob === 'data.rho');
    assert.deepEqual(found.map(({ quantity, where }) => [quantity, where]), [['gamma_start', { b_dec: 'zero' }]]);
    assert.match(confoundText(found[0] as (typeof found)[0]), /where b_dec = zero/);
  });

  it('finds none in a clean grid, not even with noise in every quantity', () => {
    const noise = (i: number): number => Math.sin(12.9898 * (i + 1)) * 0.5 + 1;
    const rows = grid.map(({ rho, b_dec, seed }, i) => row({ 'data.rho': rho, b_dec, seed }, { gamma: noise(i), gamma_start: noise(i + 50), gamma_end: noise(i + 100), coherence: noise(i + 150), coherence_truth: noise(i + 200), l0: noise(i + 250), n_over_N: noise(i + 300) }));
    const all = findConfounds(['data.rho', 'b_dec', 'seed'], rows).filter(({ where }) => where === null);
    assert.deepEqual(all, []);
    assert.deepEqual(findConfounds(['data.rho', 'b_dec', 'seed'], grid.map((settings) => row({ 'data.rho': settings.rho, b_dec: settings.b_dec, seed: settings.seed }, {}))), []);
  });

  it('takes words of two kinds, and of three', () => {
    const two = ['zero', 'mean'].flatMap((b_dec) => [0, 1, 2].map((seed) => row({ b_dec, seed }, { gamma_start: b_dec === 'zero' ? 2 : 0 })));
    assert.deepEqual(findConfounds(['b_dec', 'seed'], two).map(({ quantity, measure, rho }) => [quantity, measure, Math.round(rho * 1e9) / 1e9]), [['gamma_start', 'spearman', -1]]);
    const three = ['zero', 'mean', 'geometric-median'].flatMap((b_dec, i) => [0, 1, 2].map((seed) => row({ b_dec, seed }, { gamma_start: [2, 0, 1][i] as number })));
    assert.deepEqual(findConfounds(['b_dec', 'seed'], three).map(({ quantity, measure }) => [quantity, measure]), [['gamma_start', 'eta']]);
  });

  it('says when so few runs may show it by chance, and when it must be so', () => {
    const few = [8, 16, 32].map((k) => row({ k }, { l0: k, gamma_end: k / 10 }));
    const [end, l0] = findConfounds(['k'], few);
    assert.ok(end?.quantity === 'gamma_end' && l0?.quantity === 'l0');
    assert.ok(Math.abs(end.p - 1 / 3) < 1e-12);
    assert.match(confoundText(end), /by chance with p = 0\.33\): what k seems/);
    assert.match(confoundText(l0), /as it must\.$/);
  });

  it('leaves failed runs out, and says nothing of two', () => {
    assert.deepEqual(findConfounds(['k'], [row({ k: 1 }, { gamma: 1 }), row({ k: 2 }, { gamma: 9 }), row({ k: 3 }, null)]), []);
  });

  it('its p agrees with the exact one at eight runs', () => {
    // Monotone without ties: two of the 8! orders reach |rho| = 1, so that p is near 0; with the knob of two words C(8, 4) = 70 orders, of which two.
    const rows = [0, 1].flatMap((knob) => [0, 1, 2, 3].map((seed) => row({ 'data.x': knob, seed }, { gamma: 1 + knob + seed / 10 })));
    const [one] = findConfounds(['data.x', 'seed'], rows);
    assert.ok(one !== undefined && Math.abs(one.p - 2 / 70) < 0.006, String(one?.p));
    assert.ok(one.rho >= CONFOUND_LEVEL);
  });
});

describe('the frontier', () => {
  const rows = [row({ k: 8, b_dec: 'zero' }, { l0: 8, fvu: 0.5 }), row({ k: 16, b_dec: 'zero' }, { l0: 16, fvu: 0.6 }), row({ k: 32, b_dec: 'zero' }, { l0: 32, fvu: 0.1 }), row({ k: 8, b_dec: 'mean' }, { l0: 8, fvu: 0.3 }), row({ k: 16, b_dec: '<&">' }, { l0: 128, fvu: 0.05 }), row({ k: 99, b_dec: 'x' }, null)];

  it('is the runs that no other beats', () => {
    assert.deepEqual(frontierOf(rows).map(({ figures }) => [figures.l0, figures.fvu]), [[8, 0.3], [32, 0.1], [128, 0.05]]);
  });

  it('is well-formed SVG with a title, a description, a title a point and both colour schemes', () => {
    const svg = frontierSvg('a <sweep> & more', ['k', 'b_dec'], rows);
    const root = parseXml(svg);
    assert.equal(root.name, 'svg');
    assert.equal(root.attributes['role'], 'img');
    const all = root.all();
    assert.equal(all.filter(({ name, attributes }) => name === 'path' && attributes['class'] === 'point').length, 5 + 3);
    const titles = all.filter(({ name }) => name === 'title').map(({ text }) => text);
    assert.equal(titles[0], 'a <sweep> & more: L0 against FVU');
    assert.ok(titles.some((title) => title === 'k-16_b_dec-<&">: L0 128, FVU 0.05, dead 10.0 %'));
    assert.match(all.find(({ name }) => name === 'desc')?.text ?? '', /^5 of 6 runs are drawn; 1 failed/);
    assert.match(svg, /prefers-color-scheme:dark/);
    assert.doesNotMatch(svg, /NaN|undefined|<script/);
  });

  it('is well-formed whatever the figures and names are', () => {
    const figure = fc.double({ min: 0, max: 1e6, noNaN: true });
    fc.assert(
      fc.property(fc.array(fc.record({ l0: figure, fvu: figure, word: fc.string({ unit: 'binary' }) }), { maxLength: 9 }), fc.string({ unit: 'binary' }), (items, title) => {
        const svg = frontierSvg(title, ['word', 'seed'], items.map(({ l0, fvu, word }, seed) => row({ word, seed }, { l0, fvu })));
        assert.doesNotMatch(svg, /NaN|Infinity/);
        parseXml(svg);
      }),
    );
  });
});
