/**
 * What is aimed at, and what the rows say of it. A target is a ratio that must be
 * reached against the best of some peers in every case that it names: the smallest
 * of the rows' ratios. A figure that is not reached is shown like one that is.
 */
import type { Row } from './rows.js';

export interface Target {
  readonly what: string;
  /** The ratio that is wanted, peer ÷ saekit. */
  readonly want: number;
  readonly suite: string;
  readonly case: RegExp;
  readonly subject: RegExp;
  readonly peer: RegExp;
}

export interface Verdict {
  readonly target: Target;
  /** Null where nothing was measured. */
  readonly ratio: number | null;
  /** The row that decides: the smallest ratio. */
  readonly row: Row | null;
  readonly reached: boolean | null;
}

/** Peers that run where a page does. */
const WEB = /^(onnxruntime-web|tfjs-backend-wasm)/;
/** Native code: what it can do is told, not demanded. */
const NATIVE = /^(onnxruntime-node|numpy)/;
const LARGE = /1024x768x24576/;

export const targets: readonly Target[] = [
  ...(['node', 'chromium'] as const).flatMap((runtime): Target[] => [
    { what: `dense encode, 1 thread, plain SIMD, ${runtime}: against the faster of onnxruntime-web and tfjs-wasm`, want: 1.3, suite: 'encode', case: new RegExp(`^${runtime} (256|1024)x`), subject: /^saekit wasm, 1 thread$/, peer: WEB },
    { what: `dense encode, 1 thread, relaxed SIMD, ${runtime}: against the same`, want: 1.8, suite: 'encode', case: new RegExp(`^${runtime} (256|1024)x`), subject: /^saekit wasm relaxed, 1 thread$/, peer: WEB },
    { what: `dense encode, two threads against one, ${runtime}`, want: 1.85, suite: 'encode', case: new RegExp(`^${runtime} (256|1024)x`), subject: /^saekit wasm, 2 threads$/, peer: /^saekit wasm, 1 thread$/ },
  ]),
  { what: 'dense encode, 1 thread, Node: against the same design in C by clang', want: 0.95, suite: 'encode', case: /^node (256|1024)x/, subject: /^saekit wasm, 1 thread$/, peer: /^C by clang/ },
  { what: 'dense encode, Deno against Node (within 1.15 times)', want: 0.87, suite: 'encode', case: /^deno and node (256|1024)x/, subject: /deno$/, peer: /node$/ },
  { what: "one row, Node: against numpy's matrix times vector", want: 0.8, suite: 'encode', case: /^node 1x768x/, subject: /^saekit wasm, 1 thread$/, peer: /^numpy/ },
  { what: 'top-32 of 6,144, Node: against onnxruntime-web', want: 2, suite: 'topk', case: /^node 32 of 6144/, subject: /^saekit wasm/, peer: /^onnxruntime-web/ },
  { what: "encode to codes, 1 thread, Node: against the best of the web's peers", want: 2, suite: 'codes', case: /^node (256|1024)x/, subject: /^saekit wasm, 1 thread$/, peer: WEB },
  { what: "encode to codes, 1 thread, screened, Node: against the best of the web's peers", want: 2, suite: 'codes', case: /^node (256|1024)x/, subject: /^saekit wasm screened, 1 thread$/, peer: WEB },
  { what: 'screened against our own dense path, 1,024 x 768 x 24,576, TopK-32, 1 thread', want: 1.5, suite: 'codes', case: /^node 1024x768x24576 TopK-32$/, subject: /^saekit wasm screened, 1 thread$/, peer: /^saekit wasm, 1 thread$/ },
  { what: 'the same on rows made of features', want: 1.5, suite: 'codes', case: /^node 1024x768x24576 TopK-32, planted/, subject: /^saekit wasm screened, 1 thread$/, peer: /^saekit wasm, 1 thread$/ },
  { what: 'an aim: screened against native code that does it densely, the same shape', want: 1, suite: 'codes', case: /^node 1024x768x24576 TopK-32$/, subject: /^saekit wasm screened, 1 thread$/, peer: NATIVE },
  { what: 'sparse decode at L0 32 of 24,576 against the fastest dense one on the web', want: 20, suite: 'decode', case: /24576/, subject: /^saekit wasm, sparse, 1 thread$/, peer: WEB },
  { what: 'analyze: cost per feature and token, as tokens grow eightfold', want: 1, suite: 'analyze', case: /^tokens x8/, subject: /./, peer: /./ },
  { what: 'analyze: cost per feature and token, as features grow eightfold', want: 1, suite: 'analyze', case: /^features x8, all/, subject: /./, peer: /./ },
  { what: 'a step of training, TopK-32, 1 thread, Node: against tfjs-wasm', want: 3, suite: 'training', case: /^node 1024x256x4096 TopK-32$/, subject: /^saekit wasm, 1 thread$/, peer: WEB },
  { what: 'a step of training, L1, 1 thread, Node: against tfjs-wasm', want: 1, suite: 'training', case: /^node .* L1/, subject: /^saekit wasm, 1 thread$/, peer: WEB },
  { what: 'a TopK step grows with d_sae no more than its encode, x4', want: 1, suite: 'training', case: /^node .* growth to x4$/, subject: /^step/, peer: /^had it grown/ },
  { what: 'WebGPU, dense encode, against the best peer on a hardware adapter', want: 1.3, suite: 'webgpu', case: new RegExp(`dense ${LARGE.source}`), subject: /^saekit webgpu/, peer: /./ },
  { what: 'WebGPU, encode and top-k, against the best peer on a hardware adapter', want: 3, suite: 'webgpu', case: new RegExp(`codes ${LARGE.source} TopK-32`), subject: /^saekit webgpu/, peer: /./ },
];

/** Holds rows against the targets. Pure. */
export function verdicts(rows: readonly Row[], list: readonly Target[] = targets): Verdict[] {
  return list.map((target) => {
    const found = rows.filter((row) => row.suite === target.suite && target.case.test(row.case) && target.subject.test(row.subject) && target.peer.test(row.peer));
    const row = found.reduce<Row | null>((least, each) => (least === null || each.ratio < least.ratio ? each : least), null);
    return { target, ratio: row?.ratio ?? null, row, reached: row === null ? null : row.ratio >= target.want };
  });
}

/** Lines for people; nothing for targets that no row speaks of. */
export function verdictText(list: readonly Verdict[]): string {
  return list
    .flatMap(({ target, ratio, row, reached }) => (ratio === null || row === null ? [] : [`${reached === true ? 'reached    ' : 'not reached'}  ${`${ratio.toFixed(2)}x`.padStart(8)} of ${target.want}x  ${target.what} (${row.peer}; ${row.case})`]))
    .join('\n');
}
