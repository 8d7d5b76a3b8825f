/**
 * Text from a pack, made visible and harmless. Tokens hold anything: markup,
 * control characters, halves of surrogate pairs, marks that turn the writing
 * direction around. Here they become pieces that are put into a page as text
 * nodes, never as markup; whoever shows them isolates each token (`<bdi>`).
 *
 * Kept true: every code point is seen, as itself, as a mark (⏎ ⇥ ␣ ␀), or as a
 * box with its number (U+202E); none of the pieces has a control, a bidirectional
 * control, a zero-width character or a lone surrogate in it.
 */

export interface Piece {
  readonly text: string;
  /** `text` as it is; `mark` a picture of a character; `box` the number of a character that cannot be seen. */
  readonly kind: 'text' | 'mark' | 'box';
}

/** Controls, formats, surrogates, separators, what is ignorable by default, and all white space but the plain space. */
const UNSEEN = /^(?:[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}\p{DI}\u2800]|[^\S ])$/u;
/** These choose between the text and the picture form of the character before. */
const VARIATION = /^[\ufe0e\ufe0f]$/;

/**
 * @param spaces `mark` shows every plain space as ␣, `keep` only those of tokens
 *   that are nothing else; `keep` needs `white-space: pre` or `pre-wrap`
 */
export function visible(text: string, spaces: 'mark' | 'keep' = 'mark'): Piece[] {
  if (text === '') return [{ text: '∅', kind: 'mark' }];
  const pieces: Piece[] = [];
  let plain = '';
  const flush = (): void => {
    if (plain !== '') pieces.push({ text: plain, kind: 'text' });
    plain = '';
  };
  const markSpaces = spaces === 'mark' || /^ +$/.test(text);
  for (const character of text) {
    const code = character.codePointAt(0) as number;
    const mark = code === 0x20 ? (markSpaces ? '␣' : '') : code === 0x0a ? '⏎' : code === 0x09 ? '⇥' : code < 0x20 ? String.fromCodePoint(0x2400 + code) : code === 0x7f ? '␡' : '';
    if (mark !== '') {
      flush();
      pieces.push({ text: mark, kind: 'mark' });
    } else if (UNSEEN.test(character) && !(plain !== '' && VARIATION.test(character))) {
      flush();
      pieces.push({ text: codePoint(code), kind: 'box' });
    } else {
      // A combining mark must not climb onto the token before.
      if (plain === '' && /^\p{M}$/u.test(character)) plain = '◌';
      plain += character;
    }
  }
  flush();
  return pieces;
}

/** The pieces of a token in one string, for labels: boxes in ‹ ›. */
export function visibleText(text: string, spaces: 'mark' | 'keep' = 'mark'): string {
  return visible(text, spaces)
    .map((piece) => (piece.kind === 'box' ? `‹${piece.text}›` : piece.text))
    .join('');
}

/** `U+202E` */
export function codePoint(code: number): string {
  return `U+${code.toString(16).toUpperCase().padStart(4, '0')}`;
}

/** The direction in which a row of tokens is to be read: that of most of its letters. */
export function directionOf(tokens: readonly string[]): 'ltr' | 'rtl' {
  const text = tokens.join('');
  const count = (pattern: RegExp): number => text.match(pattern)?.length ?? 0;
  const rtl = count(/[\p{Script=Arabic}\p{Script=Hebrew}\p{Script=Syriac}\p{Script=Thaana}\p{Script=Nko}]/gu);
  return rtl > 0 && rtl > count(/\p{L}/gu) / 2 ? 'rtl' : 'ltr';
}
