/**
 * Reads the fields of a generator's description, which is JSON that a person wrote:
 * each is checked and named in the message, defaults are filled in, and a field
 * that the kind does not have is refused.
 */
import { UsageError } from '../errors.js';

const show = (value: unknown): string => {
  const text = JSON.stringify(value) ?? String(value);
  return text.length > 60 ? `${text.slice(0, 57)}...` : text;
};

export interface Bounds {
  /** Smallest and largest value that is allowed. */
  readonly low?: number;
  readonly high?: number;
  /** Excludes `low` or `high` itself. */
  readonly aboveLow?: boolean;
  readonly belowHigh?: boolean;
}

export class FieldReader {
  readonly kind: string;
  readonly #raw: Readonly<Record<string, unknown>>;
  readonly #known = new Set(['kind']);

  /** @throws UsageError where `raw` is not an object */
  constructor(raw: unknown, kind: string) {
    if (typeof raw !== 'object' || raw === null || Array.isArray(raw)) throw new UsageError(`generator: expected an object with a field "kind", not ${show(raw)}`);
    this.#raw = raw as Readonly<Record<string, unknown>>;
    this.kind = kind;
  }

  /** The error for a field. */
  wrong(name: string, expected: string, value: unknown = this.#raw[name]): UsageError {
    return new UsageError(`generator ${this.kind}: "${name}" is ${value === undefined ? 'missing' : show(value)}; expected ${expected}`);
  }

  #take(name: string, fallback: unknown): unknown {
    this.#known.add(name);
    const value = this.#raw[name];
    return value === undefined ? fallback : value;
  }

  /** A field as it is, for kinds that check it themselves. */
  raw(name: string): unknown {
    return this.#take(name, undefined);
  }

  number(name: string, fallback: number | undefined, bounds: Bounds = {}): number {
    const value = this.#take(name, fallback);
    if (typeof value !== 'number' || !inside(value, bounds)) throw this.wrong(name, `a number${words(bounds)}`, value);
    return value;
  }

  /** A number, or null where the field is null or left out. */
  optionalNumber(name: string, bounds: Bounds = {}): number | null {
    return this.#take(name, null) === null ? null : this.number(name, undefined, bounds);
  }

  whole(name: string, fallback: number | undefined, low: number, high = Number.MAX_SAFE_INTEGER): number {
    const value = this.#take(name, fallback);
    if (!Number.isSafeInteger(value) || (value as number) < low || (value as number) > high) {
      throw this.wrong(name, `a whole number ${high === Number.MAX_SAFE_INTEGER ? `of at least ${low}` : `from ${low} to ${high}`}`, value);
    }
    return value as number;
  }

  flag(name: string, fallback: boolean): boolean {
    const value = this.#take(name, fallback);
    if (typeof value !== 'boolean') throw this.wrong(name, 'true or false', value);
    return value;
  }

  choice<const T extends string>(name: string, fallback: T, words: readonly T[]): T {
    const value = this.#take(name, fallback);
    const found = words.find((word) => word === value);
    if (found === undefined) throw this.wrong(name, `one of ${words.join(', ')}`, value);
    return found;
  }

  /** A list of numbers, or null where the field is null or left out. @param length how many there must be; null for any, at least one */
  list(name: string, length: number | null, bounds: Bounds = {}): number[] | null {
    const value = this.#take(name, null);
    if (value === null) return null;
    const expected = `a list of ${length === null ? 'numbers' : `${length} numbers`}${words(bounds)}`;
    if (!Array.isArray(value) || (length === null ? value.length === 0 : value.length !== length)) throw this.wrong(name, expected, value);
    for (const item of value) if (typeof item !== 'number' || !inside(item, bounds)) throw this.wrong(name, `${expected}; found ${show(item)}`, value);
    return value as number[];
  }

  /** @throws UsageError for a field that nobody asked for */
  end(): void {
    for (const name of Object.keys(this.#raw)) {
      if (!this.#known.has(name)) throw new UsageError(`generator ${this.kind}: there is no field "${name}"`, { hint: `There are ${[...this.#known].filter((known) => known !== 'kind').join(', ')}.` });
    }
  }
}

function inside(value: number, { low = -Infinity, high = Infinity, aboveLow = false, belowHigh = false }: Bounds): boolean {
  return Number.isFinite(value) && (aboveLow ? value > low : value >= low) && (belowHigh ? value < high : value <= high);
}

function words({ low, high, aboveLow, belowHigh }: Bounds): string {
  const parts = [];
  if (low !== undefined) parts.push(aboveLow === true ? `above ${low}` : `of at least ${low}`);
  if (high !== undefined) parts.push(belowHigh === true ? `below ${high}` : `of at most ${high}`);
  return parts.length === 0 ? '' : ` ${parts.join(' and ')}`;
}
