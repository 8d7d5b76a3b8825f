/**
 * What a person types to filter features:
 *
 *   61            the feature 61 (several: any of them)
 *   rare          a class
 *   max>5  density>=1e-3  cosine<0.2     a column against a number
 *
 * Indices and classes widen each other, comparisons narrow the rest.
 */
import { FEATURE_CLASSES, type FeatureClass } from '../../engine/pack/schema.js';
import type { PackSummary } from '../../engine/pack/reader.js';
import { valueOf, type SummaryColumn } from './columns.js';

/** Keeps a feature or not. */
export type FeatureTest = (feature: number) => boolean;
export type ParsedFilter = { readonly test: FeatureTest; readonly error: null } | { readonly test: null; readonly error: string };

const NAMES: Readonly<Record<string, SummaryColumn>> = {
  feature: 'feature', count: 'count', density: 'density', mean: 'mean', max: 'max', bias: 'bias',
  eff: 'effective_bias', 'eff.bias': 'effective_bias', effective_bias: 'effective_bias',
  'd/e': 'de_projection', de: 'de_projection', de_projection: 'de_projection',
  cosine: 'de_cosine', cos: 'de_cosine', de_cosine: 'de_cosine',
  encoder_norm: 'encoder_norm', decoder_norm: 'decoder_norm',
};

const COMPARE: Readonly<Record<string, (a: number, b: number) => boolean>> = {
  '<': (a, b) => a < b, '<=': (a, b) => a <= b, '>': (a, b) => a > b, '>=': (a, b) => a >= b, '=': (a, b) => a === b,
};

/** Reads a filter. What it does not understand it says, in a sentence for a person. */
export function parseFilter(text: string, summary: PackSummary): ParsedFilter {
  const wrong = (error: string): ParsedFilter => ({ test: null, error });
  const indices = new Set<number>();
  const classes = new Set<FeatureClass>();
  const comparisons: FeatureTest[] = [];
  const signs = text.trim().toLowerCase().replaceAll('≤', '<=').replaceAll('≥', '>=').replaceAll('−', '-');
  const terms = signs.replace(/\s*(<=|>=|[<>=])\s*/g, '$1').split(/[\s,;]+/).filter((term) => term !== '');
  for (const term of terms) {
    const comparison = /^([a-z_./]+)(<=|>=|[<>=])(.*)$/.exec(term);
    if (comparison !== null) {
      const [, name = '', sign = '', limit = ''] = comparison;
      const column = Object.hasOwn(NAMES, name) ? NAMES[name] : undefined;
      if (column === undefined) return wrong(`There is no column “${name}”; there are ${Array.from(new Set(Object.values(NAMES))).join(', ')}.`);
      const number = limit === '' ? NaN : Number(limit);
      if (Number.isNaN(number)) return wrong(limit === '' ? `“${term}” lacks a number.` : `“${limit}” is not a number.`);
      const compare = COMPARE[sign] as (a: number, b: number) => boolean;
      comparisons.push((feature) => compare(valueOf(summary, column, feature), number));
    } else if (/^#?\d+$/.test(term)) {
      const feature = Number(term.replace('#', ''));
      if (feature >= summary.rows) return wrong(`There is no feature ${feature}; the last one is ${summary.rows - 1}.`);
      indices.add(feature);
    } else if ((FEATURE_CLASSES as readonly string[]).includes(term)) {
      classes.add(term as FeatureClass);
    } else {
      return wrong(`“${term}” is neither an index, nor a class, nor a comparison such as max>5.`);
    }
  }
  const named = indices.size > 0 || classes.size > 0;
  return {
    test: (feature) => (!named || indices.has(feature) || classes.has(summary.classes[feature] as FeatureClass)) && comparisons.every((holds) => holds(feature)),
    error: null,
  };
}
