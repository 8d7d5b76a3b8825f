/** Suite 5: decode from sparse codes, against what those do who have only a dense matrix product. */
import { decodeBounds, denseCodes, sameDense } from '../agreement.js';
import { gaussians, saeOf } from '../arrays.js';
import { closeAll, openCpuPeers, openSubjects } from '../contenders.js';
import { hold } from '../contest.js';
import type { SparseCodes } from '../../engine/codes.js';
import { createRandom } from '../../engine/random.js';
import type { DecodeProblem } from '../peers/peer.js';
import type { Row } from '../rows.js';
import { budgetFor, label, type Suite } from './suite.js';

const L0 = 32;
const CASES = {
  quick: [[32, 128, 512]],
  full: [[256, 768, 6144], [1024, 768, 24_576]],
} as const;

/** L0 features of each row, each set equally likely (Floyd's sampling), with values above 0. */
export function randomCodes(rows: number, d_sae: number, seed: number): SparseCodes {
  const random = createRandom(seed);
  const features = new Uint32Array(rows * L0);
  for (let row = 0; row < rows; row++) {
    const chosen = new Set<number>();
    for (let top = d_sae - L0; top < d_sae; top++) {
      const feature = random.below(top + 1);
      chosen.add(chosen.has(feature) ? top : feature);
    }
    features.set([...chosen].sort((a, b) => a - b), row * L0);
  }
  const values = gaussians(rows * L0, seed + 1).map((value) => Math.abs(value) + 0.1);
  return { rows, d_sae, offsets: Uint32Array.from({ length: rows + 1 }, (_, row) => row * L0), features, values, nearTies: 0 };
}

export function decodeProblem(rows: number, d_in: number, d_sae: number): DecodeProblem {
  const codes = randomCodes(rows, d_sae, 11);
  const sae = saeOf({ architecture: 'standard', d_in, d_sae, W_enc: new Float32Array(d_in * d_sae), b_enc: new Float32Array(d_sae), W_dec: gaussians(d_sae * d_in, 12, 1 / Math.sqrt(d_in)) });
  return { sae: { ...sae, b_dec: gaussians(d_in, 13) }, codes, f: denseCodes(codes) };
}

export const decodeSuite: Suite = {
  name: 'decode',
  title: 'decode from sparse codes on WASM, against a dense product',
  runtimes: ['node', 'deno', 'chromium'],
  byDefault: ['node'],
  async run(host, options) {
    const peers = await openCpuPeers(host);
    const subjects = await openSubjects(host, {});
    const rows: Row[] = [];
    try {
      for (const [count, d_in, d_sae] of options.quick ? CASES.quick : CASES.full) {
        const problem = decodeProblem(count, d_in, d_sae);
        const bounds = decodeBounds(problem);
        const name = label(host, `${count}x${d_sae}x${d_in}`, `L0 ${L0}`);
        host.say(name);
        rows.push(
          ...(await hold<Float32Array>({
            suite: 'decode',
            label: name,
            entrants: [...subjects, ...peers].map((peer) => ({ peer, ours: subjects.includes(peer), make: async (who) => (who.decode === undefined ? [] : [await who.decode(problem)]) })),
            budget: budgetFor(options, count * d_sae > 1e7),
            check: (who, ours, theirs) => sameDense(`${who}, ${name}`, ours, theirs, d_in, bounds),
            tokens: count,
            note: 'the dense codes are made beforehand and not timed',
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
