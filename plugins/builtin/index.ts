/**
 * The built-in analyses, in the order of their columns in features.parquet.
 * Manifests only: no analysis' code is loaded until a run creates it.
 */
import type { AnalysisPlugin } from '../types.js';
import { activations } from './activations/index.js';
import { certificate } from './certificate/index.js';
import { clusters } from './clusters/index.js';
import { cofiring } from './cofiring/index.js';
import { conspiracy } from './conspiracy/index.js';
import { density } from './density/index.js';
import { evolution } from './evolution/index.js';
import { examples } from './examples/index.js';
import { forecast } from './forecast/index.js';
import { gradientAnatomy } from './gradient-anatomy/index.js';
import { hyperplane } from './hyperplane/index.js';
import { inputs } from './inputs/index.js';
import { interpretabilityNull } from './interpretability-null/index.js';
import { logits } from './logits/index.js';
import { rareCofiring } from './rare-cofiring/index.js';
import { rareDirections } from './rare-directions/index.js';
import { reconstruction } from './reconstruction/index.js';
import { verdict } from './verdict/index.js';
import { weights } from './weights/index.js';

export const builtins: readonly AnalysisPlugin[] = [density, activations, examples, weights, reconstruction, logits, inputs];

/** The instruments of `saekit dying`, in the order of their columns; each finishes after those whose results it reads. */
export const dyingInstruments: readonly AnalysisPlugin[] = [forecast, clusters, hyperplane, rareDirections, evolution, rareCofiring, gradientAnatomy, conspiracy, interpretabilityNull, certificate, verdict];

/** Analyses that come with saekit and are run where they are asked for: their cost is not every run's. */
export const extras: readonly AnalysisPlugin[] = [cofiring, ...dyingInstruments];
