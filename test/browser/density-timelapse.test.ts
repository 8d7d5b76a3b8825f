/** <sae-density-timelapse>: what it counts, draws and says, and how its cursor is moved. */
import { assert } from '@esm-bundle/chai';
import { emulateMedia } from '@web/test-runner-commands';
import '../../components/density-timelapse/define.js';
import type { SaeDensityTimelapse } from '../../components/density-timelapse/density-timelapse.js';
import { groupsOf } from '../../components/density-timelapse/groups.js';
import { lawsOf } from '../../components/density-timelapse/laws.js';
import { BAND, frameNear, layoutTimelapse } from '../../components/density-timelapse/layout.js';
import { opacityFor, paintLines } from '../../components/density-timelapse/paint.js';
import type { SaeScrubEvent } from '../../components/internal/events.js';
import { assertAccessible, inside, mount, settled, unmountAll, until } from '../support/dashboard.js';
import { knownRecord } from '../shared/dying-record.js';

const RECIPE = { optimizer: 'adam', lr: 1e-3, batch: 64, beta1: 0.9, beta2: 0.99, l1: 2, arch: 'standard' } as const;
const STEPS = [0, 50, 100, 200, 400, 1000, 2000, 4000];
const record = { ...knownRecord({ features: 200, steps: STEPS, rows: 5000, cohorts: false }), recipe: RECIPE };
const followed = knownRecord({ features: 120, steps: STEPS, rows: 5000, cohorts: true });

