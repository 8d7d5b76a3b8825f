/** <sae-collapse-plot>: its figures against closed forms and an oracle, its marks where they belong, by keyboard and in a table. */
import { assert } from '@esm-bundle/chai';
import { emulateMedia, sendMouse } from '@web/test-runner-commands';
import fc from 'fast-check';
import '../../components/collapse-plot/define.js';
import { collapse, gaussianCurve, rareEdge, survivalCurve } from '../../components/collapse-plot/collapse.js';
import { summaryWords, type SaeCollapsePlot } from '../../components/collapse-plot/collapse-plot.js';
import { layoutCollapse } from '../../components/collapse-plot/layout.js';
import type { SaeScrubEvent, SaeSelectEvent } from '../../components/internal/events.js';
import { upperTail } from '../../engine/dying/normal.js';
import type { DyingFrame, DyingPlane } from '../../engine/dying/record.js';
import { wilsonInterval } from '../../engine/statistics.js';
import { knownRecord, type KnownRecord } from '../shared/dying-record.js';
import { assertAccessible, inside, mount, press, settled, unmountAll, until } from '../support/dashboard.js';

const planeOf = (record: KnownRecord): DyingPlane => record.plane as DyingPlane;

/** The frame of features that all are w* itself: their densities are S(c_i), rounded to whole firings. */
function onTheCurve(record: KnownRecord, rows = 1e6): { readonly frame: DyingFrame; readonly plane: DyingPlane } {
  const plane = planeOf(record);
  const { direction, mean } = plane;
  const centre = direction.reduce((sum, value, k) => sum + value * mean[k]!, 0);
  const spread = Math.sqrt(direction.reduce((sum, value, k) => sum + (value * record.sigma[k]!) ** 2, 0));
  const n = 60;
  const z = Float64Array.from({ length: n }, (_, i) => 2 + (2.4 * i) / n);
  const norm = Float32Array.from({ length: n }, (_, i) => 0.5 + (i % 7) / 5);
  // The curve itself in closed form, finely.
  const c = Float64Array.from({ length: 4001 }, (_, i) => centre + spread * (-5 + (10.5 * i) / 4000));
  const survival = { c, p: c.map((at) => upperTail((at - centre) / spread)), rows: 1e9 };
  const zeros = new Float32Array(n);
  const frame: DyingFrame = { step: 1, tokens: null, rows, counts: Float64Array.from(z, (t) => Math.round(rows * upperTail(t))), bias: zeros, effective_bias: Float32Array.from(z, (t, i) => -(centre + spread * t) * norm[i]!), encoder_norm: norm, de: zeros, de_cosine: zeros, direction_cosine: zeros, b_dec: new Float32Array(mean.length) };
  return { frame, plane: { ...plane, survival } };
}

