/**
 * What a page that trains loads beside `saekit.js`: the monitor, defined, and live
 * runs. The worker lies next to it, in a file of its own.
 */
import { defineElement } from './internal/element.js';
import { SaeTrainingMonitor } from './training-monitor/training-monitor.js';

export { SaeTrainingMonitor };
export { SaeBranchEvent, SaeCheckpointEvent, SaeTrainEvent, type TrainAction } from './training-monitor/events.js';
export { type RunInput } from './training-monitor/runs.js';
export { createLiveTrainer, LiveEventsEvent, LiveFailureEvent, LiveNoticeEvent, LiveTrainer, type LiveData, type LiveEvent, type LiveState, type LiveStatus, type LiveTrainerOptions } from '../engine/train/live.js';
export { openRun } from '../engine/train/run-reader.js';
export { SaekitError } from '../engine/errors.js';
export { VERSION } from '../engine/version.js';

defineElement('sae-training-monitor', SaeTrainingMonitor);
