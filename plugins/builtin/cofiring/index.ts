/** `sae/cofiring`: which features fire together. Not part of every run: its cost grows with L0 squared. */
import type { AnalysisPlugin, SettingsSchema } from '../../types.js';

const settings = {
  top: { type: 'number', default: 10, min: 1, max: 1000, integer: true, description: 'Pairs to list for each feature: those of the largest phi.' },
  min_count: { type: 'number', default: 3, min: 1, integer: true, description: 'Tokens on which a pair must fire together to be listed.' },
  memory: { type: 'number', default: 512, min: 1, max: 8192, integer: true, description: 'MiB for the counts, 54 bytes a pair. Counts are exact until they fill it, and lower bounds with a stated error after.' },
} as const satisfies SettingsSchema;

export type CofiringSettings = typeof settings;

export const cofiring: AnalysisPlugin<CofiringSettings> = {
  id: 'sae/cofiring',
  version: '1.0.0',
  api: '^1.0.0',
  title: 'Co-firing',
  description: 'Counts of all pairs of features that fire on the same token, and the pairs of each feature that do so most above chance: phi, Jaccard, cosine and correlation.',
  settings,
  cost: ({ d_sae }) => ({ bytes: Math.min(512 * 2 ** 20, 27 * d_sae * (d_sae - 1)) + 24 * d_sae }),
  load: () => import('./analysis.js'),
};
