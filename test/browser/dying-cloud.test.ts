/** <sae-dying-cloud>: what it shows is what the record has; its brush holds exactly what lies inside; all of it by keyboard and in a table. */
import { assert } from '@esm-bundle/chai';
import { emulateMedia, sendKeys, sendMouse } from '@web/test-runner-commands';
import '../../components/dying-cloud/define.js';
import { FIRST_CAMERA } from '../../components/dying-cloud/camera.js';
import type { SaeDyingCloud } from '../../components/dying-cloud/dying-cloud.js';
import type { Point } from '../../components/dying-cloud/pick.js';
import { cloudAxes, cloudPoints, markRadius, placeOn } from '../../components/dying-cloud/points.js';
import { floorOf, intervalOf, QUANTITIES } from '../../components/dying-cloud/quantities.js';
import type { SaeScrubEvent, SaeSelectEvent } from '../../components/internal/events.js';
import type { DyingRecord } from '../../engine/dying/record.js';
import { FEATURE_CLASSES } from '../../engine/pack/schema.js';
import { knownRecord } from '../shared/dying-record.js';
import { apart, oracle, sceneOf, uncovered } from '../support/cloud.js';
import { assertAccessible, inside, mount, press, settled, testPack, unmountAll, until } from '../support/dashboard.js';

