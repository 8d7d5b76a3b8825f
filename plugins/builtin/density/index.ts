/** `sae/density`: how often each feature fires. */
import type { AnalysisPlugin } from '../../types.js';

export const density: AnalysisPlugin = {
  id: 'sae/density',
  version: '1.0.0',
  api: '^1.0.0',
  title: 'Firing density',
  description: 'Exact firing counts, density with its 95 % interval, and the class of each feature (dead, ultralow, rare, live, dense).',
  cost: ({ d_sae }) => ({ bytes: 8 * d_sae }),
  load: () => import('./analysis.js'),
};
