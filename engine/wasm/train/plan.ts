/** Numbers that the training kernels know things by; assembly/train/ has their counterparts. */
import type { Objective } from '../../train/objective.js';

/** activations.ts: penalties. */
export const PENALTY = { none: 0, l1: 1, lp: 2, root: 3, l0: 4, tanh: 5 } as const;
/** backward.ts: what an entry is. */
export const MODE = { plain: 0, jump: 1, gated: 2, gateAlone: 3, ghost: 4 } as const;
/** backward.ts: words of the plan. */
export const PLAN = { kind: 0, coefficient: 1, power: 2, norms: 3, rowScales: 4, theta: 5, gTheta: 6, band: 7, bandwidth: 8, flags: 9, normSum: 10, scales: 11, gates: 12, gBias: 13, gR: 14, gGate: 15, tanhScale: 16 } as const;
export const PLAN_WORDS = 17;
export const FLAG = { oneSided: 1, toInput: 2 } as const;

/** Which penalty an objective has, as the kernels call it. */
export function penaltyKind({ penalty }: Objective): number {
  switch (penalty.kind) {
    case 'none':
      return PENALTY.none;
    case 'l1':
      return PENALTY.l1;
    case 'lp':
      return penalty.root ? PENALTY.root : PENALTY.lp;
    case 'l0':
    case 'l0-target':
      return PENALTY.l0;
    case 'tanh':
      return PENALTY.tanh;
  }
}

/** Whether the penalty weighs with the decoder's norms, which then get a gradient from it. */
export function weighsWithNorm({ penalty }: Objective): boolean {
  return penalty.kind === 'tanh' || (penalty.kind === 'l1' && penalty.byDecoderNorm);
}
