/**
 * `saekit/dying`: the mathematics of how features die, over typed arrays, without a pack or a page.
 * `saekit dying` and its instruments are built of these.
 */
// What the functions below take: rows seen from an origin, when to pause, products without a backend
export { chooseRows, frameRows, rowMoments, type FrameRows, type RowMoments } from './frame-rows.js';
export { Pace } from '../pace.js';
export { plainOps } from '../ops/ops.js';
// Where useless features should go
export { leastHyperplane, orthogonalHyperplanes, type GaussianData, type Hyperplane } from './gaussian-hyperplane.js';
export * from './data-hyperplane.js';
export * from './separation.js';
export * from './one-class-svm.js';
export * from './tukey-depth.js';
export * from './rare-event.js';
export * from './data-sequence.js';
// How fast
export * from './adam-step.js';
export * from './density-law.js';
export * from './dying-simulation.js';
export * from './slope.js';
export * from './rates-survival.js';
export * from './tail-fit.js';
export * from './bias-share.js';
export * from './forecast.js';
// What they are like
export * from './rare-direction.js';
export * from './direction-nulls.js';
export * from './rare-cofiring.js';
export * from './gradient-anatomy.js';
export * from './optimiser-direction.js';
export * from './conspiracy.js';
export * from './interpretability-null.js';
export * from './clusters.js';
export * from './collapse-fit.js';
export { FiringCollector, rowContexts, type GroupFirings, type RowContexts } from './group-firings.js';
// Runs, records, the verdict
export { cohortsOf, type Cohorts } from './cohorts.js';
export * from './frames.js';
export * from './run-frames.js';
export * from './evolution.js';
export * from './run-comparison.js';
export * from './read-record.js';
export * from './certificate.js';
export * from './predictions.js';
export * from './claims.js';
export * from './evidence.js';
export * from './verdict.js';
export type * from './record.js';
export type * from './rates-reports.js';
export type * from './hyperplane-report.js';
export type * from './anatomy-reports.js';
export type * from './evolution-report.js';
// The normal distribution, far out
export { logUpperTail, mills, normalQuantile, upperTail } from './normal.js';
export { SaekitError } from '../errors.js';
