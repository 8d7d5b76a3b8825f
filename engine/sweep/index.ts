/** Sweeps: what the program and the package take from here. */
export { canonical, cell, expandGrid, EVALUATED_ROWS, onlyRuns, parseSweep, shortNames, type Json, type JsonObject, type SweepConfig, type SweepRun } from './config.js';
export { CONFOUND_LEVEL, confoundText, findConfounds, isSeed, spearman, type Confound } from './confounds.js';
export { executeRun, planRun } from './execute.js';
export { frontierOf, frontierSvg } from './frontier.js';
export { sweepCsv, type RunStatus, type SweepFigures, type SweepRow } from './row.js';
export { readSweep, runSweep, sweepTable, type ExecuteRun, type PlannedRun, type RunOutcome, type SweepEvent, type SweepOptions, type SweepTable } from './sweep.js';
