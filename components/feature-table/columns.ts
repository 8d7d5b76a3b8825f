/** The columns of the feature table: what they are called, where their numbers are, how rows are put in order. */
import { FEATURE_CLASSES } from '../../engine/pack/schema.js';
import type { PackSummary } from '../../engine/pack/reader.js';

export type ColumnName = 'feature' | 'class' | 'density' | 'mean' | 'max' | 'bias' | 'effective_bias' | 'de_projection' | 'de_cosine';
/** What can be filtered by: some numbers of the summary have no column in the table. */
export type SummaryColumn = ColumnName | 'count' | 'encoder_norm' | 'decoder_norm';
export type SortDirection = 'ascending' | 'descending';

export interface FeatureColumn {
  readonly name: ColumnName;
  readonly label: string;
  /** What it is, in a sentence. */
  readonly description: string;
  /** Least width, in rem. */
  readonly width: number;
  /** The direction of the first click: small indices first, but large densities first. */
  readonly first: SortDirection;
}

const COLUMNS: readonly FeatureColumn[] = [
  { name: 'feature', width: 5.2, label: 'feature', description: 'Index of the feature', first: 'ascending' },
  { name: 'class', width: 5.4, label: 'class', description: 'Class by density: dead, ultralow below 1e-6, rare below 1e-4, live, dense above 0.1', first: 'ascending' },
  { name: 'density', width: 6.6, label: 'density', description: 'Share of tokens on which it fires', first: 'descending' },
  { name: 'mean', width: 4.4, label: 'mean', description: 'Mean activation over the tokens on which it fires', first: 'descending' },
  { name: 'max', width: 4.4, label: 'max', description: 'Largest activation', first: 'descending' },
  { name: 'bias', width: 4.4, label: 'bias', description: 'Encoder bias', first: 'ascending' },
  { name: 'effective_bias', width: 4.4, label: 'eff. bias', description: 'Effective bias: the encoder bias less the product of the encoder column with the decoder bias', first: 'ascending' },
  { name: 'de_projection', width: 4.4, label: 'D/E', description: 'Decoder row · encoder column', first: 'ascending' },
  { name: 'de_cosine', width: 4.4, label: 'cosine', description: 'Cosine of the decoder row with the encoder column', first: 'ascending' },
];

/** Those that the summary has numbers for. */
export function columnsOf(summary: PackSummary): FeatureColumn[] {
  return COLUMNS.filter(({ name }) => (name === 'class' ? summary.classes.length === summary.rows : name === 'feature' || summary.columns[name] !== undefined));
}

/** The number to order by; NaN where there is none. The class orders as its densities do. */
export function valueOf(summary: PackSummary, column: SummaryColumn, feature: number): number {
  if (column === 'feature') return feature;
  if (column === 'class') return FEATURE_CLASSES.indexOf(summary.classes[feature] ?? 'live');
  return summary.columns[column]?.[feature] ?? NaN;
}

/**
 * Features in order of a column. Those without a value come last in both
 * directions; what is equal stays in order of the index.
 */
export function sortFeatures(summary: PackSummary, features: ArrayLike<number>, column: ColumnName, direction: SortDirection): Uint32Array {
  const sign = direction === 'ascending' ? 1 : -1;
  // One pass over the column first: a comparator that looks its values up is several times slower.
  const values = new Float64Array(summary.rows);
  for (let feature = 0; feature < summary.rows; feature++) values[feature] = valueOf(summary, column, feature);
  return Uint32Array.from(features).sort((a, b) => {
    const x = values[a] as number;
    const y = values[b] as number;
    if (x === y) return a - b;
    if (Number.isNaN(x)) return Number.isNaN(y) ? a - b : 1;
    if (Number.isNaN(y)) return -1;
    return sign * (x - y);
  });
}
