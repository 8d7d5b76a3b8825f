/** `sae/activations`: how strongly each feature fires. */
import type { AnalysisPlugin } from '../../types.js';

export const activations: AnalysisPlugin = {
  id: 'sae/activations',
  version: '1.0.0',
  api: '^1.0.0',
  title: 'Activation statistics',
  description: 'Mean, variance, skew, kurtosis and maximum over the firings of each feature; a log-spaced histogram of 16 bins an octave, and quantiles from it.',
  // Five sums and a maximum, and the bins of some seven octaves.
  cost: ({ d_sae }) => ({ bytes: d_sae * (5 * 8 + 4 + 4 + 7 * 16 * 8) }),
  load: () => import('./analysis.js'),
};