describe('<sae-dying-cloud>', () => {
  const record = knownRecord({ features: 160 });
  afterEach(unmountAll);

  const cloud = async (properties: Partial<SaeDyingCloud> = {}, width = 900): Promise<SaeDyingCloud> => {
    const element = await mount<SaeDyingCloud>('sae-dying-cloud', { record, renderer: 'canvas', loading: 'eager', ...properties }, { width });
    await until('the plot or table', () => inside(element).querySelector('.plot, .grid'));
    if (element.view === 'plot') await until('who draws', () => element.drawnBy);
    await settled(element);
    await settled(element);
    return element;
  };
  const plot = (element: Element): HTMLElement => inside(element).querySelector('.plot') as HTMLElement;
  const readout = (element: Element): string => inside(element).querySelector('[role=status]')?.textContent ?? '';
  const button = (element: Element, name: string): HTMLButtonElement => [...inside(element).querySelectorAll('button')].find((one) => one.textContent?.trim().startsWith(name)) as HTMLButtonElement;
  const selections = (element: HTMLElement): SaeSelectEvent[] => {
    const events: SaeSelectEvent[] = [];
    element.addEventListener('sae-select', (event) => events.push(event));
    return events;
  };
  /** Where the oracle sees the features of the last frame, at the first camera. */
  const oracleOf = (element: SaeDyingCloud, from: DyingRecord = record): { readonly at: (i: number) => Point; readonly n: number } => {
    const points = cloudPoints(from.frames.at(-1)!, cloudAxes(from.frames, [element.x, element.y, element.z]), new Set());
    const see = oracle(FIRST_CAMERA, plot(element).clientWidth, plot(element).clientHeight);
    return { at: (i) => see(points.position.subarray(3 * i, 3 * i + 3) as unknown as number[]), n: points.count };
  };

  it('draws nothing below the floor, and what cannot be told from zero as open marks in its plane', () => {
    for (const frame of record.frames) {
      const axes = cloudAxes(record.frames, ['bias', 'density', 'de']);
      const points = cloudPoints(frame, axes, new Set());
      const floor = placeOn(axes[1], floorOf(frame));
      for (let i = 0; i < points.count; i++) {
        const told = frame.counts[i]! >= 3;
        assert.equal(points.open[i], told ? 0 : 1);
        const expected = told ? placeOn(axes[1], frame.counts[i]! / frame.rows) : floor;
        assert.closeTo(points.position[3 * i + 1]!, expected, 1e-6);
        assert.isAtLeast(points.position[3 * i + 1]!, floor - 1e-6);
        assert.closeTo(points.position[3 * i]!, placeOn(axes[0], frame.bias[i]!), 1e-5);
        assert.closeTo(points.position[3 * i + 2]!, placeOn(axes[2], frame.de[i]!), 1e-5);
      }
    }
    const zero = intervalOf({ ...record.frames[0]!, counts: Float64Array.of(0) }, 0);
    assert.deepEqual(zero, { low: 0, high: 3 / 20_000 });
  });

  it('has every quantity to the bit, and none where a column is zero', () => {
    const frame = record.frames[2]!;
    const i = 17;
    const expected = [frame.counts[i]! / frame.rows, frame.bias[i], frame.effective_bias[i], frame.bias[i]! / frame.encoder_norm[i]!, frame.effective_bias[i]! / frame.encoder_norm[i]!, frame.de[i], frame.de_cosine[i], frame.direction_cosine[i]];
    assert.deepEqual(QUANTITIES.map(({ of }) => of(frame, i)), expected as number[]);
    const dead = { ...frame, encoder_norm: new Float32Array(frame.counts.length) };
    const points = cloudPoints(dead, cloudAxes([frame], ['bias-norm', 'density', 'de']), new Set());
    assert.equal(points.without, points.count);
    assert.isTrue(points.shown.every((one) => one === 0));
  });

  it('falls back to a canvas, with the picture, when its device is lost, and gives its device back', async () => {
    const devices: GPUDevice[] = [];
    const request = GPUAdapter.prototype.requestDevice;
    GPUAdapter.prototype.requestDevice = async function (this: GPUAdapter, ...args) {
      const device = await request.apply(this, args);
      devices.push(device);
      return device;
    };
    try {
      const element = await cloud({ renderer: 'webgpu' });
      const first = await until('the device', () => devices[0]);
      first.destroy();
      await until('the canvas', () => element.drawnBy === 'canvas');
      await settled(element);
      const picture = element.snapshot()!;
      const data = picture.getContext('2d')!.getImageData(0, 0, picture.width, picture.height).data;
      assert.isAbove(data.filter((value, at) => at % 4 === 3 && value === 255).length, 1000);
      assert.lengthOf(inside(element).querySelectorAll('.stage canvas'), 1);
      const second = await cloud({ renderer: 'webgpu' });
      const device = await until('another device', () => devices[1]);
      second.remove();
      const { reason } = await device.lost;
      assert.include(['destroyed', 'unknown'], reason);
      // What happens to it while it is nowhere opens nothing; back in the page it draws again.
      const opened = devices.length;
      second.step = 0;
      await second.updateComplete;
      await new Promise((resolve) => setTimeout(resolve, 100));
      assert.deepEqual([second.drawnBy, devices.length], [null, opened]);
      second.renderer = 'canvas';
      element.after(second);
      await until('it draws again', () => second.drawnBy === 'canvas');
      await settled(second);
      assert.isNotNull(second.snapshot());
    } finally {
      GPUAdapter.prototype.requestDevice = request;
    }
  });

  it('selects exactly what lies inside the rectangle that Shift and drag draw', async () => {
    const element = await cloud();
    const events = selections(element);
    const box = plot(element).getBoundingClientRect();
    const { at, n } = oracleOf(element);
    const [from, to] = [{ x: 380, y: 120 }, { x: 640, y: 330 }];
    await sendKeys({ down: 'Shift' });
    await sendMouse({ type: 'move', position: [Math.round(box.x + from.x), Math.round(box.y + from.y)] });
    await sendMouse({ type: 'down' });
    await sendMouse({ type: 'move', position: [Math.round(box.x + 500), Math.round(box.y + 200)] });
    await sendMouse({ type: 'move', position: [Math.round(box.x + to.x), Math.round(box.y + to.y)] });
    await sendMouse({ type: 'up' });
    await sendKeys({ up: 'Shift' });
    await settled(element);
    const corner = (p: Point): Point => ({ x: Math.round(box.x + p.x) - box.x, y: Math.round(box.y + p.y) - box.y });
    const [a, b] = [corner(from), corner(to)];
    const expected = Array.from({ length: n }, (_, i) => i).filter((i) => at(i).x >= a.x && at(i).x <= b.x && at(i).y >= a.y && at(i).y <= b.y);
    assert.isAbove(expected.length, 5);
    assert.isBelow(expected.length, n);
    // Within a pixel of the edge either answer is right.
    const doubtful = new Set(Array.from({ length: n }, (_, i) => i).filter((i) => Math.min(Math.abs(at(i).x - a.x), Math.abs(at(i).x - b.x), Math.abs(at(i).y - a.y), Math.abs(at(i).y - b.y)) < 1.5));
    const last = events.at(-1)!;
    assert.equal(last.source, 'cloud');
    assert.deepEqual([...last.features!].filter((i) => !doubtful.has(i)), expected.filter((i) => !doubtful.has(i)));
    assert.deepEqual(element.features, last.features);
    assert.include(readout(element), `${last.features!.length} features chosen`);
  });

  it('selects what lies inside a lasso, and leaves it where the page prevents that', async () => {
    const element = await cloud({ brush: 'lasso' });
    button(element, 'Brush').click();
    await settled(element);
    const events = selections(element);
    const { x, y } = plot(element).getBoundingClientRect();
    const corners = [[420, 100], [700, 150], [640, 360], [450, 330]] as const;
    await sendMouse({ type: 'move', position: [Math.round(x + 420), Math.round(y + 100)] });
    await sendMouse({ type: 'down' });
    for (const [dx, dy] of corners.slice(1)) await sendMouse({ type: 'move', position: [Math.round(x + dx), Math.round(y + dy)] });
    await sendMouse({ type: 'up' });
    await settled(element);
    const at = corners.map(([dx, dy]) => ({ x: Math.round(x + dx) - x, y: Math.round(y + dy) - y }));
    const context = document.createElement('canvas').getContext('2d')!;
    const path = new Path2D();
    for (const point of at) path.lineTo(point.x, point.y);
    path.closePath();
    context.lineWidth = 3;
    const { at: seen, n } = oracleOf(element);
    const chosen = new Set(events.at(-1)!.features);
    assert.isAbove(chosen.size, 5);
    for (let i = 0; i < n; i++) if (!context.isPointInStroke(path, seen(i).x, seen(i).y)) assert.equal(chosen.has(i), context.isPointInPath(path, seen(i).x, seen(i).y, 'evenodd'), `feature ${i}`);
    element.addEventListener('sae-select', (event) => event.preventDefault());
    press(plot(element), 'Escape');
    await settled(element);
    assert.equal(element.features?.length, chosen.size);
    await sendMouse({ type: 'move', position: [0, 0] });
  });

  it('turns by drag and by arrow keys, zooms, goes back, and opens what is clicked', async () => {
    const element = await cloud();
    const events = selections(element);
    const box = plot(element).getBoundingClientRect();
    const at = (i: number): Point => element.positionOf(i)!;
    const before = at(3);
    await sendMouse({ type: 'move', position: [Math.round(box.x + 60), Math.round(box.y + 60)] });
    await sendMouse({ type: 'down' });
    await sendMouse({ type: 'move', position: [Math.round(box.x + 160), Math.round(box.y + 70)] });
    await sendMouse({ type: 'up' });
    await settled(element);
    assert.notDeepEqual(at(3), before);
    assert.isEmpty(events);
    press(plot(element), '0');
    await settled(element);
    assert.deepEqual(at(3), before);
    press(plot(element), 'ArrowLeft');
    press(plot(element), 'ArrowRight');
    press(plot(element), '+');
    await settled(element);
    const near = at(3);
    press(plot(element), '-');
    await settled(element);
    assert.closeTo(at(3).x, before.x, 0.01);
    assert.isAbove(Math.abs(near.x - box.width / 2), Math.abs(before.x - box.width / 2));
    const alone = uncovered(sceneOf(record, plot(element).clientWidth, plot(element).clientHeight))[0]!;
    const border = plot(element).clientLeft;
    await sendMouse({ type: 'click', position: [Math.round(box.x + border + at(alone).x), Math.round(box.y + border + at(alone).y)] });
    await settled(element);
    assert.deepEqual(events.map(({ feature }) => feature), [alone]);
    assert.equal(element.feature, alone);
    assert.isNotNull(inside(element).querySelector('.ring.open'));
    await sendMouse({ type: 'move', position: [0, 0] });
  });

  it('is walked by keyboard from the rarest feature on, brushes and clears', async () => {
    const element = await cloud();
    const events = selections(element);
    const { counts } = record.frames.at(-1)!;
    const order = Array.from(counts, (_, i) => i).sort((a, b) => counts[a]! - counts[b]! || a - b);
    assert.isTrue(press(plot(element), 'n').defaultPrevented);
    press(plot(element), 'n');
    await settled(element);
    assert.match(readout(element), new RegExp(`^feature ${order[1]} · dead: no firing in 20\u202f000 rows: below the floor 3/N = 1\\.5 × 10⁻⁴; bias`));
    press(plot(element), 'End');
    await settled(element);
    assert.match(readout(element), new RegExp(`^feature ${order.at(-1)} · dense: density 0\\.\\d+ \\(0\\.\\d+ to 0\\.\\d+\\)`));
    assert.isNotNull(inside(element).querySelector('.whisker.dense'));
    press(plot(element), 'Enter');
    assert.equal(events.at(-1)?.feature, order.at(-1));
    for (let i = 0; i < 6; i++) press(plot(element), 'ArrowDown', { shiftKey: true });
    for (let i = 0; i < 6; i++) press(plot(element), 'ArrowRight', { shiftKey: true });
    await settled(element);
    const { at, n } = oracleOf(element);
    const anchor = at(order.at(-1)!);
    const inBox = (i: number, slack: number): boolean => at(i).x >= anchor.x - slack && at(i).x <= anchor.x + 96 + slack && at(i).y >= anchor.y - slack && at(i).y <= anchor.y + 96 + slack;
    const chosen = events.at(-1)!.features!;
    for (let i = 0; i < n; i++) {
      if (inBox(i, -0.1)) assert.include(chosen, i);
      else if (!inBox(i, 0.1)) assert.notInclude(chosen, i);
    }
    press(plot(element), 'Escape');
    await settled(element);
    assert.isNull(events.at(-1)?.features);
    assert.isNull(element.features);
    assert.isFalse(press(plot(element), 'Escape').defaultPrevented, 'an Escape that has nothing to do is somebody else’s');
  });

  it('switches classes off: they are neither drawn, walked nor brushed', async () => {
    const element = await cloud();
    const { counts, rows } = record.frames.at(-1)!;
    const live = Array.from(counts).filter((count) => count / rows >= 1e-4 && count / rows <= 0.1).length;
    assert.equal(button(element, 'live').querySelector('.count')?.textContent, String(live));
    button(element, 'live').click();
    await settled(element);
    assert.equal(button(element, 'live').getAttribute('aria-pressed'), 'false');
    assert.include(readout(element), `${160 - live} of 160 features`);
    const one = Array.from(counts).findIndex((count) => count / rows > 1e-3 && count / rows < 0.05);
    assert.isNull(element.positionOf(one));
  });

  it('has a table of the same numbers, sorted by what is clicked', async () => {
    const element = await cloud({ view: 'table', z: 'de-cosine' });
    const heads = [...inside(element).querySelectorAll('[role=columnheader]')].map((head) => head.textContent?.replace(/[▲▼]/, '').trim());
    assert.deepEqual(heads, ['feature', 'class', 'firings', 'density', '95 % interval', 'bias', 'cos(w, d)']);
    const rows = (): string[][] => [...inside(element).querySelectorAll('.body [role=row]')].map((row) => [...row.children].map((cell) => cell.textContent?.trim() ?? ''));
    assert.isBelow(rows().length, 60, 'only what is seen is in the document');
    assert.equal(inside(element).querySelector('[role=grid]')?.getAttribute('aria-rowcount'), '161');
    const frame = record.frames.at(-1)!;
    button(element, 'bias').click();
    await settled(element);
    const order = Array.from(frame.bias, (_, i) => i).sort((a, b) => frame.bias[a]! - frame.bias[b]!);
    assert.deepEqual(rows().slice(0, 8).map(([feature]) => Number(feature)), order.slice(0, 8));
    for (const [feature, name, firings, , , bias] of rows().slice(0, 8)) {
      assert.equal(Number(firings!.replaceAll('\u202f', '')), frame.counts[Number(feature)]);
      assert.closeTo(Number(bias!.replace('−', '-')), frame.bias[Number(feature)]!, 6e-4);
      assert.include(FEATURE_CLASSES, name);
    }
    button(element, 'bias').click();
    await settled(element);
    assert.equal(Number(rows()[0]![0]), order.at(-1));
    const grid = inside(element).querySelector('.grid') as HTMLElement;
    const events = selections(element);
    grid.focus();
    press(grid, 'End');
    await settled(element);
    press(grid, 'Enter');
    assert.equal(events[0]?.feature, order[0]);
  });

  it('is scrubbed, by itself and by others, and takes other axes', async () => {
    const element = await cloud();
    const steps: (number | null)[] = [];
    element.addEventListener('sae-scrub', (event: SaeScrubEvent) => steps.push(event.step));
    const slider = inside(element).querySelector('input[type=range]') as HTMLInputElement;
    slider.value = '1';
    slider.dispatchEvent(new Event('input'));
    await settled(element);
    assert.deepEqual(steps, [250]);
    assert.equal(slider.getAttribute('aria-valuetext'), 'step 250');
    assert.include(readout(element), 'at step 250');
    element.step = 1999;
    await settled(element);
    assert.include(readout(element), 'at step 1\u202f000');
    assert.deepEqual(steps, [250]);
    const select = inside(element).querySelectorAll('select')[0]!;
    select.value = 'direction-cosine';
    select.dispatchEvent(new Event('change'));
    await settled(element);
    assert.equal(element.x, 'direction-cosine');
    assert.include(plot(element).getAttribute('aria-label'), 'cos(w, w*) × density × D/E');
    element.record = knownRecord({ features: 40, plane: false });
    await settled(element);
    await settled(element);
    assert.include(readout(element), '40 features have no value on an axis');
    assert.isTrue((inside(element).querySelector('option[value=direction-cosine]') as HTMLOptionElement).disabled);
  });

  it('draws once for a change, not at all without one, and not off screen', async () => {
    const clear = CanvasRenderingContext2D.prototype.clearRect;
    let draws = 0;
    CanvasRenderingContext2D.prototype.clearRect = function (this: CanvasRenderingContext2D, ...args) {
      draws++;
      return clear.apply(this, args);
    };
    try {
      const element = await cloud();
      await settled(element);
      draws = 0;
      for (let i = 0; i < 5; i++) await settled(element);
      assert.equal(draws, 0);
      for (let i = 0; i < 6; i++) press(plot(element), 'ArrowLeft');
      await settled(element);
      assert.equal(draws, 1);
      element.style.marginBlockStart = '9000px';
      await settled(element);
      await settled(element);
      draws = 0;
      element.step = 0;
      await settled(element);
      await settled(element);
      assert.equal(draws, 0);
      element.style.marginBlockStart = '0px';
      await until('it is drawn', () => draws === 1);
    } finally {
      CanvasRenderingContext2D.prototype.clearRect = clear;
    }
  });

  it('stands 65,536 features', async () => {
    const many = knownRecord({ features: 65_536, steps: [0, 1000], d: 4 });
    const element = await cloud({ record: many });
    press(plot(element), 'ArrowLeft');
    const start = performance.now();
    element.snapshot();
    const took = performance.now() - start;
    assert.isBelow(took, 1500, `one picture took ${took.toFixed(0)} ms`);
    assert.equal(markRadius(65_536) < 1.6, true);
    assert.lengthOf(inside(element).querySelectorAll('.stage canvas'), 1);
  });

  it('prints a canvas in the colours of paper', async () => {
    const element = await cloud();
    dispatchEvent(new Event('beforeprint'));
    const paper = inside(element).querySelector('canvas.paper') as HTMLCanvasElement;
    const data = paper.getContext('2d')!.getImageData(0, 0, paper.width, paper.height).data;
    let dense = 0;
    for (let at = 0; at < data.length; at += 4) if (data[at + 3] === 255 && apart(data.subarray(at, at + 3), [168, 95, 23]) < 3) dense++;
    assert.isAbove(dense, 20);
  });

  it('reads a pack', async () => {
    const pack = await testPack(300);
    const summary = await pack.summary();
    const element = await cloud({ record: null, pack });
    assert.include(readout(element), '300 of 300 features');
    const dead = summary.classes.filter((name) => name === 'dead').length;
    assert.isAbove(dead, 0);
    assert.equal(button(element, 'dead').querySelector('.count')?.textContent, String(dead));
    const events = selections(element);
    press(plot(element), 'n');
    press(plot(element), 'Enter');
    assert.equal(events[0]?.pack, pack);
    assert.equal(summary.classes[events[0]!.feature!], 'dead');
  });

  it('says that there is nothing, and why it cannot', async () => {
    const empty = await mount<SaeDyingCloud>('sae-dying-cloud');
    assert.include(inside(empty).querySelector('[part=empty]')?.textContent, 'needs a src');
    const broken = await mount<SaeDyingCloud>('sae-dying-cloud', { src: '/no-such-pack/', loading: 'eager' });
    const alert = await until('the error', () => inside(broken).querySelector('[role=alert]'));
    assert.include(alert.textContent, '/no-such-pack/manifest.json');
  });

  it('fits every width, keeps its texts inside, and keeps shapes apart in forced colours', async () => {
    for (const width of [320, 700, 1400]) {
      const element = await cloud({ whiskers: 'all' }, width);
      assert.isAtMost(element.scrollWidth, width);
      const { right, left } = plot(element).getBoundingClientRect();
      for (const text of inside(element).querySelectorAll('.layer text')) {
        const box = text.getBoundingClientRect();
        assert.isAtMost(box.right, right + 2, text.textContent ?? '');
        assert.isAtLeast(box.left, left - 2, text.textContent ?? '');
      }
      for (const path of inside(element).querySelectorAll('path')) assert.notInclude(path.getAttribute('d'), 'NaN');
      unmountAll();
    }
    await emulateMedia({ forcedColors: 'active' });
    try {
      const element = await cloud();
      const shapes = [...inside(element).querySelectorAll('.legend path')].map((path) => path.getAttribute('d'));
      assert.equal(new Set(shapes).size, 5);
      const picture = element.snapshot()!;
      assert.isTrue(picture.getContext('2d')!.getImageData(0, 0, picture.width, picture.height).data.some((value) => value > 0));
    } finally {
      await emulateMedia({ forcedColors: 'none' });
    }
  });

  it('passes axe in light and dark, as a plot and as a table, and draws in the scheme’s colours', async () => {
    const element = await cloud();
    press(plot(element), 'n');
    const pictures: string[] = [];
    for (const colorScheme of ['light', 'dark'] as const) {
      await emulateMedia({ colorScheme });
      document.documentElement.style.colorScheme = colorScheme;
      document.documentElement.style.background = 'Canvas';
      for (const view of ['table', 'plot'] as const) {
        element.view = view;
        await settled(element);
        await assertAccessible(element);
      }
      await until('who draws', () => element.drawnBy);
      await new Promise((resolve) => setTimeout(resolve, 100));
      pictures.push(element.snapshot()!.toDataURL());
    }
    assert.isFalse(pictures[0] === pictures[1]);
    document.documentElement.removeAttribute('style');
    await emulateMedia({ colorScheme: 'light' });
  });
});
