/** `sae/certificate`: why each dead or rare feature is so, with the figures that it rests on. */
import type { AnalysisPlugin, SettingsSchema } from '../../types.js';

const settings = {
  edge: { type: 'number', default: 1e-4, min: 1e-12, max: 1, description: 'Density below which a feature is rare.' },
  l1: { type: 'number', default: -1, min: -1, description: 'Coefficient of the L1 penalty beside the squared error summed over dims, for raw activations; -1: as the training run has it, else what sae/gradient-anatomy took.' },
} as const satisfies SettingsSchema;

export type CertificateSettings = typeof settings;

export const certificate: AnalysisPlugin<CertificateSettings> = {
  id: 'sae/certificate',
  version: '1.0.0',
  api: '^1.1.0',
  title: 'Causes of death',
  description: 'For every dead or rare feature its cause: born dead, pushed out by the penalty or by the error, orphaned by b_dec, a duplicate, absorbed, replaced; or rare and of use; or what is missing to tell.',
  needs: { rows: true },
  after: ['sae/density', 'sae/evolution', 'sae/gradient-anatomy'],
  settings,
  load: () => import('./analysis.js'),
};
