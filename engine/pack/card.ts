/**
 * Everything about one feature, put together from the rows of the four card
 * tables. A column that no analysis wrote gives null, a table that does not
 * exist gives what is empty; what contradicts itself is an error.
 */
import { FormatError } from '../errors.js';
import { BIN_LIMIT, binEdge } from './bin-edge.js';
import type { ColumnValues } from './decode-page.js';
import type { DecodedTable } from './decode-table.js';
import { FEATURE_CLASSES, type FeatureCard, type FeatureClass, type FeatureExample, type LogitWeights, type Manifest } from './schema.js';

/** The row groups that hold the feature; null where the pack has no such table. */
export interface CardGroups {
  readonly features: DecodedTable;
  readonly histograms: DecodedTable | null;
  readonly examples: DecodedTable | null;
  readonly logits: DecodedTable | null;
}

/** One row of a decoded table. */
class Row {
  private readonly columns: Readonly<Record<string, ColumnValues>>;
  private readonly row: number;
  private readonly where: string;

  constructor(table: DecodedTable, row: number, where: string) {
    this.columns = table.columns;
    this.row = row;
    this.where = where;
  }

  has(name: string): boolean {
    return this.columns[name] !== undefined;
  }

  /** A number, or null where there is none. */
  number(name: string): number | null {
    const value = this.columns[name]?.[this.row] ?? null;
    if (value !== null && typeof value !== 'number') this.fail(name, 'a number');
    return value as number | null;
  }

  /** A number that must be there. */
  required(name: string): number {
    return this.number(name) ?? this.fail(name, 'a number');
  }

  /** A list's numbers; empty where there is none. */
  numbers(name: string): readonly number[] {
    const list = this.columns[name]?.[this.row] ?? [];
    if (!ArrayBuffer.isView(list) && !(Array.isArray(list) && list.every((item) => typeof item === 'number'))) this.fail(name, 'a list of numbers');
    return Array.from(list as ArrayLike<number>);
  }

  strings(name: string): readonly string[] {
    const list = this.columns[name]?.[this.row] ?? [];
    if (!Array.isArray(list) || !list.every((item) => typeof item === 'string')) this.fail(name, 'a list of strings');
    return list as readonly string[];
  }

  string(name: string): string | null {
    const value = this.columns[name]?.[this.row] ?? null;
    return typeof value === 'string' ? value : null;
  }

  fail(name: string, expected: string): never {
    throw new FormatError(`${this.where}: column ${name} has something else than ${expected}`, { hint: 'The pack is damaged: write it again.' });
  }
}

/** The rows of a feature in a group. */
function rowsOf(table: DecodedTable | null, feature: number, name: string): Row[] {
  const rows: Row[] = [];
  const column = table?.columns.feature ?? [];
  for (let row = 0; row < column.length; row++) {
    if (column[row] === feature && table !== null) rows.push(new Row(table, row, `table ${name}, feature ${feature}`));
  }
  return rows;
}

const QUANTILES = ['01', '05', '25', '50', '75', '95', '99'];

