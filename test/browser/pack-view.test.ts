/** <sae-pack-view> and its table: one selection, filters, links, any number of rows, panels that come late. */
import { assert } from '@esm-bundle/chai';
import { emulateMedia, sendKeys, setViewport } from '@web/test-runner-commands';
import '../../components/pack-view/define.js';
import type { SaeDensityHistogram } from '../../components/density-histogram/density-histogram.js';
import type { SaeFeatureCard } from '../../components/feature-card/feature-card.js';
import type { SaeFeatureTable } from '../../components/feature-table/feature-table.js';
import type { SaePackView } from '../../components/pack-view/pack-view.js';
import { SaeSelectEvent } from '../../components/internal/events.js';
import type { Pack, PackSummary } from '../../engine/pack/reader.js';
import type { Manifest } from '../../engine/pack/schema.js';
import { createRegistry } from '../../plugins/registry.js';
import { syntheticPack } from '../support/synthetic-pack.js';
import { assertAccessible, inside, mount, press, settled, testPack, unmountAll, until } from '../support/dashboard.js';

const cellsOf = (row: Element): string[] => [...row.children].map((cell) => cell.textContent?.trim() ?? '');

describe('<sae-feature-table>', () => {
  afterEach(unmountAll);

  /** As many features as a usual SAE has. */
  const FEATURES = 24_576;
  const large: PackSummary = {
    rows: FEATURES,
    classes: Array.from({ length: FEATURES }, (_, i) => (i % 7 === 0 ? 'dead' : 'live')),
    columns: {
      density: Float64Array.from({ length: FEATURES }, (_, i) => (i % 7 === 0 ? 0 : ((i * 7919) % FEATURES) / FEATURES / 20)),
      max: Float64Array.from({ length: FEATURES }, (_, i) => (i % 7 === 0 ? NaN : Math.sin(i) * 5)),
    },
  };
  const table = async (properties: Partial<SaeFeatureTable> = {}): Promise<SaeFeatureTable> => {
    const element = await mount<SaeFeatureTable>('sae-feature-table', { summary: large, ...properties });
    await settled(element);
    return element;
  };
  const grid = (element: SaeFeatureTable): HTMLElement => inside(element).querySelector('[role=grid]') as HTMLElement;
  const rows = (element: SaeFeatureTable): HTMLElement[] => [...inside(element).querySelectorAll<HTMLElement>('.body [role=row]')];
  const seen = (element: SaeFeatureTable): string[] => {
    const box = grid(element).getBoundingClientRect();
    return rows(element).filter((row) => row.getBoundingClientRect().top >= box.top + 33 && row.getBoundingClientRect().bottom <= box.bottom).map((row) => cellsOf(row)[0] ?? '');
  };

  it('keeps 24,576 rows fast: few in the document, sorted and scrolled within frames', async () => {
    const element = await table();
    assert.equal(grid(element).getAttribute('aria-rowcount'), String(FEATURES + 1));
    assert.isBelow(rows(element).length, 60);
    const density = [...inside(element).querySelectorAll('[role=columnheader] button')].find((button) => button.textContent?.startsWith('density')) as HTMLElement;
    const started = performance.now();
    density.click();
    await element.updateComplete;
    const sorted = performance.now() - started;
    assert.equal(density.parentElement?.getAttribute('aria-sort'), 'descending');
    const shown = rows(element).map((row) => Number(cellsOf(row)[0]));
    const best = Array.from(large.columns['density'] as Float64Array).sort((a, b) => b - a);
    assert.deepEqual(shown.slice(0, 20).map((feature) => large.columns['density']?.[feature]), best.slice(0, 20));
    const scrolling = performance.now();
    for (let i = 1; i <= 20; i++) {
      grid(element).scrollTop = (i / 20) * grid(element).scrollHeight;
      grid(element).dispatchEvent(new Event('scroll'));
      await element.updateComplete;
    }
    const scrolled = (performance.now() - scrolling) / 20;
    assert.isBelow(rows(element).length, 60);
    assert.equal(rows(element).at(-1)?.getAttribute('aria-rowindex'), String(FEATURES + 1));
    // Generous for two busy cores; a table that is not virtual takes seconds.
    assert.isBelow(sorted, 400, 'sorting');
    assert.isBelow(scrolled, 100, 'scrolling a step');
  });

  it('goes by keyboard to any row, and opens it', async () => {
    const element = await table();
    const events: SaeSelectEvent[] = [];
    element.addEventListener('sae-select', (event) => events.push(event));
    const target = grid(element);
    target.focus();
    const active = async (): Promise<string | null> => {
      await settled(element);
      return target.getAttribute('aria-activedescendant');
    };
    await sendKeys({ press: 'ArrowDown' });
    assert.equal(await active(), 'row-0');
    await sendKeys({ press: 'ArrowDown' });
    assert.equal(await active(), 'row-1');
    await sendKeys({ press: 'End' });
    assert.equal(await active(), `row-${FEATURES - 1}`);
    assert.include(seen(element), String(FEATURES - 1));
    await sendKeys({ press: 'PageUp' });
    const page = Number((await active())?.slice(4));
    assert.isBelow(page, FEATURES - 5);
    assert.include(seen(element), String(page));
    await sendKeys({ press: 'Home' });
    assert.equal(await active(), 'row-0');
    await sendKeys({ press: 'PageDown' });
    const down = Number((await active())?.slice(4));
    assert.isAbove(down, 5);
    await sendKeys({ press: 'Enter' });
    assert.deepEqual(events.map(({ feature, source }) => [feature, source]), [[down, 'table']]);
    await settled(element);
    assert.equal(inside(element).querySelector(`#row-${down}`)?.getAttribute('aria-selected'), 'true');
    assert.isFalse(press(target, 'x').defaultPrevented);
  });

  it('comes to the feature that is selected elsewhere, wherever the order has put it', async () => {
    const element = await table({ sortBy: 'density', direction: 'descending' });
    element.selected = 12_345;
    await settled(element);
    assert.include(seen(element), '12345');
    element.direction = 'ascending';
    await settled(element);
    assert.include(seen(element), '12345');
    // A person who sorts wants the first rows instead.
    ([...inside(element).querySelectorAll('[role=columnheader] button')].find((button) => button.textContent?.startsWith('feature')) as HTMLElement).click();
    await settled(element);
    assert.equal(inside(element).querySelector('.grid')?.scrollTop, 0);
    assert.equal(cellsOf(rows(element)[0] as Element)[0], '0');
  });

  it('writes what is not there as a dash, sorts it last, and turns the order with a second click', async () => {
    const element = await table({ features: [0, 1, 2, 7] });
    const max = [...inside(element).querySelectorAll('[role=columnheader] button')].find((button) => button.textContent?.startsWith('max')) as HTMLElement;
    max.click();
    await settled(element);
    const order = (): string[] => rows(element).map((row) => cellsOf(row)[0] ?? '');
    assert.deepEqual(order(), ['2', '1', '0', '7']);
    assert.equal(cellsOf(rows(element)[2] as Element).at(-1), '–');
    max.click();
    await settled(element);
    assert.deepEqual(order(), ['1', '2', '0', '7']);
    element.features = [];
    await settled(element);
    assert.equal(rows(element)[0]?.textContent?.trim(), 'No feature passes the filters.');
    await assertAccessible(element);
  });
});

