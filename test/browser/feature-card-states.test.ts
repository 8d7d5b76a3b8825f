/** <sae-feature-card>: where its card comes from, what it shows meanwhile, and what when there is none. */
import { assert } from '@esm-bundle/chai';
import '../../components/feature-card/define.js';
import { SaeFeatureCard } from '../../components/feature-card/feature-card.js';
import { renderStatic } from '../../components/feature-card/static.js';
import { defineElement } from '../../components/internal/element.js';
import type { SaeErrorEvent } from '../../components/internal/events.js';
import { usePackOpener } from '../../components/internal/pack-store.js';
import { FormatError } from '../../engine/errors.js';
import type { Pack } from '../../engine/pack/reader.js';
import type { FeatureCard } from '../../engine/pack/schema.js';
import { find, fixtureCard, heldPack, mountCard, textOf } from '../support/cards.js';
import { assertAccessible, inside, mount, settled, testPack, unmountAll, until } from '../support/dashboard.js';

describe('<sae-feature-card>: states', () => {
  let live: FeatureCard;
  before(async () => {
    live = await fixtureCard('live');
  });
  afterEach(() => {
    usePackOpener(null);
    unmountAll();
  });

  const title = (element: Element): string => textOf(element, '[role=heading]');
  const card = (properties: Partial<SaeFeatureCard> & Record<string, unknown>): Promise<SaeFeatureCard> => mount<SaeFeatureCard>('sae-feature-card', { loading: 'eager', ...properties });
  /** The element from HTML, as a page has it. */
  const parsed = (html: string): SaeFeatureCard => {
    const box = document.createElement('div');
    box.className = 'test-box';
    box.append(document.createRange().createContextualFragment(html));
    document.body.append(box);
    return box.querySelector('sae-feature-card') as SaeFeatureCard;
  };

  it('shows a card of a real pack, and says that it has', async () => {
    const pack = await testPack(40);
    const element = await card({});
    const loaded = new Promise<boolean>((resolve) => document.addEventListener('sae-load', () => resolve(find(element, '.card') !== null), { once: true }));
    element.pack = pack;
    element.feature = 7;
    assert.isTrue(await loaded);
    assert.equal(title(element), 'Feature 7');
    assert.isTrue(element.matches(':state(ready)'));
  });

  it('opens `src` through the store, once for all attributes that change together', async () => {
    const { pack, requests } = heldPack();
    const opened: string[] = [];
    usePackOpener((src) => {
      opened.push(src);
      return Promise.resolve(pack);
    });
    const element = parsed('<sae-feature-card src="some/pack/" feature="61" loading="eager"></sae-feature-card>');
    await until('the request', () => requests.length === 1);
    assert.deepEqual(opened, ['some/pack/']);
    requests[0]?.answer(live);
    await until('the card', () => find(element, '.card'));
  });

  it('reserves its space while it loads, and is busy', async () => {
    const { pack } = heldPack();
    const element = await card({ pack, feature: 61 });
    assert.isAtLeast(element.getBoundingClientRect().height, 400);
    assert.isTrue(element.matches(':state(loading)'));
    assert.include(textOf(element, '[part=loading]'), 'Loading feature 61');
    await assertAccessible(element);
  });

  for (const compact of [false, true]) {
    for (const width of [340, 680, 1000]) {
      it(`reserves about the height of ${compact ? 'a compact' : 'the'} card at ${width} px`, async () => {
        const { pack, requests } = heldPack();
        const element = await mount<SaeFeatureCard>('sae-feature-card', { loading: 'eager', pack, feature: 61, compact }, { width });
        await until('the request', () => requests.length === 1);
        const reserved = element.getBoundingClientRect().height;
        requests[0]?.answer(live);
        await until('the card', () => find(element, '.card'));
        await settled(element);
        assert.closeTo(reserved / element.getBoundingClientRect().height, 1, 0.1);
      });
    }
  }

  it('the last question wins, whatever order the answers come in; the others are aborted', async () => {
    const { pack, requests } = heldPack();
    const element = await card({ pack, feature: 1 });
    await until('the first request', () => requests.length === 1);
    element.feature = 2;
    await until('the second request', () => requests.length === 2);
    assert.isTrue(requests[0]?.signal.aborted);
    assert.isFalse(requests[1]?.signal.aborted);
    requests[1]?.answer({ ...live, feature: 2 });
    await until('the card', () => find(element, '.card'));
    requests[0]?.answer({ ...live, feature: 1 });
    await settled(element);
    assert.equal(title(element), 'Feature 2');
  });

  it('asks once, seen or not', async () => {
    const { pack, requests } = heldPack();
    for (const loading of ['eager', 'lazy'] as const) {
      await mount<SaeFeatureCard>('sae-feature-card', { loading, pack, feature: 61 });
      await until('the request', () => requests.length > 0);
      await new Promise((resolve) => setTimeout(resolve, 150));
      assert.lengthOf(requests.splice(0), 1, loading);
    }
  });

  it('keeps the old card until the new one is there', async () => {
    const { pack, requests } = heldPack();
    const element = await card({ pack, feature: 1 });
    await until('the request', () => requests.length === 1);
    requests[0]?.answer({ ...live, feature: 1 });
    await until('the card', () => find(element, '.card'));
    const { height } = element.getBoundingClientRect();
    element.feature = 2;
    await until('the second request', () => requests.length === 2);
    assert.equal(title(element), 'Feature 1');
    assert.equal(find(element, '.card')?.getAttribute('aria-busy'), 'true');
    assert.equal(element.getBoundingClientRect().height, height);
    requests[1]?.answer({ ...live, feature: 2 });
    await until('the new card', () => title(element) === 'Feature 2');
    assert.equal(find(element, '.card')?.getAttribute('aria-busy'), 'false');
  });

  it('says what is wrong, why, and tries again', async () => {
    const { pack, requests } = heldPack();
    const element = await card({});
    const raised = new Promise<SaeErrorEvent>((resolve) => element.addEventListener('sae-error', resolve, { once: true }));
    Object.assign(element, { pack, feature: 61 });
    await until('the request', () => requests.length === 1);
    requests[0]?.fail(new FormatError('features.parquet: is cut off', { hint: 'Copy the whole pack again.' }));
    assert.equal(((await raised).error as Error).message, 'features.parquet: is cut off');
    await element.updateComplete;
    for (const words of ['Cannot show feature 61', 'features.parquet: is cut off', 'Copy the whole pack again.']) assert.include(textOf(element, '[role=alert]'), words);
    assert.isTrue(element.matches(':state(error)'));
    await assertAccessible(element);
    find(element, '[part=retry]')?.click();
    await until('the second request', () => requests.length === 2);
    requests[1]?.answer(live);
    await until('the card', () => find(element, '.card'));
    assert.isNull(find(element, '[role=alert]'));
  });

  it('a feature that does not exist is an error with the range', async () => {
    const element = await card({ pack: await testPack(40), feature: 4000 });
    await until('the error', () => find(element, '[role=alert]'));
    assert.include(textOf(element, '[role=alert]'), 'This pack has the features 0 to 39.');
    element.setAttribute('feature', 'many');
    await until('the other error', () => textOf(element, '[role=alert]').includes('the index of a feature is a number'));
  });

  it('a pack that is not there is an error with its address', async () => {
    const element = await card({ src: '/no/such/pack/', feature: 1 });
    await until('the error', () => find(element, '[role=alert]'));
    assert.include(textOf(element, '[role=alert]'), '/no/such/pack/manifest.json: there is no such file');
  });

  it('without anything to show it says what it needs', async () => {
    const element = await card({});
    assert.include(textOf(element, '[part=empty]'), 'src');
    assert.isTrue(element.matches(':state(empty)'));
    element.src = 'pack/';
    await settled(element);
    assert.isTrue(element.matches(':state(empty)'), 'a pack without a feature');
    assert.equal(textOf(element, '[part=empty]'), 'Nothing to show: the element needs a feature.');
  });

  it('asks for nothing far from the viewport, until it comes near', async () => {
    const { pack, requests } = heldPack();
    const spacer = document.createElement('div');
    spacer.className = 'test-box';
    spacer.style.blockSize = '4000px';
    document.body.append(spacer);
    const element = await mount<SaeFeatureCard>('sae-feature-card', { pack, feature: 61 });
    await settled(element);
    await new Promise((resolve) => setTimeout(resolve, 100));
    assert.isEmpty(requests);
    assert.isAtLeast(element.getBoundingClientRect().height, 400);
    element.scrollIntoView();
    await until('the request', () => requests.length === 1);
    scrollTo(0, 0);
  });

  it('aborts when it is taken away, and asks again when it is back', async () => {
    const { pack, requests } = heldPack();
    const element = await card({ pack, feature: 61 });
    await until('the request', () => requests.length === 1);
    const box = element.parentElement as HTMLElement;
    element.remove();
    assert.isTrue(requests[0]?.signal.aborted);
    box.append(element);
    await until('the second request', () => requests.length === 2);
    requests[1]?.answer(live);
    await until('the card', () => find(element, '.card'));
    element.remove();
    box.append(element);
    await settled(element);
    assert.lengthOf(requests, 2);
    assert.equal(title(element), 'Feature 61');
  });

  it('takes its card from JSON inside it', async () => {
    const element = parsed(`<sae-feature-card loading="eager"><script type="application/json">${JSON.stringify(live).replaceAll('<', '\\u003c')}</script></sae-feature-card>`);
    await until('the card', () => find(element, '.card'));
    assert.equal(title(element), 'Feature 61');
  });

  it('takes JSON that comes after it was made', async () => {
    const element = await card({});
    const script = document.createElement('script');
    script.type = 'application/json';
    script.text = JSON.stringify(live);
    element.append(script);
    await until('the card', () => find(element, '.card'));
  });

  it('says what is wrong with JSON inside it', async () => {
    for (const [json, words] of [['{"feature":', 'the JSON inside the element is broken'], ['{"feature":3}', 'count is missing']] as const) {
      const element = parsed(`<sae-feature-card loading="eager"><script type="application/json">${json}</script></sae-feature-card>`);
      await until('the error', () => find(element, '[role=alert]'));
      assert.include(textOf(element, '[role=alert]'), words);
    }
  });

  it('data of the wrong shape deep inside is an error in its place', async () => {
    const element = await card({ data: { ...live, examples: [{ group: 'top' } as never] } });
    await until('the error', () => find(element, '[role=alert]'));
    element.data = live;
    await until('the card', () => find(element, '.card'));
  });

  it('shows its data, and other features from the pack', async () => {
    const { pack, requests } = heldPack();
    const element = await mountCard({ data: live, pack, feature: 61 });
    assert.isEmpty(requests);
    element.feature = 5;
    await until('the request', () => requests.length === 1);
    assert.equal(requests[0]?.feature, 5);
  });

  it('shows its own content until the card is there, and when it fails', async () => {
    const { pack, requests } = heldPack();
    usePackOpener(() => Promise.resolve(pack));
    const element = parsed(`<sae-feature-card src="p/" feature="61" loading="eager">${renderStatic(live)}</sae-feature-card>`);
    const own = element.querySelector('article') as HTMLElement;
    await settled(element);
    assert.isAbove(own.getBoundingClientRect().height, 0);
    assert.isNull(find(element, '[part=loading]'));
    await until('the request', () => requests.length === 1);
    requests[0]?.fail(new Error('broken'));
    await until('the error', () => find(element, '[role=alert]'));
    assert.isAbove(own.getBoundingClientRect().height, 0);
    find(element, '[part=retry]')?.click();
    await until('the second request', () => requests.length === 2);
    requests[1]?.answer(live);
    await until('the card', () => find(element, '.card'));
    assert.equal(own.getBoundingClientRect().height, 0);
  });

  it('the first definition of a tag stays', () => {
    const other = class extends HTMLElement {};
    const warned: unknown[] = [];
    const { warn } = console;
    console.warn = (...words) => warned.push(words);
    try {
      assert.equal(defineElement('sae-feature-card', other), SaeFeatureCard);
    } finally {
      console.warn = warn;
    }
    assert.lengthOf(warned, 1);
    assert.equal(customElements.get('sae-feature-card'), SaeFeatureCard);
    assert.equal(defineElement('sae-feature-card', SaeFeatureCard), SaeFeatureCard);
  });

  it('leaves nothing behind: a hundred cards come and go', async function () {
    const gc = (globalThis as { gc?: () => void }).gc;
    if (gc === undefined) return this.skip();
    const gone: WeakRef<Element>[] = [];
    const pack = { card: (feature: number) => Promise.resolve({ ...live, feature }) } as unknown as Pack;
    for (let i = 0; i < 100; i++) {
      const element = await card({ pack, feature: i, compact: true });
      if (i % 10 === 0) await until('the card', () => inside(element).querySelector('.card'));
      gone.push(new WeakRef(element));
      unmountAll();
    }
    for (let i = 0; i < 20 && gone.some((ref) => ref.deref() !== undefined); i++) {
      await new Promise((resolve) => setTimeout(resolve, 50));
      gc();
    }
    // The last one may still be on the stack of the engine.
    assert.isAtMost(gone.filter((ref) => ref.deref() !== undefined).length, 1);
  });
});
