/**
 * How numbers are written, the same in every element and for every reader: no
 * locale, a true minus sign, thin spaces between thousands, powers of ten where
 * zeros would have to be counted.
 */

const SUPERSCRIPT = '⁰¹²³⁴⁵⁶⁷⁸⁹';
const NONE = '–';

const minus = (text: string): string => text.replace('-', '−');

/** 406395 → `406 395`, with narrow no-break spaces. */
export function formatCount(value: number): string {
  return minus(String(Math.round(value))).replace(/\B(?=(\d{3})+$)/g, '\u202f');
}

/** `10⁻⁴`, `0.1`, `1`, `10`. */
export function formatPower(exponent: number): string {
  if (exponent > -2 && exponent < 2) return String(10 ** exponent);
  const digits = Array.from(String(Math.abs(exponent)), (digit) => SUPERSCRIPT[Number(digit)]).join('');
  return `10${exponent < 0 ? '⁻' : ''}${digits}`;
}

/** With so many significant digits: `0.0123`, `−3.10`, `1 235`, `7.40 × 10⁻⁶`; a dash where there is no number. */
export function formatNumber(value: number | null, digits = 3): string {
  if (value === null || Number.isNaN(value)) return NONE;
  const size = Math.abs(value);
  if (size === Infinity) return value > 0 ? '∞' : '−∞';
  if (size === 0) return '0';
  if (size >= 0.000995 && size < 99950) return size < 10 ** digits ? minus(value.toPrecision(digits)) : formatCount(value);
  const [mantissa, exponent] = value.toExponential(digits - 1).split('e') as [string, string];
  return `${minus(mantissa)} × ${formatPower(Number(exponent))}`;
}

/** Without the zeros at the end of a number's decimals: `0.50` → `0.5`, `1.0 × 10⁻⁴` → `10⁻⁴`. */
export function trimmed(text: string): string {
  return text.replace(/(\.\d*?)0+(?!\d)/, '$1').replace(/\.(?!\d)/, '').replace(/^1 × /, '');
}

/** A density: two digits unless more are asked for, powers of ten below a hundredth. */
export function formatDensity(value: number, digits = 2): string {
  if (value >= 0.00995 || value === 0 || Number.isNaN(value)) return trimmed(formatNumber(value, digits));
  const [mantissa, exponent] = value.toExponential(digits - 1).split('e') as [string, string];
  return trimmed(`${mantissa} × ${formatPower(Number(exponent))}`);
}

/** A density between the ends of its interval, with as many digits as it takes to tell the three apart, 2 to 4. */
export function formatDensities(low: number, value: number, high: number): [low: string, value: string, high: string] {
  for (let digits = 2; ; digits++) {
    const [a, b, c] = [formatDensity(low, digits), formatDensity(value, digits), formatDensity(high, digits)];
    if (digits === 4 || ((a !== b || low === value) && (b !== c || value === high))) return [a, b, c];
  }
}

/** `+1.20`, `−0.05`, `0.00`. */
export function formatSigned(value: number, decimals = 2): string {
  const text = Math.abs(value).toFixed(decimals);
  return Number(text) === 0 ? text : `${value < 0 ? '−' : '+'}${text}`;
}