describe('<sae-collapse-plot>', () => {
  const record = knownRecord({ features: 300 });
  afterEach(unmountAll);

  const collapsed = async (properties: Partial<SaeCollapsePlot> = {}, width = 800): Promise<SaeCollapsePlot> => {
    const element = await mount<SaeCollapsePlot>('sae-collapse-plot', { record, loading: 'eager', ...properties }, { width });
    await until('the plot or table', () => inside(element).querySelector('.plot, .grid, [part=empty]'));
    await settled(element);
    await settled(element);
    return element;
  };
  const plot = (element: Element): HTMLElement => inside(element).querySelector('.plot') as HTMLElement;
  const text = (element: Element, part: string): string => inside(element).querySelector(`[part=${part}]`)?.textContent ?? '';

  it('leaves no residual of features that are all one feature with other offsets', () => {
    const { frame, plane } = onTheCurve(record);
    const result = collapse(frame, plane, 0.1);
    assert.equal(result.points.length, 60);
    assert.isBelow(result.rms!, 0.02, 'what rounding to whole firings and f32 biases leaves');
    assert.equal(result.within, 60);
    assert.equal(result.shuffled?.share, 0);
    assert.isAbove(result.shuffled!.rms, 1);
    assert.isBelow(Math.abs(result.median!), 0.003);
    // A curve that is a decade too high is found out to be that.
    const shifted = collapse(frame, { ...plane, survival: { ...plane.survival, p: plane.survival.p.map((p) => Math.min(1, 10 * p)) } }, 0.02);
    assert.closeTo(shifted.rms!, 1, 0.02);
    assert.closeTo(shifted.median!, -1, 0.01);
    assert.equal(shifted.within, 0);
  });

  it('gives the figures that come out by hand', () => {
    const frame = record.frames.at(-1)!;
    const plane = planeOf(record);
    const result = collapse(frame, plane);
    const edge = rareEdge(frame.rows);
    assert.equal(edge, 0.005);
    assert.equal(rareEdge(1e9), 1e-4);
    const rare = Array.from(frame.counts, (_, i) => i).filter((i) => frame.counts[i]! / frame.rows < edge);
    assert.deepEqual(result.points.map(({ feature }) => feature).sort((a, b) => a - b), rare);
    let [squares, measured, within, judged, beyond] = [0, 0, 0, 0, 0];
    const { c: cs, p: ps, rows } = plane.survival;
    for (const i of rare) {
      const c = -frame.effective_bias[i]! / frame.encoder_norm[i]!;
      const k = frame.counts[i]!;
      // By linear search, and interpolation in logarithms.
      let at = -1;
      while (at + 1 < cs.length && cs[at + 1]! <= c) at++;
      if (at < 0) continue;
      const curve = at === cs.length - 1 ? (cs[at] === c ? ps[at]! : 0) : Math.exp(Math.log(ps[at]!) + ((c - cs[at]!) / (cs[at + 1]! - cs[at]!)) * (Math.log(ps[at + 1]!) - Math.log(ps[at]!)));
      const interval = k === 0 ? { low: 0, high: 3 / frame.rows } : wilsonInterval(k, frame.rows);
      judged++;
      if (curve === 0 ? interval.low <= 3 / rows : curve >= interval.low && curve <= interval.high) within++;
      if (k > 0 && curve === 0) beyond++;
      if (k === 0 || curve === 0) continue;
      measured++;
      squares += (Math.log10(k / frame.rows) - Math.log10(curve)) ** 2;
    }
    assert.deepEqual([result.measured, result.judged, result.within, result.beyond], [measured, judged, within, beyond]);
    assert.closeTo(result.rms!, Math.sqrt(squares / measured), 1e-12);
    assert.isAbove(measured, 20);
    for (let i = 1; i < result.points.length; i++) assert.isAtMost(result.points[i - 1]!.c, result.points[i]!.c);
  });

  it('holds features against a normal curve with the mean and spread of the data', () => {
    const plane = planeOf(record);
    const { direction, mean } = plane;
    const spread = Math.sqrt(direction.reduce((sum, value, k) => sum + (value * record.sigma[k]!) ** 2, 0));
    const centre = direction.reduce((sum, value, k) => sum + value * mean[k]!, 0);
    const curve = gaussianCurve(plane);
    assert.closeTo(curve(centre), 0.5, 1e-9);
    // 400 sampled rows: the spread to about 1 / sqrt(800).
    const t = 2;
    assert.closeTo(Math.log(curve(centre + t * spread)), Math.log(upperTail(t)), 4 * t * t * (1 / Math.sqrt(800)));
  });

  it('reads a survival curve as a survival curve', () => {
    fc.assert(
      fc.property(fc.array(fc.double({ min: -5, max: 5, noNaN: true }), { minLength: 3, maxLength: 40 }), fc.double({ min: -6, max: 6, noNaN: true }), (values, at) => {
        const sorted = [...new Set(values)].sort((a, b) => a - b);
        const n = sorted.length;
        const curve = survivalCurve({ c: Float64Array.from(sorted), p: Float64Array.from(sorted, (_, i) => (n - 1 - i) / n), rows: n });
        const exact = sorted.filter((value) => value > at).length / n;
        const got = curve(at);
        // Between two rows it is interpolated: never farther off than one row.
        assert.isTrue(Number.isNaN(got) ? at < sorted[0]! : Math.abs(got - exact) <= 1 / n + 1e-12, `${got} for ${exact}`);
        for (const value of sorted) assert.closeTo(curve(value), sorted.filter((other) => other > value).length / n, 1e-12);
        assert.equal(curve(sorted.at(-1)! + 1), 0);
      }),
      { numRuns: 200 },
    );
  });

  it('places marks by their figures, and what is not told from zero open on the floor', () => {
    const frame = record.frames.at(-1)!;
    const plane = planeOf(record);
    const result = collapse(frame, plane);
    const layout = layoutCollapse(result, frame.rows, survivalCurve(plane.survival), gaussianCurve(plane), plane.survival, 700, 320);
    const [a, b] = [layout.points[0]!, layout.points.at(-1)!];
    for (const { x, y, c, p, count, open } of layout.points) {
      assert.closeTo(x, a.x + ((b.x - a.x) * (c - a.c)) / (b.c - a.c), 1e-6);
      assert.equal(open, count < 3);
      assert.isAtMost(y, layout.floor + 1e-9);
      if (open) assert.equal(y, layout.floor);
      assert.isAtLeast(x, layout.plot.x);
      assert.isAtMost(x, layout.plot.x + layout.plot.width);
      if (!open) {
        const [one, two] = [layout.yTicks[0]!, layout.yTicks[1]!];
        assert.closeTo(y, one.at + ((two.at - one.at) * (Math.log10(p) - -2)) / -1, 1e-6);
      }
    }
    assert.equal(layout.yTicks[0]!.label, '10⁻²');
    assert.match(layout.curve, /^M[\d.]+,[\d.]+L/);
  });

  it('says in words what it found', async () => {
    const element = await collapsed();
    const result = element.result!;
    const words = text(element, 'summary');
    assert.include(words, `${result.points.length} features with a density below 5 × 10⁻³, of which ${result.points.filter(({ count }) => count === 0).length} did not fire.`);
    assert.match(words, /log10 density is 0\.\d+ \(root mean square\) from the curve, median [+−]?0\.\d+; counting alone would leave about 0\.\d+\./);
    assert.include(words, `of ${result.within} of ${result.judged} (${Math.round((100 * result.within) / result.judged)} %)`);
    assert.match(words, /dealt out at random it would be \d\.\d+/);
    const none = collapse({ ...record.frames.at(-1)!, counts: record.frames.at(-1)!.counts.map(() => 15_000) }, planeOf(record));
    assert.include(summaryWords(none, { rows: 20_000 }), 'No feature has a density below');
  });

  it('is walked by keyboard and pointer, and opens features', async () => {
    const element = await collapsed();
    const events: SaeSelectEvent[] = [];
    element.addEventListener('sae-select', (event) => events.push(event));
    const { points } = element.result!;
    assert.isTrue(press(plot(element), 'ArrowRight').defaultPrevented);
    press(plot(element), 'ArrowRight');
    await settled(element);
    assert.match(text(element, 'readout'), new RegExp(`^feature ${points[1]!.feature} · .*offset [+−]\\d`));
    press(plot(element), 'Enter');
    assert.deepEqual([events[0]?.feature, events[0]?.source, element.feature], [points[1]!.feature, 'collapse', points[1]!.feature]);
    press(plot(element), 'End');
    await settled(element);
    assert.include(text(element, 'readout'), `feature ${points.at(-1)!.feature} `);
    assert.isFalse(press(plot(element), 'x').defaultPrevented);
    const ring = inside(element).querySelector('.ring.focus')!.getBoundingClientRect();
    await sendMouse({ type: 'click', position: [Math.round(ring.x + ring.width / 2), Math.round(ring.y + ring.height / 2)] });
    await settled(element);
    assert.equal(events.length, 2);
    const opened = points.find(({ feature }) => feature === events[1]!.feature)!;
    assert.isAtMost(Math.abs(opened.c - points.at(-1)!.c), 0.3);
    await sendMouse({ type: 'move', position: [0, 0] });
  });

  it('has a table of the same numbers', async () => {
    const element = await collapsed({ view: 'table' });
    const { points } = element.result!;
    const rows = (): string[][] => [...inside(element).querySelectorAll('.body [role=row]')].map((row) => [...row.children].map((cell) => cell.textContent?.trim() ?? ''));
    assert.equal(inside(element).querySelector('[role=grid]')?.getAttribute('aria-rowcount'), String(points.length + 1));
    for (const [i, cells] of rows().slice(0, 10).entries()) {
      const point = points[i]!;
      assert.equal(Number(cells[0]), point.feature);
      assert.closeTo(Number(cells[1]!.replace('−', '-')), point.c, 6e-4);
      assert.equal(Number(cells[2]), point.count);
      assert.equal(cells[6], point.within === null ? '–' : point.within ? 'yes' : 'no');
    }
    const head = [...inside(element).querySelectorAll('[role=columnheader] button')].find((one) => one.textContent?.startsWith('residual')) as HTMLButtonElement;
    head.click();
    await settled(element);
    const residuals = rows().map((cells) => cells[5]!).filter((cell) => cell !== '–').map((cell) => Number(cell.replace('−', '-')));
    assert.deepEqual(residuals, [...residuals].sort((a, b) => a - b));
  });

  it('is scrubbed, takes another edge, and says when there is no direction', async () => {
    const element = await collapsed();
    const steps: (number | null)[] = [];
    element.addEventListener('sae-scrub', (event: SaeScrubEvent) => steps.push(event.step));
    const before = text(element, 'summary');
    const slider = inside(element).querySelector('input[type=range]') as HTMLInputElement;
    slider.value = '2';
    slider.dispatchEvent(new Event('input'));
    await settled(element);
    assert.deepEqual(steps, [500]);
    assert.notEqual(text(element, 'summary'), before);
    element.step = null;
    element.below = 0.05;
    await settled(element);
    assert.include(text(element, 'summary'), 'density below 0.05');
    element.record = knownRecord({ features: 20, plane: false });
    await settled(element);
    assert.include(text(element, 'empty'), 'no direction of least firing');
    const empty = await mount<SaeCollapsePlot>('sae-collapse-plot');
    assert.include(text(empty, 'empty'), 'needs a src');
  });

  it('fits every width and keeps lines apart in forced colours', async () => {
    for (const width of [320, 1400]) {
      const element = await collapsed({}, width);
      assert.isAtMost(element.scrollWidth, width);
      for (const path of inside(element).querySelectorAll('path')) assert.notInclude(path.getAttribute('d'), 'NaN');
      const { right } = element.getBoundingClientRect();
      for (const one of inside(element).querySelectorAll('.chart text')) assert.isAtMost(one.getBoundingClientRect().right, right + 1);
      unmountAll();
    }
    await emulateMedia({ forcedColors: 'active' });
    try {
      const element = await collapsed();
      const ground = getComputedStyle(document.documentElement).backgroundColor;
      for (const selector of ['.curve', '.gaussian', '.floor']) assert.notInclude([ground, 'none', ''], getComputedStyle(inside(element).querySelector(`.chart ${selector}`)!).stroke);
    } finally {
      await emulateMedia({ forcedColors: 'none' });
    }
  });

  it('passes axe in light and dark, as a plot and as a table', async () => {
    const element = await collapsed();
    for (const colorScheme of ['light', 'dark'] as const) {
      await emulateMedia({ colorScheme });
      document.documentElement.style.colorScheme = colorScheme;
      document.documentElement.style.background = 'Canvas';
      for (const view of ['table', 'plot'] as const) {
        element.view = view;
        await settled(element);
        await assertAccessible(element);
      }
    }
    document.documentElement.removeAttribute('style');
    await emulateMedia({ colorScheme: 'light' });
  });
});
