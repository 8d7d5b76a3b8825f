/**
 * A plugin that is not built in: at which position of the context does each feature fire?
 * README.md explains it line by line.
 */
import { positionBits } from './position-bits.js';

export default {
  id: 'example/position-profile',
  version: '1.0.0',
  api: '^1.0.0',
  title: 'Position profile',
  description: 'At which position of the context each feature fires, and how much that says about the position.',
  cost: ({ d_sae, positions }) => ({ bytes: 4 * d_sae * positions }),
  load: async () => ({ create: ({ sae, positions }) => positionProfile(sae.d_sae, positions) }),
  view: { tag: 'example-position-profile', title: 'Where in the context it fires', scope: 'feature', load: () => import('./panel.js') },
};

function positionProfile(d_sae, positions) {
  const tokens = new Float64Array(positions);
  const counts = new Uint32Array(d_sae * positions);
  return {
    update({ rows, counted, codes }) {
      for (let row = 0; row < rows; row++) {
        if (!counted[row]) continue;
        const position = row % positions;
        tokens[position]++;
        for (let i = codes.offsets[row]; i < codes.offsets[row + 1]; i++) counts[codes.features[i] * positions + position]++;
      }
    },
    save: () => ({ tokens, counts }),
    merge(shard) {
      shard.tokens.forEach((n, i) => (tokens[i] += n));
      shard.counts.forEach((n, i) => (counts[i] += n));
    },
    finish() {
      const profiles = Array.from({ length: d_sae }, (_, feature) => counts.subarray(feature * positions, (feature + 1) * positions));
      return {
        features: [{ name: 'bits', type: 'f32', data: profiles.map((profile) => positionBits(profile, tokens)), description: 'bits that one firing says about the position: KL of the positions of firings from the positions of all counted tokens; null for a dead feature' }],
        tables: [
          {
            name: 'profile',
            rows: d_sae,
            columns: [
              { name: 'feature', type: 'u32', data: Uint32Array.from(profiles.keys()), description: 'index of the feature' },
              { name: 'firings', type: { list: 'u32' }, data: profiles, description: 'firings at each position of the context' },
            ],
          },
        ],
        summary: { tokens_at: Array.from(tokens) },
      };
    },
  };
}
