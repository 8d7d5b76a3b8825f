/** What the tests of the feature card share: real cards, packs that answer when they are told to, and ways into the element. */
import type { SaeFeatureCard } from '../../components/feature-card/feature-card.js';
import type { Pack } from '../../engine/pack/reader.js';
import type { FeatureCard } from '../../engine/pack/schema.js';
import { inside, mount, until } from './dashboard.js';

/** A card of test/fixtures/cards. */
export async function fixtureCard(name: 'live' | 'dead' | 'rare'): Promise<FeatureCard> {
  const response = await fetch(new URL(`../fixtures/cards/${name}.json`, import.meta.url));
  // As a pack gives it: with a source, which `show --json` leaves out.
  return { ...((await response.json()) as FeatureCard), source: { sae: 'topk16', model: 'stories260k', hook: 'blocks.2.hook_resid_post' } };
}

/** An element that has drawn its card. */
export async function mountCard(properties: Partial<SaeFeatureCard> & Record<string, unknown>, options: { width?: number } = {}): Promise<SaeFeatureCard> {
  const element = await mount<SaeFeatureCard>('sae-feature-card', { loading: 'eager', ...properties }, options);
  await until('the card', () => inside(element).querySelector('.card'));
  await element.updateComplete;
  return element;
}

export const find = (element: Element, selector: string): HTMLElement | null => inside(element).querySelector<HTMLElement>(selector);
export const findAll = (element: Element, selector: string): HTMLElement[] => [...inside(element).querySelectorAll<HTMLElement>(selector)];
/** Its text, with white space as one sees it. */
export const textOf = (element: Element, selector: string): string => (find(element, selector)?.textContent ?? '').replace(/\s+/g, ' ').trim();

export interface HeldRequest {
  readonly feature: number;
  readonly signal: AbortSignal;
  readonly answer: (card: FeatureCard) => void;
  readonly fail: (error: unknown) => void;
}

/** A pack whose answers are given by the test, in any order. */
export function heldPack(): { readonly pack: Pack; readonly requests: HeldRequest[] } {
  const requests: HeldRequest[] = [];
  const pack = {
    name: 'held',
    card: (feature: number, { signal }: { readonly signal: AbortSignal }) =>
      new Promise<FeatureCard>((answer, fail) => {
        requests.push({ feature, signal, answer, fail });
      }),
  } as unknown as Pack;
  return { pack, requests };
}

/** Makes the rules for a medium that a test cannot switch on hold for this element, until it is gone. */
export function applyMedium(element: Element, medium: string): void {
  let rules = 0;
  const root = inside(element);
  root.adoptedStyleSheets = root.adoptedStyleSheets.map((sheet) => {
    const copy = new CSSStyleSheet();
    copy.replaceSync([...sheet.cssRules].map((rule) => rule.cssText).join('\n'));
    for (const rule of copy.cssRules) {
      if (!(rule instanceof CSSMediaRule) || !rule.media.mediaText.includes(medium)) continue;
      rule.media.mediaText = 'all';
      rules++;
    }
    return copy;
  });
  if (rules === 0) throw new Error(`no rules for ${medium}`);
}
