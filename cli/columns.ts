/**
 * Fitting text into a terminal's columns. A character takes none (combining
 * marks), one, or two (East Asian wide, emoji).
 */

/** Blocks whose characters are two columns wide in a terminal (Unicode's East Asian Width W and F, by and large). */
const WIDE: readonly (readonly [number, number])[] = [
  [0x1100, 0x115f],
  [0x2329, 0x232a],
  [0x2e80, 0x303e],
  [0x3041, 0xa4cf],
  [0xa960, 0xa97f],
  [0xac00, 0xd7a3],
  [0xf900, 0xfaff],
  [0xfe10, 0xfe19],
  [0xfe30, 0xfe6f],
  [0xff00, 0xff60],
  [0xffe0, 0xffe6],
  [0x16fe0, 0x18aff],
  [0x1b000, 0x1b2ff],
  [0x1f300, 0x1f64f],
  [0x1f680, 0x1f6ff],
  [0x1f7e0, 0x1f7eb],
  [0x1f900, 0x1f9ff],
  [0x1fa70, 0x1faff],
  [0x20000, 0x3fffd],
];

/** Columns of one character. */
export function characterWidth(character: string): number {
  if (/^\p{M}$/u.test(character)) return 0;
  const code = character.codePointAt(0) ?? 0;
  return WIDE.some(([first, last]) => code >= first && code <= last) ? 2 : 1;
}

/** Columns of a text without escape sequences. */
export function textWidth(text: string): number {
  let width = 0;
  for (const character of text) width += characterWidth(character);
  return width;
}

/**
 * Pieces one after the other, two spaces apart, broken between pieces where a
 * line would be longer than `width`. Every line begins with `label`, or where
 * that was printed with as many spaces. A piece longer than a line stays whole.
 */
export function flow(label: string, pieces: readonly string[], width: number, gap = '  '): string {
  const indent = ' '.repeat(textWidth(label));
  const lines: string[] = [];
  let line = '';
  for (const piece of pieces) {
    const longer = line === '' ? piece : `${line}${gap}${piece}`;
    if (line !== '' && textWidth(label) + textWidth(longer) > width) {
      lines.push(line);
      line = piece;
    } else line = longer;
  }
  if (line !== '' || lines.length === 0) lines.push(line);
  return lines.map((text, i) => `${i === 0 ? label : indent}${text}`.trimEnd()).join('\n');
}

/** Words of a sentence, broken as `flow` does. */
export function paragraph(label: string, text: string, width: number): string {
  return flow(label, text.split(' '), width, ' ');
}

/** The longest end of a text that takes at most `width` columns. */
export function takeEnd(text: string, width: number): string {
  const characters = Array.from(text);
  let first = characters.length;
  let used = 0;
  while (first > 0) {
    used += characterWidth(characters[first - 1] as string);
    if (used > width) break;
    first--;
  }
  // A mark whose letter was cut off would climb onto what comes before.
  return characters.slice(first).join('').replace(first > 0 ? /^\p{M}+/u : /^$/, '');
}

/** The longest beginning of a text that takes at most `width` columns. */
export function takeStart(text: string, width: number): string {
  let kept = '';
  let used = 0;
  for (const character of text) {
    used += characterWidth(character);
    if (used > width) break;
    kept += character;
  }
  return kept;
}
