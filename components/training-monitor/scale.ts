/** Axes of the charts: linear or logarithmic, with ticks that say where they are. Pure. */
import { ticks } from 'd3-array';
import { formatNumber, formatPower, trimmed } from '../internal/format.js';

export interface Tick {
  readonly at: number;
  readonly label: string;
}

export interface Axis {
  readonly kind: 'linear' | 'log';
  readonly domain: readonly [number, number];
  /** From a value to CSS pixels; values outside are drawn at the edge. */
  readonly map: (value: number) => number;
  readonly ticks: readonly Tick[];
}

export interface AxisOptions {
  readonly kind: 'linear' | 'log';
  /** Pixels of the domain's ends; from large to small for an axis that goes up. */
  readonly range: readonly [number, number];
  /** Ticks that have room. */
  readonly count: number;
  /** How a value of a linear axis is written. */
  readonly format?: (value: number) => string;
}

/**
 * An axis over what the values span. A log axis begins at the least positive value; where
 * there is none it is linear after all.
 */
export function axisOf(values: Iterable<number>, { kind, range, count, format = (value) => trimmed(formatNumber(value)) }: AxisOptions): Axis {
  let [low, high] = [Infinity, -Infinity];
  for (const value of values) {
    if (!Number.isFinite(value) || (kind === 'log' && value <= 0)) continue;
    low = Math.min(low, value);
    high = Math.max(high, value);
  }
  if (low > high) return axisOf([0, 1], { kind: 'linear', range, count, format });
  const [from, to] = range;
  if (kind === 'linear') {
    if (low === high) high = low + Math.max(1, Math.abs(low) / 10);
    const map = (value: number): number => from + ((to - from) * (clamp(value, low, high) - low)) / (high - low);
    return { kind, domain: [low, high], map, ticks: ticks(low, high, count).map((value) => ({ at: map(value), label: format(value) })) };
  }
  if (high / low < 1.2) [low, high] = [low / 1.1, high * 1.1];
  const span = Math.log(high / low);
  const map = (value: number): number => from + ((to - from) * Math.log(clamp(value, low, high) / low)) / span;
  return { kind, domain: [low, high], map, ticks: logTicks(low, high, count).map((value) => ({ at: map(value), label: powerLabel(value, format) })) };
}

/** Powers of ten; where they are fewer than two, 1, 2 and 5 of each; where they are too many, every so many'th. */
export function logTicks(low: number, high: number, count: number): number[] {
  const [first, last] = [Math.ceil(Math.log10(low) - 1e-9), Math.floor(Math.log10(high) + 1e-9)];
  const powers = Array.from({ length: Math.max(0, last - first + 1) }, (_, i) => Number(`1e${first + i}`));
  if (powers.length >= 2) {
    const every = Math.ceil(powers.length / Math.max(1, count));
    return powers.filter((_, i) => i % every === 0);
  }
  const fine: number[] = [];
  for (let power = Math.floor(Math.log10(low)); power <= last + 1; power++) {
    for (const digit of [1, 2, 5]) {
      const value = Number(`${digit}e${power}`);
      if (value >= low * (1 - 1e-9) && value <= high * (1 + 1e-9)) fine.push(value);
    }
  }
  // Less than a factor of two: the linear ticks are even enough there.
  return fine.length >= 2 ? fine : ticks(low, high, Math.min(3, count));
}

function powerLabel(value: number, format: (value: number) => string): string {
  const exponent = Math.round(Math.log10(value));
  return Math.abs(value / 10 ** exponent - 1) < 1e-9 && Math.abs(exponent) >= 4 ? formatPower(exponent) : format(value);
}

const clamp = (value: number, low: number, high: number): number => Math.max(low, Math.min(high, value));
