/** `sae/conspiracy`: whether rare features reconstruct together what none of them does alone. */
import type { AnalysisPlugin, SettingsSchema } from '../../types.js';

const settings = {
  edge: { type: 'number', default: 1e-4, min: 0, max: 1, description: 'Density below which a feature that fired is rare.' },
  replicates: { type: 'number', default: 99, min: 19, max: 9999, integer: true, description: 'Draws of each null hypothesis.' },
  top: { type: 'number', default: 1000, min: 0, max: 1e6, integer: true, description: 'Pairs to list, those of the largest |C_ij|.' },
} as const satisfies SettingsSchema;

export type ConspiracySettings = typeof settings;

export const conspiracy: AnalysisPlugin<ConspiracySettings> = {
  id: 'sae/conspiracy',
  version: '1.0.0',
  api: '^1.1.0',
  title: 'Conspiracy test',
  description: 'What the error becomes without the rare features, all of them and each alone, beside the same with their decoder rows shuffled and beside as much of live features.',
  settings,
  needs: { rows: true },
  after: ['sae/density'],
  load: () => import('./analysis.js'),
};
