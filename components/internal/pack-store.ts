/**
 * How elements open packs. The reader is loaded when the first `src` is used, so
 * that a card with inline data does without it; it keeps one open pack per URL
 * for the whole page (engine/pack/reader.ts).
 */
import type { Pack } from '../../engine/pack/reader.js';

export type OpenPack = (src: string, options: { signal: AbortSignal }) => Promise<Pack>;

const load: OpenPack = async (src, options) => (await import('../../engine/pack/reader.js')).openPack(src, options);

let opener = load;

/** Opens the pack at a URL, relative to the page. */
export const openPackAt: OpenPack = (src, options) => opener(src, options);

/** Replaces the opener, for tests and for pages that keep packs elsewhere; null restores it. */
export function setPackOpener(replacement: OpenPack | null): void {
  opener = replacement ?? load;
}
