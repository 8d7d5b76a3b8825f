/** Keyboard movement in grids of unequal rows, as the ARIA grid pattern has it. */

export interface GridPosition {
  readonly row: number;
  readonly column: number;
}

/**
 * Where a key leads from a cell; null for keys that are not the grid's. Arrows
 * left and right go by what is seen: `rtl` says that the row runs to the left.
 * @param lengths cells of each row; rows have at least one
 * @param at the column that Up and Down arrive at in another row; by default the same
 */
export function moveInGrid(
  event: Pick<KeyboardEvent, 'key' | 'ctrlKey' | 'metaKey' | 'altKey'>,
  { row, column }: GridPosition,
  lengths: readonly number[],
  { rtl = false, at = () => column }: { readonly rtl?: boolean; readonly at?: (row: number) => number } = {},
): GridPosition | null {
  if (event.altKey || event.metaKey) return null;
  const clamp = (value: number, length: number): number => Math.max(0, Math.min(length - 1, value));
  const inRow = (next: number): GridPosition => ({ row, column: clamp(next, lengths[row] ?? 1) });
  const toRow = (next: number): GridPosition => {
    const target = clamp(next, lengths.length);
    return target === row ? { row, column } : { row: target, column: clamp(at(target), lengths[target] ?? 1) };
  };
  switch (event.key) {
    case 'ArrowRight':
      return inRow(column + (rtl ? -1 : 1));
    case 'ArrowLeft':
      return inRow(column + (rtl ? 1 : -1));
    case 'ArrowDown':
      return toRow(row + 1);
    case 'ArrowUp':
      return toRow(row - 1);
    case 'Home':
      return event.ctrlKey ? { row: 0, column: 0 } : inRow(0);
    case 'End':
      return event.ctrlKey ? { row: lengths.length - 1, column: (lengths.at(-1) ?? 1) - 1 } : inRow(Infinity);
    default:
      return null;
  }
}

/** Where a key leads in a row of tabs; null for other keys. */
export function moveInTabs(key: string, at: number, length: number, rtl: boolean): number | null {
  if (key === 'Home') return 0;
  if (key === 'End') return length - 1;
  const by = key === 'ArrowRight' ? 1 : key === 'ArrowLeft' ? -1 : 0;
  return by === 0 ? null : (at + (rtl ? -by : by) + length) % length;
}
