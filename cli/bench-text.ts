/** What `saekit doctor --bench` says: measured costs, and what they mean for SAEs of common sizes. */
import { type Calibration, chooseByCost, type CostShape, predict, type Prediction } from '../engine/cost-model.js';
import { paragraph } from './columns.js';
import { thousands } from './text.js';

/** Shapes that people have: a single token, GPT-2's small and usual SAE. */
export const SHAPES: readonly CostShape[] = [
  { rows: 1, d_in: 768, d_sae: 6144, rule: 'topk' },
  { rows: 256, d_in: 768, d_sae: 6144, rule: 'topk' },
  { rows: 1024, d_in: 768, d_sae: 24_576, rule: 'topk' },
  { rows: 1024, d_in: 768, d_sae: 24_576, rule: 'threshold' },
];
/** How many calls a choice is made for: what starts slowly has paid off by then, or not. */
const CALLS = 100;

export interface ShapePrediction extends CostShape {
  readonly ways: readonly Prediction[];
  /** What `chooseByCost` takes for a hundred calls; null where nothing was measured. */
  readonly choice: { readonly backend: string; readonly method: string; readonly total_seconds: number } | null;
}

export function predictions(calibration: Calibration): ShapePrediction[] {
  return SHAPES.map((shape) => {
    const choice = chooseByCost(shape, calibration, { calls: CALLS });
    return { ...shape, ways: predict(shape, calibration), choice: choice === null ? null : { backend: choice.backend, method: choice.method, total_seconds: choice.total } };
  });
}

/** Three digits and a unit: `1.23 ms`. */
export function shortTime(seconds: number): string {
  const [factor, unit] = seconds >= 1 ? [1, 's'] : seconds >= 1e-3 ? [1e3, 'ms'] : seconds >= 1e-6 ? [1e6, 'µs'] : [1e9, 'ns'];
  return `${Number((seconds * factor).toPrecision(3))} ${unit}`;
}

/** A rate of 10^9 a second, where a factor of 0 says that it was too fast to be seen. */
const giga = (perUnit: number, each: number): string => (perUnit === 0 ? '–' : (each / perUnit / 1e9).toPrecision(3));

function columns(rows: readonly (readonly string[])[], left: number): string[] {
  const widths = (rows[0] ?? []).map((_, at) => Math.max(...rows.map((row) => (row[at] ?? '').length)));
  return rows.map((row) => `  ${row.map((cell, at) => (at < left ? cell.padEnd(widths[at] ?? 0) : cell.padStart(widths[at] ?? 0))).join('  ')}`.trimEnd());
}

/** @param kept whether it was read from the cache, is now there, or cannot be kept */
export function benchText(calibration: Calibration, kept: 'read' | 'written' | 'not kept', width: number): string {
  const { backends, seconds } = calibration;
  const origin = { read: 'measured earlier and kept', written: `measured in ${shortTime(seconds)} and kept`, 'not kept': `measured in ${shortTime(seconds)}; it cannot be kept here` }[kept];
  const lines = [`Cost of encode, ${origin}`];
  const rows = backends.flatMap(({ backend, fits }) =>
    fits.map(({ method, rule, terms, error, survivorRatio }) => [
      backend,
      method,
      rule,
      shortTime(terms.launch),
      giga(Math.max(terms.weights, terms.product), 4),
      giga(terms.select, 1),
      giga(terms.product, 2),
      `${Math.round(100 * error)} %`,
      survivorRatio === null ? '' : `${(100 * survivorRatio).toPrecision(2)} % survive`,
    ]),
  );
  if (rows.length > 0) lines.push(...columns([['backend', 'method', 'rule', 'a call', 'one row GB/s', 'selected G/s', 'GFLOP/s', 'fit within', ''], ...rows], 3));
  for (const { backend, description, setUpSeconds, problem } of backends) {
    lines.push(paragraph('  ', problem === null ? `${backend}: ${description}; first result after ${shortTime(setUpSeconds)}.` : `${backend}: ${description}; not measured: ${problem}.`, width));
  }
  const expected = predictions(calibration).filter(({ ways }) => ways.length > 0);
  if (expected.length > 0) {
    lines.push('', `Expected, and what is cheapest for ${CALLS} calls`);
    const body = expected.map(({ rows: count, d_in, d_sae, rule, ways, choice }) => [
      `${thousands(count)} x ${thousands(d_in)} x ${thousands(d_sae)}`,
      rule,
      choice === null ? '' : `${choice.backend} ${choice.method}`,
      ways.map((way) => `${way.backend} ${way.method} ${shortTime(way.seconds)}`).join(', '),
    ]);
    lines.push(...columns([['rows x d_in x d_sae', 'rule', 'cheapest', 'a call takes'], ...body], 4));
  }
  return lines.join('\n');
}
