/** <sae-verdict>: what it says, what it draws, what can be done with it. */
import { assert } from '@esm-bundle/chai';
import { emulateMedia } from '@web/test-runner-commands';
import '../../components/verdict/define.js';
import { AXIS, axisPlaces } from '../../components/verdict/axis.js';
import { verdictLine, type SaeVerdict } from '../../components/verdict/verdict.js';
import { CLAIMS } from '../../engine/dying/claims.js';
import { NO_EVIDENCE } from '../../engine/dying/evidence.js';
import type { PredictionId, PredictionResult } from '../../engine/dying/predictions.js';
import { verdict } from '../../engine/dying/verdict.js';
import { FormatError } from '../../engine/errors.js';
import type { Pack } from '../../engine/pack/reader.js';
import { assertAccessible, inside, mount, settled, unmountAll, until } from '../support/dashboard.js';

const planted = (id: PredictionId, over: Partial<PredictionResult>): PredictionResult => ({ id, claim: CLAIMS[id].claim, quantity: CLAIMS[id].quantity, value: 1.25, interval: [1, 1.5], null_value: 0, null_name: 'chance', outcome: 'supports', reason: 'Because of <b>figures</b>.', needs_tokens: null, ...over });
const RESULTS = [planted('T1', {}), planted('T2', { outcome: 'refutes', value: -0.5, interval: [-0.75, -0.25], null_value: 2 }), planted('T3', { outcome: 'cannot-tell', needs_tokens: 4_000_000 }), ...verdict(NO_EVIDENCE).slice(3)];

/** A pack of which only the table is there. */
const packOf = (rows: readonly PredictionResult[], tables = ['verdict']): Pack => {
  const columns = {
    id: rows.map(({ id }) => id), claim: rows.map(({ claim }) => claim), quantity: rows.map(({ quantity }) => quantity), value: rows.map(({ value }) => value),
    low: rows.map(({ interval }) => interval?.[0] ?? null), high: rows.map(({ interval }) => interval?.[1] ?? null), null_value: rows.map(({ null_value }) => null_value),
    null_name: rows.map(({ null_name }) => null_name), outcome: rows.map(({ outcome }) => outcome), reason: rows.map(({ reason }) => reason), needs_tokens: rows.map(({ needs_tokens }) => needs_tokens),
  };
  return { name: 'packs/x', manifest: { saekit: '0', data: { tokens: 400_000 }, tables: tables.map((name) => ({ name })) }, table: () => Promise.resolve({ rows: rows.length, columns }) } as unknown as Pack;
};

