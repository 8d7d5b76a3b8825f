/** Suite 3: the 32 largest of each row of a dense matrix, with their indices. */
import { sameTopk } from '../agreement.js';
import { gaussians } from '../arrays.js';
import { closeAll, openCpuPeers } from '../contenders.js';
import { hold } from '../contest.js';
import { openSelection } from '../peers/select-rows.js';
import type { Sparse, TopkProblem } from '../peers/peer.js';
import type { Row } from '../rows.js';
import { budgetFor, label, type Suite } from './suite.js';

const K = 32;
const CASES = {
  quick: [[16, 2048]],
  // 256 x 6,144 is what one block of a small SAE gives.
  full: [[256, 6144], [1024, 16_384], [1024, 131_072]],
} as const;

export const topkSuite: Suite = {
  name: 'topk',
  title: `top-${K} of dense rows on WASM`,
  runtimes: ['node', 'deno', 'chromium'],
  byDefault: ['node'],
  async run(host, options) {
    const peers = await openCpuPeers(host);
    const subjects = [await openSelection()];
    const rows: Row[] = [];
    try {
      for (const [count, n] of options.quick ? CASES.quick : CASES.full) {
        const problem: TopkProblem = { rows: count, n, k: K, z: gaussians(count * n, 21) };
        const name = label(host, `${K} of ${n}`, `${count} rows`);
        host.say(name);
        // It sorts whole rows: minutes for a large matrix, on which everybody would wait.
        const fit = peers.filter((peer) => n <= 10_000 || !peer.name.startsWith('jax-js'));
        if (fit.length < peers.length) host.say('  left out: jax-js, which takes minutes');
        rows.push(
          ...(await hold<Sparse>({
            suite: 'topk',
            label: name,
            entrants: [...subjects, ...fit].map((peer) => ({ peer, ours: subjects.includes(peer), make: async (who) => (who.topk === undefined ? [] : [await who.topk(problem)]) })),
            budget: budgetFor(options, count * n > 5e7),
            check: (who, ours, theirs) => sameTopk(`${who}, ${name}`, ours, theirs, problem),
            say: host.say,
          })),
        );
      }
    } finally {
      await closeAll([...subjects, ...peers]);
    }
    return rows;
  },
};
