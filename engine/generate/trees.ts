/**
 * Trees of features: a child can fire only where its parent does. Features are numbered
 * level by level as in SynthSAEBench (all roots, then the children of root 0, ...), so
 * that a node's children lie together; features that no tree takes stand alone.
 *
 * `exclusive`: of the children that would fire one is kept, each with the same chance.
 * `compensate`: chances are raised so that a child's rate comes near the one asked for:
 * given its parent, child i would fire with min(1, p_i c_i), c_i = 1 / p_parent, times
 * 1 + sum of the other siblings' p / p_parent where they are exclusive (SAELens'
 * correction; it overshoots where siblings together want more than their parent has).
 * What comes out is known exactly: `rates`.
 */

export interface Trees {
  /** [n] parent, -1 for roots and features without a tree. */
  readonly parents: Int32Array;
  /** [n] first child and how many there are. */
  readonly firstChild: Int32Array;
  readonly children: Int32Array;
  /** [n] for roots and lone features the chance to fire, for children the chance given that their parent is on. */
  readonly chances: Float64Array;
}

export interface TreeShape {
  readonly roots: number;
  readonly branching: number;
  readonly depth: number;
  readonly exclusive: boolean;
  readonly compensate: boolean;
}

/** @param probabilities [n] asked for */
export function plantTrees(probabilities: Float64Array, { roots, branching, depth, exclusive, compensate }: TreeShape): Trees {
  const n = probabilities.length;
  const parents = new Int32Array(n).fill(-1);
  const firstChild = new Int32Array(n);
  const children = new Int32Array(n);
  let next = Math.min(roots, n);
  let [from, to] = [0, next];
  for (let level = 0; level < depth; level++) {
    for (let i = from; i < to; i++) {
      const count = Math.min(branching, n - next);
      firstChild[i] = next;
      children[i] = count;
      parents.fill(i, next, next + count);
      next += count;
    }
    [from, to] = [to, next];
  }
  const chances = probabilities.slice();
  if (compensate) {
    for (let i = 0; i < n; i++) {
      const [first, end] = [firstChild[i]!, firstChild[i]! + children[i]!];
      let sum = 0;
      for (let j = first; j < end; j++) sum += probabilities[j]!;
      for (let j = first; j < end; j++) {
        const own = probabilities[j]! / probabilities[i]!;
        const others = exclusive && children[i]! > 1 ? (sum - probabilities[j]!) / probabilities[i]! : 0;
        chances[j] = Math.min(1, own * (1 + others));
      }
    }
  }
  return { parents, firstChild, children, chances };
}

/**
 * The rates at which features are on, exactly, where draws are independent.
 *
 *   rate_child = rate_parent w,   w = q_i E[1 / (1 + K)] where exclusive, else q_i
 *
 * with q_i the child's chance to be on given its parent, and K how many of its siblings would be, whose
 * law is built up sibling by sibling.
 * @param active [n] the chance that a feature's magnitude is above 0
 */
export function rates({ parents, firstChild, children, chances }: Trees, active: Float64Array, exclusive: boolean): Float64Array {
  const n = chances.length;
  const result = new Float64Array(n);
  for (let i = 0; i < n; i++) if (parents[i]! < 0) result[i] = chances[i]! * active[i]!;
  // Children have higher numbers than their parents.
  for (let i = 0; i < n; i++) {
    const [first, end] = [firstChild[i]!, firstChild[i]! + children[i]!];
    for (let j = first; j < end; j++) {
      let share = 1;
      if (exclusive) {
        let law = [1];
        for (let other = first; other < end; other++) if (other !== j) law = withOneMore(law, chances[other]! * active[other]!);
        share = law.reduce((sum, p, k) => sum + p / (1 + k), 0);
      }
      result[j] = result[i]! * chances[j]! * active[j]! * share;
    }
  }
  return result;
}

/** The law of a count of independent events after one more of chance q. */
function withOneMore(law: readonly number[], q: number): number[] {
  return Array.from({ length: law.length + 1 }, (_, k) => (law[k] ?? 0) * (1 - q) + (law[k - 1] ?? 0) * q);
}
