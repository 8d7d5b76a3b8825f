/** `sae/gradient-anatomy`: what each feature's gradient is made of. Not part of every run: its state is five matrices of the SAE's size. */
import type { AnalysisPlugin, SettingsSchema } from '../../types.js';

const settings = {
  edge: { type: 'number', default: 1e-4, min: 0, max: 1, description: 'Density below which a feature that fired is rare.' },
  l1: { type: 'number', default: -1, min: -1, description: 'Coefficient of the sum of activations beside the squared error summed over dimensions, both as means over rows; -1: what the training run says (--run), or else what the biases of live features imply.' },
} as const satisfies SettingsSchema;

export type GradientAnatomySettings = typeof settings;

export const gradientAnatomy: AnalysisPlugin<GradientAnatomySettings> = {
  id: 'sae/gradient-anatomy',
  version: '1.0.0',
  api: '^1.1.0',
  title: 'Gradient anatomy',
  description: "The parts of each feature's gradient that the penalty and the reconstruction have, how they lie to each other and to the decoder's, and what each optimiser would turn rare features to.",
  settings,
  cost: ({ d_in, d_sae }) => ({ bytes: 8 * d_sae * (5 * d_in + 85) }),
  load: () => import('./analysis.js'),
};
