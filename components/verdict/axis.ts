/** The number of a prediction with its interval against the null, on an axis of its own. */
import { nothing, svg, type SVGTemplateResult } from 'lit';
import type { PredictionResult } from '../../engine/dying/predictions.js';

export const AXIS = { width: 180, height: 26, margin: 8 } as const;

export interface AxisPlaces {
  readonly value: number;
  readonly low: number | null;
  readonly high: number | null;
  readonly null: number | null;
}

/** Where marks lie, in pixels from the left; null where there is no number. All marks lie within the margins. */
export function axisPlaces({ value, interval, null_value }: Pick<PredictionResult, 'value' | 'interval' | 'null_value'>): AxisPlaces | null {
  if (value === null) return null;
  const numbers = [value, ...(interval ?? []), ...(null_value === null ? [] : [null_value])];
  let [least, most] = [Math.min(...numbers), Math.max(...numbers)];
  // One number alone stands in the middle.
  if (!(most > least)) [least, most] = [least - 1, most + 1];
  const { width, margin } = AXIS;
  const x = (at: number): number => margin + ((at - least) / (most - least)) * (width - 2 * margin);
  return { value: x(value), low: interval === null ? null : x(interval[0]), high: interval === null ? null : x(interval[1]), null: null_value === null ? null : x(null_value) };
}

/** Decoration: the numbers stand beside it in words. */
export function axisTemplate(result: PredictionResult): SVGTemplateResult | typeof nothing {
  const places = axisPlaces(result);
  if (places === null) return nothing;
  const { width, height } = AXIS;
  const y = height / 2;
  const { value, low, high } = places;
  return svg`<line class="rule" x1="0" x2=${width} y1=${y} y2=${y}></line>
    ${places.null === null ? nothing : svg`<path class="null" d=${`M${places.null} 3V${height - 3}`}></path>`}
    ${low === null || high === null ? nothing : svg`<path class="interval" d=${`M${low} ${y - 4}v8M${low} ${y}H${high}M${high} ${y - 4}v8`}></path>`}
    <circle class="value" cx=${value} cy=${y} r="4"></circle>`;
}
