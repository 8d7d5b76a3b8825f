/**
 * The assignment problem: min(n, m) pairs of a row and a column, no row and no column
 * twice, of the least total cost. Shortest augmenting paths on reduced costs (Jonker and
 * Volgenant, Computing 38, 1987; Crouse, IEEE TAES 52, 2016, for rectangular problems), in f64:
 * O(s^2 l) with s the shorter side and l the longer.
 *
 * The duals come with the answer and prove it: u_i + v_j <= cost_ij for all pairs, with
 * equality for those chosen, and where sides differ, v_j <= 0 on the longer side with 0 for
 * what stays free; total = sum u + sum v.
 */
import { NumericError, ShapeError } from '../errors.js';

export interface Assignment {
  /** [n] the column of each row, -1 where it stays free. */
  readonly columnOf: Int32Array;
  /** [m] the row of each column, -1 where it stays free. */
  readonly rowOf: Int32Array;
  /** [n] and [m] dual values. */
  readonly u: Float64Array;
  readonly v: Float64Array;
  readonly total: number;
}

/**
 * @param cost [n, m]
 * @throws ShapeError where cost is not [n, m]; NumericError for a cost that is not finite
 */
export function hungarian(cost: Float32Array | Float64Array, n: number, m: number): Assignment {
  if (cost.length !== n * m) throw new ShapeError(`hungarian: ${cost.length} costs are not [${n}, ${m}]`);
  for (let i = 0; i < cost.length; i++) if (!Number.isFinite(cost[i]!)) throw new NumericError(`hungarian: the cost of row ${Math.floor(i / m)} and column ${i % m} is ${cost[i]}`);
  if (n <= m) return assign(cost, n, m);
  const transposed = new Float64Array(cost.length);
  for (let i = 0; i < n; i++) for (let j = 0; j < m; j++) transposed[j * n + i] = cost[i * m + j]!;
  const { columnOf, rowOf, u, v, total } = assign(transposed, m, n);
  return { columnOf: rowOf, rowOf: columnOf, u: v, v: u, total };
}

/** n <= m: every row gets a column. */
function assign(cost: Float32Array | Float64Array, n: number, m: number): Assignment {
  const u = new Float64Array(n);
  const v = new Float64Array(m);
  const columnOf = new Int32Array(n).fill(-1);
  const rowOf = new Int32Array(m).fill(-1);
  // Rows whose cheapest column is free take it: most of a good matching, at once.
  for (let i = 0; i < n; i++) {
    let best = 0;
    for (let j = 1; j < m; j++) if (cost[i * m + j]! < cost[i * m + best]!) best = j;
    u[i] = cost[i * m + best]!;
    if (rowOf[best] === -1) {
      rowOf[best] = i;
      columnOf[i] = best;
    }
  }
  const distance = new Float64Array(m);
  const before = new Int32Array(m);
  // Columns that the search has not reached yet, in front; those that it has, behind.
  const columns = Int32Array.from({ length: m }, (_, j) => j);
  for (let start = 0; start < n; start++) {
    if (columnOf[start] !== -1) continue;
    distance.fill(Infinity);
    let left = m;
    let row = start;
    let reached = 0;
    let end = -1;
    while (end === -1) {
      // From `row`, reached at cost `reached`, to every column that is left.
      let least = Infinity;
      let place = -1;
      for (let c = 0; c < left; c++) {
        const j = columns[c]!;
        const through = reached + (cost[row * m + j]! - u[row]! - v[j]!);
        if (through < distance[j]!) {
          distance[j] = through;
          before[j] = row;
        }
        // Of equals, one that is free: it ends the search.
        if (distance[j]! < least || (distance[j] === least && rowOf[j] === -1)) {
          least = distance[j]!;
          place = c;
        }
      }
      const nearest = columns[place]!;
      left--;
      columns[place] = columns[left]!;
      columns[left] = nearest;
      reached = least;
      if (rowOf[nearest] === -1) end = nearest;
      else row = rowOf[nearest]!;
    }
    u[start] = u[start]! + reached;
    for (let c = left; c < m; c++) {
      const j = columns[c]!;
      if (j === end) continue;
      u[rowOf[j]!] = u[rowOf[j]!]! + reached - distance[j]!;
      v[j] = v[j]! - (reached - distance[j]!);
    }
    for (let j = end; ; ) {
      const i = before[j]!;
      const next = columnOf[i]!;
      rowOf[j] = i;
      columnOf[i] = j;
      if (i === start) break;
      j = next;
    }
  }
  let total = 0;
  for (let i = 0; i < n; i++) total += cost[i * m + columnOf[i]!]!;
  return { columnOf, rowOf, u, v, total };
}
