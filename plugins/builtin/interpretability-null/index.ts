/** `sae/interpretability-null`: whether rare features prefer tokens more than half-spaces of their kind. */
import type { AnalysisPlugin, SettingsSchema } from '../../types.js';

const settings = {
  edge: { type: 'number', default: 1e-4, min: 0, max: 1, description: 'Density below which a feature that fired is rare.' },
  features: { type: 'number', default: 40, min: 1, max: 1000, integer: true, description: 'Features of each group to compare, drawn at random.' },
  halfspaces: { type: 'number', default: 39, min: 19, max: 999, integer: true, description: 'Half-spaces for each.' },
  min_firings: { type: 'number', default: 5, min: 2, integer: true, description: 'Firings that a feature needs on the held rows.' },
} as const satisfies SettingsSchema;

export type InterpretabilityNullSettings = typeof settings;

export const interpretabilityNull: AnalysisPlugin<InterpretabilityNullSettings> = {
  id: 'sae/interpretability-null',
  version: '1.0.0',
  api: '^1.1.0',
  title: 'Interpretability null',
  description: 'Entropy and enrichment of the tokens on which rare features fire, beside random half-spaces of the same family of directions that fire as often; live features as a control.',
  settings,
  needs: { rows: true, tokens: true },
  after: ['sae/density'],
  load: () => import('./analysis.js'),
};
