/** The registry against a model of it, semver against npm's own rules, settings against their descriptors. */
import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import { UsageError } from '../../engine/errors.js';
import { compareVersions, parseVersion, satisfies } from '../../plugins/semver.js';
import { createRegistry, PluginRegistry, registry, type AnyPlugin, type Registration, type RegistryEvent } from '../../plugins/registry.js';
import { resolveSettings, settingsJsonSchema } from '../../plugins/settings.js';
import { API_VERSION, type AnalysisPlugin, type SettingsSchema } from '../../plugins/types.js';

const plugin = (over: Partial<Record<keyof AnyPlugin, unknown>> = {}): AnyPlugin =>
  ({ id: 'lab/one', version: '1.0.0', api: '^1.0.0', title: 'One', description: 'A test.', load: () => Promise.reject(new Error('never loaded')), ...over }) as AnyPlugin;

const refuses = (message: RegExp) => (error: unknown) => error instanceof UsageError && message.test(error.message);

test('a manifest is checked before anything of the plugin runs', () => {
  const target = createRegistry();
  for (const [over, message] of [
    [{ id: 'one' }, /id "one"/], [{ id: 'Lab/one' }, /Lab/], [{ id: 'lab/one/two' }, /id/], [{ id: 'lab/' }, /id/], [{ id: 'lab/-x' }, /id/], [{ id: 'a--b/x' }, /id/], [{ id: `lab/${'x'.repeat(100)}` }, /id/], [{ id: 7 }, /id 7/], [{ id: undefined }, /id undefined/],
    [{ version: '1.0' }, /version "1.0"/], [{ version: 'v1.0.0' }, /version/], [{ version: '01.0.0' }, /version/], [{ version: undefined }, /version undefined/],
    [{ api: '>=1' }, /api ">=1"/], [{ api: undefined }, /api undefined/], [{ api: '^2.0.0' }, /made for version \^2\.0\.0/], [{ api: '~0.9.0' }, /made for/], [{ api: '1.0.1' }, /made for/],
    [{ title: '' }, /title/], [{ title: 3 }, /title/], [{ description: ' ' }, /description/], [{ load: undefined }, /load/],
    [{ cost: 5 }, /cost/], [{ needs: true }, /needs/],
    [{ settings: { a: { type: 'colour', default: 'red' } } }, /setting a: type .* "colour"/], [{ settings: { a: null } }, /setting a/], [{ settings: [] }, /settings/],
    [{ settings: { a: { type: 'number', default: 5, max: 4, description: '' } } }, /default does not fit: expected at most 4/],
    [{ settings: { 'a b': { type: 'number', default: 5, description: '' } } }, /setting "a b"/],
    [{ view: null }, /view/], [{ view: { tag: 'panel', title: '', scope: 'pack', load() {} } }, /tag/], [{ view: { tag: 'lab-panel', title: '', scope: 'page', load() {} } }, /scope/], [{ view: { tag: 'lab-panel', title: '', scope: 'pack' } }, /load/],
  ] as const) {
    assert.throws(() => target.register(plugin(over)), refuses(message), JSON.stringify(over));
  }
  for (const nothing of [null, undefined, 5, 'lab/one']) assert.throws(() => target.register(nothing as never), UsageError);
  assert.deepEqual(target.list(), []);
  target.register(plugin({ settings: { a: { type: 'number', default: 5, description: 'x' } }, view: { tag: 'lab-panel', title: 'P', scope: 'feature', load: () => Promise.resolve() } }));
  assert.equal(target.list().length, 1);
});

test('registering tells listeners, at any time; a plugin that is put back in is found again', () => {
  const target = createRegistry();
  const heard: string[] = [];
  for (const type of ['register', 'unregister', 'warning']) target.addEventListener(type, (event) => heard.push(`${event.type} ${(event as RegistryEvent).plugin.version} ${target.get('lab/one')?.version ?? '-'}`));
  const first = target.register(plugin());
  const second = target.register(plugin());
  second.dispose();
  assert.equal(target.list().length, 1, 'a second registration of the same version owns nothing');
  const higher = target.register(plugin({ version: '1.1.0' }));
  first.dispose();
  assert.equal(target.get('lab/one')?.version, '1.1.0', 'the lower version owns nothing any more');
  target.register(plugin({ version: '1.0.5' }));
  higher.dispose();
  higher.dispose();
  assert.equal(target.unregister('lab/one'), false);
  assert.deepEqual(heard, ['register 1.0.0 1.0.0', 'warning 1.0.0 1.0.0', 'warning 1.1.0 1.0.0', 'unregister 1.0.0 1.1.0', 'register 1.1.0 1.1.0', 'warning 1.0.5 1.1.0', 'unregister 1.1.0 -']);
  assert.deepEqual(target.conflicts, [{ id: 'lab/one', kept: '1.1.0', dropped: '1.0.0' }, { id: 'lab/one', kept: '1.1.0', dropped: '1.0.5' }]);
  assert.equal(target.warnings.length, 3);
  assert.equal(target.apiVersion, API_VERSION);
});

