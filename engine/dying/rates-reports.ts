/**
 * What is reported of how fast features die and what was to be expected before they did:
 * the shapes that plugins write into a pack's manifest and that a verdict reads. JSON only:
 * a number that could not be had is null.
 */

/** A number with its 95 % interval; bounds are null where the data set none on that side. */
export interface Estimate {
  readonly value: number | null;
  readonly low: number | null;
  readonly high: number | null;
}

/** Deaths at initialisation, by one way of counting them. */
export interface DeathForecast {
  /** gamma = ||mu~|| / ||sigma||, mu~ the mean in the frame of b_dec, ||sigma||^2 the total variance. */
  readonly gamma: number;
  /** Share of features that never fire on `tokens` rows: Phi(-C / gamma). */
  readonly relu: number;
  /** Share that is never among the k largest: Phi(t_k - C / gamma); null without a k. */
  readonly topk: number | null;
  /** The same with the threshold of rows of finite gamma, Phi(t_k sqrt(1 + 1 / gamma^2) - C / gamma): closer where gamma is about 1. */
  readonly topk_finite: number | null;
}

/** The same counted: random features on the rows themselves. */
export interface DeathCount {
  readonly features: number;
  readonly rows: number;
  readonly relu: Estimate;
  readonly topk: Estimate | null;
}

/** Summary of `sae/forecast`: how many features are born dead, before any training. */
export interface ForecastReport {
  readonly d: number;
  /** d_sae of the SAE that is asked about. */
  readonly features: number;
  /** Rows that the moments are over. */
  readonly rows: number;
  /** N: rows on which a feature must never fire to be called dead. */
  readonly tokens: number;
  readonly k: number | null;
  /** ||mu|| and ||sigma|| of the raw rows. */
  readonly mean_norm: number;
  readonly sd_norm: number;
  /** With b_dec = 0, as most codes begin. */
  readonly raw: DeathForecast;
  /** The same of rows that each have been given mean 0 and variance 1 over their dims: the gamma of Simon et al. */
  readonly layer_norm: DeathForecast;
  /** With b_dec where the SAE has it now; null where it does not subtract b_dec. */
  readonly at_b_dec: DeathForecast | null;
  /** With b_dec = mean: what centring would leave. */
  readonly centred: DeathForecast;
  /** Counted on held rows, with b_dec = 0 and with b_dec = their mean; the formulas at as many rows beside them. */
  readonly counted: { readonly zero: DeathCount; readonly mean: DeathCount; readonly formula: DeathForecast } | null;
  readonly caveats: readonly string[];
}

/** The slope of one feature's log density over log steps. */
export interface FeatureSlope {
  readonly feature: number;
  readonly slope: Estimate;
  /** Frames in which it did not fire at all. */
  readonly silent: number;
  readonly frames: number;
}

/** d log p / d log step of a cohort. */
export interface SlopeReport {
  /** Features that fired in at least one frame, and so say something. */
  readonly features: number;
  /** Features left out: they fired in no frame. */
  readonly silent: number;
  readonly frames: number;
  readonly from: number;
  readonly to: number;
  /** The mean slope, an intercept each; the interval by bootstrap over features. */
  readonly pooled: Estimate;
  /** Median over features of their own slopes. */
  readonly median: number | null;
  /** Features whose interval lies below 0, holds 0, lies above 0. */
  readonly falling: number;
  readonly level: number;
  readonly rising: number;
  /** sd of slopes over features. */
  readonly spread: number;
  /** sd of log p about the lines, beyond what counting explains. */
  readonly scatter: number;
  readonly by_feature: readonly FeatureSlope[];
}

/** How long features stay at or above a density (Kaplan and Meier). */
export interface RarityCurve {
  readonly below: number;
  readonly features: number;
  readonly events: number;
  /** Steps at which features fell below, the share that had not, and its 95 % interval (Greenwood, on log -log). */
  readonly step: readonly number[];
  readonly share: readonly number[];
  readonly low: readonly number[];
  readonly high: readonly number[];
}

export type TailModel = 'gpd' | 'weibull' | 'normal';

/** One law's fit to the largest values, and what it says of a level beyond. */
export interface TailModelFit {
  readonly model: TailModel;
  /** gpd: xi, scale; weibull: beta, scale; normal: mean, sd. */
  readonly parameters: Readonly<Record<string, number>>;
  readonly log_likelihood: number;
  readonly aic: number;
  /** P(z > level); null without a level. */
  readonly probability: Estimate | null;
}

/** A tail's fit: the rate of a feature whose threshold lies where few rows or none have been. */
export interface TailReport {
  readonly rows: number;
  /** Values above the threshold, and the threshold. */
  readonly exceedances: number;
  readonly threshold: number;
  readonly level: number | null;
  /** Rows above the level, and their rate, exact interval. */
  readonly observed: Estimate | null;
  readonly xi: Estimate;
  readonly models: readonly TailModelFit[];
  /** The law that the tail itself is most in favour of. */
  readonly preferred: TailModel;
  /** Least low and greatest high of the laws that the data do not rule out (AIC within 6 of the best). */
  readonly envelope: Estimate | null;
  readonly warnings: readonly string[];
}

/** Which way features died between two frames. */
export interface BiasShareReport {
  readonly features: number;
  /** Share Db / Dm of the fall of the mean pre-activation that was the bias's: quartiles over features. */
  readonly share: { readonly q25: number; readonly median: number; readonly q75: number } | null;
  /** Sum of Db over sum of Dm. */
  readonly pooled: Estimate;
  /** Medians of what the share should be: 1 / (1 + ||mu+||^2), and 1 / (1 + ||mu+||_1). */
  readonly sgd: number | null;
  readonly adam: number | null;
  /** The same for the share of m itself: 1 / (1 + mu+ . mu~), and 1 / (1 + sign(mu+) . mu~). */
  readonly sgd_along_mean: number | null;
  readonly adam_along_mean: number | null;
}
