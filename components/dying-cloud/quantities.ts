/**
 * What an axis of the cloud can show of a feature, each a number that can be had from a
 * `DyingFrame` alone. Density is drawn as its logarithm and has a floor, 3/N; the others are linear.
 *
 * A raw bias is comparable between features of one SAE, not between codebases: what z adds to
 * w . x is the effective bias, b_enc - w . b_dec, and the hyperplane z = 0 lies at the signed
 * distance -effective_bias / ||w|| from the origin, along w.
 */
import { densityInterval, ruleOfThree, type Interval } from '../../engine/statistics.js';
import type { DyingFrame } from '../../engine/dying/record.js';

export type QuantityName = 'density' | 'bias' | 'effective-bias' | 'bias-norm' | 'effective-bias-norm' | 'de' | 'de-cosine' | 'direction-cosine';

export interface Quantity {
  readonly name: QuantityName;
  /** On the axis and in the table's head. */
  readonly label: string;
  /** What it is, in a sentence. */
  readonly description: string;
  readonly scale: 'log' | 'linear';
  /** The values that it cannot leave; null where there are none such. */
  readonly limits: readonly [number, number] | null;
  /** NaN where the feature has none. */
  readonly of: (frame: DyingFrame, feature: number) => number;
}

const over = (value: number, norm: number): number => (norm > 0 ? value / norm : NaN);

export const QUANTITIES: readonly Quantity[] = [
  { name: 'density', label: 'density', description: 'Share of the held-out rows on which the feature fires, on a logarithmic axis', scale: 'log', limits: null, of: ({ counts, rows }, i) => counts[i]! / rows },
  { name: 'bias', label: 'bias', description: 'Encoder bias, b_enc', scale: 'linear', limits: null, of: ({ bias }, i) => bias[i]! },
  { name: 'effective-bias', label: 'effective bias', description: 'b_enc − w·b_dec where the SAE subtracts b_dec: what is added to w·x', scale: 'linear', limits: null, of: ({ effective_bias }, i) => effective_bias[i]! },
  { name: 'bias-norm', label: 'b / ‖w‖', description: 'Encoder bias over the length of the encoder column: where b_dec is subtracted, the signed distance of b_dec from the hyperplane', scale: 'linear', limits: null, of: ({ bias, encoder_norm }, i) => over(bias[i]!, encoder_norm[i]!) },
  { name: 'effective-bias-norm', label: 'effective b / ‖w‖', description: 'Effective bias over the length of the encoder column: the signed distance of the origin from the hyperplane', scale: 'linear', limits: null, of: ({ effective_bias, encoder_norm }, i) => over(effective_bias[i]!, encoder_norm[i]!) },
  { name: 'de', label: 'D/E', description: 'Decoder row · encoder column', scale: 'linear', limits: null, of: ({ de }, i) => de[i]! },
  { name: 'de-cosine', label: 'cos(w, d)', description: 'Cosine of the encoder column with the decoder row', scale: 'linear', limits: [-1, 1], of: ({ de_cosine }, i) => de_cosine[i]! },
  { name: 'direction-cosine', label: 'cos(w, w*)', description: 'Cosine of the encoder column with w*, the direction of least firing', scale: 'linear', limits: [-1, 1], of: ({ direction_cosine }, i) => direction_cosine[i]! },
];

/** The quantity of a name; that of `other` where there is none such. */
export function quantityOf(name: string, other: QuantityName): Quantity {
  return QUANTITIES.find((one) => one.name === name) ?? QUANTITIES.find((one) => one.name === other)!;
}

/** The resolution of a frame's densities, 3/N: what lies below cannot be told from zero. */
export function floorOf({ rows }: DyingFrame): number {
  return ruleOfThree(Math.max(1, rows));
}

/** Wilson's 95 % interval of a feature's density; [0, 3/N] for a feature that did not fire. */
export function intervalOf({ counts, rows }: DyingFrame, feature: number): Interval {
  return rows > 0 ? densityInterval(counts[feature]!, rows) : { low: 0, high: 1 };
}

const extents = new WeakMap<DyingFrame, Map<QuantityName, readonly [number, number]>>();

/** Least and greatest finite value of a linear quantity in a frame; [Infinity, -Infinity] where there is none. */
export function extentOf(frame: DyingFrame, quantity: Quantity): readonly [number, number] {
  let known = extents.get(frame);
  if (known === undefined) extents.set(frame, (known = new Map()));
  let extent = known.get(quantity.name);
  if (extent === undefined) {
    let [low, high] = [Infinity, -Infinity];
    for (let i = 0; i < frame.counts.length; i++) {
      const value = quantity.of(frame, i);
      if (!Number.isFinite(value)) continue;
      if (value < low) low = value;
      if (value > high) high = value;
    }
    known.set(quantity.name, (extent = [low, high]));
  }
  return extent;
}

/**
 * The ends of an axis over all frames, so that nothing jumps while a record is scrubbed: powers
 * of ten as exponents for a density, of which the lowest lies half a decade under the finest floor.
 */
export function domainOf(frames: readonly DyingFrame[], quantity: Quantity): readonly [number, number] {
  if (quantity.scale === 'log') return [Math.log10(Math.min(...frames.map(floorOf))) - 0.5, 0];
  let [low, high] = [Infinity, -Infinity];
  for (const frame of frames) {
    const [least, most] = extentOf(frame, quantity);
    low = Math.min(low, least);
    high = Math.max(high, most);
  }
  if (low > high) return quantity.limits ?? [0, 1];
  const room = high > low ? 0.03 * (high - low) : Math.max(0.5, 0.1 * Math.abs(high));
  const [least, most] = quantity.limits ?? [-Infinity, Infinity];
  return [Math.max(least, low - room), Math.min(most, high + room)];
}
