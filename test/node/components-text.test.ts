/** Tokens and numbers as the elements show them, and movement in grids. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { moveInGrid, moveInTabs } from '../../components/internal/a11y.js';
import { formatCount, formatDensities, formatDensity, formatNumber, formatPower, formatSigned, trimmed } from '../../components/internal/format.js';
import { codePoint, directionOf, visible, visibleText } from '../../components/internal/text.js';

/** The character that a mark stands for. */
const unmarked = (mark: string): string => ({ '⏎': '\n', '⇥': '\t', '␣': ' ', '∅': '', '␡': '\x7f' })[mark] ?? String.fromCharCode(mark.charCodeAt(0) - 0x2400);

const kinds = (text: string, spaces?: 'keep'): string => visible(text, spaces).map(({ text, kind }) => `${kind}:${text}`).join(' ');

test('what cannot be seen becomes a mark or a box', () => {
  assert.equal(kinds('\n'), 'mark:⏎');
  assert.equal(kinds('a\tb'), 'text:a mark:⇥ text:b');
  assert.equal(kinds('\0\x1b\x7f'), 'mark:␀ mark:␛ mark:␡');
  assert.equal(kinds('\u202eabc\u200b'), 'box:U+202E text:abc box:U+200B');
  assert.equal(kinds('\ud83d'), 'box:U+D83D');
  assert.equal(kinds('😀'), 'text:😀');
  assert.equal(kinds('\u00a0\u0085\ufeff\u2028'), 'box:U+00A0 box:U+0085 box:U+FEFF box:U+2028');
  assert.equal(kinds('\u{e0041}'), 'box:U+E0041');
  assert.equal(kinds(''), 'mark:∅');
});

test('spaces are marked, or kept where the token has more than spaces', () => {
  assert.equal(kinds(' mom'), 'mark:␣ text:mom');
  assert.equal(kinds(' mom', 'keep'), 'text: mom');
  assert.equal(kinds('  ', 'keep'), 'mark:␣ mark:␣');
});

test('a combining mark gets a base of its own, a variation selector keeps its', () => {
  assert.equal(kinds('\u0301'), 'text:◌\u0301');
  assert.equal(kinds('❤\ufe0f'), 'text:❤\ufe0f');
  assert.equal(kinds('\ufe0f'), 'box:U+FE0F');
});

test('no piece has anything in it that cannot be seen, and nothing gets lost', () => {
  const anything = fc.string({ unit: fc.integer({ min: 0, max: 0x10ffff }).map((code) => (code >= 0xd800 && code <= 0xdfff ? String.fromCharCode(code) : String.fromCodePoint(code))), maxLength: 12 });
  const nasty = fc.string({ unit: fc.constantFrom('a', ' ', '\n', '\0', '\u202e', '\u2066', '\u200d', '\ud800', '\udc00', '<', '&', 'é', '\u0301', '\ufe0f'), maxLength: 12 });
  fc.assert(
    fc.property(fc.oneof(anything, nasty).filter((text) => !text.includes('◌')), fc.constantFrom('mark' as const, 'keep' as const), (text, spaces) => {
      const pieces = visible(text, spaces);
      assert.ok(pieces.length > 0);
      for (const piece of pieces) {
        assert.notEqual(piece.text, '');
        if (piece.kind === 'text') assert.doesNotMatch(piece.text.replace(/(?<=.)[\ufe0e\ufe0f]/gsu, ''), /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}\p{DI}]/u);
        else assert.match(piece.text, piece.kind === 'box' ? /^U\+[0-9A-F]{4,6}$/ : /^[⏎⇥␣∅\u2400-\u2421]$/);
      }
      // Read back: every code point is there, as itself or by its number.
      const back = pieces.map(({ text: shown, kind }) => (kind === 'text' ? shown.replace(/^◌/u, '') : kind === 'box' ? String.fromCodePoint(parseInt(shown.slice(2), 16)) : unmarked(shown)));
      assert.equal(back.join(''), text);
    }),
  );
});

test('labels and directions', () => {
  assert.equal(visibleText('a\u202e '), 'a‹U+202E›␣');
  assert.equal(codePoint(10), 'U+000A');
  assert.equal(directionOf(['Once', ' upon']), 'ltr');
  assert.equal(directionOf(['كان', ' يا', ' a']), 'rtl');
  assert.equal(directionOf(['\n', '12']), 'ltr');
});

