/** Which examples stand where, and what is said of a token. */
import type { FeatureExample } from '../../engine/pack/schema.js';
import { formatCount, formatNumber } from '../internal/format.js';
import { visibleText } from '../internal/text.js';

/** The tabs' rows: the strongest, and those of the ten intervals from the highest down. */
export function exampleGroups(examples: readonly FeatureExample[]): { readonly top: readonly FeatureExample[]; readonly range: readonly FeatureExample[] } {
  const rank = (a: FeatureExample, b: FeatureExample): number => a.rank - b.rank;
  return {
    top: examples.filter(({ group }) => group === 'top').sort(rank),
    range: examples.filter(({ group }) => group !== 'top').sort((a, b) => Number(b.group) - Number(a.group) || rank(a, b)),
  };
}

/** One example of each interval. */
export const firstOfEach = (range: readonly FeatureExample[]): FeatureExample[] => range.filter(({ group }, i) => range[i - 1]?.group !== group);

/** What the read-out says of a token. */
export function describeToken({ tokens, activations, context, start }: FeatureExample, column: number, max: number | null): string {
  const activation = activations[column] ?? 0;
  const share = max !== null && max > 0 && activation > 0 ? ` (${Math.round((activation / max) * 100)} % of the maximum)` : '';
  return `“${visibleText(tokens[column] ?? '')}”  ${activation > 0 ? `activation ${formatNumber(activation)}${share}` : 'does not fire'}, context ${formatCount(context)}, position ${formatCount(start + column)}`;
}