test('the very same object twice is no reason to warn', () => {
  const target = createRegistry();
  const one = plugin();
  target.register(one);
  target.register(one);
  assert.deepEqual(target.warnings, []);
});

test('the shared registry is an empty registry', () => {
  assert.ok(registry instanceof PluginRegistry);
  assert.deepEqual(registry.list(), []);
});

/** What the registry is meant to be, said more simply: an ordered list of the highest versions. */
interface Model {
  plugins: { id: string; version: string; owner: number }[];
  warnings: number;
  events: string[];
}
interface Real {
  target: PluginRegistry;
  registrations: Registration[];
  events: string[];
}

const versions = ['0.9.0', '1.0.0-beta.1', '1.0.0', '1.0.0+build', '1.2.0', '1.10.0'];

class RegisterCommand implements fc.Command<Model, Real> {
  readonly id: string;
  readonly version: string;
  constructor(id: string, version: string) {
    this.id = id;
    this.version = version;
  }
  check = () => true;
  run(model: Model, real: Real): void {
    const owner = real.registrations.length;
    real.registrations.push(real.target.register(plugin({ id: this.id, version: this.version })));
    const at = model.plugins.findIndex(({ id }) => id === this.id);
    if (at < 0) {
      model.plugins.push({ id: this.id, version: this.version, owner });
      model.events.push(`register ${this.id} ${this.version}`);
    } else {
      model.warnings++;
      const before = model.plugins[at]!;
      const rank = (version: string) => versions.map((text) => text.replace('+build', '')).indexOf(version.replace('+build', ''));
      if (rank(this.version) > rank(before.version)) {
        model.plugins[at] = { id: this.id, version: this.version, owner };
        model.events.push(`unregister ${this.id} ${before.version}`, `register ${this.id} ${this.version}`);
      }
    }
    compare(model, real);
  }
  toString = () => `register(${this.id}@${this.version})`;
}

class DisposeCommand implements fc.Command<Model, Real> {
  readonly n: number;
  constructor(n: number) {
    this.n = n;
  }
  check = () => true;
  run(model: Model, real: Real): void {
    if (real.registrations.length === 0) return;
    const owner = this.n % real.registrations.length;
    real.registrations[owner]!.dispose();
    const gone = model.plugins.find((entry) => entry.owner === owner);
    if (gone !== undefined) model.events.push(`unregister ${gone.id} ${gone.version}`);
    model.plugins = model.plugins.filter((entry) => entry.owner !== owner);
    compare(model, real);
  }
  toString = () => `dispose(${this.n})`;
}

class UnregisterCommand implements fc.Command<Model, Real> {
  readonly id: string;
  constructor(id: string) {
    this.id = id;
  }
  check = () => true;
  run(model: Model, real: Real): void {
    const gone = model.plugins.find(({ id }) => id === this.id);
    assert.equal(real.target.unregister(this.id), gone !== undefined);
    if (gone !== undefined) model.events.push(`unregister ${gone.id} ${gone.version}`);
    model.plugins = model.plugins.filter(({ id }) => id !== this.id);
    compare(model, real);
  }
  toString = () => `unregister(${this.id})`;
}

function compare(model: Model, { target, events }: Real): void {
  assert.deepEqual(target.list().map(({ id, version }) => [id, version]), model.plugins.map(({ id, version }) => [id, version]));
  for (const id of ['a/x', 'b/x', 'c/x']) assert.equal(target.get(id)?.version, model.plugins.find((entry) => entry.id === id)?.version);
  assert.equal(target.warnings.length, model.warnings);
  assert.deepEqual(events, model.events);
}

