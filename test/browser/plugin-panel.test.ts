/** <sae-plugin-panel>: hosts a stranger's element, and survives whatever it does. */
import { assert } from '@esm-bundle/chai';
import '../../components/plugin-panel/define.js';
import type { PluginRecord, SaePluginPanel } from '../../components/plugin-panel/plugin-panel.js';
import type { Pack } from '../../engine/pack/reader.js';
import { PluginError } from '../../plugins/errors.js';
import type { AnyPlugin } from '../../plugins/registry.js';
import { assertAccessible, inside, mount, settled, testPack, unmountAll, until } from '../support/dashboard.js';

const record = (over: Partial<PluginRecord> = {}): PluginRecord => ({ id: 'test/panel', version: '1.0.0', title: 'Test panel', settings: {}, status: 'done', message: null, summary: null, view: 'test-panel', ...over });

const plugin = (tag: string, load: () => Promise<unknown>, over: Partial<AnyPlugin> = {}): AnyPlugin => ({
  id: 'test/panel', version: '1.0.0', api: '^1.0.0', title: 'Test', description: 'A test.',
  load: () => Promise.reject(new Error('the analysis is not needed in a page')),
  view: { tag, title: 'Panel title', scope: 'feature', load },
  ...over,
});

let count = 0;
/** Defines an element under a tag of its own when the view is loaded. */
function panelOf(body: (tag: string) => CustomElementConstructor): AnyPlugin {
  const tag = `test-panel-${++count}`;
  return plugin(tag, async () => customElements.define(tag, body(tag)));
}

