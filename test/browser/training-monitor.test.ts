/** <sae-training-monitor>: its states, its controls by keyboard, its tables, and what it looks like to axe and to forced colours. */
import { assert } from '@esm-bundle/chai';
import { emulateMedia, sendKeys } from '@web/test-runner-commands';
import '../../components/training-monitor/define.js';
import type { SaeTrainingMonitor } from '../../components/training-monitor/training-monitor.js';
import type { SaeTrainEvent, SaeCheckpointEvent } from '../../components/training-monitor/events.js';
import { createLiveTrainer, type LiveTrainer } from '../../engine/train/live.js';
import { assertAccessible, inside, mount, settled, unmountAll, until } from '../support/dashboard.js';

const SPEC = { kind: 'superposition', d: 12, features: 24, p_high: 0.3, p_low: 0.02, seed: 5 } as const;
const RECIPE = { arch: 'topk', d_sae: 32, k: 4, steps: 100_000, batch: 32, lr: 2e-3, seed: 3, log_every: 1, density_window: 320, warmup: 0, decay: 0 } as const;

describe('<sae-training-monitor>', () => {
  const opened: LiveTrainer[] = [];
  afterEach(async () => {
    unmountAll();
    for (const live of opened.splice(0)) await live.dispose();
  });
  const open = async (recipe: object = {}): Promise<LiveTrainer> => {
    const live = await createLiveTrainer({ recipe: { ...RECIPE, ...recipe }, data: { kind: 'generator', spec: SPEC }, backend: 'wasm' });
    opened.push(live);
    return live;
  };
  const monitor = async (properties: Partial<SaeTrainingMonitor> = {}, width = 900): Promise<SaeTrainingMonitor> => {
    const element = await mount<SaeTrainingMonitor>('sae-training-monitor', properties, { width });
    element.addEventListener('sae-branch', ({ live }) => opened.push(live));
    await settled(element);
    return element;
  };
  const button = (element: Element, name: string): HTMLButtonElement => [...inside(element).querySelectorAll('button')].find((one) => one.textContent?.trim().startsWith(name)) as HTMLButtonElement;
  const charts = (element: Element): string[] => [...inside(element).querySelectorAll('svg[role=img]')].map((chart) => chart.getAttribute('aria-label') ?? '');
  const trained = async (steps = 45, properties: Partial<SaeTrainingMonitor> = {}, width = 900): Promise<{ element: SaeTrainingMonitor; live: LiveTrainer }> => {
    const live = await open();
    const element = await monitor({ live, ...properties }, width);
    await live.step(steps);
    await until('the charts', () => charts(element).length >= 6);
    await settled(element);
    return { element, live };
  };

  it('says that there is nothing, that it loads, and that it cannot, with a way to try again', async () => {
    const empty = await monitor();
    assert.include(inside(empty).querySelector('[part=empty]')?.textContent, 'needs a src');
    const element = await mount<SaeTrainingMonitor>('sae-training-monitor', { src: '/no-such-run/' });
    const errors: unknown[] = [];
    element.addEventListener('sae-error', ({ error }) => errors.push(error));
    assert.isNotNull(inside(element).querySelector('[part=loading]'));
    const alert = await until('the error', () => inside(element).querySelector('[part=error]'));
    assert.include(alert.textContent, '/no-such-run/');
    assert.lengthOf(errors, 1);
    assert.equal(button(element, 'Try again').getAttribute('part'), 'retry');
    button(element, 'Try again').click();
    await until('the second error', () => errors.length === 2);
  });

  it('draws loss, FVU, L0, deaths, densities and the frontier of a live run, in words too', async () => {
    const { element, live } = await trained();
    const labels = charts(element);
    for (const start of ['Loss by step', 'FVU by step', 'L0 by step', 'Dead and rare features', 'Density of the features', 'live run: L0']) assert.isTrue(labels.some((label) => label.startsWith(start)), start);
    assert.match(inside(element).querySelector('.where')?.textContent ?? '', /paused · step 45 of .* topk, 32 features · .*in a worker/);
    assert.isNotNull(inside(element).querySelector('.floor')?.getAttribute('d'));
    for (const path of inside(element).querySelectorAll('path')) assert.notInclude(path.getAttribute('d'), 'NaN');
    element.features = [0, 3];
    await settled(element);
    assert.isTrue(charts(element).some((label) => label.startsWith('Density of feature 0, feature 3')));
    assert.equal(live.status.step, 45);
  });

  it('is worked by keyboard: start, pause, step, the slider, rewind, stop', async () => {
    const { element, live } = await trained();
    const actions: string[] = [];
    element.addEventListener('sae-train', (event: SaeTrainEvent) => actions.push(event.action));
    button(element, 'Start').focus();
    await sendKeys({ press: 'Enter' });
    await until('it runs', () => live.state === 'running' && button(element, 'Pause'));
    await sendKeys({ press: 'Space' });
    await until('it rests', () => live.state === 'paused' && button(element, 'Start'));
    const at = live.status.step;
    button(element, 'Step').focus();
    await sendKeys({ press: 'Enter' });
    await until('a step', () => live.status.step === at + 1);
    const moved: (number | null)[] = [];
    element.addEventListener('sae-checkpoint', (event: SaeCheckpointEvent) => moved.push(event.step));
    await settled(element);
    (inside(element).querySelector('input[type=range]') as HTMLElement).focus();
    await sendKeys({ press: 'Home' });
    await sendKeys({ press: 'ArrowRight' });
    await settled(element);
    const kept = live.status.checkpoints[1] as number;
    assert.deepEqual(moved, [0, kept]);
    assert.equal(inside(element).querySelector('input[type=range]')?.getAttribute('aria-valuetext'), `step ${kept}`);
    assert.isNotNull(inside(element).querySelector('.cursor'));
    button(element, 'Rewind').focus();
    await sendKeys({ press: 'Enter' });
    await until('it is back', () => live.status.step === kept);
    await until('the slider', () => inside(element).querySelector('input[type=range]')?.getAttribute('aria-valuetext')?.startsWith('latest'));
    button(element, 'Stop').click();
    await until('the end', () => live.state === 'ended');
    await until('that it says so', () => /stopped/.test(inside(element).querySelector('.where')?.textContent ?? ''));
    assert.isTrue(button(element, 'Start').disabled);
    assert.deepEqual(actions, ['start', 'pause', 'step', 'rewind', 'stop']);
  });

  it('leaves to the page what the page prevents', async () => {
    const { element, live } = await trained();
    element.addEventListener('sae-train', (event) => event.preventDefault());
    button(element, 'Start').click();
    await settled(element);
    await new Promise((resolve) => setTimeout(resolve, 50));
    assert.deepEqual([live.state, live.status.step], ['paused', 45]);
  });

  it('branches with other knobs, and shows both runs', async () => {
    const { element, live } = await trained();
    button(element, 'Branch').click();
    await settled(element);
    const form = inside(element).querySelector('form') as HTMLFormElement;
    (form.elements.namedItem('sparsity') as HTMLInputElement).value = '7';
    form.requestSubmit();
    await until('the branch', () => inside(element).querySelector('h2')?.textContent === 'branch 1');
    const [branch] = opened.slice(1) as [LiveTrainer];
    await until('its steps', () => branch.status.step > 50);
    await branch.pause();
    assert.deepEqual([branch.recipe.k, live.status.step], [7, 45]);
    await until('both', () => inside(element).querySelectorAll('.runs button').length === 2);
    await until('both in the frontier', () => charts(element).some((label) => /^live run: L0.*; branch 1: L0/.test(label)));
    button(element, 'live run').click();
    await settled(element);
    assert.equal(inside(element).querySelector('h2')?.textContent, 'live run');
  });

  it('says where a run diverged, and what to do', async () => {
    const live = await open({ arch: 'standard', k: null, lr: 1e30, optimizer: 'sgd', clip: null, decoder_norm: 'free', l1: 0.1 });
    const element = await monitor({ live });
    await live.start();
    const alert = await until('the alert', () => inside(element).querySelector('.alert'));
    assert.match(alert.textContent ?? '', /Diverged\..*step \d+.*Rewind/s);
    assert.isTrue(button(element, 'Start').disabled);
  });

  it('has a table of every chart', async () => {
    const { element, live } = await trained(45, { features: [2] });
    button(element, 'Tables').click();
    await settled(element);
    const captions = [...inside(element).querySelectorAll('caption')].map((caption) => caption.textContent);
    assert.deepEqual(captions, ['Runs: L0 and FVU', 'live run: figures by step', 'live run: densities by window', 'Density of chosen features by window']);
    const rows = [...inside(element).querySelectorAll('table')].map((table) => [...table.querySelectorAll('tbody tr')]);
    assert.deepEqual(rows.slice(0, 2).map(({ length }) => length), [1, 24]);
    assert.equal(rows[2]?.reduce((sum, row) => sum + Number(row.children[1]?.textContent?.replaceAll('\u202f', '')), 0), 4 * 320);
    assert.equal(rows[3]?.length, rows[2]?.length);
    const last = [...(inside(element).querySelectorAll('table')[1]?.querySelectorAll('tbody tr') ?? [])].at(-1);
    assert.equal(last?.firstElementChild?.textContent, '45');
    assert.equal(live.status.step, 45);
  });

  it('passes axe in light and dark, as charts and as tables', async () => {
    const { element } = await trained();
    button(element, 'Branch').click();
    for (const colorScheme of ['light', 'dark'] as const) {
      await emulateMedia({ colorScheme });
      document.documentElement.style.colorScheme = colorScheme;
      document.documentElement.style.background = 'Canvas';
      for (const view of ['charts', 'tables'] as const) {
        element.view = view;
        await settled(element);
        await assertAccessible(element);
      }
    }
    document.documentElement.removeAttribute('style');
    await emulateMedia({ colorScheme: 'light' });
  });

  it('keeps lines and shades apart from the ground in forced colours', async () => {
    await emulateMedia({ forcedColors: 'active' });
    try {
      const { element } = await trained();
      const color = (selector: string, property: 'fill' | 'stroke'): string => getComputedStyle(inside(element).querySelector(selector) as Element)[property];
      const ground = getComputedStyle(document.documentElement).backgroundColor;
      for (const [selector, property] of [['.line', 'stroke'], ['.heat', 'fill'], ['.point', 'stroke'], ['.floor', 'stroke']] as const) assert.notInclude([ground, 'none', ''], color(selector, property), selector);
    } finally {
      await emulateMedia({ forcedColors: 'none' });
    }
  });

  it('fits every width', async () => {
    for (const width of [320, 700, 1400]) {
      const { element } = await trained(12, {}, width);
      await settled(element);
      const wide = [...inside(element).querySelectorAll('*')].filter((one) => one.getBoundingClientRect().right > element.getBoundingClientRect().right + 1).map((one) => one.outerHTML.slice(0, 80));
      assert.deepEqual(wide.slice(0, 3), []);
      assert.isAtMost(element.scrollWidth, width);
      for (const chart of inside(element).querySelectorAll('svg[role=img]')) assert.isAtMost(chart.getBoundingClientRect().right, element.getBoundingClientRect().right + 1);
      unmountAll();
    }
  });
});
