/** `saekit generate` as a child process. */
import assert from 'node:assert/strict';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { openSafetensors } from '../../engine/formats/safetensors.js';
import { generate } from '../../engine/generate/generate.js';
import { bytesSource } from '../../engine/io/bytes.js';
import { cli, jsonOf } from '../support/cli.js';

let folder = '';
before(async () => void (folder = await mkdtemp(join(tmpdir(), 'saekit-generate-'))));
after(() => rm(folder, { recursive: true }));

const rowsOf = async (path: string): Promise<ArrayLike<number>> => {
  const file = await openSafetensors(bytesSource(path, await readFile(path)));
  return file.tensors.get('activations')!.read();
};

describe('generate', () => {
  it('writes the rows that the engine makes, and says what they are', async () => {
    const out = join(folder, 'spiked');
    const run = await cli(['generate', 'spiked', '--d', '16', '--set', 'features=40', '--set', 'active=3', '--set', 'rho=0.5', '--seed', '4', '--rows', '1500', '--out', out, '--json']);
    const report = jsonOf(run);
    assert.deepEqual(Object.keys(report), ['kind', 'rows', 'd', 'seed', 'features', 'l0', 'gamma', 'seconds', 'rows_per_second', 'out']);
    assert.deepEqual([report['kind'], report['rows'], report['d'], report['seed'], report['features'], report['l0'], report['out']], ['spiked', 1500, 16, 4, 40, 3, out]);
    assert.deepEqual((await readdir(out)).sort(), ['activations.safetensors', 'spec.json', 'truth.safetensors']);
    const spec = { kind: 'spiked', d: 16, features: 40, active: 3, rho: 0.5, seed: 4 } as const;
    assert.deepEqual(await rowsOf(join(out, 'activations.safetensors')), generate(spec, 1500).x);
    // The same again from its own description, over what is there; and rows held out.
    const again = join(folder, 'again');
    for (const extra of [[], ['--held-out']]) {
      assert.equal((await cli(['generate', '--spec', join(out, 'spec.json'), '--rows', '20', '--out', again, '--quiet', ...extra])).status, 0);
      assert.deepEqual(await rowsOf(join(again, 'activations.safetensors')), generate(spec, 20, { heldOut: extra.length > 0 }).x);
    }
  });

  it('fields of a base, presets and lists by flags; flags win over the file', async () => {
    const file = join(folder, 'spec-in.json');
    await writeFile(file, JSON.stringify({ kind: 'rare', d: 8, seed: 1, base: { kind: 'superposition', features: 9 } }));
    const out = join(folder, 'rare');
    const run = await cli(['generate', '--spec', file, '--seed', '2', '--set', 'probabilities=[0.1]', '--set', 'base.p_high=0.5', '--set', 'base.magnitude=uniform', '--rows', '5', '--out', out]);
    assert.equal(run.status, 0, run.stderr);
    assert.match(run.stdout, /^5 rows of 8 dimensions: rare, seed 2\n17 true features, L0 .*\ngamma .*\n.*\nactivations: .*#activations\n$/);
    const spec = JSON.parse(await readFile(join(out, 'spec.json'), 'utf8')) as { base: Record<string, unknown>; probabilities: unknown };
    assert.deepEqual([spec.probabilities, spec.base['features'], spec.base['p_high'], spec.base['magnitude'], spec.base['seed']], [[0.1], 9, 0.5, 'uniform', 2]);
    const small = jsonOf(await cli(['generate', '--preset', 'synthsaebench-small', '--d', '32', '--rows', '100', '--out', join(folder, 'small'), '--json']));
    assert.deepEqual([small['kind'], small['d'], small['features']], ['superposition', 32, 1024]);
  });

  it('wrong use is told with what to do, and leaves nothing', async () => {
    const out = join(folder, 'none');
    for (const [args, message] of [
      [['spiked'], /"d" is missing/],
      [['spiked', '--d', '8', '--set', 'rho=2'], /spiked: "rho" is 2; expected a number of at least 0 and below 1/],
      [['spiked', '--d', '8', '--set', 'nope=2'], /no field "nope"\n {2}There are d, seed, features/],
      [['spiked', '--d', '8', '--set', 'rho'], /Expected FIELD=VALUE/],
      [['nope', '--d', '8'], /"kind" is "nope"\n {2}There are gaussian/],
      [[], /which kind\?/],
      [['--preset', 'nope'], /no preset "nope"/],
      [['--spec', join(folder, 'absent.json')], /--spec .*absent\.json: cannot be read/],
      [['gaussian', '--d', '8', '--set', 'mean.x=1', '--set', 'mean=3'], /"mean" is 3/],
    ] as const) {
      const run = await cli(['generate', ...args, '--rows', '5', '--out', out]);
      assert.equal(run.status, 2, `${args.join(' ')}: ${run.stderr}`);
      assert.match(run.stderr, message);
      assert.equal(run.stdout, '');
    }
    assert.ok(!(await readdir(folder)).includes('none'));
  });
});
