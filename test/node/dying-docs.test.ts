/**
 * docs/dying.md and docs/pack-format.md against the program: each flag, instrument, setting, prediction and cause as
 * the code has it, each table and column that instruments hand in, and the examples, which run.
 */
import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { DuckDBInstance, type DuckDBConnection } from '@duckdb/node-api';
import { dyingCommand } from '../../cli/commands/dying.js';
import { CAUSES, KEPT_ROWS, TAKEN_PROJECTION, TAKEN_ROWS, TWIN_COSINE } from '../../engine/dying/certificate.js';
import { CLAIMS } from '../../engine/dying/claims.js';
import * as dying from '../../engine/dying/index.js';
import { PREDICTION_IDS } from '../../engine/dying/predictions.js';
import { openPack, type Pack } from '../../engine/pack/reader.js';
import { bytesSource } from '../../engine/io/bytes.js';
import { writeSafetensors } from '../../engine/formats/safetensors.js';
import { directorySink } from '../../engine/io/sink.js';
import { openRun } from '../../engine/train/run-reader.js';
import * as training from '../../engine/train/index.js';
import { createWasmTrainBackend } from '../../engine/wasm/train/backend.js';
import { analyze } from '../../plugins/analyze.js';
import { builtins, dyingInstruments } from '../../plugins/builtin/index.js';
import { createRegistry } from '../../plugins/registry.js';
import { gaussian } from '../shared/random.js';
import { memorySource } from '../shared/stream.js';

const ROOT = new URL('../../', import.meta.url);
const guide = await readFile(new URL('docs/dying.md', ROOT), 'utf8');
const format = await readFile(new URL('docs/pack-format.md', ROOT), 'utf8');
const lines = new Set(guide.split('\n'));
const escaped = (text: string): string => text.replaceAll('|', '\\|');
const inGuide = (line: string): void => assert.ok(lines.has(line), `docs/dying.md lacks the line\n${line}`);
const blocks = (language: string): string[] => [...guide.matchAll(/```(\w+)\n([\s\S]*?)```/g)].filter(([, name]) => name === language).map(([, , text = '']) => text);

describe('docs/dying.md says what the program does', () => {
  it('has every flag as --help has it', () => {
    const { options } = dyingCommand();
    assert.ok(options.length > 20);
    for (const { flags, description, defaultValue } of options) inGuide(`| \`${flags}\` | ${escaped(description)}${defaultValue === undefined ? '' : ` (default: ${String(defaultValue)})`} |`);
    assert.equal(guide.match(/^\| `--/gm)?.length, options.length, 'flags that the program does not have');
  });

  it('has the examples of --help', () => {
    const commandsOf = (text: string): string[] => text.replaceAll(/\\\n\s*/g, '').split('\n').map((line) => line.trim()).filter((line) => line.startsWith('saekit '));
    let help = '';
    dyingCommand().configureOutput({ writeOut: (text) => (help += text) }).outputHelp();
    const commands = commandsOf(help);
    assert.equal(commands.length, 5);
    const told = new Set(blocks('sh').flatMap(commandsOf));
    for (const command of commands) assert.ok(told.has(command), command);
    const keys = /With --json: \{([^[]*)verdict:\[\{([^}]*)\}\]([^}]*)\}/.exec(help) ?? [];
    for (const name of keys.slice(1).join(',').match(/\w+/g) ?? []) assert.ok(guide.includes(`\`${name}\``), `--json: ${name}`);
  });

  it('has every instrument under its id, and every setting with its default', () => {
    let settings = 0;
    for (const { id, settings: schema = {} } of dyingInstruments) {
      assert.ok(guide.includes(`\n### \`${id}\`: `), id);
      assert.ok(guide.includes(`\n| \`${id}\` | `), `${id}: what it costs`);
      for (const [name, setting] of Object.entries(schema)) {
        inGuide(`| \`${id}.${name}\` | ${String(setting.default)} | ${escaped(setting.description)} |`);
        settings++;
      }
    }
    assert.equal(guide.match(/^\| `sae\/[\w-]+\.\w+` \|/gm)?.length, settings, 'settings that no instrument has');
  });

  it('has every prediction in the words of the rules, and every cause', () => {
    for (const id of PREDICTION_IDS) {
      const { claim, quantity, rule } = CLAIMS[id];
      const line = guide.split('\n').find((text) => text.startsWith(`| ${id} | `));
      assert.ok(line?.startsWith(`| ${id} | ${escaped(claim)} | ${escaped(quantity)} | `) && line.includes(` | ${escaped(rule)} | `), `${id} is missing, or not as engine/dying/claims.ts says`);
    }
    const section = /## Causes of death\n([\s\S]*?)\n## /.exec(guide)?.[1] ?? '';
    const told = [...section.matchAll(/^\| `([\w-]+)` \|/gm)].map(([, cause]) => cause);
    assert.deepEqual([...new Set(told)].sort(), [...CAUSES].sort());
    const rule = (cause: string): string => section.split('\n').find((line) => line.startsWith(`| \`${cause}\` |`)) ?? '';
    for (const limit of [`above ${TWIN_COSINE}`, `${100 * TAKEN_ROWS} %`]) assert.ok(rule('duplicate').includes(limit), `duplicate: ${limit}`);
    for (const limit of [`${100 * TAKEN_ROWS} %`, `${100 * TAKEN_PROJECTION} %`, KEPT_ROWS === 0.5 ? 'half' : '?']) assert.ok(rule('absorbed').includes(limit), `absorbed: ${limit}`);
  });

  it('has every element that the entry defines, and links to files that are there', async () => {
    const entry = await readFile(new URL('components/dying.ts', ROOT), 'utf8');
    for (const [, folder] of entry.matchAll(/^import '\.\/([\w-]+)\/define\.js';/gm)) {
      const source = await readFile(new URL(`components/${folder}/define.ts`, ROOT), 'utf8');
      const tag = /'(sae-[\w-]+)'/.exec(source)?.[1] ?? '';
      for (const text of [guide, await readFile(new URL('components/README.md', ROOT), 'utf8'), await readFile(new URL(`components/${folder}/README.md`, ROOT), 'utf8')]) assert.ok(text.includes(`<${tag}`), `${folder}: ${tag}`);
    }
    for (const [path] of guide.matchAll(/\b(?:docs|engine|components|examples)\/[\w./-]+\.(?:ts|md|html|json)\b/g)) await readFile(new URL(path, ROOT));
  });

  it('names functions that saekit/dying has', () => {
    const [, section = ''] = guide.split('\n## The functions\n');
    const table = section.split('\n## ')[0]!.split('\n').filter((line) => line.startsWith('| ')).slice(1);
    const names = table.flatMap((line) => [...line.matchAll(/`(\w+)`/g)].map(([, name = '']) => name));
    assert.ok(names.length > 40);
    for (const name of names) assert.ok(name in dying, name);
  });
});

