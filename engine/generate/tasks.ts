/**
 * Tasks times attributes: sparse across tasks, compositional within one. Each row
 * belongs to `active` of T tasks; in a task it shows one of N items, all alike likely,
 * and an item is a combination of the task's A attributes:
 *
 *   x = sum over active tasks t of  sum_a c_{t, j, a} d_{t, a},   c = U(low, high) with probability `density`, else 0
 *
 * with the d_{t, .} orthonormal where A <= d. An SAE that has b features for a task can spend
 * them on attributes or on the b whole items; `itemBoundary` says from which b on the
 * items are cheaper under an L1 penalty.
 */
import { PART, orthonormalRows, randomDirections, worldRandom } from './directions.js';
import type { FieldReader } from './fields.js';
import { addDirections, type GeneratedTruth, type Sampler } from './sampler.js';

export interface TasksSpec {
  readonly kind: 'tasks';
  readonly d: number;
  readonly seed: number;
  readonly tasks: number;
  readonly attributes: number;
  readonly items: number;
  readonly density: number;
  readonly low: number;
  readonly high: number;
  /** Tasks in a row, distinct. */
  readonly active: number;
}

export function resolveTasks(fields: FieldReader, d: number, seed: number): TasksSpec {
  const tasks = fields.whole('tasks', 8, 1, 65536);
  const low = fields.number('low', 0.5, { low: 0 });
  return {
    kind: 'tasks', d, seed, tasks, low,
    attributes: fields.whole('attributes', 50, 1, 65536),
    items: fields.whole('items', 1000, 1, 2 ** 20),
    density: fields.number('density', 0.5, { low: 0, aboveLow: true, high: 1 }),
    high: fields.number('high', 1.5, { low, aboveLow: true }),
    active: fields.whole('active', 1, 1, tasks),
  };
}

/** [items, attributes] the weights of one task's items. */
export function itemTable({ seed, attributes, items, density, low, high }: TasksSpec, task: number): Float64Array {
  const random = worldRandom(seed, PART.items).seek(task);
  return Float64Array.from({ length: items * attributes }, () => (random.uniform() < density ? low + (high - low) * random.uniform() : 0));
}

/**
 * The number of features a task from which whole items cost less than attributes do,
 * where directions are orthonormal and b >= A: with E over the items,
 *
 *   attributes  lambda E||c||_1
 *   b items     (1 - b / N) E||x||^2 + lambda (b / N) E||x||
 *   b*          N (E||x||^2 - lambda E||c||_1) / (E||x||^2 - lambda E||x||)
 *
 * @param lambda the L1 coefficient beside squared errors summed over dimensions
 */
export function itemBoundary(spec: TasksSpec, task: number, lambda: number): number {
  const { items, attributes } = spec;
  const table = itemTable(spec, task);
  let [square, absolute, norm] = [0, 0, 0];
  for (let j = 0; j < items; j++) {
    let own = 0;
    for (let a = 0; a < attributes; a++) {
      const c = table[j * attributes + a]!;
      own += c * c;
      absolute += c;
    }
    square += own;
    norm += Math.sqrt(own);
  }
  return (items * (square - lambda * absolute)) / (square - lambda * norm);
}

export function tasksSampler(spec: TasksSpec): Sampler {
  const { d, seed, tasks, attributes: width, items, active } = spec;
  const n = tasks * width;
  const directions = new Float32Array(n * d);
  const tables: Float64Array[] = [];
  const probabilities = new Float64Array(n);
  for (let t = 0; t < tasks; t++) {
    const part = PART.group + 1000 * (t + 1);
    directions.set(width <= d ? orthonormalRows(seed, part, width, d) : randomDirections(seed, part, width, d), t * width * d);
    const table = itemTable(spec, t);
    tables.push(table);
    for (let i = 0; i < table.length; i++) if (table[i] !== 0) probabilities[t * width + (i % width)] = probabilities[t * width + (i % width)]! + active / tasks / items;
  }
  const truth: GeneratedTruth = { features: n, d, directions, probabilities, offset: new Float64Array(d), noise: 0, parents: null, shared: null };
  const chosen = new Int32Array(active);
  const on = new Int32Array(active * width);
  const values = new Float64Array(active * width);
  return {
    d, truth,
    moments: null,
    row(random, out, at, codes) {
      let count = 0;
      for (let i = 0; i < active; i++) {
        // Distinct: Floyd and Bentley (CACM 30, 1987).
        const high = tasks - active + i;
        const candidate = random.below(high + 1);
        let isTaken = false;
        for (let j = 0; j < i; j++) if (chosen[j] === candidate) isTaken = true;
        chosen[i] = isTaken ? high : candidate;
        const task = chosen[i]!;
        const table = tables[task]!;
        const item = random.below(items) * width;
        for (let a = 0; a < width; a++) {
          const value = table[item + a]!;
          if (value === 0) continue;
          codes?.add(task * width + a, value);
          on[count] = task * width + a;
          values[count++] = value;
        }
      }
      addDirections(out, at, d, directions, on, values, count);
    },
  };
}
