/** `sae/clusters`: whether rare features are a cluster of their own. */
import type { AnalysisPlugin, SettingsSchema } from '../../types.js';

const settings = {
  edge: { type: 'number', default: 1e-4, min: 0, max: 1, description: 'Density to compare the rarer cluster with.' },
} as const satisfies SettingsSchema;

export type ClustersSettings = typeof settings;

export const clusters: AnalysisPlugin<ClustersSettings> = {
  id: 'sae/clusters',
  version: '1.0.0',
  api: '^1.1.0',
  title: 'Clusters of features',
  description: 'Two clusters or one, by log10 density and by density, effective bias and D/E together: mixtures, BIC, the dip test, and the features that never fired.',
  settings,
  after: ['sae/density'],
  load: () => import('./analysis.js'),
};
