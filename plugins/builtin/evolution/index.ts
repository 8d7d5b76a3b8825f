/** `sae/evolution`: what became of every feature over a training run's checkpoints. Without a run, the one frame that the SAE itself is. */
import type { AnalysisPlugin, SettingsSchema } from '../../types.js';

const settings = {
  edge: { type: 'number', default: 1e-4, min: 1e-12, max: 1, description: 'Density below which a feature is rare.' },
  frames: { type: 'number', default: 64, min: 2, max: 1000, integer: true, description: 'Checkpoints to look at, at most; evenly spaced in log step, the first and the last among them.' },
  weights: { type: 'number', default: 64, min: 1, max: 4096, integer: true, description: 'Features whose encoder columns are kept at every checkpoint, for views that move through the run.' },
  slopes: { type: 'number', default: 384, min: 1, integer: true, description: 'Features of a cohort whose slopes are fitted, at most; evenly spaced among its members.' },
} as const satisfies SettingsSchema;

export type EvolutionSettings = typeof settings;

export const evolution: AnalysisPlugin<EvolutionSettings> = {
  id: 'sae/evolution',
  version: '1.0.0',
  api: '^1.1.0',
  title: 'Evolution of density',
  description: "Every feature's density, bias, D/E and direction at each checkpoint of the SAE's training run, counted on the same rows; cohorts reset, spared and untouched by resampling, with their slopes, survival and b_dec's way.",
  needs: { rows: true },
  after: ['sae/hyperplane'],
  settings,
  cost: ({ d_sae }) => ({ bytes: 8 * d_sae }),
  load: () => import('./analysis.js'),
};