test('numbers', () => {
  assert.equal(formatCount(406395), '406\u202f395');
  assert.equal(formatCount(1234567), '1\u202f234\u202f567');
  assert.equal(formatCount(12), '12');
  assert.equal(formatNumber(null), '–');
  assert.equal(formatNumber(NaN), '–');
  assert.equal(formatNumber(-Infinity), '−∞');
  assert.equal(formatNumber(0.8298), '0.830');
  assert.equal(formatNumber(-0.11765), '−0.118');
  assert.equal(formatNumber(1234.5), '1\u202f235');
  assert.equal(formatNumber(7.4e-6), '7.40 × 10⁻⁶');
  assert.equal(formatNumber(-2.5e7, 2), '−2.5 × 10⁷');
  assert.equal(formatDensity(0.0477), '0.048');
  assert.deepEqual(formatDensities(0.04713, 0.04778, 0.04844), ['0.0471', '0.0478', '0.0484']);
  assert.deepEqual(formatDensities(0.104, 0.105, 0.1059), ['0.104', '0.105', '0.106']);
  assert.deepEqual(formatDensities(1e-5, 3e-5, 9e-5), ['10⁻⁵', '3 × 10⁻⁵', '9 × 10⁻⁵']);
  assert.deepEqual(formatDensities(0.9, 1, 1), ['0.9', '1', '1']);
  assert.equal(formatDensity(0.5), '0.5');
  assert.equal(formatDensity(0), '0');
  assert.equal(formatDensity(1), '1');
  assert.equal(formatDensity(7.38e-6), '7.4 × 10⁻⁶');
  assert.equal(formatDensity(0.0001), '10⁻⁴');
  assert.equal(formatDensity(9.96e-5), '10⁻⁴');
  assert.equal(formatPower(-12), '10⁻¹²');
  assert.equal(formatPower(-1), '0.1');
  assert.equal(formatSigned(-0.004), '0.00');
  assert.equal(formatSigned(1.2), '+1.20');
  assert.equal(trimmed('1.0 × 10⁻⁴'), '10⁻⁴');
  assert.equal(trimmed('100'), '100');
  assert.equal(trimmed('2.50'), '2.5');
});

test('every number is written, and read back within its digits', () => {
  const written = (text: string): number => {
    const [, mantissa = '', exponent] = /^([^ ]*?)(?: × )?(?:10([⁻⁰¹²³⁴⁵⁶⁷⁸⁹]+))?$/.exec(text) ?? [];
    const plain = mantissa.replaceAll('\u202f', '').replace('−', '-');
    const power = exponent === undefined ? 0 : Number(Array.from(exponent, (c) => (c === '⁻' ? '-' : '⁰¹²³⁴⁵⁶⁷⁸⁹'.indexOf(c))).join(''));
    return (plain === '' ? 1 : Number(plain)) * 10 ** power;
  };
  fc.assert(
    fc.property(fc.double({ noNaN: true, noDefaultInfinity: true, min: -1e30, max: 1e30 }).filter((x) => x === 0 || Math.abs(x) > 1e-30), (value) => {
      assert.ok(Math.abs(written(formatNumber(value)) - value) <= 0.0051 * Math.abs(value), formatNumber(value));
      if (value > 0 && value <= 1) assert.ok(Math.abs(written(formatDensity(value)) - value) <= 0.051 * value, formatDensity(value));
    }),
  );
});

test('arrow keys in a grid of unequal rows', () => {
  const key = (name: string, more = {}) => ({ key: name, ctrlKey: false, metaKey: false, altKey: false, ...more });
  const lengths = [3, 1, 5];
  assert.deepEqual(moveInGrid(key('ArrowRight'), { row: 0, column: 2 }, lengths), { row: 0, column: 2 });
  assert.deepEqual(moveInGrid(key('ArrowRight'), { row: 2, column: 2 }, lengths, { rtl: true }), { row: 2, column: 1 });
  assert.deepEqual(moveInGrid(key('ArrowDown'), { row: 0, column: 2 }, lengths), { row: 1, column: 0 });
  assert.deepEqual(moveInGrid(key('ArrowDown'), { row: 2, column: 2 }, lengths), { row: 2, column: 2 });
  assert.deepEqual(moveInGrid(key('ArrowUp'), { row: 2, column: 4 }, lengths, { at: () => -3 }), { row: 1, column: 0 });
  assert.deepEqual(moveInGrid(key('End'), { row: 2, column: 0 }, lengths), { row: 2, column: 4 });
  assert.deepEqual(moveInGrid(key('End', { ctrlKey: true }), { row: 0, column: 0 }, lengths), { row: 2, column: 4 });
  assert.deepEqual(moveInGrid(key('Home', { ctrlKey: true }), { row: 2, column: 3 }, lengths), { row: 0, column: 0 });
  assert.equal(moveInGrid(key('a'), { row: 0, column: 0 }, lengths), null);
  assert.equal(moveInGrid(key('ArrowLeft', { altKey: true }), { row: 0, column: 0 }, lengths), null);
  assert.equal(moveInTabs('ArrowRight', 1, 2, false), 0);
  assert.equal(moveInTabs('ArrowRight', 0, 3, true), 2);
  assert.equal(moveInTabs('x', 0, 3, true), null);
});
