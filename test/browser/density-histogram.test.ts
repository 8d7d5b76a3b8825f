/** <sae-density-histogram>: what it draws, how it is brushed, what it says. */
import { assert } from '@esm-bundle/chai';
import { emulateMedia, sendMouse } from '@web/test-runner-commands';
import '../../components/density-histogram/define.js';
import type { SaeDensityHistogram } from '../../components/density-histogram/density-histogram.js';
import type { SaeSelectEvent } from '../../components/internal/events.js';
import type { Pack, PackSummary } from '../../engine/pack/reader.js';
import { assertAccessible, inside, mount, press, settled, testPack, unmountAll, until } from '../support/dashboard.js';

describe('<sae-density-histogram>', () => {
  let pack: Pack;
  let summary: PackSummary;
  before(async () => {
    pack = await testPack(300);
    summary = await pack.summary();
  });
  afterEach(unmountAll);

  const density = (feature: number): number => summary.columns['density']?.[feature] as number;
  async function histogram(properties: Partial<SaeDensityHistogram> = {}, width = 900): Promise<SaeDensityHistogram> {
    const element = await mount<SaeDensityHistogram>('sae-density-histogram', { pack, loading: 'eager', ...properties }, { width });
    await until('the chart', () => inside(element).querySelector('[role=option]'));
    await settled(element);
    return element;
  }
  const chart = (element: Element): SVGSVGElement => inside(element).querySelector('svg') as SVGSVGElement;
  const options = (element: Element): Element[] => [...inside(element).querySelectorAll('[role=option]')];
  const selections = (element: HTMLElement): SaeSelectEvent[] => {
    const events: SaeSelectEvent[] = [];
    element.addEventListener('sae-select', (event) => events.push(event));
    return events;
  };
  const readout = (element: Element): string => inside(element).querySelector('[role=status]')?.textContent ?? '';

  it('counts every feature once, dead ones in a bar of their own', async () => {
    const element = await histogram();
    const counts = options(element).map((option) => Number(/([\d\u202f]+) features?/.exec(option.getAttribute('aria-label') ?? '')?.[1]?.replaceAll('\u202f', '')));
    assert.equal(counts.reduce((sum, n) => sum + n, 0), 300);
    const dead = summary.classes.filter((name) => name === 'dead').length;
    assert.isAbove(dead, 0);
    assert.include(options(element)[0]?.getAttribute('aria-label'), `Dead, no firing: ${dead} feature`);
  });

  it('draws nothing on the axis below the resolution floor, and names the floor', async () => {
    const element = await histogram();
    const floor = Number(inside(element).querySelector('.floor')?.getAttribute('x1'));
    const bars = options(element).slice(2).flatMap((option) => [...option.querySelectorAll('.segment')]);
    assert.isNotEmpty(bars);
    for (const bar of bars) assert.isAtLeast(Number(bar.getAttribute('x')), floor);
    assert.include(inside(element).querySelector('.floor-name')?.textContent, '3/N = 7.5 × 10⁻⁹');
    assert.isAbove(Number(inside(element).querySelector('.zone')?.getAttribute('width')), 10);
  });

  it('has a table of the same figures', async () => {
    const element = await histogram();
    const rows = [...inside(element).querySelectorAll('tbody tr')];
    assert.equal(rows.reduce((sum, row) => sum + Number(row.lastElementChild?.textContent), 0), 300);
  });

  it('brushes by drag, and raises the features between the bars', async () => {
    const element = await histogram();
    const events = selections(element);
    const box = chart(element).getBoundingClientRect();
    const middle = (i: number): [number, number] => {
      const column = options(element)[i]?.querySelector('.column')?.getBoundingClientRect() as DOMRect;
      return [Math.round(column.x + column.width / 2), Math.round(box.y + box.height / 2)];
    };
    const full = options(element).findIndex((option, i) => i > 20 && option.querySelector('.segment') !== null);
    await sendMouse({ type: 'move', position: middle(full) });
    await sendMouse({ type: 'down' });
    await sendMouse({ type: 'move', position: middle(full + 6) });
    // Leaving the chart while the button is down does not lose the brush.
    await sendMouse({ type: 'move', position: [middle(full + 6)[0], Math.round(box.bottom + 60)] });
    await sendMouse({ type: 'up' });
    await settled(element);
    const last = events.at(-1);
    assert.equal(last?.source, 'histogram');
    assert.equal(last?.pack, pack);
    const brushed = options(element).map((option, i) => [option.getAttribute('aria-selected'), i] as const).filter(([on]) => on === 'true').map(([, i]) => i);
    assert.deepEqual(brushed, [0, 1, 2, 3, 4, 5, 6].map((i) => full + i));
    const [low, high] = densitiesOf(options(element)[full] as Element, options(element)[full + 6] as Element);
    const expected = summary.classes.map((_, feature) => feature).filter((feature) => density(feature) >= low * 0.95 && density(feature) <= high * 1.05);
    for (const feature of last?.features ?? []) assert.include(expected, feature);
    assert.isAtLeast(last?.features?.length ?? 0, 1);
    // A click on the one bar that is brushed takes the brush away.
    await sendMouse({ type: 'click', position: middle(full) });
    await sendMouse({ type: 'click', position: middle(full) });
    await settled(element);
    assert.isNull(events.at(-1)?.features);
  });

  it('brushes by keyboard: arrows move, Shift extends, Escape clears', async () => {
    const element = await histogram();
    const events = selections(element);
    const svg = chart(element);
    assert.isTrue(press(svg, 'Home').defaultPrevented);
    const dead = summary.classes.flatMap((name, feature) => (name === 'dead' ? [feature] : []));
    assert.deepEqual(events.at(-1)?.features, dead);
    press(svg, 'ArrowRight');
    await settled(element);
    assert.notDeepEqual(events.at(-1)?.features, dead);
    assert.equal(svg.getAttribute('aria-activedescendant'), inside(element).querySelector('[aria-selected=true]')?.id);
    const before = new Set(events.at(-1)?.features);
    press(svg, 'End', { shiftKey: true });
    await settled(element);
    assert.deepEqual(events.at(-1)?.features, summary.classes.map((_, feature) => feature).filter((feature) => !dead.includes(feature)));
    for (const feature of before) assert.include(events.at(-1)?.features as number[], feature);
    assert.match(readout(element), /^.+ to .+: \d+ features$/);
    press(svg, 'Escape');
    assert.isNull(events.at(-1)?.features);
    const raised = events.length;
    assert.isFalse(press(svg, 'Escape').defaultPrevented, 'an Escape that has nothing to do is somebody else’s');
    assert.isFalse(press(svg, 'a').defaultPrevented);
    assert.equal(events.length, raised);
  });

  it('marks selected features where they are, without an event', async () => {
    const live = summary.classes.indexOf('live');
    const element = await histogram({ selected: [live] });
    const events = selections(element);
    const pin = inside(element).querySelector('.pin')?.getAttribute('d') ?? '';
    const x = Number(/^M([\d.]+)/.exec(pin)?.[1]);
    const ticks = [...inside(element).querySelectorAll('line.axis')].map((line) => Number(line.getAttribute('x1')));
    const [left, right] = [Math.min(...ticks.slice(2)), Math.max(...ticks.slice(2))];
    assert.closeTo(x, left + (right - left) * (1 + Math.log10(density(live)) / 9), 0.6, 'on a log axis from 1e-9 to 1');
    element.selected = Array.from({ length: 40 }, (_, i) => i);
    await settled(element);
    assert.lengthOf(inside(element).querySelectorAll('.pin'), 0);
    assert.isAbove(inside(element).querySelectorAll('.chosen').length, 0);
    assert.isEmpty(events);
  });

  it('says what is under the pointer', async () => {
    const element = await histogram();
    const box = options(element)[0]?.querySelector('.column')?.getBoundingClientRect() as DOMRect;
    await sendMouse({ type: 'move', position: [Math.round(box.x + 5), Math.round(box.y + 50)] });
    await settled(element);
    assert.match(readout(element), /^Dead, no firing: \d+ features?$/);
    await sendMouse({ type: 'move', position: [0, 0] });
  });

  it('fits in every width, and in a right-to-left page', async () => {
    for (const width of [320, 600, 1600]) {
      const element = await histogram({}, width);
      element.parentElement?.setAttribute('dir', width === 600 ? 'rtl' : 'ltr');
      await until('the size', () => chart(element).width.baseVal.value === width);
      assert.isAtMost(element.scrollWidth, width);
      for (const text of inside(element).querySelectorAll('text')) {
        const { x, width: w } = text.getBBox();
        assert.isAtLeast(x, 0, text.textContent ?? '');
        assert.isAtMost(x + w, width + 1, text.textContent ?? '');
      }
      unmountAll();
    }
  });

  it('takes the bins that it is told', async () => {
    const coarse = await histogram({ binsPerDecade: 1 });
    const fine = await histogram({ binsPerDecade: 20 });
    assert.isAbove(options(fine).length, 10 * options(coarse).length);
  });

  it('says when a pack has no densities, and when there is no pack', async () => {
    const without = { ...pack, summary: () => Promise.resolve({ rows: 3, classes: [], columns: { feature: Float64Array.of(0, 1, 2) } }) };
    const element = await mount<SaeDensityHistogram>('sae-density-histogram', { pack: without, loading: 'eager' });
    await until('the note', () => inside(element).querySelector('[part=empty]'));
    assert.include(inside(element).textContent, 'no densities');
    const errors: unknown[] = [];
    const broken = await mount<SaeDensityHistogram>('sae-density-histogram', { src: '/no-such-pack/' });
    broken.addEventListener('sae-error', (event) => errors.push(event.error));
    await until('the error', () => inside(broken).querySelector('[role=alert]'));
    assert.include(inside(broken).querySelector('[role=alert]')?.textContent, '/no-such-pack/manifest.json');
  });

  it('passes axe in light and dark', async () => {
    const element = await histogram({ selected: [1] });
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

/** Low end of one option's label, high end of another's. */
function densitiesOf(first: Element, last: Element): [number, number] {
  const number = (text: string): number => {
    const [, mantissa = '1', power = ''] = /^(?:([\d.]+)(?: × )?)?(?:10([⁻⁰¹²³⁴⁵⁶⁷⁸⁹]+))?$/.exec(text) ?? [];
    const exponent = Number([...power].map((digit) => (digit === '⁻' ? '-' : '⁰¹²³⁴⁵⁶⁷⁸⁹'.indexOf(digit))).join('') || 0);
    return Number(mantissa) * 10 ** exponent;
  };
  const ends = (option: Element): string[] => (/^Density (.+) to (.+): /.exec(option.getAttribute('aria-label') ?? '') ?? []).slice(1);
  return [number(ends(first)[0] ?? ''), number(ends(last)[1] ?? '')];
}
