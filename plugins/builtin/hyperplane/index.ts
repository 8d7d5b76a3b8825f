/** `sae/hyperplane`: the direction in which features could die unseen, on the rows themselves. */
import type { AnalysisPlugin, SettingsSchema } from '../../types.js';

const settings = {
  rows: { type: 'number', default: 65_536, min: 256, max: 4_194_304, integer: true, description: 'Rows to solve on, at most: a uniform part of those held.' },
  edge: { type: 'number', default: 1e-4, min: 0, max: 1, description: 'Density below which a feature that fires is rare: its bias is one that is solved at.' },
  sequence: { type: 'number', default: 6, min: 1, max: 64, integer: true, description: 'Mutually orthogonal directions to look for.' },
  replicates: { type: 'number', default: 5, min: 0, max: 1000, integer: true, description: 'Data sets of each null to solve on.' },
  null_rows: { type: 'number', default: 8192, min: 256, max: 4_194_304, integer: true, description: 'Rows of the nulls, and of the part of the data that they are compared with.' },
  sample: { type: 'number', default: 4096, min: 16, max: 65_536, integer: true, description: 'Rows kept for drawing; those that fire at w* come first.' },
} as const satisfies SettingsSchema;

export type HyperplaneSettings = typeof settings;

export const hyperplane: AnalysisPlugin<HyperplaneSettings> = {
  id: 'sae/hyperplane',
  version: '1.0.0',
  api: '^1.1.0',
  title: 'Dying hyperplane',
  description: 'The direction w* of least firing: by closed form, minimised on rows, as a one-class SVM, and proved or disproved by a linear programme; its path over biases, orthogonal successors, the depth of b_dec, nulls, and how it lies among singular vectors.',
  needs: { rows: true },
  settings,
  cost: ({ d_in }) => ({ bytes: 8 * (2 * d_in * d_in + 65_536) }),
  load: () => import('./analysis.js'),
};
