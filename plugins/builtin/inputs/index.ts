/** `sae/inputs`: where the activations that the SAE reads lie. */
import type { AnalysisPlugin, SettingsSchema } from '../../types.js';

const settings = {
  covariance: { type: 'boolean', default: false, description: 'Also the covariance matrix of the dimensions, as the table activation_covariance: d_in squared values, and half as many multiply-adds a token.' },
} as const satisfies SettingsSchema;

export type InputsSettings = typeof settings;

export const inputs: AnalysisPlugin<InputsSettings> = {
  id: 'sae/inputs',
  version: '1.0.0',
  api: '^1.0.0',
  title: 'Activations of the model',
  description: 'Mean and variance of each dimension of the activations that the SAE reads, how far from the origin they lie against their spread, and their covariance where it is asked for.',
  settings,
  cost: ({ d_in }) => ({ bytes: 8 * 2 * d_in }),
  load: () => import('./analysis.js'),
};
