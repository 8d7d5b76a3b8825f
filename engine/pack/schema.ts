/**
 * The pack: what an analysis leaves behind, and what a page reads.
 *
 *   pack/manifest.json       this interface; small, read first
 *   pack/index.json          byte ranges of the row groups of the card tables
 *   pack/summary.parquet     one row a feature, the few columns that lists and histograms need; one row group
 *   pack/features.parquet    one row a feature, everything scalar and the neighbours
 *   pack/histograms.parquet  one row a feature
 *   pack/examples.parquet    one row an example, sorted by feature, group, rank
 *   pack/logits.parquet      one row a feature (only with an unembedding)
 *   pack/plugins/NS.NAME.TABLE.parquet   tables of plugins outside `sae/`
 *
 * A card costs the manifest, the index and one range in each of the four card
 * tables; no footer is read.
 */

export const PACK_FORMAT = 'saekit-pack';
/** Raised when a reader of the older version could misread a newer pack. */
export const PACK_VERSION = 1;

export type FeatureClass = 'dead' | 'ultralow' | 'rare' | 'live' | 'dense';
export const FEATURE_CLASSES: readonly FeatureClass[] = ['dead', 'ultralow', 'rare', 'live', 'dense'];

/** Density below `ultralow`, below `rare`, above `dense`; zero firings is dead. */
export const CLASS_EDGES = { ultralow: 1e-6, rare: 1e-4, dense: 0.1 } as const;

export interface ManifestColumn {
  readonly name: string;
  /** A scalar type, or `list<type>`. */
  readonly type: string;
  readonly description: string;
}

export interface ManifestTable {
  readonly name: string;
  /** Path below the pack. */
  readonly path: string;
  readonly rows: number;
  readonly bytes: number;
  readonly sha256: string;
  readonly columns: readonly ManifestColumn[];
  /** Plugin that wrote it; the card tables are written from many. */
  readonly plugin: string | null;
}

export interface Manifest {
  readonly format: typeof PACK_FORMAT;
  readonly version: number;
  readonly saekit: string;
  /** ISO 8601. */
  readonly created: string;
  readonly sae: {
    readonly name: string;
    readonly architecture: string;
    readonly d_in: number;
    readonly d_sae: number;
    readonly d_out: number;
    readonly k: number | null;
    readonly model_name: string | null;
    readonly hook_name: string | null;
    readonly source: string;
    readonly format: string;
    readonly sha256: string | null;
    readonly conventions: readonly string[];
  };
  readonly data: {
    /** Tokens (rows) that count in every statistic. */
    readonly tokens: number;
    /** Rows that were read, ignored ones included. */
    readonly rows: number;
    readonly contexts: number;
    readonly positions: number;
    readonly ignore_tokens: readonly number[];
    readonly ignore_positions: readonly number[];
    readonly source: Readonly<Record<string, unknown>>;
  };
  readonly run: {
    readonly backend: string;
    readonly backend_description: string;
    readonly model_runtime: string | null;
    readonly seed: number;
    readonly seconds: number;
    readonly tokens_per_second: number;
    readonly near_ties: number;
    readonly runtime: string;
  };
  readonly features: number;
  readonly classes: Readonly<Record<FeatureClass, number>>;
  /** 3 / tokens: no density below it can be told from zero at 95 %. */
  readonly density_floor: number;
  readonly plugins: readonly {
    readonly id: string;
    readonly version: string;
    readonly title: string;
    readonly settings: Readonly<Record<string, unknown>>;
    readonly status: 'done' | 'failed' | 'left-out';
    /** Why it failed or was left out. */
    readonly message: string | null;
    readonly summary: Readonly<Record<string, unknown>> | null;
    /** Tag of its panel, when it has one. */
    readonly view: string | null;
  }[];
  readonly tables: readonly ManifestTable[];
}

/** Where the row groups of one table lie. */
export interface GroupIndex {
  /** Row group g holds the rows of features g * featuresPerGroup up to, not including, (g + 1) * featuresPerGroup. */
  readonly featuresPerGroup: number;
  /**
   * Bytes of each group. The first begins at byte 4, behind the magic `PAR1`;
   * the others follow without a gap. 0 where no feature of the group has a row.
   */
  readonly sizes: readonly number[];
}

/**
 * Byte ranges for cards. In the tables that are listed here, each column of a
 * row group is at most one dictionary page and exactly one data page, in the
 * manifest's order of columns, so that a group can be decoded without a footer.
 */
export interface PackIndex {
  readonly version: number;
  /** By name of the table. */
  readonly tables: Readonly<Record<string, GroupIndex>>;
}

export interface TokenLogit {
  readonly id: number;
  readonly token: string;
  readonly logit: number;
}

/** Logit weights of one feature, shifted so that their median over the vocabulary is 0. */
export interface LogitWeights {
  readonly top: readonly TokenLogit[];
  readonly bottom: readonly TokenLogit[];
  readonly histogram: { readonly edges: readonly number[]; readonly counts: readonly number[] };
}

export interface FeatureExample {
  /** `top`, or the tenth of [0, max] that the activation lies in (1 lowest to 10 highest). */
  readonly group: 'top' | number;
  /** [low, high] of the interval; null for `top`. */
  readonly interval: readonly [number, number] | null;
  readonly rank: number;
  readonly context: number;
  /** Position of the firing token in its context. */
  readonly position: number;
  readonly value: number;
  /** Position of the window's first token in the context. */
  readonly start: number;
  /** Text of each token of the window; `null` entries never occur; without a tokenizer `#id`, without tokens `·`. */
  readonly tokens: readonly string[];
  /** Activation of this feature on each token of the window. */
  readonly activations: readonly number[];
  /** Index in the window of the firing token: position - start. */
  readonly firing: number;
}

/** Everything about one feature: `saekit show --json` prints it, an element can be given it, a page can inline it. */
export interface FeatureCard {
  readonly feature: number;
  readonly count: number;
  readonly tokens: number;
  readonly density: number;
  /** 95 % interval: Wilson; for a count of 0, [0, 3/N]. */
  readonly density_low: number;
  readonly density_high: number;
  readonly class: FeatureClass;
  /** Mean over firings; null when dead. */
  readonly mean: number | null;
  readonly max: number | null;
  /** These six are null in a pack whose weight analysis failed or was left out. */
  readonly bias: number | null;
  readonly effective_bias: number | null;
  readonly de_projection: number | null;
  readonly de_cosine: number | null;
  readonly encoder_norm: number | null;
  readonly decoder_norm: number | null;
  /** Log-spaced: counts[i] firings with edges[i] <= f < edges[i + 1]. */
  readonly histogram: { readonly edges: readonly number[]; readonly counts: readonly number[] };
  /** Of the firings: keys `0.01`, `0.05`, `0.25`, `0.50`, `0.75`, `0.95`, `0.99`; within the histogram's relative error; empty when dead. */
  readonly quantiles: Readonly<Record<string, number>>;
  readonly examples: readonly FeatureExample[];
  readonly logits: { readonly plain: LogitWeights; readonly normed: LogitWeights | null } | null;
  readonly neighbours: readonly { readonly feature: number; readonly cosine: number }[];
  /** What SAE and data this is, for a caption. */
  readonly source: { readonly sae: string; readonly model: string | null; readonly hook: string | null };
}
