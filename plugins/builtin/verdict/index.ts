/** `sae/verdict`: what the instruments say, together, of each prediction about how features die. */
import type { AnalysisPlugin, SettingsSchema } from '../../types.js';

const settings = {
  edge: { type: 'number', default: 1e-4, min: 1e-12, max: 1, description: 'Density below which a feature is rare, in the figures of the runs that are compared.' },
  rows: { type: 'number', default: 131_072, min: 1000, integer: true, description: 'Held rows on which compared runs, and this one beside them, are counted, at most; evenly spaced.' },
  frames: { type: 'number', default: 16, min: 3, max: 1000, integer: true, description: 'Checkpoints of compared runs to look at, at most; evenly spaced in log step.' },
} as const satisfies SettingsSchema;

export type VerdictSettings = typeof settings;

export const verdict: AnalysisPlugin<VerdictSettings> = {
  id: 'sae/verdict',
  version: '1.0.0',
  api: '^1.1.0',
  title: 'Verdict',
  description: 'Predictions T1 to T17 of the hypothesis that ultra-rare features are dying along one hyperplane: each with its number, interval and null, and whether it is supported, refuted, or cannot be told.',
  needs: { rows: true },
  after: ['sae/rare-directions', 'sae/hyperplane', 'sae/rare-cofiring', 'sae/gradient-anatomy', 'sae/conspiracy', 'sae/evolution'],
  settings,
  load: () => import('./analysis.js'),
};
