/**
 * The packs that are open in a page. The reader with its Parquet decoder comes
 * when the first `src` is used, and not before: a page whose cards carry their
 * data never loads it. The reader keeps one pack a URL.
 */
import type { OpenPackOptions, Pack } from '../../engine/pack/reader.js';

/** Opens the pack at a URL; relative ones count from the document. */
export type PackOpener = (src: string, options?: OpenPackOptions) => Promise<Pack>;

const readPack: PackOpener = async (src, options) => (await import('../../engine/pack/reader.js')).openPack(src, options);

let opener = readPack;

/** The open pack of a `src`. @throws what the reader throws: FormatError with what is wrong and a hint */
export const openPack: PackOpener = (src, options) => opener(src, options);

/** Puts another way of opening packs in place, or the reader back; for tests and for pages with packs in other places. */
export function usePackOpener(other: PackOpener | null): void {
  opener = other ?? readPack;
}