describe('<sae-density-timelapse>', () => {
  afterEach(unmountAll);

  async function shown(properties: Partial<SaeDensityTimelapse> = {}, width = 900): Promise<SaeDensityTimelapse> {
    const element = await mount<SaeDensityTimelapse>('sae-density-timelapse', { record, loading: 'eager', ...properties }, { width });
    await until('the chart', () => inside(element).querySelector('.controls'));
    await settled(element);
    return element;
  }
  const scrubs = (element: Element): (number | null)[] => {
    const steps: (number | null)[] = [];
    element.addEventListener('sae-scrub', (event) => steps.push((event as SaeScrubEvent).step));
    return steps;
  };

  it('groups: every feature once; quartiles over all of a group, silent ones included', () => {
    for (const one of [record, followed]) {
      const groups = groupsOf(one);
      assert.equal(groups.reduce((sum, { features }) => sum + features.length, 0), one.features);
      for (const { features, median, silent } of groups) {
        one.frames.forEach(({ counts, rows }, at) => {
          const sorted = [...features].map((i) => counts[i]!).sort((a, b) => a - b);
          const [a, b] = [sorted[Math.floor((sorted.length - 1) / 2)]!, sorted[Math.ceil((sorted.length - 1) / 2)]!];
          if (a === 0) assert.isNull(median[at]);
          else assert.approximately(median[at]!, Math.sqrt(a * b) / rows, 1e-12);
          assert.equal(silent[at], sorted.filter((count) => count === 0).length);
        });
      }
    }
    assert.include(groupsOf(followed).map(({ name }) => name), 'spared');
  });

  it('the law passes through the two medians that it was fitted to', () => {
    const groups = groupsOf(record);
    const laws = lawsOf(record, groups);
    assert.isNotEmpty(laws);
    for (const { name, step, p } of laws) {
      const group = groups.find((one) => name.includes(one.name))!;
      const seen = STEPS.flatMap((at, i) => (group.median[i] !== null && at >= Math.sqrt(4000) ? [{ at, p: group.median[i]! }] : []));
      const value = (at: number): number => {
        const later = Array.from(step).findIndex((one) => one >= at);
        if (later <= 0) return p[0]!;
        const t = (at - step[later - 1]!) / (step[later]! - step[later - 1]!);
        return Math.exp(Math.log(p[later - 1]!) * (1 - t) + Math.log(p[later]!) * t);
      };
      for (const { at, p: median } of [seen[0]!, seen.at(-1)!]) assert.approximately(Math.log10(value(at)), Math.log10(median), 0.02);
    }
    assert.isEmpty(lawsOf({ ...record, recipe: { ...RECIPE, arch: 'topk' } }, groups), 'TopK has no law');
    assert.isEmpty(lawsOf({ ...record, recipe: null }, groups));
  });

  it('draws each density where it is, and nothing between the plot and the band but lines that end', () => {
    const canvas = document.createElement('canvas');
    [canvas.width, canvas.height] = [600, 300];
    const context = canvas.getContext('2d')!;
    const groups = groupsOf(record);
    const layout = layoutTimelapse(record, { width: 600, height: 300, kind: 'log', laws: [], knees: [] });
    // One feature at a time, opaque, so that its pixels can be looked at.
    for (const i of [0, 1, 2, 3, 50, 51]) {
      context.clearRect(0, 0, 600, 300);
      paintLines({ context, layout, frames: record.frames, groups: [{ ...groups[0]!, features: Uint32Array.of(i) }], color: () => '#000', hidden: new Set() });
      record.frames.forEach(({ counts, rows }, at) => {
        const x = Math.round(layout.columns[at]!);
        const column = context.getImageData(Math.min(599, Math.max(0, x - 1)), 0, 2, 300).data;
        const inked = Array.from({ length: 300 }, (_, y) => y).filter((y) => column[(2 * y) * 4 + 3]! > 0 || column[(2 * y + 1) * 4 + 3]! > 0);
        const before = at > 0 ? record.frames[at - 1]!.counts[i]! : 0;
        const after = record.frames[at + 1]?.counts[i] ?? 0;
        if (counts[i]! > 0) {
          const y = layout.y.map(counts[i]! / rows);
          assert.isTrue(inked.some((one) => Math.abs(one - y) <= 2), `feature ${i}, frame ${at}: ink at ${inked.slice(0, 3).join()}, expected ${y}`);
        } else if (before === 0 && after === 0) assert.isEmpty(inked, `feature ${i}, frame ${at}`);
      });
    }
    assert.isAbove(layout.columns.length, 1);
    assert.isAtMost(layout.plot.y + layout.plot.height + BAND, 300);
    assert.isAbove(opacityFor(10), opacityFor(1000));
  });

  it('names the floor, the knees and the law', async () => {
    const element = await shown();
    const text = inside(element).querySelector('svg[role=img]')?.textContent ?? '';
    assert.include(text, 'no firing: below 6 × 10⁻⁴');
    assert.include(text, '1/B = 0.016');
    assert.include(text, '(1 − β₂)/B');
    assert.isNotNull(inside(element).querySelector('.law'));
    const laws = [...inside(element).querySelectorAll<HTMLButtonElement>('.controls button')].find((button) => button.textContent === 'Laws')!;
    laws.click();
    await settled(element);
    assert.isNull(inside(element).querySelector('.law'));
    assert.notInclude(inside(element).querySelector('svg[role=img]')?.textContent, '1/B');
  });

  it('moves its cursor by slider, drag and property, and tells of the first two alone', async () => {
    const element = await shown();
    const steps = scrubs(element);
    const slider = inside(element).querySelector<HTMLInputElement>('input[type=range]')!;
    slider.value = '2';
    slider.dispatchEvent(new Event('input', { bubbles: true }));
    await settled(element);
    assert.deepEqual([steps, element.step], [[100], 100]);
    assert.equal(slider.getAttribute('aria-valuetext'), 'step 100');
    const chart = inside(element).querySelector('.chart')!;
    const box = chart.getBoundingClientRect();
    const layout = layoutTimelapse(record, { width: Math.floor(box.width), height: Math.floor(box.height), kind: 'log', laws: [], knees: [] });
    for (const at of [5, 7]) {
      chart.dispatchEvent(new PointerEvent('pointerdown', { button: 0, clientX: box.left + layout.columns[at]!, clientY: box.top + 50, pointerId: 1, bubbles: true }));
      chart.dispatchEvent(new PointerEvent('pointerup', { pointerId: 1, bubbles: true }));
    }
    await settled(element);
    assert.deepEqual(steps, [100, 1000, null], 'the last step is told as the last, whatever comes after it');
    assert.equal(frameNear(layout, layout.columns[3]! + 1), 3);
    element.step = 400;
    await settled(element);
    assert.equal(slider.value, '4');
    assert.lengthOf(steps, 3);
    element.addEventListener('sae-scrub', (event) => event.preventDefault());
    slider.value = '1';
    slider.dispatchEvent(new Event('input', { bubbles: true }));
    assert.equal(element.step, 400, 'someone else decides');
  });

  it('plays from frame to frame, and stops at the end and when it leaves', async () => {
    const element = await shown({ step: 1000 });
    element.play();
    await until('the end', () => element.step === null);
    await until('the pause', () => [...inside(element).querySelectorAll('.controls button')].some((button) => button.textContent === 'Play'));
    element.play();
    assert.equal(element.step, 0, 'from the start');
    element.remove();
    const at = element.step;
    await new Promise((resolve) => setTimeout(resolve, 600));
    assert.equal(element.step, at);
  });

  it('draws lines only when they have changed', async () => {
    const element = await shown();
    const canvas = inside(element).querySelector('canvas')!;
    const context = canvas.getContext('2d')!;
    const stroke = context.stroke.bind(context);
    let strokes = 0;
    context.stroke = (...parts: []) => (strokes++, stroke(...parts));
    element.step = 100;
    await settled(element);
    assert.equal(strokes, 0, 'the cursor is not on the canvas');
    inside(element).querySelector<HTMLButtonElement>('.legend button')!.click();
    await settled(element);
    assert.isAbove(strokes, 0);
    assert.isBelow(strokes, 200, 'a group was taken away');
  });

  it('says the frame in words, and all of them in a table', async () => {
    const element = await shown({ view: 'table', step: 0 });
    const rows = inside(element).querySelectorAll('tbody tr');
    assert.lengthOf(rows, STEPS.length);
    assert.equal(rows[0]?.getAttribute('aria-current'), 'step');
    assert.match(inside(element).querySelector('[role=status]')?.textContent ?? '', /^Step 0, 5\D000 rows\. end/);
  });

  it('shows chosen features, cohorts, and a record that grows, without a moment of loading', async () => {
    const element = await shown({ features: [3, 7] });
    assert.lengthOf(inside(element).querySelectorAll('.chosen'), 2);
    let loads = 0;
    element.addEventListener('sae-load', () => loads++);
    element.record = followed;
    await settled(element);
    assert.include(inside(element).querySelector('.legend')?.textContent, 'spared');
    assert.equal(loads, 0);
    element.record = { ...record, frames: record.frames.slice(0, 1) };
    await settled(element);
    assert.isTrue(inside(element).querySelector<HTMLInputElement>('input')!.disabled);
  });

  it('is accessible in light and dark, and fits 340 pixels', async () => {
    for (const colorScheme of ['light', 'dark'] as const) {
      await emulateMedia({ colorScheme });
      await assertAccessible(await shown());
      await assertAccessible(await shown({ view: 'table' }));
      const narrow = await shown({ record: followed }, 340);
      await assertAccessible(narrow);
      assert.isAtMost(inside(narrow).querySelector('.frame')!.scrollWidth, 341);
      unmountAll();
    }
    await emulateMedia({ colorScheme: 'light' });
  });
});
