/** <sae-feature-card>: what it shows of a card, what can be done with it, and that text stays text. */
import { assert } from '@esm-bundle/chai';
import { sendKeys, sendMouse } from '@web/test-runner-commands';
import '../../components/feature-card/define.js';
import type { SaeFeatureCard } from '../../components/feature-card/feature-card.js';
import type { SaeSelectEvent } from '../../components/internal/events.js';
import type { Pack } from '../../engine/pack/reader.js';
import type { FeatureCard, FeatureExample } from '../../engine/pack/schema.js';
import { applyMedium, find, findAll, fixtureCard, mountCard, textOf } from '../support/cards.js';
import { assertAccessible, inside, press, settled, unmountAll, until } from '../support/dashboard.js';

describe('<sae-feature-card>', () => {
  let live: FeatureCard;
  let dead: FeatureCard;
  before(async () => {
    live = await fixtureCard('live');
    dead = await fixtureCard('dead');
  });
  afterEach(unmountAll);

  const tokens = (element: Element): HTMLElement[] => findAll(element, '[role=gridcell]');
  const rows = (element: Element): HTMLElement[] => findAll(element, '[role=row]');

  describe('regions', () => {
    it('heads the card with the feature, its class and its source', async () => {
      const element = await mountCard({ data: { ...live, source: { sae: 'an-sae', model: 'stories260k', hook: 'blocks.2' } }, headingLevel: 2 });
      assert.equal(textOf(element, '[role=heading]'), 'Feature 61');
      assert.equal(find(element, '[role=heading]')?.getAttribute('aria-level'), '2');
      assert.equal(textOf(element, '[part=class]'), 'live');
      assert.deepEqual(findAll(element, '[part=source] bdi').map((name) => name.textContent), ['an-sae', 'stories260k', 'blocks.2']);
    });

    it('gives the density with its interval, in figures and on the ruler', async () => {
      const element = await mountCard({ data: live });
      assert.include(textOf(element, '.density'), '0.0478');
      assert.include(textOf(element, '.density'), '95 %: 0.0471 – 0.0484');
      assert.include(textOf(element, '.density'), '19 419 of 406 395 tokens, 1 in 21');
      const ruler = find(element, '.ruler') as HTMLElement;
      assert.match(ruler.getAttribute('aria-label') ?? '', /95 % interval 0\.0471 to 0\.0484/);
      const point = Number.parseFloat(ruler.querySelector('.point')?.getAttribute('cx') ?? '');
      assert.closeTo(point, 100 * (1 + Math.log10(live.density) / 6), 0.01);
    });

    it('draws no point for what cannot be told from zero', async () => {
      const element = await mountCard({ data: await fixtureCard('rare') });
      assert.isNull(find(element, '.point'));
      assert.isNotNull(find(element, '.interval'));
    });

    it('draws a histogram whose columns are the counts, with quantiles', async () => {
      const element = await mountCard({ data: live });
      const titles = findAll(element, '.histogram .column title').map((title) => Number((title.textContent ?? '').split(': ')[1]?.replaceAll('\u202f', '')));
      assert.equal(titles.reduce((sum, n) => sum + n, 0), live.count);
      assert.deepEqual(findAll(element, '.quantiles dt').map((term) => term.textContent), ['1 %', '5 %', '25 %', '50 %', '75 %', '95 %', '99 %']);
      assert.match(find(element, '.histogram svg')?.getAttribute('aria-label') ?? '', /^Distribution of 19\u202f419 activations from 0\.125 to 5\.00/);
      assert.isNotNull(find(element, '.median'));
    });

    it('lists the figures, with a dash for what there is not', async () => {
      const element = await mountCard({ data: { ...live, bias: null } });
      const facts = new Map(findAll(element, '.facts div').map((fact) => [fact.querySelector('dt')?.textContent, fact.querySelector('dd')?.textContent]));
      assert.equal(facts.get('effective bias'), '−0.390');
      assert.equal(facts.get('D/E projection'), '0.812');
      assert.equal(facts.get('D/E cosine'), '0.830');
      assert.equal(facts.get('bias'), '–');
      assert.equal(facts.size, 8);
    });

    it('shows the strongest examples, all of them, and one of each interval', async () => {
      const element = await mountCard({ data: live });
      assert.lengthOf(rows(element), 10);
      assert.equal(rows(element)[0]?.querySelector('.firing')?.textContent, ' mom');
      (findAll(element, '.below .toggle')[0] as HTMLElement).click();
      await element.updateComplete;
      assert.lengthOf(rows(element), live.examples.filter(({ group }) => group === 'top').length);
      (findAll(element, '.examples [role=tab]')[1] as HTMLElement).click();
      await element.updateComplete;
      const groups = new Set(live.examples.map(({ group }) => group));
      assert.lengthOf(rows(element), groups.size - 1);
      assert.match(rows(element)[0]?.querySelector('[role=rowheader]')?.getAttribute('title') ?? '', /^from 4\.30 to 4\.78$/);
      (findAll(element, '.below .toggle')[0] as HTMLElement).click();
      await element.updateComplete;
      assert.lengthOf(rows(element), live.examples.filter(({ group }) => group !== 'top').length);
    });

    it('colours tokens by activation, evenly, and marks the firing one by more than colour', async () => {
      const element = await mountCard({ data: live });
      const example = live.examples[0] as FeatureExample;
      const cells = [...(rows(element)[0] as HTMLElement).querySelectorAll<HTMLElement>('[role=gridcell]')];
      cells.forEach((cell, i) => {
        const share = (example.activations[i] ?? 0) / (live.max ?? 1);
        assert.equal(cell.classList.contains('on'), share > 0);
        if (share > 0) assert.closeTo(Number(cell.style.getPropertyValue('--a')), share, 0.001);
      });
      const firing = getComputedStyle(cells[example.firing] as HTMLElement);
      assert.notEqual(firing.boxShadow, 'none');
      assert.equal(firing.fontWeight, '600');
      assert.notEqual(firing.backgroundColor, getComputedStyle(element).backgroundColor);
    });

    it('puts the firing tokens of all rows in one column, again after a resize', async () => {
      const element = await mountCard({ data: live }, { width: 900 });
      const spread = (): number => {
        const lefts = findAll(element, '.firing').map((token) => token.getBoundingClientRect().left);
        return Math.max(...lefts) - Math.min(...lefts);
      };
      await settled(element);
      assert.isBelow(spread(), 2);
      (element.parentElement as HTMLElement).style.inlineSize = '420px';
      await until('the column', () => spread() < 2 && findAll(element, '.firing').every((token) => token.getBoundingClientRect().right < element.getBoundingClientRect().right));
    });

    it('lists logit weights with and without the norm’s scale', async () => {
      const element = await mountCard({ data: live });
      const first = (): string => textOf(element, '.lists li');
      assert.include(first(), 'my');
      assert.include(first(), '+2.19');
      assert.lengthOf(findAll(element, '.lists li'), 20);
      const tabs = findAll(element, '.logits [role=tab]');
      tabs[1]?.click();
      await element.updateComplete;
      assert.include(first(), '+1.20');
      assert.equal(tabs[1]?.getAttribute('aria-selected'), 'true');
      press(tabs[1] as HTMLElement, 'ArrowRight');
      await element.updateComplete;
      assert.include(first(), '+2.19');
      assert.equal(inside(element).activeElement, tabs[0]);
    });

    it('has no tabs where there is nothing to choose', async () => {
      const element = await mountCard({ data: { ...live, examples: live.examples.filter(({ group }) => group === 'top'), logits: { plain: (live.logits as NonNullable<FeatureCard['logits']>).plain, normed: null } } });
      assert.isEmpty(findAll(element, '[role=tab]'));
      assert.lengthOf(findAll(element, '.lists li'), 20);
    });

    it('shows a dead feature: no examples, no activations, the bound', async () => {
      const element = await mountCard({ data: dead });
      assert.include(textOf(element, '.density'), '< 7.4 × 10⁻⁶');
      assert.include(textOf(element, '.density'), 'never fired on 406 395 tokens');
      assert.include(textOf(element, '.examples'), 'never fired');
      assert.include(textOf(element, '.histogram'), 'No activations');
      assert.include(textOf(element, '.facts'), 'mean–');
      assert.isNull(find(element, '.point'));
    });

    it('compact: without logits, figures and neighbours', async () => {
      const element = await mountCard({ data: live, compact: true });
      for (const part of ['logits', 'facts', 'neighbours']) assert.isNull(find(element, `.${part}`), part);
      assert.lengthOf(rows(element), 3);
    });

    for (const width of [300, 360, 700, 1100]) {
      it(`fits into ${width} px`, async () => {
        const element = await mountCard({ data: live }, { width });
        await settled(element);
        const box = element.getBoundingClientRect();
        assert.isAtMost(box.width, width + 0.5);
        for (const part of findAll(element, 'section, header, .row, .lists, .facts div, .neighbours button')) {
          const { left, right } = part.getBoundingClientRect();
          assert.isAtLeast(left, box.left, part.className);
          assert.isAtMost(right, box.right, part.className);
        }
      });
    }
  });

  describe('hostile text', () => {
    const HOSTILE = ['</script><script>window.hacked = 1</script>', '<img src=x onerror="window.hacked = 1">', '\u202egnp\u2066', '\ud83d', '\0', '\n', '', '\u200b\ufeff', '${alert(1)}', '<!-- ', ' '];

    it('is shown, as text, and makes no element', async () => {
      const example = { ...(live.examples[0] as FeatureExample), tokens: HOSTILE, activations: HOSTILE.map(() => 1), firing: 2 };
      const logits = { top: HOSTILE.map((token, id) => ({ id, token, logit: 1 })), bottom: [], histogram: { edges: [0, 1], counts: [1] } };
      const element = await mountCard({ data: { ...live, examples: [example], logits: { plain: logits, normed: null }, source: { sae: HOSTILE[0] as string, model: HOSTILE[1] as string, hook: '\u202ekooh' } } });
      await settled(element);
      assert.isEmpty(findAll(element, 'script, img, iframe, object, [onerror]'));
      assert.isUndefined((globalThis as { hacked?: unknown }).hacked);
      const shown = tokens(element).map((token) => token.textContent);
      assert.deepEqual(shown, ['</script><script>window.hacked = 1</script>', '<img src=x onerror="window.hacked = 1">', 'U+202EgnpU+2066', 'U+D83D', '␀', '⏎', '∅', 'U+200BU+FEFF', '${alert(1)}', '<!-- ', '␣']);
      for (const cell of [...tokens(element), ...findAll(element, '.lists .token')]) assert.equal(cell.localName, 'bdi');
      assert.isEmpty([...inside(element).querySelectorAll('[style]')].filter((styled) => /url|expression/.test(styled.getAttribute('style') ?? '')));
      tokens(element)[2]?.focus();
      await element.updateComplete;
      assert.include(textOf(element, '[role=status]'), '‹U+202E›gnp‹U+2066›');
    });

    it('leaves no control character in what is drawn', async () => {
      const example = { ...(live.examples[0] as FeatureExample), tokens: HOSTILE, activations: HOSTILE.map(() => 1), firing: 2 };
      const element = await mountCard({ data: { ...live, examples: [example] } });
      const text = tokens(element).map((token) => token.textContent).join('');
      assert.notMatch(text, /[\u0000-\u001f\u202a-\u202e\u2066-\u2069\u200b\ufeff\ufffd]/u); // eslint-disable-line no-control-regex
    });

    it('keeps its English words and numbers in order on a page that runs from the right', async () => {
      document.documentElement.dir = 'rtl';
      const element = await mountCard({ data: live });
      await settled(element);
      document.documentElement.removeAttribute('dir');
      const article = find(element, '.card') as HTMLElement;
      assert.equal(article.lang, 'en');
      for (const part of findAll(element, '.facts dd, .readout, .lists .value')) assert.equal(getComputedStyle(part).direction, 'ltr');
    });

    it('reads Arabic from the right', async () => {
      const example = { ...(live.examples[0] as FeatureExample), tokens: ['كان', ' يا', ' ما'], activations: [0, 1, 0], firing: 1 };
      const element = await mountCard({ data: { ...live, examples: [example] } });
      await settled(element);
      assert.equal(find(element, '.strip')?.dir, 'rtl');
      const [first, second] = tokens(element).map((token) => token.getBoundingClientRect().left);
      assert.isAbove(first as number, second as number);
      tokens(element)[1]?.focus();
      press(tokens(element)[1] as HTMLElement, 'ArrowLeft');
      assert.equal(inside(element).activeElement, tokens(element)[2]);
    });
  });

  describe('keyboard and pointer', () => {
    it('is one tab stop in the examples; arrows go over tokens and rows, and are read out', async () => {
      const element = await mountCard({ data: live });
      const stops = (): HTMLElement[] => findAll(element, '[role=gridcell][tabindex="0"]');
      // What a person can scroll is a stop of its own in Chromium and Firefox.
      assert.isTrue(findAll(element, '.strip').every((strip) => getComputedStyle(strip).overflowX === 'hidden'));
      assert.lengthOf(stops(), 1);
      const [start] = stops();
      assert.isTrue(start?.classList.contains('firing'));
      start?.focus();
      await sendKeys({ press: 'ArrowLeft' });
      await element.updateComplete;
      const focused = inside(element).activeElement as HTMLElement;
      const example = live.examples[0] as FeatureExample;
      assert.equal(focused, tokens(element)[example.firing - 1]);
      assert.lengthOf(stops(), 1);
      assert.equal(stops()[0], focused);
      assert.include(textOf(element, '[role=status]'), `position ${example.start + example.firing - 1}`);
      assert.equal(textOf(element, '.readout'), textOf(element, '[role=status]'));
      await sendKeys({ press: 'ArrowRight' });
      await sendKeys({ press: 'ArrowDown' });
      await element.updateComplete;
      assert.equal(inside(element).activeElement, rows(element)[1]?.querySelector('.firing'));
      assert.include(textOf(element, '[role=status]'), 'activation 4.73');
      await sendKeys({ press: 'Home' });
      assert.equal(inside(element).activeElement, rows(element)[1]?.querySelector('[role=gridcell]'));
    });

    it('scrolls what the keyboard is on into its row', async () => {
      const element = await mountCard({ data: live }, { width: 340 });
      await settled(element);
      const row = rows(element)[0] as HTMLElement;
      const cells = [...row.querySelectorAll<HTMLElement>('[role=gridcell]')];
      cells[0]?.focus();
      const strip = row.querySelector('.strip') as HTMLElement;
      await until('the first token', () => {
        const [cell, box] = [(cells[0] as HTMLElement).getBoundingClientRect(), strip.getBoundingClientRect()];
        return cell.left >= box.left - 1 && cell.right <= box.right + 1;
      });
    });

    it('reads out under the pointer, without speaking', async () => {
      const element = await mountCard({ data: live });
      await settled(element);
      const { x, y, width, height } = (find(element, '.firing') as HTMLElement).getBoundingClientRect();
      await sendMouse({ type: 'move', position: [Math.round(x + width / 2), Math.round(y + height / 2)] });
      await until('the read-out', () => textOf(element, '.readout').includes('activation 4.78 (100 % of the maximum)'));
      assert.equal(textOf(element, '[role=status]'), '');
      await sendMouse({ type: 'move', position: [1, 1] });
      await until('the hint', () => textOf(element, '.readout').startsWith('Point at a token'));
    });

    it('wraps rows on demand', async () => {
      const element = await mountCard({ data: live }, { width: 340 });
      const strip = find(element, '.strip') as HTMLElement;
      assert.isAbove(strip.scrollWidth, strip.clientWidth);
      const wrap = find(element, '.head .toggle') as HTMLElement;
      wrap.click();
      await element.updateComplete;
      assert.equal(wrap.getAttribute('aria-pressed'), 'true');
      assert.isAtMost(strip.scrollWidth, strip.clientWidth + 1);
    });
  });

  describe('neighbours', () => {
    const selections = (element: HTMLElement): SaeSelectEvent[] => {
      const events: SaeSelectEvent[] = [];
      document.addEventListener('sae-select', (event) => events.push(event as SaeSelectEvent), { once: true });
      element.addEventListener('sae-select', () => undefined);
      return events;
    };
    const neighbour = (element: SaeFeatureCard): HTMLElement => find(element, '.neighbours button') as HTMLElement;

    it('raise sae-select, which crosses shadow boundaries and says where it came from', async () => {
      const element = await mountCard({ data: live });
      const events = selections(element);
      neighbour(element).click();
      assert.lengthOf(events, 1);
      assert.equal(events[0]?.feature, 97);
      assert.deepEqual(events[0]?.features, [97]);
      assert.equal(events[0]?.source, 'neighbour');
      assert.isTrue(events[0]?.composed);
      assert.isTrue(events[0]?.cancelable);
      // Without a pack there is nowhere to go.
      assert.equal(element.feature, null);
    });

    it('of a card with a pack lead on, and back', async () => {
      const pack = { card: (feature: number) => Promise.resolve({ ...live, feature, neighbours: [{ feature: feature + 36, cosine: 0.5 }] }) } as unknown as Pack;
      const element = await mountCard({ pack, feature: 61 });
      neighbour(element).focus();
      neighbour(element).click();
      await until('feature 97', () => textOf(element, '[role=heading]') === 'Feature 97');
      await settled(element);
      assert.equal(inside(element).activeElement, find(element, '[role=heading]'));
      const back = find(element, '[part=back]') as HTMLElement;
      assert.include(back.textContent, '61');
      back.click();
      await until('feature 61', () => textOf(element, '[role=heading]') === 'Feature 61');
      assert.isNull(find(element, '[part=back]'));
    });

    it('stay where they are when the page takes the selection over', async () => {
      const pack = { card: (feature: number) => Promise.resolve({ ...live, feature }) } as unknown as Pack;
      const element = await mountCard({ pack, feature: 61 });
      element.addEventListener('sae-select', (event) => event.preventDefault());
      neighbour(element).click();
      await settled(element);
      assert.equal(element.feature, 61);
    });
  });

  describe('accessibility', () => {
    afterEach(() => document.documentElement.style.removeProperty('color-scheme'));
    for (const colorScheme of ['light', 'dark'] as const) {
      for (const name of ['live', 'dead', 'rare'] as const) {
        it(`axe finds nothing on a ${name} card, ${colorScheme}`, async () => {
          document.documentElement.style.colorScheme = colorScheme;
          document.body.style.background = 'Canvas';
          const element = await mountCard({ data: await fixtureCard(name) }, { width: 1000 });
          await assertAccessible(element);
        });
      }
    }

    it('axe finds nothing with everything open, at 340 px', async () => {
      const element = await mountCard({ data: live }, { width: 340 });
      for (const toggle of findAll(element, '.toggle')) toggle.click();
      (findAll(element, '.examples [role=tab]')[1] as HTMLElement).click();
      await element.updateComplete;
      await assertAccessible(element);
    });

    it('keeps activations apart without colours', async () => {
      const element = await mountCard({ data: live });
      applyMedium(element, 'forced-colors');
      const thickness = findAll(element, '.row:first-child .on').map((token) => Number.parseFloat(getComputedStyle(token).textDecorationThickness));
      const shares = findAll(element, '.row:first-child .on').map((token) => Number(token.style.getPropertyValue('--a')));
      assert.isAbove(thickness.length, 1);
      thickness.forEach((width, i) => assert.closeTo(width, 1 + 3 * (shares[i] as number), 0.01));
      assert.notEqual(getComputedStyle(find(element, '.firing') as HTMLElement).outlineStyle, 'none');
    });

    it('prints whole rows, on white', async () => {
      const element = await mountCard({ data: live }, { width: 340 });
      document.documentElement.style.colorScheme = 'dark';
      applyMedium(element, 'print');
      const strip = find(element, '.strip') as HTMLElement;
      assert.isAtMost(strip.scrollWidth, strip.clientWidth + 1);
      assert.equal(getComputedStyle(element).backgroundColor, 'rgb(255, 255, 255)');
      assert.equal(getComputedStyle(find(element, '.toggle') as HTMLElement).display, 'none');
    });
  });
});
