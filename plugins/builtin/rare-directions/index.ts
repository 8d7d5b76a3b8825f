/** `sae/rare-directions`: the direction that rare features share, and what it is. */
import type { AnalysisPlugin, SettingsSchema } from '../../types.js';

const settings = {
  edge: { type: 'number', default: 1e-4, min: 0, max: 1, description: 'Density below which a feature that fired is rare.' },
} as const satisfies SettingsSchema;

export type RareDirectionsSettings = typeof settings;

export const rareDirections: AnalysisPlugin<RareDirectionsSettings> = {
  id: 'sae/rare-directions',
  version: '1.0.0',
  api: '^1.1.0',
  title: 'Direction of rare features',
  description: 'Cosines of the mean rare encoder column with the hyperplane of least firing, the mean, the leading component and chance; whether all rare densities lie on one survival curve.',
  settings,
  needs: { rows: true },
  after: ['sae/density'],
  cost: ({ d_in, d_sae }) => ({ bytes: 8 * d_in * d_in + 8 * d_sae * d_in }),
  load: () => import('./analysis.js'),
};
