/** `sae/reconstruction`: how well the SAE gives its input back. */
import type { AnalysisPlugin } from '../../types.js';

export const reconstruction: AnalysisPlugin = {
  id: 'sae/reconstruction',
  version: '1.0.0',
  api: '^1.0.0',
  title: 'Reconstruction',
  description: 'L0, mean squared error and fraction of variance unexplained, and the variants of these figures that other tools report, each under its own name.',
  needs: { reconstruction: true },
  cost: ({ d_in }) => ({ bytes: 8 * (2 * d_in + 20) }),
  load: () => import('./analysis.js'),
};
