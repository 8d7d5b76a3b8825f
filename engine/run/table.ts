/**
 * Tables in memory, column by column: what analyses hand to the pack writer.
 */

/** `u64` holds whole numbers up to 2^53 in a Float64Array (INT64 in Parquet, so that counts stay exact). */
export type ScalarType = 'bool' | 'u8' | 'u32' | 'i32' | 'u64' | 'f32' | 'f64' | 'string';
export type ColumnType = ScalarType | { readonly list: ScalarType };

export interface Column {
  /** snake_case, the field's own word. */
  readonly name: string;
  readonly type: ColumnType;
  /** One entry a row. Lists are arrays or typed arrays. `null` where there is no value (never NaN). */
  readonly data: ArrayLike<unknown>;
  /** What it is, with its unit and formula: goes into the manifest's schema. */
  readonly description: string;
}

export interface Table {
  /** Becomes the file's name. */
  readonly name: string;
  readonly rows: number;
  readonly columns: readonly Column[];
  /**
   * Features per row group, for tables sorted by a `feature` column, so that
   * one feature can be fetched by one range. Absent: one row group a million rows.
   */
  readonly featuresPerGroup?: number;
}
