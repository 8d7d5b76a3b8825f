/** Suite 1: the dense part of encode, x @ W + b in f32, the whole matrix handed back to JavaScript. */
import { denseBounds, sameDense } from '../agreement.js';
import { encoderWeights, gaussians } from '../arrays.js';
import { closeAll, openCpuPeers, openSubjects } from '../contenders.js';
import { hold } from '../contest.js';
import type { DenseProblem, Peer, Task } from '../peers/peer.js';
import type { Row } from '../rows.js';
import { budgetFor, label, type Suite } from './suite.js';

const CASES = {
  quick: [[1, 128, 512], [48, 128, 512]],
  // A single row is a matrix times a vector: the weights' bandwidth is all there is.
  full: [[1, 768, 6144], [256, 768, 6144], [1024, 768, 24_576]],
} as const;

const make = async (peer: Peer, problem: DenseProblem): Promise<Task<Float32Array>[]> => (peer.dense === undefined ? [] : [await peer.dense(problem)]);

export const encodeSuite: Suite = {
  name: 'encode',
  title: 'dense part of encode on WASM',
  runtimes: ['node', 'deno', 'chromium'],
  byDefault: ['node', 'deno', 'chromium'],
  async run(host, options) {
    const peers = await openCpuPeers(host);
    const subjects = await openSubjects(host, { relaxed: true });
    const rows: Row[] = [];
    try {
      for (const [count, d_in, d_sae] of options.quick ? CASES.quick : CASES.full) {
        const { W_enc, b_enc } = encoderWeights(d_in, d_sae);
        const problem: DenseProblem = { rows: count, d_in, d_sae, x: gaussians(count * d_in, 3), W: W_enc, b: b_enc };
        const bounds = denseBounds(problem);
        const name = label(host, `${count}x${d_in}x${d_sae}`);
        host.say(name);
        rows.push(
          ...(await hold<Float32Array>({
            suite: 'encode',
            label: name,
            entrants: [...subjects, ...peers].map((peer) => ({ peer, ours: subjects.includes(peer), make: (who) => make(who, problem) })),
            budget: budgetFor(options, count * d_sae > 1e7),
            check: (who, ours, theirs) => sameDense(`${who}, ${name}`, ours, theirs, d_sae, bounds),
            own: [
              { subject: 'saekit wasm, 2 threads', peer: 'saekit wasm, 1 thread', note: 'two threads against one' },
              { subject: 'saekit wasm relaxed, 1 thread', peer: 'saekit wasm, 1 thread', note: 'fused multiply-add against mul and add' },
              { subject: 'saekit wasm relaxed, 2 threads', peer: 'saekit wasm relaxed, 1 thread', note: 'two threads against one' },
            ],
            flop: 2 * count * d_in * d_sae,
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
