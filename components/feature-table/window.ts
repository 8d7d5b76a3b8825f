/**
 * Which rows of a long table are drawn. Rows have one height; beyond the height
 * that browsers can scroll, the scroll bar's travel is stretched over the rows.
 */

/** Firefox stops at 17.8 million CSS pixels, others later. */
const TALLEST = 12_000_000;
/** Rows drawn above and below those that are seen. */
const SPARE = 8;

export interface RowWindow {
  /** First row that is drawn, and the one after the last. */
  readonly first: number;
  readonly end: number;
  /** Height of the whole, in CSS pixels. */
  readonly height: number;
  /** Distance of the first drawn row from the top of the whole. */
  readonly top: number;
}

const scrolled = (rows: number, rowHeight: number): number => Math.min(rows * rowHeight, TALLEST);

/** @param view height of the part of the scroller that shows rows */
export function rowWindow(scrollTop: number, view: number, rows: number, rowHeight: number): RowWindow {
  const full = rows * rowHeight;
  const height = scrolled(rows, rowHeight);
  const travel = Math.max(1, height - view);
  const at = Math.max(0, Math.min(scrollTop, travel));
  // Where the view's top is in a table of full height.
  const virtual = height === full ? at : (at / travel) * (full - view);
  const first = Math.max(0, Math.floor(virtual / rowHeight) - SPARE);
  const end = Math.min(rows, Math.ceil((virtual + view) / rowHeight) + SPARE);
  return { first: Math.min(first, end), end, height, top: at - (virtual - first * rowHeight) };
}

/** The scrollTop at which a row is wholly seen, nearest to where the scroller is. */
export function scrollTopFor(row: number, scrollTop: number, view: number, rows: number, rowHeight: number): number {
  const full = rows * rowHeight;
  const height = scrolled(rows, rowHeight);
  const travel = Math.max(1, height - view);
  const factor = height === full ? 1 : travel / (full - view);
  const top = row * rowHeight * factor;
  const bottom = (row * rowHeight + rowHeight - view) * factor;
  return Math.max(0, Math.max(bottom, Math.min(scrollTop, top)));
}
