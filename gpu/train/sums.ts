/** Sums over the rows of a matrix, 64 at a time and level by level, in a fixed order (kernels/sum.wgsl). */
import { bits, SLOTS, type TrainPlan } from './plan.js';
import type { Binding, Recording } from './recording.js';
import type { Scratch } from './scratch.js';

const WEIGHTED = 1;
const SQUARED = 2;
const ADDED = 4;
/** Rows that one thread adds. */
const ROWS = 64;

interface On {
  readonly recording: Recording;
  readonly scratch: Scratch;
}

export interface Matrix {
  readonly m: Binding;
  readonly rows: number;
  /** Columns in vec4, `stride` apart (default as many), from `offset` on. */
  readonly quads: number;
  readonly stride?: number;
  readonly offset?: number;
  /** [rows] f32: adds -weight times each row. */
  readonly weights?: Binding;
  /** Adds squares, of what is left after `scale` times `mean` [quads]. */
  readonly squared?: boolean;
  readonly mean?: GPUBuffer;
  readonly scale?: number;
}

/** [quads] vec4 at `to` of `out`; with `added` on top of what is there. */
export function sumRows({ recording, scratch }: On, { m, rows, quads, stride = quads, offset = 0, weights, squared = false, mean, scale = 0 }: Matrix, out: GPUBuffer, to: number, added = false): void {
  let source = m;
  let left = rows;
  for (let level = 0; ; level++) {
    const results = Math.ceil(left / ROWS);
    const last = results === 1;
    const first = level === 0;
    const flags = (first && weights !== undefined ? WEIGHTED : 0) | (first && squared ? SQUARED : 0) | (last && added ? ADDED : 0);
    const target = last ? out : scratch.get(level % 2 === 0 ? 'level' : 'nextLevel');
    const words = [left, quads, first ? stride : quads, first ? offset : 0, last ? to : 0, flags, first ? bits(scale) : 0];
    recording.run('sum', words, [source, weights ?? scratch.get('zeros'), mean ?? scratch.get('zeros'), target], results * quads);
    if (last) return;
    source = target;
    left = results;
  }
}

/** The sum over rows and columns, as the four parts of a vec4 of `totals`. */
export function sumAll(on: On, matrix: Matrix, to: number): void {
  const { quads } = matrix;
  const totals = on.scratch.get('totals');
  if (quads === 1) return sumRows(on, matrix, totals, to);
  const middle = on.scratch.get('middle');
  sumRows(on, matrix, middle, 0);
  sumRows(on, { m: middle, rows: quads, quads: 1 }, totals, to);
}

/** One of the parts of `sums` (kernels/scalars.wgsl). */
export function slotOf(sums: GPUBuffer, slot: number, { width }: TrainPlan): Binding {
  if (slot >= SLOTS) throw new RangeError(`no slot ${slot}`);
  return { buffer: sums, offset: slot * width * 4, size: width * 4 };
}
