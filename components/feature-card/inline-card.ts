/** A card that stands in the page: `<script type="application/json">` inside the element, or the `data` property. */
import { FormatError } from '../../engine/errors.js';
import { FEATURE_CLASSES, type FeatureCard } from '../../engine/pack/schema.js';

const HINT = '`saekit show PACK --feature N --json` prints a card as the element takes it.';

/**
 * What is inside the element, parsed; null where there is no such script.
 * @throws FormatError when it is no JSON, or no card
 */
export function inlineCard(element: Element): FeatureCard | null {
  const script = element.querySelector(':scope > script[type="application/json"]');
  if (script === null) return null;
  let value: unknown;
  try {
    value = JSON.parse(script.textContent ?? '');
  } catch (cause) {
    throw new FormatError(`the JSON inside the element is broken: ${(cause as Error).message}`, { cause, hint: HINT });
  }
  return checkedCard(value);
}

/**
 * The value as a card, if it has what none goes without. `saekit show --json`
 * leaves `source` out; the card then has no caption.
 * @throws FormatError naming what is missing
 */
export function checkedCard(value: unknown): FeatureCard {
  const card = Object(value) as Readonly<Record<string, unknown>>;
  const wrong =
    ['feature', 'count', 'tokens', 'density', 'density_low', 'density_high'].find((name) => typeof card[name] !== 'number') ??
    ['examples', 'neighbours'].find((name) => !Array.isArray(card[name])) ??
    ['histogram', 'quantiles'].find((name) => Object(card[name]) !== card[name]) ??
    (FEATURE_CLASSES.includes(card['class'] as never) ? undefined : 'class');
  if (wrong !== undefined) throw new FormatError(`the data is no feature card: ${wrong} is missing or of the wrong kind`, { hint: HINT });
  // `show --json` leaves the source out: the page around it says what SAE it is about.
  return { ...(value as FeatureCard), source: { sae: '', model: null, hook: null, ...(card['source'] as object | undefined) } };
}
