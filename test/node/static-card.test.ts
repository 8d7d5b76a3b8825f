/** The static form of a card, and the figures behind its drawing. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import fc from 'fast-check';
import { describeToken, exampleGroups, firstOfEach } from '../../components/feature-card/example-groups.js';
import { histogramColumns, logAxis, logTicks } from '../../components/feature-card/histogram.js';
import { checkedCard } from '../../components/feature-card/inline-card.js';
import { escapeHtml, renderStatic } from '../../components/feature-card/static.js';
import { densitySentence, oneIn } from '../../components/feature-card/words.js';
import type { FeatureCard } from '../../engine/pack/schema.js';

const card = (name: string): FeatureCard => JSON.parse(readFileSync(`test/fixtures/cards/${name}.json`, 'utf8')) as FeatureCard;
const TAGS = new Set(['article', 'h2', 'h3', 'small', 'p', 'bdi', 'table', 'caption', 'tr', 'th', 'td', 'mark', 'dl', 'dt', 'dd']);

/** Every tag in the text is one of ours, with the attributes that we write. */
function assertOnlyOurMarkup(html: string): void {
  for (const [tag, name, attributes] of html.matchAll(/<\/?([^\s>/]*)([^>]*)>/g)) {
    assert.ok(TAGS.has(name ?? ''), `foreign tag ${tag}`);
    assert.match(attributes ?? '', /^(?: (?:class="sae-static-card"|scope="row"|dir="(?:ltr|rtl)"))?$/, `foreign attribute ${tag}`);
  }
  assert.doesNotMatch(html, /&(?!(?:amp|lt|gt|quot|#39);)/);
}

test('a live card says what the element shows', () => {
  const html = renderStatic(card('live'), { level: 2 });
  assertOnlyOurMarkup(html);
  assert.match(html, /<h2>Feature 61 <small>live<\/small><\/h2>/);
  assert.ok(html.includes('Density 0.0478, 95 % interval 0.0471 to 0.0484, 19\u202f419 of 406\u202f395 tokens.'));
  assert.ok(html.includes('<mark><bdi> mom</bdi></mark>'));
  assert.equal(html.match(/<tr>/g)?.length, 5);
  assert.ok(html.includes('<bdi>␣mom</bdi> +1.84'));
  assert.ok(html.includes('<dt>effective bias</dt><dd>−0.390</dd>'));
  assert.ok(html.includes('97 (+0.36)'));
});

test('a dead card has no examples and no point estimate', () => {
  const html = renderStatic(card('dead'));
  assertOnlyOurMarkup(html);
  assert.ok(html.includes('No firing in 406\u202f395 tokens: density below 7.4 × 10⁻⁶ at 95 %.'));
  assert.ok(!html.includes('<table>'));
});

test('hostile text stays text', () => {
  const live = card('live');
  const hostile = ['</script><script>alert(1)</script>', '<img src=x onerror=alert(1)>', '\u202egnp.exe', '\ud800', '\0', '\n', '"\'`&amp;', '</bdi></td>'];
  const example = { ...(live.examples[0] as FeatureCard['examples'][number]), tokens: hostile, activations: hostile.map(() => 1), firing: 1 };
  const html = renderStatic({ ...live, examples: [example], source: { sae: '<b>', model: '"onload=', hook: null }, logits: { normed: null, plain: { top: [{ id: 1, token: '<svg onload=x>', logit: 1 }], bottom: [], histogram: { edges: [], counts: [] } } } });
  assertOnlyOurMarkup(html);
  assert.ok(html.includes('&lt;img src=x onerror=alert(1)&gt;'));
  for (const shown of ['‹U+202E›', '‹U+D800›', '␀', '⏎', '&amp;amp;']) assert.ok(html.includes(shown), shown);
  // eslint-disable-next-line no-control-regex
  assert.doesNotMatch(html, /[\u0000\u202e]|[\ud800-\udbff](?![\udc00-\udfff])/);
});

test('any text at all stays text', () => {
  const live = card('live');
  fc.assert(
    fc.property(fc.array(fc.string({ unit: fc.constantFrom('<', '>', '"', "'", '&', '/', 'a', ' ', '=', '!', '-', '\0', '\u202e', '\ud800') }), { minLength: 1, maxLength: 6 }), (tokens) => {
      const example = { ...(live.examples[0] as FeatureCard['examples'][number]), tokens, activations: tokens.map(() => 0), firing: 0 };
      assertOnlyOurMarkup(renderStatic({ ...live, examples: [example] }));
    }),
  );
  assert.equal(escapeHtml('<&>"\''), '&lt;&amp;&gt;&quot;&#39;');
});

test('columns keep every count, and their areas are the counts', () => {
  const { histogram } = card('live');
  const columns = histogramColumns(histogram);
  assert.equal(columns.reduce((sum, { count }) => sum + count, 0), histogram.counts.reduce((sum, count) => sum + count, 0));
  const unit = columns.map(({ count, width, height }) => count / (width * height)).filter(Number.isFinite);
  for (const value of unit) assert.ok(Math.abs(value / (unit[0] as number) - 1) < 1e-9);
  assert.equal(Math.max(...columns.map(({ height }) => height)), 1);
  assert.ok(Math.abs(columns.reduce((sum, { width }) => sum + width, 0) - 100) < 1e-9);
});

test('many bins are merged, one bin is one column, none is none', () => {
  const edges = Array.from({ length: 301 }, (_, i) => 2 ** (i / 16));
  const counts = edges.slice(1).map((_, i) => i + 1);
  const columns = histogramColumns({ edges, counts });
  assert.ok(columns.length <= 80);
  assert.equal(columns.reduce((sum, { count }) => sum + count, 0), (300 * 301) / 2);
  assert.deepEqual(histogramColumns({ edges: [1, 2], counts: [7] }), [{ low: 1, high: 2, count: 7, x: 0, width: 100, height: 1 }]);
  assert.deepEqual(histogramColumns({ edges: [], counts: [] }), []);
});

test('ticks lie on the axis, are few, and there are some', () => {
  fc.assert(
    fc.property(fc.double({ min: -30, max: 30, noNaN: true }), fc.double({ min: 0.02, max: 30, noNaN: true }), (from, span) => {
      const [low, high] = [10 ** from, 10 ** (from + span)];
      const ticks = logTicks(low, high);
      assert.ok(ticks.length >= 1 && ticks.length <= 9, String(ticks));
      for (const tick of ticks) assert.ok(tick >= low * 0.998 && tick <= high * 1.002);
    }),
  );
  assert.deepEqual(logTicks(0.125, 5), [0.2, 0.5, 1, 2, 5]);
  const at = logAxis([1, 10, 100]);
  assert.deepEqual([at(1), at(10), at(100), at(1e9)], [0, 50, 100, 100]);
});

test('examples: ranks in order, intervals from the highest, one of each', () => {
  const { examples, max } = card('live');
  const { top, range } = exampleGroups(examples);
  assert.deepEqual(top.map(({ rank }) => rank), top.map((_, i) => (top[0]?.rank ?? 0) + i));
  assert.equal(top.length + range.length, examples.length);
  const groups = firstOfEach(range).map(({ group }) => group);
  assert.deepEqual(groups, [...new Set(groups)].sort((a, b) => Number(b) - Number(a)));
  const first = top[0] as FeatureCard['examples'][number];
  assert.match(describeToken(first, first.firing, max), /^“␣mom” {2}activation 4\.78 \(100 % of the maximum\), context \d/);
  assert.match(describeToken(first, 0, max), /does not fire/);
});

test('densities in words', () => {
  assert.equal(oneIn(0.0477), '1 in 21');
  assert.equal(oneIn(0.7), null);
  assert.equal(oneIn(0), null);
  assert.match(densitySentence(card('rare')), /^Density 4\.9 × 10⁻⁶/);
});

test('what is no card is named', () => {
  assert.equal(checkedCard(card('live')).feature, 61);
  const live = card('live') as unknown as Record<string, unknown>;
  for (const [name, value] of [['feature', '61'], ['examples', null], ['histogram', 3], ['class', 'alive'], ['density', undefined]] as const) {
    assert.throws(() => checkedCard({ ...live, [name]: value }), new RegExp(`${name} is missing or of the wrong kind`));
  }
  assert.deepEqual(checkedCard({ ...live, source: undefined }).source, { sae: '', model: null, hook: null });
  for (const value of [null, 3, 'card', []]) assert.throws(() => checkedCard(value), /no feature card/);
});
