/** `sae/rare-cofiring`: whether the rare features fire on the same rows. */
import type { AnalysisPlugin, SettingsSchema } from '../../types.js';

const settings = {
  edge: { type: 'number', default: 1e-4, min: 0, max: 1, description: 'Density below which a feature that fired is rare.' },
  min_firings: { type: 'number', default: 3, min: 1, integer: true, description: 'Firings that a feature needs on the held rows for its pairs to be counted.' },
  replicates: { type: 'number', default: 99, min: 19, max: 9999, integer: true, description: 'Draws of the null hypothesis that features fire independently.' },
} as const satisfies SettingsSchema;

export type RareCofiringSettings = typeof settings;

export const rareCofiring: AnalysisPlugin<RareCofiringSettings> = {
  id: 'sae/rare-cofiring',
  version: '1.0.0',
  api: '^1.1.0',
  title: 'Co-firing of rare features',
  description: 'How many rare features fire on a row: Fano factor, largest share, nestedness of their firing sets, each beside features that fire as often and independently.',
  settings,
  needs: { rows: true },
  after: ['sae/density'],
  load: () => import('./analysis.js'),
};
