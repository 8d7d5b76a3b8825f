/**
 * The verdict: what one SAE, its training run and the runs beside it say of each of the
 * predictions T1 to T17. The rules and their constants are in claims.ts; what could not be measured
 * cannot be told, and says what is missing.
 */
import type { DyingEvidence } from './evidence.js';
import { PREDICTION_IDS, type PredictionId, type PredictionResult } from './predictions.js';
import { t10, t15, t17, t4, t5, t6, t7, t8, t9 } from './verdict-runs.js';
import { t1, t11, t12, t13, t14, t16, t2, t3 } from './verdict-sae.js';

const RULES: Readonly<Record<PredictionId, (evidence: DyingEvidence) => PredictionResult>> = {
  T1: t1, T2: t2, T3: t3, T4: t4, T5: t5, T6: t6, T7: t7, T8: t8, T9: t9, T10: t10, T11: t11, T12: t12, T13: t13, T14: t14, T15: t15, T16: t16, T17: t17, // prettier-ignore
};

/** In the order of the predictions. */
export function verdict(evidence: DyingEvidence): PredictionResult[] {
  return PREDICTION_IDS.map((id) => RULES[id](evidence));
}
