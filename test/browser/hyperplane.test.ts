/** <sae-hyperplane>: which tokens are lit, where the line goes, and how both follow the step. */
import { assert } from '@esm-bundle/chai';
import { emulateMedia } from '@web/test-runner-commands';
import '../../components/hyperplane/define.js';
import { boundaryOf, clip, preActivations, project } from '../../components/hyperplane/geometry.js';
import { paintPoints, type SaeHyperplane } from '../../components/hyperplane/hyperplane.js';
import { scatterPanel } from '../../components/hyperplane/scene.js';
import type { SaeScrubEvent, SaeSelectEvent } from '../../components/internal/events.js';
import type { DyingPlane } from '../../engine/dying/record.js';
import { assertAccessible, inside, mount, settled, unmountAll, until } from '../support/dashboard.js';
import { knownRecord } from '../shared/dying-record.js';

const record = knownRecord({ features: 120, steps: [0, 50, 200, 1000, 4000], rows: 5000, kept: 40, sampled: 300 });
const plane = record.plane as DyingPlane;
const d = plane.mean.length;
const dot = (a: ArrayLike<number>, b: ArrayLike<number>): number => Array.from(a).reduce((sum, value, i) => sum + value * b[i]!, 0);
const row = (r: number): Float32Array => plane.x.subarray(r * d, (r + 1) * d);
const weights = (frame: number, at: number): Float32Array => plane.encoder[frame]!.subarray(at * d, (at + 1) * d);

