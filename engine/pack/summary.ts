/** summary.parquet as typed arrays: what lists, histograms and scatter plots of all features need. */
import { FormatError } from '../errors.js';
import type { DecodedTable } from './decode-table.js';
import { FEATURE_CLASSES, type FeatureClass } from './schema.js';
import type { NumericArray } from './decode-page.js';

export interface PackSummary {
  /** Features. */
  readonly rows: number;
  /** [rows] class of each feature; empty without the density analysis. */
  readonly classes: readonly FeatureClass[];
  /**
   * [rows] each, by name: `feature`, `count`, `density`, `density_low`,
   * `density_high`, `mean`, `max`, `bias`, `effective_bias`, `de_projection`,
   * `de_cosine`, `encoder_norm`, `decoder_norm`, as far as the pack has them.
   * NaN stands where there is no value (the mean of a dead feature).
   */
  readonly columns: Readonly<Record<string, NumericArray>>;
}

/** @throws FormatError when a class is unknown or a column is no number */
export function buildSummary(file: string, table: DecodedTable): PackSummary {
  const columns = Object.create(null) as Record<string, NumericArray>;
  let classes: readonly FeatureClass[] = [];
  for (const [name, values] of Object.entries(table.columns)) {
    if (name === 'class') {
      for (let row = 0; row < values.length; row++) {
        if (!FEATURE_CLASSES.includes(values[row] as FeatureClass)) throw new FormatError(`${file}: feature ${row} has the class ${JSON.stringify(values[row])}`, { hint: `Known are ${FEATURE_CLASSES.join(', ')}.` });
      }
      classes = values as readonly FeatureClass[];
    } else if (ArrayBuffer.isView(values)) {
      columns[name] = values as NumericArray;
    } else {
      columns[name] = Float64Array.from(values, (value: unknown) => {
        if (value === null) return NaN;
        if (typeof value !== 'number') throw new FormatError(`${file}: column ${name} has something else than numbers`);
        return value;
      });
    }
  }
  return { rows: table.rows, classes, columns };
}