test('any sequence of operations leaves the registry as its model', () => {
  const id = fc.constantFrom('a/x', 'b/x', 'c/x');
  const commands = fc.commands([
    fc.tuple(id, fc.constantFrom(...versions)).map(([name, version]) => new RegisterCommand(name, version)),
    fc.nat({ max: 20 }).map((n) => new DisposeCommand(n)),
    id.map((name) => new UnregisterCommand(name)),
  ], { maxCommands: 60 });
  fc.assert(fc.property(commands, (sequence) => {
    const target = createRegistry();
    const events: string[] = [];
    for (const type of ['register', 'unregister']) target.addEventListener(type, (event) => events.push(`${type} ${(event as RegistryEvent).plugin.id} ${(event as RegistryEvent).plugin.version}`));
    fc.modelRun(() => ({ model: { plugins: [], warnings: 0, events: [] }, real: { target, registrations: [], events } }), sequence);
  }), { numRuns: 300 });
});

test('versions are ordered as semver.org orders them', () => {
  // Section 11 of the specification, its own example and more.
  const ordered = ['0.0.1', '0.1.0', '1.0.0-0', '1.0.0-2', '1.0.0-10', '1.0.0-alpha', '1.0.0-alpha.1', '1.0.0-alpha.beta', '1.0.0-beta', '1.0.0-beta.2', '1.0.0-beta.11', '1.0.0-rc.1', '1.0.0', '1.0.1', '1.2.0', '1.10.0', '2.0.0'];
  for (const [i, a] of ordered.entries()) {
    for (const [j, b] of ordered.entries()) assert.equal(Math.sign(compareVersions(parseVersion(a)!, parseVersion(b)!)), Math.sign(i - j), `${a} ${b}`);
  }
  assert.equal(compareVersions(parseVersion('1.0.0+a')!, parseVersion('1.0.0+b')!), 0);
  for (const wrong of ['', '1', '1.2', '1.2.3.4', 'v1.2.3', '1.2.03', '1.2.3-', '1.2.3-01', '1.2.3+', '1.2.3-a..b', ' 1.2.3', '1.2.3\n', '-1.2.3']) assert.equal(parseVersion(wrong), null, JSON.stringify(wrong));
});

test('ranges mean what they mean to npm', () => {
  // Each row checked with npm's own semver package, version 7.
  const table: readonly [range: string, inside: string, outside: string][] = [
    ['1.2.3', '1.2.3 1.2.3+build', '1.2.2 1.2.4 1.2.3-a'],
    ['^1.2.3', '1.2.3 1.2.4 1.9.0', '1.2.2 2.0.0 2.0.0-a 1.3.0-a 1.2.3-a'],
    ['^1', '1.0.0 1.9.9', '0.9.9 2.0.0'],
    ['^1.2', '1.2.0 1.9.9', '1.1.9 2.0.0'],
    ['^0.2.3', '0.2.3 0.2.9', '0.2.2 0.3.0 1.0.0'],
    ['^0.2', '0.2.0 0.2.9', '0.1.9 0.3.0'],
    ['^0.0.3', '0.0.3', '0.0.2 0.0.4 0.1.0'],
    ['^0.0', '0.0.0 0.0.9', '0.1.0'],
    ['^0', '0.0.0 0.9.9', '1.0.0'],
    ['~1.2.3', '1.2.3 1.2.9', '1.2.2 1.3.0'],
    ['~1.2', '1.2.0 1.2.9', '1.1.9 1.3.0'],
    ['~1', '1.0.0 1.9.9', '0.9.9 2.0.0'],
    ['1.2', '1.2.0 1.2.9', '1.1.9 1.3.0'],
    ['1', '1.0.0 1.9.9', '0.9.9 2.0.0'],
    ['*', '0.0.0 9.9.9', '1.0.0-a'],
    ['^1.2.3-beta.2', '1.2.3-beta.2 1.2.3-beta.11 1.2.3 1.4.0', '1.2.3-beta.1 1.2.4-beta.3 2.0.0'],
    ['1.2.3-beta.2', '1.2.3-beta.2', '1.2.3 1.2.3-beta.1'],
  ];
  for (const [range, inside, outside] of table) {
    for (const version of inside.split(' ')) assert.equal(satisfies(parseVersion(version)!, range), true, `${version} in ${range}`);
    for (const version of outside.split(' ')) assert.equal(satisfies(parseVersion(version)!, range), false, `${version} not in ${range}`);
  }
  for (const unknown of ['', '>=1.0.0', '1.x', '^', '^1.2.3 || ^2', '^01.0.0', '^1-beta', '^1.0.0-01', 'latest']) assert.equal(satisfies(parseVersion('1.0.0')!, unknown), null, unknown);
});

