/**
 * The dispatches that encode a block of rows, recorded into one compute pass for
 * each block of latents. What is written where is in the kernels' headers; what
 * each kind of SAE needs:
 *
 *   threshold, dense   product -> count -> scan -> scatter
 *   threshold, fused   fire -> scan -> gather
 *   topk, dense        product -> select
 *   topk, fused        product of a slice -> select, then for the rest of its block and
 *                      every further one: fire -> scan -> gather -> merge
 *   screened           pack-rows once, and screen -> expand -> settle in the place of fire
 *   sample             product of a slice -> bins
 *
 * Scratch belongs to the loan: a block's is used again by the next, whose commands run later.
 */
import type { Architecture } from '../engine/sae.js';
import type { Loan } from './buffers.js';
import { ceilTo, fold, ROW_TILE, RUN, SEGMENT, scanLevels } from './decide.js';
import { type Core, TILE_ROWS } from './decide/kernels.js';
import type { Device } from './device.js';
import { dispatch, type EncodePipelines, type Step } from './dispatch.js';
import type { Screen } from './screen.js';
import type { EncodeWeights } from './weights.js';

/** Words of `head` around the rows: near ties, the lowest row that is not finite; the end of the last row, entries of the pool. */
const HEAD = 2;
const TAIL = 2;
/** As kernels/parts/params.wgsl has them. */
const Flag = { GATED: 1, RANKED: 2, BARE: 4 } as const;
export const NO_ROW = 0xffffffff;

/** What a block's kernels leave behind. */
export interface Recorded {
  readonly head: GPUBuffer;
  readonly entries: GPUBuffer;
}

export interface RecordedRows {
  readonly architecture: Architecture;
  readonly core: Core;
  readonly rows: number;
  /** d_in in vec4. */
  readonly quads: number;
  /** [rows up to ROW_TILE, 4 * quads] */
  readonly x: GPUBuffer;
  /** [rows] tol_r */
  readonly tolerance: GPUBuffer;
  /** Where the rows are to be screened: by what, and the dimensions that are added in f32. */
  readonly screened: { readonly screen: Screen; readonly outliers: readonly number[] } | null;
}

/** The rows as integers, and their records (kernels/pack-rows.wgsl). */
interface PackedRows {
  readonly uniform: GPUBuffer;
  readonly xq: GPUBuffer;
  readonly records: GPUBuffer;
}

export class Recorder {
  readonly #device: Device;
  readonly #pipelines: EncodePipelines;
  readonly #loan: Loan;
  readonly #rows: number;
  readonly #quads: number;
  readonly #core: Core;
  readonly #x: GPUBuffer;
  readonly #tolerance: GPUBuffer;
  readonly #flags: number;
  readonly #screened: RecordedRows['screened'];
  #packed: PackedRows | null = null;
  #z: GPUBuffer | null = null;

  constructor(device: Device, pipelines: EncodePipelines, loan: Loan, { architecture, core, rows, quads, x, tolerance, screened }: RecordedRows) {
    this.#device = device;
    this.#pipelines = pipelines;
    this.#loan = loan;
    this.#core = core;
    this.#rows = rows;
    this.#quads = quads;
    this.#x = x;
    this.#tolerance = tolerance;
    this.#screened = screened;
    this.#flags = architecture === 'gated' ? Flag.GATED : architecture === 'topk' ? Flag.RANKED : 0;
  }

