/** Numbers as columns of a pack take them. */

/** Null where there is no finite number. */
export function nullable(values: ArrayLike<number>): (number | null)[] {
  return Array.from(values, (value) => (Number.isFinite(value) ? value : null));
}
