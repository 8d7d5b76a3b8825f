/** `sae/forecast`: how many features would be dead before training began. */
import type { AnalysisPlugin, SettingsSchema } from '../../types.js';

const settings = {
  tokens: { type: 'number', default: 100_000, min: 2, integer: true, description: 'Rows on which a feature must never fire to be called dead.' },
  k: { type: 'number', default: 0, min: 0, integer: true, description: 'Features that fire on a row, for the forecast under TopK; 0 for the k of the SAE, if it has one.' },
  draw: { type: 'number', default: 1024, min: 16, max: 65_536, integer: true, description: 'Random features to draw and count on the rows themselves, at most d_sae.' },
  draw_rows: { type: 'number', default: 4096, min: 16, integer: true, description: 'Rows to count those on.' },
} as const satisfies SettingsSchema;

export type ForecastSettings = typeof settings;

export const forecast: AnalysisPlugin<ForecastSettings> = {
  id: 'sae/forecast',
  version: '1.0.0',
  api: '^1.1.0',
  title: 'Death forecast',
  description: 'gamma = ||mean|| / ||sd|| of the activations, how many features of random direction would be born dead by it, counted on the rows too, and what centring would change.',
  needs: { rows: true },
  settings,
  cost: ({ d_in }) => ({ bytes: 4 * 8 * d_in }),
  load: () => import('./analysis.js'),
};
