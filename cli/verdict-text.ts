/** A verdict in a terminal: a prediction a line, what is missing under it. */
import type { Outcome, PredictionResult } from '../engine/dying/predictions.js';
import { figure, thousands } from './text.js';

const WORDS: Readonly<Record<Outcome, string>> = { supports: 'supports', refutes: 'refutes', 'cannot-tell': 'cannot tell' };

/** Nothing for no results. */
export function verdictText(results: readonly PredictionResult[]): string[] {
  if (results.length === 0) return [];
  const count = (outcome: Outcome): number => results.filter((one) => one.outcome === outcome).length;
  const width = Math.max(...results.map(({ quantity }) => quantity.length));
  const lines = results.flatMap((one) => {
    const { id, quantity, value, interval, null_value, outcome, reason } = one;
    const range = interval === null ? '' : ` [${figure(interval[0])}, ${figure(interval[1])}]`;
    const figures = value === null ? '' : `${figure(value)}${range}${null_value === null ? '' : `, null ${figure(null_value)}`}`;
    return [`  ${id.padEnd(3)} ${WORDS[outcome].padEnd(11)} ${quantity.padEnd(width)}  ${figures}`.trimEnd(), ...(outcome === 'cannot-tell' ? [`      ${reason}${one.needs_tokens === null ? '' : ` Needs about ${thousands(one.needs_tokens)} tokens.`}`] : [])];
  });
  return [`verdict: ${count('supports')} supported, ${count('refutes')} refuted, ${count('cannot-tell')} cannot be told`, ...lines];
}