describe('<sae-hyperplane>', () => {
  afterEach(unmountAll);

  async function shown(properties: Partial<SaeHyperplane> = {}, width = 900): Promise<SaeHyperplane> {
    const element = await mount<SaeHyperplane>('sae-hyperplane', { record, loading: 'eager', ...properties }, { width });
    await until('the controls', () => inside(element).querySelector('.controls') ?? inside(element).querySelector('[part=empty]'));
    await settled(element);
    return element;
  }
  const readout = (element: Element): string => inside(element).querySelector('[role=status]')?.textContent ?? '';

  it('lights exactly the rows that fire in all dimensions', async () => {
    for (const frame of [0, 2, 4]) {
      for (const at of [0, 11, 39]) {
        const z = preActivations(plane, frame, at);
        for (let r = 0; r < plane.m; r++) assert.approximately(z[r]!, dot(row(r), weights(frame, at)) + plane.offset[frame]![at]!, 1e-12);
      }
    }
    const feature = plane.features[7]!;
    const element = await shown({ feature, step: 200 });
    const lit = Array.from({ length: plane.m }, (_, r) => r).filter((r) => dot(row(r), weights(2, 7)) + plane.offset[2]![7]! > 0);
    assert.include(readout(element), lit.length === 0 ? 'no token lit' : `${lit.length} of 300 tokens lit`);
    assert.include(readout(element), `feature ${feature} of 120`);
  });

  it('projects on the two directions, and draws the line where w . x + b is 0 in their plane', () => {
    const { across, up, acrossDomain, upDomain } = project(plane);
    for (const r of [0, 17, 299]) {
      const centred = Array.from(row(r), (value, c) => value - plane.mean[c]!);
      assert.approximately(across[r]!, dot(row(r), plane.direction), 1e-12);
      assert.approximately(up[r]!, dot(centred, plane.complement), 1e-12);
    }
    let crossing = 0;
    for (let frame = 0; frame < record.frames.length; frame++) {
      for (let at = 0; at < plane.features.length; at++) {
        const boundary = boundaryOf(plane, frame, at);
        const segment = clip(boundary, acrossDomain, upDomain);
        if (segment === null) {
          // Then the four corners are on one side.
          const sides = acrossDomain.flatMap((x) => upDomain.map((y) => Math.sign(boundary.across * x + boundary.up * y + boundary.constant)));
          assert.equal(new Set(sides).size, 1);
          continue;
        }
        crossing++;
        for (const [a, c] of [segment.from, segment.to]) {
          const x = Array.from(plane.mean, (value, i) => value + (a - dot(plane.mean, plane.direction)) * plane.direction[i]! + c * plane.complement[i]!);
          assert.approximately(dot(x, weights(frame, at)) + plane.offset[frame]![at]!, 0, 1e-9 * (1 + boundary.norm * Math.hypot(a, c)));
        }
      }
    }
    assert.isAbove(crossing, 20);
  });

  it('paints lit tokens where they are', () => {
    const canvas = document.createElement('canvas');
    [canvas.width, canvas.height] = [500, 300];
    const context = canvas.getContext('2d')!;
    const projected = project(plane);
    const panel = scatterPanel(projected, 500, 300);
    const z = preActivations(plane, 0, 3);
    paintPoints(context, panel, projected, z, { quiet: '#00f', lit: '#f00', edge: '#f00' });
    let red = 0;
    for (let r = 0; r < plane.m; r++) {
      const [x, y] = [Math.round(panel.x.map(projected.across[r]!)), Math.round(panel.y.map(projected.up[r]!))];
      const pixel = context.getImageData(x, y, 1, 1).data;
      if (z[r]! > 0) {
        assert.isAbove(pixel[0]!, 200, `row ${r}`);
        red++;
      } else assert.isAbove(pixel[3]!, 0, `row ${r}`);
    }
    assert.isAbove(red, 0);
  });

  it('follows the step, and tells when a person moves it; earlier boundaries trail', async () => {
    const element = await shown({ feature: plane.features[7]! });
    const steps: (number | null)[] = [];
    element.addEventListener('sae-scrub', (event) => steps.push((event as SaeScrubEvent).step));
    const slider = inside(element).querySelector<HTMLInputElement>('input[type=range]')!;
    slider.value = '1';
    slider.dispatchEvent(new Event('input', { bubbles: true }));
    await settled(element);
    assert.deepEqual(steps, [50]);
    assert.match(readout(element), /^Step 50,/);
    assert.isAtMost(inside(element).querySelectorAll('.trail').length, 1);
    element.step = null;
    await settled(element);
    assert.match(readout(element), /^Step 4\D?000,/);
    assert.lengthOf(steps, 1, 'what is set from outside is not told');
  });

  it('chooses a feature, by itself and by linked selection', async () => {
    const element = await shown();
    const events: SaeSelectEvent[] = [];
    element.addEventListener('sae-select', (event) => events.push(event));
    const select = inside(element).querySelector('select')!;
    assert.lengthOf(select.options, plane.features.length);
    select.value = String(plane.features[2]);
    select.dispatchEvent(new Event('change', { bubbles: true }));
    await settled(element);
    assert.deepEqual([events[0]?.feature, events[0]?.source, element.feature], [plane.features[2], 'hyperplane', plane.features[2]]);
    element.feature = null;
    element.features = [99999, plane.features[5]!];
    await settled(element);
    assert.include(readout(element), `feature ${plane.features[5]} of`);
  });

  it('has every frame in a table', async () => {
    const element = await shown({ view: 'table', feature: plane.features[7]!, step: 50 });
    const rows = [...inside(element).querySelectorAll('tbody tr')];
    assert.lengthOf(rows, 5);
    const cells = [...rows[1]!.querySelectorAll('td')].map((cell) => cell.textContent);
    const { cosine } = boundaryOf(plane, 1, 7);
    assert.approximately(Number(cells[1]!.replace('−', '-')), cosine, 5e-4);
    assert.equal(Number(cells[5]), preActivations(plane, 1, 7).filter((z) => z > 0).length);
    assert.equal(rows[1]!.getAttribute('aria-current'), 'step');
  });

  it('says what to do where there is no plane', async () => {
    const element = await shown({ record: { ...record, plane: null } });
    assert.include(inside(element).querySelector('[part=empty]')?.textContent, 'saekit dying');
  });

  it('takes token text for text', async () => {
    const text = Array.from({ length: plane.m }, (_, r) => `<i>${r}</i>`);
    const element = await shown({ record: { ...record, plane: { ...plane, text } }, step: 0 });
    const tokens = inside(element).querySelectorAll('.tokens li');
    assert.isAbove(tokens.length, 0);
    assert.match(tokens[0]!.textContent, /^<i>\d+<\/i>$/);
    assert.isNull(inside(element).querySelector('i'));
  });

  it('is accessible in light and dark, and fits 340 pixels', async () => {
    for (const colorScheme of ['light', 'dark'] as const) {
      await emulateMedia({ colorScheme });
      await assertAccessible(await shown());
      await assertAccessible(await shown({ view: 'table' }));
      const narrow = await shown({}, 340);
      await assertAccessible(narrow);
      assert.isAtMost(inside(narrow).querySelector('.frame')!.scrollWidth, 341);
      unmountAll();
    }
    await emulateMedia({ colorScheme: 'light' });
  });
});
