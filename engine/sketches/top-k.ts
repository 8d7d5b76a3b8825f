/**
 * The k largest items of every feature, exactly, in whatever order they come.
 *
 * Items are handles into a store of the caller's; the order is total: larger
 * value first, then lower context, then lower position. An item that is pushed
 * out is given back through `release`.
 */

/** Where an item is in the stream, and its value. */
export interface ItemKeys {
  value(item: number): number;
  context(item: number): number;
  position(item: number): number;
}

export class TopK {
  readonly k: number;
  readonly #keys: ItemKeys;
  readonly #release: (item: number) => void;
  /** [features * k], best first. */
  readonly #items: Uint32Array;
  readonly #counts: Uint16Array;

  constructor(features: number, k: number, keys: ItemKeys, release: (item: number) => void) {
    this.k = k;
    this.#keys = keys;
    this.#release = release;
    this.#items = new Uint32Array(features * k);
    this.#counts = new Uint16Array(features);
  }

  /** True when such an item would be among the k largest. */
  admits(feature: number, value: number, context: number, position: number): boolean {
    const count = this.#counts[feature] as number;
    return count < this.k || this.#before(value, context, position, this.#items[feature * this.k + count - 1] as number);
  }

  /** Puts an item that `admits` let in into its place. */
  insert(feature: number, item: number): void {
    const base = feature * this.k;
    let count = this.#counts[feature] as number;
    if (count === this.k) this.#release(this.#items[base + --count] as number);
    const value = this.#keys.value(item);
    const context = this.#keys.context(item);
    const position = this.#keys.position(item);
    let at = base + count;
    while (at > base && this.#before(value, context, position, this.#items[at - 1] as number)) {
      this.#items[at] = this.#items[at - 1] as number;
      at--;
    }
    this.#items[at] = item;
    this.#counts[feature] = count + 1;
  }

  /** The items of a feature, best first: a view, good until the next `insert`. */
  items(feature: number): Uint32Array {
    return this.#items.subarray(feature * this.k, feature * this.k + (this.#counts[feature] as number));
  }

  #before(value: number, context: number, position: number, other: number): boolean {
    const otherValue = this.#keys.value(other);
    if (value !== otherValue) return value > otherValue;
    const otherContext = this.#keys.context(other);
    return context !== otherContext ? context < otherContext : position < this.#keys.position(other);
  }
}
