/**
 * The predictions T1 to T17 of the hypothesis that ultra-rare features are dying, all
 * along the hyperplane argmin_w E relu(w . x + b), and what a verdict on one of them says.
 */

export const PREDICTION_IDS = ['T1', 'T2', 'T3', 'T4', 'T5', 'T6', 'T7', 'T8', 'T9', 'T10', 'T11', 'T12', 'T13', 'T14', 'T15', 'T16', 'T17'] as const;

export type PredictionId = (typeof PREDICTION_IDS)[number];

export type Outcome = 'supports' | 'refutes' | 'cannot-tell';

/** What one SAE, or some runs together, say of a prediction. */
export interface PredictionResult {
  readonly id: PredictionId;
  /** What is predicted, in a sentence. */
  readonly claim: string;
  /** Name of the number, e.g. "cos(rbar, w*)". */
  readonly quantity: string;
  /** The number; null where it could not be had. */
  readonly value: number | null;
  /** Its 95 % interval. */
  readonly interval: readonly [number, number] | null;
  /** The number under the null hypothesis, and what that null is. */
  readonly null_value: number | null;
  readonly null_name: string;
  readonly outcome: Outcome;
  /** Why, with the figures it rests on; where it cannot tell, what is missing. */
  readonly reason: string;
  /** Rows that would be needed to tell; null where more rows would not help, or it can tell. */
  readonly needs_tokens: number | null;
}
