/** How numbers and tokens are written in a terminal. */

/** 406395 → `406,395` */
export function thousands(value: number): string {
  return String(value).replace(/\B(?=(\d{3})+(?!\d))/g, ',');
}

/** Seconds as `8.3 s`, `2 min 5 s`, `1 h 3 min`. */
export function duration(seconds: number): string {
  if (seconds < 60) return `${seconds < 10 ? seconds.toFixed(1) : seconds.toFixed(0)} s`;
  const whole = Math.round(seconds);
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${whole % 60} s`;
  return `${Math.floor(whole / 3600)} h ${Math.floor((whole % 3600) / 60)} min`;
}

/** Four significant digits; very small and large numbers in powers of ten. */
export function figure(value: number | null, digits = 4): string {
  if (value === null) return '–';
  if (value === 0) return '0';
  const size = Math.abs(value);
  return size >= 1e-3 && size < 1e6 ? String(Number(value.toPrecision(digits))) : value.toExponential(digits - 1);
}

/**
 * Makes a token harmless and visible in a terminal: control characters (which
 * could move the cursor or change colours), bidirectional controls, zero-width
 * characters and lone surrogates are shown as pictures or code points.
 */
export function visibleToken(text: string): string {
  let shown = '';
  for (const character of text) {
    const code = character.codePointAt(0) ?? 0;
    if (code === 0x0a) shown += '⏎';
    else if (code === 0x09) shown += '⇥';
    else if (code < 0x20) shown += String.fromCodePoint(0x2400 + code);
    else if (code === 0x7f) shown += '␡';
    else if ((code >= 0x80 && code < 0xa0) || (code >= 0xd800 && code <= 0xdfff) || INVISIBLE.test(character)) shown += `‹U+${code.toString(16).toUpperCase().padStart(4, '0')}›`;
    else shown += character;
  }
  return shown === '' ? '∅' : shown;
}

/** Bidirectional controls, zero-width characters, line and paragraph separators, the byte order mark, tags. */
const INVISIBLE = /[\u00ad\u061c\u115f\u1160\u17b4\u17b5\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\u{e0000}-\u{e007f}]/u;