describe('<sae-plugin-panel>', () => {
  let pack: Pack;
  const logged: unknown[] = [];
  const { error } = console;
  // What an element throws in a reaction the browser reports to the page; mocha would take it for a failure of the test.
  const { onerror } = window;
  before(async () => {
    pack = await testPack(40);
  });
  beforeEach(() => {
    logged.length = 0;
    window.onerror = () => true;
    console.error = (...parts: unknown[]) => void logged.push(...parts);
  });
  afterEach(() => {
    console.error = error;
    window.onerror = onerror;
    unmountAll();
  });

  const panel = (properties: Partial<SaePluginPanel>): Promise<SaePluginPanel> => mount<SaePluginPanel>('sae-plugin-panel', { pack, feature: 3, record: record(), ...properties });
  const failure = (element: SaePluginPanel): Promise<HTMLElement> => until('the error card', () => inside(element).querySelector<HTMLElement>('[role=alert]'));

  it('gives the element pack and feature, and later ones; loads the view once', async () => {
    let loads = 0;
    const tag = `test-panel-${++count}`;
    const shown = plugin(tag, async () => {
      loads++;
      customElements.define(tag, class extends HTMLElement {
        seen: unknown[] = [];
        set pack(value: Pack) {
          this.seen.push(value);
        }
        set feature(value: number | null) {
          this.seen.push(value);
          this.textContent = `feature ${value}`;
        }
      });
    });
    const [one, two] = [await panel({ plugin: shown }), await panel({ plugin: shown })];
    for (const element of [one, two]) await until('the panel', () => inside(element).querySelector(tag)?.textContent === 'feature 3');
    assert.equal(loads, 1);
    one.feature = 5;
    await settled(one);
    const hosted = inside(one).querySelector(tag) as HTMLElement & { seen: unknown[] };
    assert.equal(hosted.textContent, 'feature 5');
    assert.include(hosted.seen, pack);
    assert.equal(inside(two).querySelector(tag)?.textContent, 'feature 3');
    assert.equal(inside(one).querySelector('h3')?.textContent, 'Panel title');
    await assertAccessible(one);
  });

  it('does not set again what the panel has', async () => {
    let sets = 0;
    const shown = panelOf(() => class extends HTMLElement {
      feature: number | null = null;
      #pack: Pack | null = null;
      get pack(): Pack | null {
        return this.#pack;
      }
      set pack(value: Pack | null) {
        sets++;
        this.#pack = value;
      }
    });
    const element = await panel({ plugin: shown });
    await until('the pack', () => sets === 1);
    element.feature = 9;
    await settled(element);
    assert.equal(sets, 1);
  });

  const breaks: Record<string, () => AnyPlugin> = {
    'does not load': () => plugin('test-never', () => Promise.reject(new Error('boom 1'))),
    'throws in load': () => plugin('test-never', () => { throw new Error('boom 2'); }),
    'throws in its constructor': () => panelOf(() => class extends HTMLElement { constructor() { super(); throw new Error('boom 3'); } }),
    'throws when it is connected': () => panelOf(() => class extends HTMLElement { connectedCallback(): void { throw new Error('boom 4'); } }),
    'throws when it is given the pack': () => panelOf(() => class extends HTMLElement { set pack(_: unknown) { throw new Error('boom 5'); } }),
    'throws when it is given the feature': () => panelOf(() => class extends HTMLElement { set feature(_: unknown) { throw new Error('boom 6'); } }),
    'raises sae-error': () => panelOf(() => class extends HTMLElement { connectedCallback(): void { queueMicrotask(() => this.dispatchEvent(Object.assign(new Event('sae-error', { bubbles: true, composed: true }), { error: new Error('boom 7') }))); } }),
    'fails its update': () => panelOf(() => class extends HTMLElement { get updateComplete(): Promise<void> { return Promise.reject(new Error('boom 8')); } }),
    'throws something that is no error': () => panelOf(() => class extends HTMLElement { connectedCallback(): void { throw 'boom 9'; } }),
  };
  for (const [how, broken] of Object.entries(breaks)) {
    it(`shows an error card when the panel ${how}`, async () => {
      const leaked: Event[] = [];
      const listen = (event: Event): void => void leaked.push(event);
      document.body.addEventListener('sae-error', listen);
      const element = await panel({ plugin: broken() });
      const card = await failure(element);
      assert.match(card.textContent ?? '', /plugin test\/panel failed in view: boom \d/);
      assert.isTrue(inside(element).querySelector<HTMLElement>('.panel')?.hidden);
      assert.isEmpty(leaked, 'a panel’s failure is not the view’s');
      assert.lengthOf(logged.filter((part) => part instanceof PluginError), 1, 'its author finds the stack in the console');
      await assertAccessible(element);
      document.body.removeEventListener('sae-error', listen);
    });
  }

  it('says when load() defines nothing', async () => {
    const card = await failure(await panel({ plugin: plugin('test-undefined-tag', () => Promise.resolve()) }));
    assert.include(card.textContent, 'did not define <test-undefined-tag>');
  });

  it('tries again when asked', async () => {
    const tag = `test-panel-${++count}`;
    let tries = 0;
    const flaky = plugin(tag, async () => {
      if (++tries === 1) throw new Error('the network was away');
      customElements.define(tag, class extends HTMLElement { connectedCallback(): void { this.textContent = 'here'; } });
    });
    const element = await panel({ plugin: flaky });
    (await failure(element)).querySelector('button')?.click();
    await until('the panel', () => inside(element).querySelector(tag)?.textContent === 'here');
    await settled(element);
    assert.isNull(inside(element).querySelector('[role=alert]'));
    assert.isFalse(inside(element).querySelector<HTMLElement>('.panel')?.hidden);
  });

  it('a failure after a change of feature takes the panel away, and the next feature may work', async () => {
    const shown = panelOf(() => class extends HTMLElement {
      pack: Pack | null = null;
      set feature(value: number) {
        if (value === 4) throw new Error('not this one');
        this.textContent = `feature ${value}`;
      }
    });
    const element = await panel({ plugin: shown });
    const tag = shown.view?.tag ?? '';
    await until('the panel', () => inside(element).querySelector(tag)?.textContent === 'feature 3');
    element.feature = 4;
    assert.include((await failure(element)).textContent, 'not this one');
    assert.isNull(inside(element).querySelector(tag));
    element.feature = 5;
    await settled(element);
    (await failure(element)).querySelector('button')?.click();
    await until('the panel', () => inside(element).querySelector(tag)?.textContent === 'feature 5');
  });

  it('takes a plugin that comes late, and lets go of one that leaves', async () => {
    const shown = panelOf(() => class extends HTMLElement { connectedCallback(): void { this.textContent = 'late'; } });
    const element = await panel({ plugin: null });
    assert.include(inside(element).textContent, 'is not loaded in this page');
    assert.include(inside(element).textContent, '<test-panel>');
    element.plugin = shown;
    await until('the panel', () => inside(element).querySelector(shown.view?.tag ?? '')?.textContent === 'late');
    assert.notInclude(inside(element).textContent, 'is not loaded');
    element.plugin = null;
    await settled(element);
    assert.isNull(inside(element).querySelector(shown.view?.tag ?? ''));
  });

  it('comes back after it was moved in the page', async () => {
    const shown = panelOf(() => class extends HTMLElement { connectedCallback(): void { this.textContent = 'here'; } });
    const element = await panel({ plugin: shown });
    await until('the panel', () => inside(element).querySelector(shown.view?.tag ?? ''));
    document.querySelector('.test-box')?.append(element);
    await until('the panel', () => inside(element).querySelector(shown.view?.tag ?? '')?.textContent === 'here');
    assert.lengthOf(inside(element).querySelectorAll(shown.view?.tag ?? ''), 1);
  });

  it('says what became of an analysis without results, and does not load its panel', async () => {
    let loads = 0;
    const shown = plugin('test-unused', async () => void loads++);
    const element = await panel({ plugin: shown, record: record({ status: 'failed', message: 'column x is <NaN> in row 3' }) });
    assert.include(inside(element).querySelector('.card')?.textContent, 'This analysis failed: column x is <NaN> in row 3');
    assert.equal(loads, 0);
    const left = await panel({ plugin: null, record: record({ status: 'left-out', message: null }) });
    assert.equal(inside(left).querySelector('.card')?.textContent?.trim(), 'This analysis was left out.');
  });

  it('notes when another version of the plugin wrote the pack', async () => {
    const element = await panel({ plugin: panelOf(() => class extends HTMLElement {}), record: record({ version: '0.9.0' }) });
    assert.include(inside(element).textContent, 'Written by version 0.9.0, shown by version 1.0.0.');
  });
});