  /** [rows up to ROW_TILE, width]: x @ W for the first columns of a block. @param bare without b */
  product(pass: GPUComputePassEncoder, block: EncodeWeights, width: number, bare = false): GPUBuffer {
    const bytes = ceilTo(this.#rows, ROW_TILE) * width * 4;
    // The first block is the widest.
    if (this.#z === null || this.#z.size < bytes) this.#z = this.#loan.storage(bytes);
    const z = this.#z;
    const params = this.#params(block, { n: width, width, flags: bare ? Flag.BARE : 0 });
    const tiles = width / SEGMENT;
    const down = Math.ceil(this.#rows / (this.#core === 'tiled' ? TILE_ROWS : ROW_TILE));
    const grid = { registers: [tiles, down], tiled: [down, tiles], row: [tiles, 1] } as const;
    dispatch(this.#device.gpu, pass, this.#pipelines.get(this.#core), [params, this.#x, block.w, block.columns, z], grid[this.#core]);
    return z;
  }

  /** Dense: what is above its threshold and its row's edge, in CSR order. */
  threshold(pass: GPUComputePassEncoder, block: EncodeWeights, edges: GPUBuffer, capacity: number): Recorded {
    const { stride } = block;
    const z = this.product(pass, block, stride, (this.#flags & Flag.GATED) !== 0);
    const { head, entries } = this.#results(capacity);
    const segments = this.#rows * (stride / SEGMENT);
    const { levels, length } = scanLevels(segments);
    const sums = this.#loan.storage(length * 4);
    const params = this.#params(block, { keep: capacity, width: stride });
    const grid = this.#each(segments);
    this.#run(pass, 'count', [params, z, block.columns, this.#tolerance, edges, head, sums], grid);
    this.#scan(pass, sums, levels);
    this.#run(pass, 'scatter', [params, z, block.columns, edges, sums, head, entries], grid);
    return { head, entries };
  }

  /** Fused: the same for columns begin .. n. */
  fire(pass: GPUComputePassEncoder, block: EncodeWeights, begin: number, edges: GPUBuffer, capacity: number): Recorded {
    const { head, entries } = this.#results(capacity);
    const columns = (block.stride - begin) / SEGMENT;
    const segments = this.#rows * columns;
    const { levels, length } = scanLevels(segments);
    const masks = length + 2 * segments;
    // For 4 rows and 8 columns a word.
    const sums = this.#loan.storage((masks + (this.#screened === null ? 0 : Math.ceil(this.#rows / 4) * columns * 16)) * 4);
    const pool = this.#loan.storage(Math.max(8, capacity * 8));
    const params = this.#params(block, { keep: capacity, begin, places: length, masks });
    if (this.#screened === null) {
      this.#run(pass, 'fire', [params, this.#x, block.w, block.columns, this.#tolerance, edges, head, sums, pool], [Math.ceil(this.#rows / TILE_ROWS), columns]);
    } else {
      const { wq, wt, bounds } = this.#screened.screen.of(block);
      const { uniform, xq, records } = this.#packRows(pass, block, this.#screened);
      this.#run(pass, 'screen', [params, uniform, xq, wq, records, bounds, block.w, edges, sums], [columns, Math.ceil(this.#rows / ROW_TILE)]);
      this.#run(pass, 'expand', [params, sums, head, pool], this.#fold(Math.ceil(segments / RUN)));
      this.#run(pass, 'settle', [params, this.#x, wt, block.columns, this.#tolerance, edges, head, sums, pool], this.#fold(Math.max(1, Math.ceil(capacity / RUN))));
    }
    this.#scan(pass, sums, levels);
    this.#run(pass, 'gather', [params, sums, pool, head, entries], this.#fold(Math.ceil(segments / RUN)));
    return { head, entries };
  }

  /** Rounds the rows, once. */
  #packRows(pass: GPUComputePassEncoder, block: EncodeWeights, { screen, outliers }: NonNullable<RecordedRows['screened']>): PackedRows {
    if (this.#packed !== null) return this.#packed;
    const padded = ceilTo(this.#rows, ROW_TILE);
    const packed = { uniform: this.#loan.uniform(screen.words(outliers)), xq: this.#loan.storage(padded * screen.depth * 4), records: this.#loan.storage(this.#rows * 48) };
    this.#run(pass, 'pack-rows', [this.#params(block, {}), packed.uniform, this.#x, this.#tolerance, packed.xq, packed.records], this.#fold(Math.ceil(padded / RUN)));
    return (this.#packed = packed);
  }

  /** The `keep` largest of the first n columns above each row's edge; edges rise. */
  select(pass: GPUComputePassEncoder, block: EncodeWeights, n: number, keep: number, edges: GPUBuffer): Recorded {
    const width = ceilTo(n, SEGMENT);
    const z = this.product(pass, block, width);
    const { head, entries } = this.#results(this.#rows * keep);
    this.#run(pass, 'select', [this.#params(block, { n, keep, width }), z, edges, head, entries], this.#fold(this.#rows));
    return { head, entries };
  }

  /** The `keep` largest of those so far and of a later pass's candidates; edges rise. */
  merge(pass: GPUComputePassEncoder, block: EncodeWeights, keep: number, best: Recorded, candidates: Recorded, edges: GPUBuffer): Recorded {
    const { head, entries } = this.#results(this.#rows * keep);
    this.#run(pass, 'merge', [this.#params(block, { keep }), best.entries, best.head, candidates.entries, candidates.head, edges, head, entries], this.#fold(this.#rows));
    return { head, entries };
  }

  /** Adds the positive z of the first n columns to 2,048 bins (kernels/bins.wgsl). @param digits 0, or the upper 11 bits of those that count, and 1 */
  bins(pass: GPUComputePassEncoder, block: EncodeWeights, n: number, digits: number, bins: GPUBuffer): void {
    const width = ceilTo(n, SEGMENT);
    const z = this.product(pass, block, width);
    this.#run(pass, 'bins', [this.#params(block, { n, keep: digits, width }), z, bins], [width / SEGMENT, Math.ceil(this.#rows / 64)]);
  }

  #results(capacity: number): Recorded {
    const head = new Uint32Array(headWords(this.#rows));
    head[1] = NO_ROW;
    return { head: this.#loan.upload(head), entries: this.#loan.storage(Math.max(8, capacity * 8)) };
  }

  #params({ n, stride, first }: EncodeWeights, more: { n?: number; keep?: number; begin?: number; width?: number; places?: number; flags?: number; masks?: number }): GPUBuffer {
    const { keep = 0, begin = 0, width = 0, places = 0, masks = 0 } = more;
    return this.#loan.uniform([this.#rows, Math.min(n, more.n ?? n), stride, first, keep, this.#quads, begin, width, places, more.flags ?? this.#flags, masks]);
  }

  #scan(pass: GPUComputePassEncoder, sums: GPUBuffer, levels: readonly { readonly begin: number; readonly count: number }[]): void {
    for (const { begin, count } of levels) this.#run(pass, 'scan', [this.#loan.uniform([begin, count]), sums], this.#each(Math.ceil(count / RUN)));
  }

  /** For as many segments, or runs of a scan: a workgroup each where subgroups share the work, else a thread. */
  #each(count: number): [number, number] {
    return this.#fold(this.#pipelines.subgroups ? count : Math.ceil(count / RUN));
  }

  #fold(groups: number): [number, number] {
    return fold(groups, this.#device.limits.maxComputeWorkgroupsPerDimension);
  }

  #run(pass: GPUComputePassEncoder, step: Exclude<Step, Core>, buffers: readonly GPUBuffer[], grid: readonly [number, number]): void {
    dispatch(this.#device.gpu, pass, this.#pipelines.get(step), buffers, grid);
  }
}

export function headWords(rows: number): number {
  return HEAD + rows + TAIL;
}

/** Words of a head, as kernels leave it. */
export interface Head {
  readonly nearTies: number;
  /** NO_ROW where all is finite. */
  readonly bad: number;
  /** topk: entries of a row; else its first one, `row` up to the number of rows. */
  row(row: number): number;
  /** Entries that a fused pass had to keep, those without room included; of a screened one, what passed the screen. */
  readonly pooled: number;
}

export function readHead(bytes: ArrayBuffer, at: number, rows: number): Head {
  const words = new Uint32Array(bytes, at, headWords(rows));
  return { nearTies: words[0]!, bad: words[1]!, row: (row) => words[HEAD + row]!, pooled: words[HEAD + rows + 1]! };
}