/** @throws FormatError when the feature's row is missing or contradicts itself */
export function buildCard(manifest: Manifest, feature: number, groups: CardGroups): FeatureCard {
  const row = rowsOf(groups.features, feature, 'features')[0];
  if (row === undefined) throw new FormatError(`table features has no row of feature ${feature}`, { hint: 'The pack is damaged: write it again.' });
  for (const name of ['count', 'density', 'density_low', 'density_high', 'class']) {
    if (!row.has(name)) throw new FormatError(`table features has no column ${name}: the density analysis is not in this pack`, { hint: 'Analyse again without leaving sae/density out.' });
  }
  const name = row.string('class') as FeatureClass;
  if (!FEATURE_CLASSES.includes(name)) row.fail('class', FEATURE_CLASSES.join(', '));
  const max = row.number('max');
  const histogram = rowsOf(groups.histograms, feature, 'histograms')[0];
  const logits = rowsOf(groups.logits, feature, 'logits')[0];
  const cosines = row.numbers('neighbour_cosines');
  return {
    feature,
    count: row.required('count'),
    tokens: manifest.data.tokens,
    density: row.required('density'),
    density_low: row.required('density_low'),
    density_high: row.required('density_high'),
    class: name,
    mean: row.number('mean'),
    max,
    bias: row.number('bias'),
    effective_bias: row.number('effective_bias'),
    de_projection: row.number('de_projection'),
    de_cosine: row.number('de_cosine'),
    encoder_norm: row.number('encoder_norm'),
    decoder_norm: row.number('decoder_norm'),
    histogram: histogram === undefined ? { edges: [], counts: [] } : logHistogram(histogram),
    quantiles: Object.fromEntries(
      QUANTILES.flatMap((digits) => {
        const value = row.number(`q${digits}`);
        return value === null ? [] : [[`0.${digits}`, value]];
      }),
    ),
    examples: rowsOf(groups.examples, feature, 'examples').map((example) => buildExample(example, max)),
    logits: logits === undefined ? null : buildLogits(logits),
    neighbours: row.numbers('neighbours').map((other, i) => ({ feature: other, cosine: cosines[i] ?? row.fail('neighbour_cosines', 'a cosine for each neighbour') })),
    source: { sae: manifest.sae.name, model: manifest.sae.model_name ?? null, hook: manifest.sae.hook_name ?? null },
  };
}

function logHistogram(row: Row): FeatureCard['histogram'] {
  const counts = row.numbers('counts');
  if (counts.length === 0) return { edges: [], counts };
  const first = row.required('first_bin');
  if (first < 0 || first + counts.length > BIN_LIMIT) row.fail('first_bin', `a bin from 0 to ${BIN_LIMIT - counts.length}`);
  return { edges: Array.from({ length: counts.length + 1 }, (_, i) => binEdge(first + i)), counts };
}

function buildExample(row: Row, max: number | null): FeatureExample {
  const group = row.required('group');
  const position = row.required('position');
  const start = row.required('start');
  const tokens = row.strings('tokens');
  const activations: number[] = tokens.map(() => 0);
  const values = row.numbers('act_values');
  row.numbers('act_offsets').forEach((offset, i) => {
    if (offset >= tokens.length) row.fail('act_offsets', 'offsets inside the window');
    activations[offset] = values[i] ?? row.fail('act_values', 'a value for each offset');
  });
  if (position < start || position - start >= tokens.length) row.fail('position', 'a position inside the window');
  return {
    group: group === 0 ? 'top' : group,
    // Tenths of the range [0, max].
    interval: group === 0 ? null : [((group - 1) / 10) * (max ?? 0), (group / 10) * (max ?? 0)],
    rank: row.required('rank'),
    context: row.required('context'),
    position,
    value: row.required('value'),
    start,
    tokens,
    activations,
    firing: position - start,
  };
}

function buildLogits(row: Row): FeatureCard['logits'] {
  const plain = logitWeights(row, 'plain');
  return plain === null ? null : { plain, normed: logitWeights(row, 'normed') };
}

/** Null where the variant does not exist, in the pack or for this feature. */
function logitWeights(row: Row, variant: 'plain' | 'normed'): LogitWeights | null {
  const low = row.number(`${variant}_hist_low`);
  const high = row.number(`${variant}_hist_high`);
  if (low === null || high === null) return null;
  const list = (side: 'top' | 'bottom'): LogitWeights['top'] => {
    const tokens = row.strings(`${variant}_${side}_tokens`);
    const values = row.numbers(`${variant}_${side}_values`);
    return row.numbers(`${variant}_${side}_ids`).map((id, i) => ({
      id,
      token: tokens[i] ?? row.fail(`${variant}_${side}_tokens`, 'a token for each id'),
      logit: values[i] ?? row.fail(`${variant}_${side}_values`, 'a value for each id'),
    }));
  };
  const counts = row.numbers(`${variant}_hist_counts`);
  const edges = counts.length === 0 ? [] : Array.from({ length: counts.length + 1 }, (_, i) => low + ((high - low) * i) / counts.length);
  return { top: list('top'), bottom: list('bottom'), histogram: { edges, counts } };
}