describe('<sae-pack-view>', () => {
  let pack: Pack;
  let summary: PackSummary;
  const address = location.href;

  before(async () => {
    pack = await testPack(400);
    summary = await pack.summary();
  });
  afterEach(() => {
    unmountAll();
    history.replaceState(null, '', address);
  });

  async function view(properties: Partial<SaePackView> = {}, width = 1200): Promise<SaePackView> {
    const element = await mount<SaePackView>('sae-pack-view', { pack, loading: 'eager', ...properties }, { width });
    await until('the table', () => inside(element).querySelector('sae-feature-table'));
    await settled(element);
    return element;
  }
  const part = <T extends Element>(element: SaePackView, selector: string): T => inside(element).querySelector(selector) as T;
  const card = (element: SaePackView): SaeFeatureCard => part(element, 'sae-feature-card');
  const table = (element: SaePackView): SaeFeatureTable => part(element, 'sae-feature-table');
  const histogram = (element: SaePackView): SaeDensityHistogram => part(element, 'sae-density-histogram');
  const shownRows = (element: SaePackView): string[] => [...inside(table(element)).querySelectorAll('.body [role=row]')].map((row) => cellsOf(row)[0] ?? '');
  const count = (element: SaePackView): string => part(element, '#filter-count').textContent?.trim() ?? '';
  async function type(element: SaePackView, text: string): Promise<void> {
    const input = part<HTMLInputElement>(element, 'input');
    input.value = text;
    input.dispatchEvent(new Event('input', { bubbles: true }));
    await settled(element, table(element));
  }
  async function cardOf(element: SaePackView, feature: number): Promise<void> {
    await until(`the card of ${feature}`, () => card(element).feature === feature && inside(card(element)).textContent?.includes(`Feature ${feature}`));
  }

  it('says what the pack is: SAE, data, figures, provenance', async () => {
    const element = await view();
    const text = inside(element).querySelector('header')?.textContent?.replace(/\s+/g, ' ') ?? '';
    for (const piece of ['synthetic', 'standard, 768 → 400 on blocks.8.hook_resid_pre of none', '400\u202f000\u202f000', 'near ties', 'made by test/support/synthetic-pack.ts', 'densities below 3/N = 7.5 × 10⁻⁹']) assert.include(text, piece.replaceAll('\u202f', text.includes('400\u202f000') ? '\u202f' : ' '));
    for (const name of ['dead', 'rare', 'live']) {
      const there = summary.classes.filter((one) => one === name).length;
      assert.include(inside(element).querySelector(`.chip.${name}`)?.textContent?.replace(/\s+/g, ' '), `${name} ${there}`);
    }
  });

  it('opens a live feature by itself, and leaves the address alone', async () => {
    const element = await view();
    assert.equal(card(element).feature, summary.classes.indexOf('live'));
    assert.equal(location.hash, '');
  });

  it('moves card, table, histogram and address together when a row is opened', async () => {
    const element = await view();
    const heard: SaeSelectEvent[] = [];
    document.body.addEventListener('sae-select', (event) => heard.push(event), { once: true });
    const row = [...inside(table(element)).querySelectorAll<HTMLElement>('.body [role=row]')][5] as HTMLElement;
    row.click();
    await settled(element);
    await cardOf(element, 5);
    assert.equal(location.hash, '#feature=5');
    assert.deepEqual(histogram(element).selected, [5]);
    assert.deepEqual(heard.map(({ feature }) => feature), [5], 'the page hears it too');
    history.back();
    await until('the step back', () => location.hash === '');
    await cardOf(element, summary.classes.indexOf('live'));
  });

  it('follows a neighbour of the card, and any stranger’s sae-select', async () => {
    const element = await view({ feature: 7 });
    await cardOf(element, 7);
    const { neighbours } = await pack.card(7);
    const next = neighbours[0]?.feature as number;
    const link = await until('the neighbour', () => [...inside(card(element)).querySelectorAll<HTMLElement>('button, a')].find((one) => new RegExp(`^(Feature )?${next}\\b`).test(one.textContent?.trim() ?? '')));
    link.focus();
    link.click();
    await cardOf(element, next);
    assert.isTrue(inside(card(element)).activeElement?.matches('[part~=title]'), 'the button stands for another feature now');
    assert.equal(table(element).selected, next);
    histogram(element).dispatchEvent(new SaeSelectEvent({ feature: 33, source: 'stranger' }));
    await cardOf(element, 33);
    histogram(element).dispatchEvent(new SaeSelectEvent({ features: [1, 2, 3], source: 'stranger' }));
    await settled(element, table(element));
    assert.deepEqual(shownRows(element), ['1', '2', '3']);
    histogram(element).dispatchEvent(new SaeSelectEvent({ feature: 4000, source: 'stranger' }));
    await settled(element);
    assert.equal(card(element).feature, 33, 'a feature that the pack has not moves nothing');
  });

  it('filters the table by the histogram’s brush, by class and by what is typed, all at once', async () => {
    const element = await view();
    const chart = inside(histogram(element)).querySelector('svg') as SVGElement;
    await until('the chart', () => inside(histogram(element)).querySelector('[role=option]'));
    press(inside(histogram(element)).querySelector('svg') ?? chart, 'Home');
    await settled(element, table(element));
    const dead = summary.classes.flatMap((name, feature) => (name === 'dead' ? [String(feature)] : []));
    assert.deepEqual(shownRows(element).slice(0, 5), dead.slice(0, 5));
    assert.equal(count(element), `${dead.length} of 400 features`);
    const [open] = [card(element).feature];
    press(inside(histogram(element)).querySelector('svg') as Element, 'Escape');
    await settled(element, table(element));
    assert.equal(count(element), '400 features');
    assert.equal(card(element).feature, open, 'a brush opens nothing');

    part<HTMLElement>(element, '.chip.rare').click();
    await settled(element, table(element));
    const rare = summary.classes.filter((name) => name === 'rare').length;
    assert.equal(count(element), `${rare} of 400 features`);
    assert.equal(part(element, '.chip.rare').getAttribute('aria-pressed'), 'true');
    await type(element, 'density>1e-5');
    const both = summary.classes.flatMap((name, feature) => (name === 'rare' && (summary.columns['density']?.[feature] ?? 0) > 1e-5 ? [feature] : []));
    assert.equal(count(element), `${both.length} of 400 features`);
    assert.isBelow(both.length, rare);
    part<HTMLElement>(element, '.clear').click();
    await settled(element, table(element));
    assert.equal(count(element), '400 features');
    assert.equal(part<HTMLInputElement>(element, 'input').value, '');
  });

  it('says what is wrong with a filter, and shows everything meanwhile; Enter opens the first that passes', async () => {
    const element = await view();
    await type(element, 'size>3');
    assert.match(count(element) ?? '', /^There is no column “size”; there are feature, count, density, /);
    assert.equal(part(element, 'input').getAttribute('aria-invalid'), 'true');
    assert.isAbove(shownRows(element).length, 10);
    await type(element, '211 17');
    assert.deepEqual(shownRows(element), ['17', '211']);
    press(part(element, 'input'), 'Enter');
    await cardOf(element, 17);
  });

  it('opens what the address names, follows it, and keeps its other keys', async () => {
    history.replaceState(null, '', '#note=1&feature=61');
    const element = await view({ feature: 3 });
    await cardOf(element, 61);
    location.hash = '#note=1&feature=62';
    await cardOf(element, 62);
    (inside(table(element)).querySelector('#row-60') as HTMLElement).click();
    await cardOf(element, 60);
    assert.equal(location.hash, '#note=1&feature=60');
    for (const hash of ['#feature=99999', '#feature=-1', '#feature=x', '#feature=']) {
      location.hash = hash;
      await settled(element);
      assert.isBelow(element.feature as number, 400, hash);
    }
  });

  it('leaves the address alone where it is told to', async () => {
    history.replaceState(null, '', '#feature=61');
    const element = await view({ withoutHash: true, feature: 9 });
    await cardOf(element, 9);
    (inside(table(element)).querySelector('#row-10') as HTMLElement).click();
    await cardOf(element, 10);
    assert.equal(location.hash, '#feature=61');
  });

  it('finds a place for panels, whenever their plugin comes, and lists analyses without results', async () => {
    const { manifest } = syntheticPack({ features: 40 });
    const entry = (over: Partial<Manifest['plugins'][number]>): Manifest['plugins'][number] => ({ id: 'lab/late', version: '1.0.0', title: 'Late', settings: {}, status: 'done', message: null, summary: null, view: 'lab-late', ...over });
    const shown = await testPack(40, 'with plugins', {
      manifest: { ...manifest, plugins: [...manifest.plugins, entry({}), entry({ id: 'lab/whole', title: 'Whole', view: 'lab-whole' }), entry({ id: 'lab/broken', title: 'Broken <img src=x onerror=alert(1)>', status: 'failed', message: '</script> happened' })] },
    });
    const registry = createRegistry();
    const element = await view({ pack: shown, registry });
    const panels = (where: string): Element[] => [...inside(element).querySelectorAll(`${where} sae-plugin-panel`)];
    assert.lengthOf(panels('.detail'), 0);
    assert.lengthOf(panels('.panels'), 2);
    assert.include(inside(panels('.panels')[0] as Element).textContent, 'is not loaded in this page');
    const missing = part(element, '.missing').textContent?.replace(/\s+/g, ' ') ?? '';
    assert.include(missing, 'Broken <img src=x onerror=alert(1)> lab/broken failed: </script> happened');
    assert.lengthOf(inside(element).querySelectorAll('img'), 0);

    const base = { version: '1.0.0', api: '^1.0.0', title: 'Late', description: 'Comes late.', load: () => Promise.reject(new Error('not here')) };
    const define = (tag: string) => async (): Promise<void> => {
      if (customElements.get(tag) === undefined) customElements.define(tag, class extends HTMLElement { set feature(value: number) { this.textContent = `${tag} ${value}`; } });
    };
    const registration = registry.register({ ...base, id: 'lab/late', view: { tag: 'lab-late', title: 'Late panel', scope: 'feature', load: define('lab-late') } });
    registry.register({ ...base, id: 'lab/whole', view: { tag: 'lab-whole', title: 'Whole panel', scope: 'pack', load: define('lab-whole') } });
    await until('the panel', () => panels('.detail')[0] !== undefined && inside(panels('.detail')[0] as Element).querySelector('lab-late')?.textContent === `lab-late ${element.feature}`);
    assert.lengthOf(panels('.panels'), 1);
    element.feature = 11;
    await until('the next feature', () => inside(panels('.detail')[0] as Element).querySelector('lab-late')?.textContent === 'lab-late 11');
    registration.dispose();
    await until('the hint', () => panels('.detail').length === 0 && panels('.panels').length === 2);
    await assertAccessible(element);
  });

  it('fits from 320 to 1600 pixels, in both directions', async () => {
    await setViewport({ width: 1650, height: 900 });
    for (const width of [320, 700, 1100, 1600]) {
      const element = await view({}, width);
      element.parentElement?.setAttribute('dir', width === 700 ? 'rtl' : 'ltr');
      await cardOf(element, element.feature as number);
      await settled(element);
      assert.isAtMost(element.scrollWidth, width, `at ${width}`);
      const side = part(element, '.detail').getBoundingClientRect().top < table(element).getBoundingClientRect().bottom;
      assert.equal(side, width >= 1100, 'table beside card on wide elements alone');
      unmountAll();
    }
    await setViewport({ width: 1300, height: 900 });
  });

  it('shows an error, and tries again', async () => {
    const element = await mount<SaePackView>('sae-pack-view', { src: '/nowhere/', loading: 'eager' });
    await until('the error', () => inside(element).querySelector('[role=alert]'));
    assert.include(inside(element).querySelector('[role=alert]')?.textContent, '/nowhere/manifest.json');
    element.pack = pack;
    await until('the view', () => inside(element).querySelector('sae-feature-table'));
  });

  it('shows a pack without features and one without densities', async () => {
    const bare = { ...pack, summary: () => Promise.resolve({ rows: 400, classes: [], columns: {} }) };
    const element = await view({ pack: bare });
    assert.include(inside(histogram(element)).textContent, 'no densities');
    assert.equal(count(element), '400 features');
    const none = await view({ pack: { ...pack, summary: () => Promise.resolve({ rows: 0, classes: [], columns: {} }) } });
    assert.include(inside(none).textContent, 'This pack has no features.');
  });

  it('passes axe in light and dark', async () => {
    const element = await view({ feature: 61 });
    await cardOf(element, 61);
    for (const colorScheme of ['light', 'dark'] as const) {
      await emulateMedia({ colorScheme });
      document.documentElement.style.colorScheme = colorScheme;
      document.documentElement.style.background = 'Canvas';
      await assertAccessible(element);
    }
    document.documentElement.removeAttribute('style');
    await emulateMedia({ colorScheme: 'light' });
  });
});
