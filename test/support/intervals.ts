/** Intervals for estimates from random rows: tests with fixed seeds that would fail once in ten thousand seeds. */
import assert from 'node:assert/strict';
import { normalQuantile } from '../../engine/generate/normal.js';

/** How many standard errors an estimate may be off, where `family` of them are looked at together: 99.99 % for the family (Bonferroni). */
export function allowed(family = 1): number {
  return -normalQuantile(1e-4 / 2 / family);
}

/** Asserts |found - expected| <= allowed(family) standard errors (and a little for rounding to f32). */
export function near(found: number, expected: number, standardError: number, what: string, family = 1): void {
  const limit = allowed(family) * standardError + 1e-6 * (1 + Math.abs(expected));
  assert.ok(Math.abs(found - expected) <= limit, `${what}: ${found}, expected ${expected} ± ${limit}`);
}

/** The standard error of a rate p over n rows, not below that of one count. */
export function rateError(p: number, n: number): number {
  return Math.sqrt(Math.max(p * (1 - p), 1 / n) / n);
}