const schema = {
  top: { type: 'number', default: 20, min: 1, max: 100, integer: true, description: 'How many.' },
  scale: { type: 'number', default: 0.5, description: 'Any number.' },
  mode: { type: 'string', default: 'fast', enum: ['fast', 'exact'], description: 'How.' },
  label: { type: 'string', default: '', description: 'Text.' },
  on: { type: 'boolean', default: false, description: 'Whether.' },
} as const satisfies SettingsSchema;

test('settings: defaults, values, unknown keys, and what does not fit', () => {
  const { values, unknown } = resolveSettings('lab/one', schema, { top: 5, mode: 'exact', other: 1, label: undefined });
  const top: number = values.top;
  const mode: string = values.mode;
  assert.deepEqual({ ...values }, { top: 5, scale: 0.5, mode: 'exact', label: '', on: false });
  assert.deepEqual([top, mode, unknown], [5, 'exact', ['other']]);
  assert.ok(Object.isFrozen(values));
  assert.deepEqual(resolveSettings('lab/one', undefined, { a: 1 }), { values: {}, unknown: ['a'] });
  for (const [given, message] of [
    [{ top: 0 }, /setting lab\/one\.top: expected at least 1, got 0/], [{ top: 101 }, /at most 100/], [{ top: 1.5 }, /whole number/], [{ top: '5' }, /expected a number, got "5"/], [{ scale: NaN }, /finite/], [{ scale: Infinity }, /finite/],
    [{ scale: 5n }, /expected a number, got 5/], [{ mode: 'slow' }, /one of fast, exact, got "slow"/], [{ mode: 3 }, /expected a string/], [{ on: 1 }, /expected a boolean/], [{ on: null }, /got null/], [{ label: Symbol('x') }, /Symbol\(x\)/],
  ] as const) {
    assert.throws(() => resolveSettings('lab/one', schema, given as Record<string, unknown>), refuses(message));
  }
  assert.deepEqual(resolveSettings('lab/one', schema, Object.create({ top: 99 }) as object as Record<string, unknown>).values.top, 20, 'inherited values are not given');
  assert.deepEqual(resolveSettings('lab/one', schema, JSON.parse('{"__proto__": {"top": 9}}') as Record<string, unknown>).unknown, ['__proto__']);
});

test('any values either fit, unchanged, or are refused by name', () => {
  fc.assert(fc.property(fc.record({ top: fc.anything(), scale: fc.anything(), mode: fc.anything(), label: fc.anything(), on: fc.anything() }, { requiredKeys: [] }), (given) => {
    let values: Readonly<Record<string, unknown>>;
    try {
      ({ values } = resolveSettings('lab/one', schema, given));
    } catch (error) {
      assert.ok(error instanceof UsageError && /^setting lab\/one\.(top|scale|mode|label|on): /.test(error.message));
      return;
    }
    for (const [name, value] of Object.entries(values)) assert.equal(value, given[name as keyof typeof given] ?? schema[name as keyof typeof schema].default);
  }), { numRuns: 500 });
});

test('the schema as JSON Schema', () => {
  assert.deepEqual(settingsJsonSchema(schema, 'One'), {
    $schema: 'https://json-schema.org/draft/2020-12/schema',
    title: 'One',
    type: 'object',
    properties: {
      top: { type: 'integer', default: 20, description: 'How many.', minimum: 1, maximum: 100 },
      scale: { type: 'number', default: 0.5, description: 'Any number.' },
      mode: { type: 'string', default: 'fast', description: 'How.', enum: ['fast', 'exact'] },
      label: { type: 'string', default: '', description: 'Text.' },
      on: { type: 'boolean', default: false, description: 'Whether.' },
    },
    additionalProperties: false,
  });
});

test('a plugin with settings of its own type can be registered', () => {
  const typed: AnalysisPlugin<typeof schema> = { ...plugin(), settings: schema, load: () => Promise.resolve({ create: ({ settings }) => Promise.reject(new Error(String(settings.top + 1))) }) };
  const target = createRegistry();
  target.register(typed);
  assert.equal(target.list()[0]!.settings, schema);
});