describe('<sae-verdict>', () => {
  afterEach(unmountAll);

  async function shown(properties: Partial<SaeVerdict> = {}, width = 900): Promise<SaeVerdict> {
    const element = await mount<SaeVerdict>('sae-verdict', { results: RESULTS, loading: 'eager', ...properties }, { width });
    await until('the predictions', () => inside(element).querySelector('.head'));
    await settled(element);
    return element;
  }
  const items = (element: Element): HTMLElement[] => [...inside(element).querySelectorAll<HTMLElement>('li')];
  const text = (element: Node | null | undefined): string => (element?.textContent ?? '').replace(/\s+/g, ' ').trim();

  it('says each outcome in a word, with its number, interval and null', async () => {
    const element = await shown();
    assert.lengthOf(items(element), 17);
    assert.include(text(inside(element).querySelector('[role=heading]')), '1 supported, 1 refuted, 15 cannot be told');
    const [first, second, third, fourth] = items(element);
    assert.include(text(first), 'cos(r̄, −(Σ + νI)⁻¹μ̃): 1.25 [1.00, 1.50]; chance 0');
    assert.match(text(first?.querySelector('.outcome')), /^supports$/);
    assert.match(text(second?.querySelector('.outcome')), /^refutes$/);
    assert.include(text(third?.querySelector('.outcome')), 'cannot tell');
    assert.match(text(third?.querySelector('.outcome')), /needs about 4\D000\D000 tokens/);
    assert.include(text(fourth), 'd log p / d log step, un-reset cohort: –');
    assert.isTrue(fourth?.querySelector('details')?.open, 'what is missing is said at once');
    assert.include(text(first?.querySelector('details')), CLAIMS.T1.rule);
  });

  it('in a narrow place all that is said of a prediction has the width beside its number', async () => {
    for (const width of [320, 600]) {
      const [first] = items(await shown({}, width));
      const id = first!.querySelector('.id')!.getBoundingClientRect();
      for (const part of ['.claim', '.figures', '.outcome', 'details']) {
        const { left, width: own } = first!.querySelector(part)!.getBoundingClientRect();
        assert.isAtLeast(left, id.right, `${part} at ${width}`);
        if (part !== '.outcome') assert.isAbove(own, 0.8 * width, `${part} at ${width}`);
      }
    }
  });

  it('takes text from a pack for text', async () => {
    const element = await shown();
    assert.isNull(inside(element).querySelector('b'));
    assert.include(text(inside(element)), '<b>figures</b>');
  });

  it('draws marks within the axis, in the order of the numbers', () => {
    for (const one of RESULTS) {
      const places = axisPlaces(one);
      if (one.value === null) {
        assert.isNull(places);
        continue;
      }
      const marks = [places!.low!, places!.value, places!.high!];
      assert.deepEqual(marks, [...marks].sort((a, b) => a - b));
      for (const x of [...marks, places!.null!]) assert.isTrue(x >= AXIS.margin && x <= AXIS.width - AXIS.margin);
    }
    const { value, null: zero } = axisPlaces({ value: 3, interval: null, null_value: 1 })!;
    assert.deepEqual([zero, value], [AXIS.margin, AXIS.width - AXIS.margin]);
    assert.equal(axisPlaces({ value: 3, interval: null, null_value: null })!.value, AXIS.width / 2);
  });

  it('filters by outcome, by keyboard too, and by the predictions that a page names', async () => {
    const element = await shown();
    const [, supports] = inside(element).querySelectorAll<HTMLButtonElement>('.filters button');
    supports!.focus();
    supports!.click();
    await settled(element);
    assert.deepEqual(items(element).map((item) => text(item.querySelector('.id'))), ['T1']);
    assert.equal(supports!.getAttribute('aria-pressed'), 'true');
    supports!.click();
    element.only = 'T2, T3';
    await settled(element);
    assert.deepEqual(items(element).map((item) => text(item.querySelector('.id'))), ['T2', 'T3']);
    assert.include(text(inside(element).querySelector('[role=heading]')), '0 supported, 1 refuted, 1 cannot be told');
  });

  it('reads the table of a pack, and says what a pack without one lacks', async () => {
    const element = await shown({ results: null, pack: packOf(RESULTS) });
    assert.lengthOf(items(element), 17);
    assert.include(text(items(element)[1]), '−0.500 [−0.750, −0.250]; chance 2.00');
    const other = await mount<SaeVerdict>('sae-verdict', { pack: packOf(RESULTS, []), loading: 'eager' }, { width: 600 });
    await until('the error', () => inside(other).querySelector('[role=alert]'));
    assert.include(text(inside(other)), 'the pack has no verdict');
    assert.include(text(inside(other)), 'saekit dying --run');
  });

  it('refuses a table that is not of this form', async () => {
    const element = await mount<SaeVerdict>('sae-verdict', { pack: packOf([{ ...planted('T1', {}), id: 'T99' as PredictionId }]), loading: 'eager' }, { width: 600 });
    let error: unknown;
    element.addEventListener('sae-error', (event) => (error = event.error));
    await until('the error', () => error);
    assert.instanceOf(error, FormatError);
  });

  it('a line of text for each', () => {
    assert.equal(verdictLine(RESULTS[0]!), 'T1\tsupports\tcos(r̄, −(Σ + νI)⁻¹μ̃)\t1.25\t1 to 1.5\t0\tBecause of <b>figures</b>.');
    assert.equal(verdictLine(RESULTS[3]!).split('\t').length, 7);
  });

  it('is accessible, light and dark, and fits 360 pixels', async () => {
    for (const colorScheme of ['light', 'dark'] as const) {
      await emulateMedia({ colorScheme });
      await assertAccessible(await shown());
      const narrow = await shown({}, 340);
      await assertAccessible(narrow);
      const { width } = narrow.getBoundingClientRect();
      for (const child of inside(narrow).querySelectorAll('li > *, .head > *')) assert.isAtMost(child.getBoundingClientRect().right, narrow.getBoundingClientRect().left + width + 1, child.className.toString());
      unmountAll();
    }
    await emulateMedia({ colorScheme: 'light' });
  });
});
