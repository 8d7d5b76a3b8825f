/** `sae/logits`: which tokens each feature's decoder row writes towards. */
import type { AnalysisPlugin } from '../../types.js';

export const logits: AnalysisPlugin = {
  id: 'sae/logits',
  version: '1.0.0',
  api: '^1.0.0',
  title: 'Logit weights',
  description: 'Tokens whose logits the decoder row of each feature raises and lowers most, with and without the scale of the final norm, and the histogram over the vocabulary.',
  needs: { unembed: true },
  // Of the results; the logits of a few features at a time come on top.
  cost: ({ d_sae }) => ({ bytes: d_sae * 2 * (20 * 12 + 50 * 4 + 16) }),
  load: () => import('./analysis.js'),
};
