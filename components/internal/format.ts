/** Numbers as text: the same in every locale, with a true minus sign, short. */

const minus = (text: string): string => text.replace(/-/g, '−');

/** 406395 → `406 395`, with narrow no-break spaces. */
export function formatCount(value: number): string {
  return minus(String(value).replace(/\B(?=(\d{3})+(?!\d))/g, '\u202f'));
}

/** Four significant digits by default; powers of ten outside 0.001 to 99,999. Null is a dash. */
export function formatNumber(value: number | null | undefined, digits = 4): string {
  if (value === null || value === undefined || Number.isNaN(value)) return '–';
  if (value === 0) return '0';
  const size = Math.abs(value);
  if (size >= 1e-3 && size < 1e5) return minus(String(Number(value.toPrecision(digits))));
  const [mantissa = '', exponent = ''] = value.toExponential(digits - 1).split('e');
  return minus(`${Number(mantissa)}e${Number(exponent)}`);
}

/** A density: percent from 0.01 % on, else a power of ten. */
export function formatDensity(value: number): string {
  return value >= 1e-4 ? `${formatNumber(value * 100, 3)} %` : formatNumber(value, 3);
}

/** +1.23, −0.45 */
export function formatSigned(value: number, decimals = 2): string {
  const text = minus(value.toFixed(decimals));
  return value > 0 ? `+${text}` : text;
}
