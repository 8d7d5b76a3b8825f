/** Suite 4: the whole of encode, rows in and sparse codes out, under the two rules that SAEs are trained with. */
import { identicalCodes, sameCodes } from '../agreement.js';
import { encoderWeights, gaussians, plantedRows, saeOf, thresholdsFor } from '../arrays.js';
import { closeAll, openCpuPeers, openSubjects } from '../contenders.js';
import { hold } from '../contest.js';
import type { EncodeProblem, Sparse } from '../peers/peer.js';
import type { Row } from '../rows.js';
import { budgetFor, label, type Suite } from './suite.js';

const CASES = {
  quick: [[48, 128, 512]],
  full: [[256, 768, 6144], [1024, 768, 24_576]],
} as const;

/** The rules, and how many features fire. */
const RULES = [
  { rule: 'TopK-32', l0: 32, planted: false },
  { rule: 'JumpReLU L0 50', l0: 50, planted: false },
  // How many pre-activations survive a screen depends on the data, so our own ways meet another kind.
  { rule: 'TopK-32, planted features', l0: 32, planted: true },
] as const;

export function encodeProblem(rule: (typeof RULES)[number], rows: number, d_in: number, d_sae: number): EncodeProblem {
  const weights = encoderWeights(d_in, d_sae);
  const sae = rule.rule !== 'JumpReLU L0 50' ? saeOf({ architecture: 'topk', d_in, d_sae, ...weights, k: rule.l0 }) : saeOf({ architecture: 'jumprelu', d_in, d_sae, ...weights, threshold: thresholdsFor(rule.l0, d_sae) });
  return { rows, x: rule.planted ? plantedRows(rows, d_in, d_sae, weights.W_enc, rule.l0, 3) : gaussians(rows * d_in, 3), sae };
}

export const codesSuite: Suite = {
  name: 'codes',
  title: 'encode to sparse codes on WASM',
  runtimes: ['node', 'deno', 'chromium'],
  byDefault: ['node'],
  async run(host, options) {
    const peers = await openCpuPeers(host);
    const subjects = await openSubjects(host, { screened: true, relaxed: true });
    const rows: Row[] = [];
    try {
      for (const [count, d_in, d_sae] of options.quick ? CASES.quick : CASES.full) {
        for (const rule of RULES) {
          const problem = encodeProblem(rule, count, d_in, d_sae);
          const name = label(host, `${count}x${d_in}x${d_sae}`, rule.rule);
          host.say(name);
          let l0 = 0;
          rows.push(
            ...(await hold<Sparse>({
              suite: 'codes',
              label: name,
              entrants: [...subjects, ...(rule.planted ? [] : peers)].map((peer) => ({ peer, ours: subjects.includes(peer), make: async (who) => (await who.encode?.(problem)) ?? [] })),
              budget: budgetFor(options, count * d_sae > 1e7),
              check(who, ours, theirs, way) {
                l0 = ours.features.length / count;
                // What plain SIMD gives does not depend on threads or screening; fused multiply-add rounds otherwise.
                if (way.ours && !who.includes('relaxed')) identicalCodes(`${who}, ${name}`, ours, theirs);
                else sameCodes(`${who}, ${name}`, ours, theirs, problem);
              },
              own: [
                { subject: 'saekit wasm screened, 1 thread', peer: 'saekit wasm, 1 thread', note: 'screened against dense, the same codes bit for bit' },
                { subject: 'saekit wasm, 2 threads', peer: 'saekit wasm, 1 thread', note: 'two threads against one' },
              ],
              tokens: count,
              say: host.say,
            })).map((row) => ({ ...row, note: `${row.note}; L0 ${l0.toFixed(1)}` })),
          );
        }
      }
    } finally {
      await closeAll([...subjects, ...peers]);
    }
    return rows;
  },
};
