/** `sae/weights`: what the weights alone say about each feature. */
import type { AnalysisPlugin, SettingsSchema } from '../../types.js';

const settings = {
  neighbours: { type: 'number', default: 10, min: 0, max: 100, integer: true, description: 'Nearest decoder neighbours to list for each feature; 0 for none (all pairs are compared: the cost grows with the square of the features).' },
} as const satisfies SettingsSchema;

export type WeightsSettings = typeof settings;

export const weights: AnalysisPlugin<WeightsSettings> = {
  id: 'sae/weights',
  version: '1.0.0',
  api: '^1.0.0',
  title: 'Weights',
  description: 'Norms, bias and effective bias, projection and cosine of encoder and decoder (D/E), and the nearest neighbours by decoder cosine.',
  settings,
  cost: ({ d_sae }) => ({ bytes: d_sae * (7 * 8 + 10 * 12) }),
  load: () => import('./analysis.js'),
};
