/**
 * How numbers and tokens are written in a terminal: plain ASCII numbers, so that
 * what is copied can be pasted into a program, and tokens that cannot do harm.
 */

/** 406395 → `406,395` */
export function thousands(value: number): string {
  return String(value).replace(/\B(?=(\d{3})+(?!\d))/g, ',');
}

/** `1 feature`, `2 features` */
export function plural(count: number, noun: string): string {
  return `${thousands(count)} ${noun}${count === 1 ? '' : 's'}`;
}

/** Seconds as `8.3 s`, `2 min 5 s`, `1 h 3 min`. */
export function duration(seconds: number): string {
  if (seconds < 59.5) return `${seconds < 9.95 ? seconds.toFixed(1) : seconds.toFixed(0)} s`;
  const whole = Math.round(seconds);
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${whole % 60} s`;
  const minutes = Math.round(whole / 60);
  return `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

/** Bytes as `128 MiB`, `2 GiB`; small numbers as they are. */
export function bytes(value: number): string {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];
  let unit = 0;
  let size = value;
  while (size >= 1024 && unit < units.length - 1) {
    size /= 1024;
    unit++;
  }
  return `${Number(size.toFixed(size < 10 ? 1 : 0))} ${units[unit]}`;
}

/** Four significant digits; very small and large numbers in powers of ten; a dash where there is none. */
export function figure(value: number | null, digits = 4): string {
  if (value === null) return '–';
  if (value === 0) return '0';
  return plainSize(value) ? String(Number(value.toPrecision(digits))) : scientific(value, digits);
}

/** As `figure`, but with all its digits, so that a column of numbers has one width: `4.70`. */
export function fixedFigure(value: number, digits: number): string {
  return value === 0 || plainSize(value) ? value.toPrecision(digits) : scientific(value, digits);
}

/** `+1.20`, `-0.05`, `0.00` */
export function signed(value: number, decimals = 2): string {
  const text = value.toFixed(decimals);
  return Number(text) === 0 ? (0).toFixed(decimals) : value > 0 ? `+${text}` : text;
}

const plainSize = (value: number): boolean => Math.abs(value) >= 1e-3 && Math.abs(value) < 1e6;

/** `7.4e-6`: no zeros that say nothing. */
function scientific(value: number, digits: number): string {
  const [mantissa, exponent] = value.toExponential(digits - 1).split('e') as [string, string];
  return `${Number(mantissa)}e${exponent.replace('+', '')}`;
}

/** Controls, formats, surrogates, separators, what is ignorable by default, and all white space but the plain space. */
const UNSEEN = /^(?:[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}\p{DI}\u2800]|[^\S ])$/u;
/** These choose between the text and the picture form of the character before. */
const VARIATION = /^[\ufe0e\ufe0f]$/;

/**
 * Makes a token harmless and visible in a terminal: control characters (which
 * could move the cursor or change colours), bidirectional controls, zero-width
 * characters and lone surrogates are shown as pictures or code points.
 */
export function visibleToken(text: string): string {
  let shown = '';
  let plain = false;
  for (const character of text) {
    const code = character.codePointAt(0) ?? 0;
    const before = plain;
    plain = false;
    if (code === 0x0a) shown += '⏎';
    else if (code === 0x09) shown += '⇥';
    else if (code < 0x20) shown += String.fromCodePoint(0x2400 + code);
    else if (code === 0x7f) shown += '␡';
    else if (UNSEEN.test(character) && !(before && VARIATION.test(character))) shown += `‹U+${code.toString(16).toUpperCase().padStart(4, '0')}›`;
    else {
      // A combining mark must not climb onto the token before.
      if (!before && /^\p{M}$/u.test(character)) shown += '◌';
      shown += character;
      plain = true;
    }
  }
  return shown === '' ? '∅' : shown;
}

/** A token that stands alone in a list, where a space at its edge would not be seen. */
export function listedToken(text: string): string {
  return visibleToken(text).replace(/^ +| +$/g, (spaces) => '␣'.repeat(spaces.length));
}