describe('packs are as docs/pack-format.md says', () => {
  const [D, F, CONTEXTS, POSITIONS] = [6, 48, 32, 25];
  let folder = '';
  let pack: Pack;
  let connection: DuckDBConnection;
  const rows = CONTEXTS * POSITIONS;
  const normal = gaussian(11);
  const x = Float32Array.from({ length: rows * D }, (_, at) => normal() + (at % D === 0 ? 2.5 : 0));

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'saekit-dying-docs-'));
    const acts = bytesSource('x.safetensors', writeSafetensors([{ name: 'x', shape: [rows, D], data: x }]));
    const backend = await createWasmTrainBackend();
    await training.train({ acts, recipe: { arch: 'standard', d_sae: F, l1: 2, b_dec: 'zero', lr: 0.05, batch: 64, steps: 120, resample: 'nanda', resample_at: [40], resample_window: 20, resample_below: 0.2, resample_spare: 0.5, checkpoints: '0,5,10,20,50,80,120' }, out: join(folder, 'run'), backend });
    await backend.dispose();
    const edge = { edge: 0.05 };
    const settings = { ...Object.fromEntries(dyingInstruments.filter(({ settings: schema }) => schema !== undefined && 'edge' in schema).map(({ id }) => [id, edge])), 'sae/hyperplane': { ...edge, rows: 400, sequence: 2, replicates: 1, null_rows: 256, sample: 64 } };
    const run = await openRun(join(folder, 'run'));
    const registry = createRegistry();
    for (const plugin of [...builtins.filter(({ id }) => id === 'sae/density' || id === 'sae/weights' || id === 'sae/activations'), ...dyingInstruments]) registry.register(plugin);
    const tokens = Int32Array.from({ length: rows }, (_, i) => (i * 7 + (i >> 3)) % 19);
    const { plugins } = await analyze({ sae: await run.sae(120), run: join(folder, 'run'), source: memorySource({ x, tokens, contexts: CONTEXTS, positions: POSITIONS, d: D }), registry, settings, backend: 'wasm', out: await directorySink(join(folder, 'pack')) });
    assert.deepEqual(plugins.filter(({ status }) => status !== 'done').map(({ id, message }) => `${id}: ${message ?? ''}`), []);
    pack = await openPack(join(folder, 'pack'));
    connection = await (await DuckDBInstance.create(':memory:')).connect();
  });
  after(async () => {
    connection?.closeSync();
    await rm(folder, { recursive: true, force: true });
  });

  it('each table of the instruments is there with each of its columns, and no other', () => {
    const [, section = ''] = format.split('\n### Tables of dying\n');
    const described = section.split('\n### ')[0]!;
    const told = new Map([...described.matchAll(/^- \*\*(\w+)\*\* \(`(sae\/[\w-]+)`[^)]*\): (.*)$/gm)].map(([, name = '', plugin = '', text = '']) => [name, { plugin, text }]));
    const instruments = new Set(dyingInstruments.map(({ id }) => id));
    const made = pack.manifest.tables.filter(({ plugin }) => plugin !== null && instruments.has(plugin));
    assert.deepEqual(made.map(({ name }) => name).sort(), [...told.keys()].sort());
    for (const { name, plugin, columns } of made) {
      assert.equal(told.get(name)!.plugin, plugin);
      const named = new Set([...told.get(name)!.text.matchAll(/`([\w, ]+)`/g)].flatMap(([, list = '']) => list.split(', ')));
      for (const column of columns) assert.ok(named.has(column.name), `docs/pack-format.md: ${name} has a column ${column.name}`);
    }
  });

  it('each column that they add to features is there', () => {
    const [, section = ''] = format.split('\n### Tables of dying\n');
    const told = [...section.split('\nTables:\n')[0]!.matchAll(/^\| (`.*?) \| (?:`sae|\|)/gm)].flatMap(([, names = '']) => [...names.matchAll(/`(\w+)`/g)].map(([, name = '']) => name));
    const features = pack.manifest.tables.find(({ name }) => name === 'features')!;
    const plain = /- \*\*features\*\*: .*/.exec(format)![0];
    const added = features.columns.map(({ name }) => name).filter((name) => !new RegExp(`\\b${name}\\b`).test(plain));
    assert.ok(told.length >= 9);
    assert.deepEqual(told.filter((name) => !features.columns.some((column) => column.name === name)), []);
    assert.deepEqual(added.filter((name) => !told.includes(name) && !/^q\d\d$/.test(name)), []);
  });

  it('T17 is asked of a TopK run by itself, T12 of none', async () => {
    const acts = bytesSource('x.safetensors', writeSafetensors([{ name: 'x', shape: [rows, D], data: x }]));
    const backend = await createWasmTrainBackend();
    const out = join(folder, 'topk');
    await training.train({ acts, recipe: { arch: 'topk', d_sae: F, k: 3, auxk: 0, batch: 64, steps: 60, checkpoints: '0,5,10,20,40,60' }, out, backend });
    await backend.dispose();
    const registry = createRegistry();
    for (const plugin of [...builtins.filter(({ id }) => id === 'sae/density'), ...dyingInstruments.filter(({ id }) => id === 'sae/verdict' || id === 'sae/gradient-anatomy')]) registry.register(plugin);
    const run = await openRun(out);
    const { plugins } = await analyze({ sae: await run.sae(60), run: out, source: memorySource({ x, tokens: null, contexts: CONTEXTS, positions: POSITIONS, d: D }), registry, settings: { 'sae/verdict': { edge: 0.05 } }, backend: 'wasm', out: await directorySink(join(folder, 'topk-pack')) });
    const results = plugins.find(({ id }) => id === 'sae/verdict')?.summary?.results as readonly { id: string; outcome: string; reason: string }[];
    assert.match(results.find(({ id }) => id === 'T17')!.reason, /^this run: /);
    assert.match(results.find(({ id }) => id === 'T12')!.reason, /^No penalty reaches the encoder/);
  });

  it('every SQL statement of docs/dying.md runs', async () => {
    const statements = blocks('sql').flatMap((block) => block.split(';').map((part) => part.trim()).filter((part) => part !== ''));
    assert.ok(statements.length >= 3);
    for (const statement of statements) {
      const read = await connection.runAndReadAll(statement.replaceAll("'dying/", `'${join(folder, 'pack')}/`));
      assert.ok(read.getRowObjects().length > 0 || statement.includes("class = 'rare'"), statement);
    }
  });

  it('every example of saekit/dying runs', async () => {
    const examples = blocks('js').filter((text) => text.includes("from 'saekit/dying'"));
    assert.ok(examples.length >= 3);
    const printed: unknown[][] = [];
    const given = { x, d: D, b_dec: new Float32Array(D), folder: join(folder, 'run'), console: { log: (...values: unknown[]) => void printed.push(values) } };
    for (const text of examples) {
      const imported: Record<string, unknown> = {};
      for (const [, names = '', from] of text.matchAll(/^import \{ (.*) \} from '(.*)';$/gm)) {
        for (const name of names.split(', ')) {
          const module: Record<string, unknown> = from === 'saekit/dying' ? dying : training;
          assert.ok(name in module, `${String(from)} has no ${name}`);
          imported[name] = module[name];
        }
      }
      const scope = { ...given, ...imported };
      const AsyncFunction = (async () => undefined).constructor as new (...parts: string[]) => (...values: unknown[]) => Promise<void>;
      await new AsyncFunction(...Object.keys(scope), text.replaceAll(/^import .*$/gm, ''))(...Object.values(scope));
    }
    assert.ok(printed.length > 5);
    assert.ok(['strict', 'weak', 'none'].includes(String(printed[2]?.[0])), String(printed[2]));
    assert.ok(Number(printed[0]?.[0]) >= 0);
  });
});
