/** `sae/examples`: where each feature fires. */
import type { AnalysisPlugin, SettingsSchema } from '../../types.js';

const settings = {
  before: { type: 'number', default: 10, min: 0, max: 20, integer: true, description: 'Tokens of the window before the one that fires.' },
  after: { type: 'number', default: 5, min: 0, max: 11, integer: true, description: 'Tokens of the window behind the one that fires.' },
  top: { type: 'number', default: 20, min: 1, max: 100, integer: true, description: 'Largest activations to keep.' },
  perInterval: { type: 'number', default: 5, min: 1, max: 50, integer: true, description: 'Samples in each tenth of the range from 0 to the largest activation.' },
} as const satisfies SettingsSchema;

export type ExamplesSettings = typeof settings;

/** Bytes that a feature with many firings holds with the default settings; measured over features of 3,000 firings in test/node/plugin-examples.test.ts. */
const BYTES_PER_FEATURE = 20_000;

export const examples: AnalysisPlugin<ExamplesSettings> = {
  id: 'sae/examples',
  version: '1.0.0',
  api: '^1.0.0',
  title: 'Examples',
  description: 'The largest activations of each feature, and random ones from each tenth of its range, with their windows of tokens.',
  settings,
  cost: ({ d_sae }) => ({ bytes: BYTES_PER_FEATURE * d_sae }),
  load: () => import('./analysis.js'),
};
