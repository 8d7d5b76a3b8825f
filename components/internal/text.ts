/**
 * Token text made visible and harmless. A token may be anything a dataset holds:
 * markup, control characters, bidirectional overrides that would reorder the
 * line around it, half a surrogate pair, nothing at all. What is shown is cut in
 * pieces; those marked `special` stand for a character that has no picture of
 * its own. Pieces are set as text, never as markup.
 */

export interface TextPiece {
  readonly text: string;
  readonly special: boolean;
}

/** Soft hyphen, bidirectional controls, zero-width characters, fillers, separators, byte order mark, tags. */
const INVISIBLE = /[\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff9-\ufffb\u{e0000}-\u{e0fff}]/u;

/** How one code point is shown, or null when it is shown as itself. */
function picture(code: number, character: string): string | null {
  if (code === 0x0a) return '⏎';
  if (code === 0x0d) return '␍';
  if (code === 0x09) return '⇥';
  if (code < 0x20) return String.fromCodePoint(0x2400 + code);
  if (code === 0x7f) return '␡';
  if ((code >= 0x80 && code < 0xa0) || (code >= 0xd800 && code <= 0xdfff) || INVISIBLE.test(character)) {
    return `U+${code.toString(16).toUpperCase().padStart(4, '0')}`;
  }
  return null;
}

/** The pieces of a token, in order; an empty token gives one special piece. */
export function visiblePieces(token: string): TextPiece[] {
  const pieces: TextPiece[] = [];
  let plain = '';
  for (const character of token) {
    const shown = picture(character.codePointAt(0) ?? 0, character);
    if (shown === null) {
      plain += character;
      continue;
    }
    if (plain !== '') pieces.push({ text: plain, special: false });
    plain = '';
    pieces.push({ text: shown, special: true });
  }
  if (plain !== '') pieces.push({ text: plain, special: false });
  return pieces.length > 0 ? pieces : [{ text: '∅', special: true }];
}

/** The token in one string, with a visible space at either end: for read-outs and tables. */
export function visibleText(token: string): string {
  const text = visiblePieces(token).map((piece) => piece.text).join('');
  return text.replace(/^ +| +$/g, (spaces) => '␣'.repeat(spaces.length));
}
