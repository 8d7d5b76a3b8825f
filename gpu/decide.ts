/**
 * How a problem is cut to fit a device: pure functions of shape and limits,
 * tested without a GPU.
 *
 * W_enc and W_dec are cut into blocks of latents, so that no binding passes the
 * device's limit; a batch is cut into blocks of rows, so that pre-activations
 * and the codes' worst case (everything fires) fit, no dispatch runs so long
 * that a watchdog ends it, and no grid is too large. Neither cut changes a
 * result: a row's sum over d_in never crosses a block.
 */
import { BackendError } from '../engine/errors.js';

/** The limits that sizes depend on, as WebGPU names them. */
export interface PlanLimits {
  readonly maxStorageBufferBindingSize: number;
  readonly maxBufferSize: number;
  readonly maxComputeWorkgroupsPerDimension: number;
}

export interface PlanShape {
  readonly d_in: number;
  readonly d_sae: number;
  readonly d_out: number;
}

/** Consecutive latents that are resident in one set of buffers. */
export interface LatentBlock {
  /** Index of the first latent. */
  readonly first: number;
  /** How many there are. */
  readonly n: number;
}

export interface EncodeBlock extends LatentBlock {
  /** Columns in memory: n up to a multiple of COLUMN_TILE. */
  readonly stride: number;
}

export interface Plan {
  readonly encode: {
    /** d_in in vec4, rounded up. */
    readonly quads: number;
    readonly blocks: readonly EncodeBlock[];
    /** Rows that one submission takes at most. */
    readonly rows: number;
  };
  readonly decode: {
    /** d_out in vec4, rounded up. */
    readonly quads: number;
    readonly blocks: readonly LatentBlock[];
    readonly rows: number;
    /** Entries that one submission takes at most; at least d_sae, so that any row fits. */
    readonly entries: number;
  };
}

/** Tile of kernels/encode.wgsl. */
export const ROW_TILE = 32;
export const COLUMN_TILE = 128;
/** Features that one thread of kernels/count.wgsl and scatter.wgsl looks at; the tile's width. */
export const SEGMENT = COLUMN_TILE;
/** Run of kernels/scan.wgsl, and threads of a workgroup there, in count and in scatter. */
export const RUN = 64;

/**
 * Columns of a block: llvmpipe ends a thread's loops after 65,535 turns, all of them together,
 * and kernels/parts/rank.wgsl takes up to 12 for 64 columns.
 */
const MOST_COLUMNS = 2 ** 18;
/** Latents of a block of the decoder, a turn each where all are active. */
const MOST_ENTRIES = 65_000;
/** What a block of latents leaves behind besides 4 bytes a row and 8 an entry. */
const HEAD_BYTES = 12;
/** Pre-activations, bytes: more rows in one submission win nothing. */
const SCRATCH = 128 * 2 ** 20;
const MOST_ROWS = 16_384;
/** Multiply-adds in one submission: a second or two of a slow GPU, of a software one. */
const WORK = { hardware: 2 ** 36, software: 2 ** 30 };
/** Decoded values and entries, bytes. */
const DECODE_SCRATCH = 64 * 2 ** 20;

/**
 * Cuts an SAE and its batches to the limits of a device.
 * @throws BackendError when 128 latents, or one row, do not fit
 */
export function decide(shape: PlanShape, limits: PlanLimits, options: { software?: boolean; subgroups?: boolean } = {}): Plan {
  const { d_in, d_sae, d_out } = shape;
  const bytes = Math.min(limits.maxStorageBufferBindingSize, limits.maxBufferSize);
  const grid = limits.maxComputeWorkgroupsPerDimension;

  const quads = Math.ceil(d_in / 4);
  // W: 16 quads bytes a column. Entries in the worst case: 8 bytes a row and column, of at least one tile of rows.
  const fits = Math.min(bytes / (16 * quads), bytes / (8 * ROW_TILE), grid * COLUMN_TILE, MOST_COLUMNS);
  const columns = Math.floor(fits / COLUMN_TILE) * COLUMN_TILE;
  if (columns === 0) throw tooSmall(`${COLUMN_TILE} latents of d_in ${d_in}`, COLUMN_TILE * 16 * Math.max(quads, ROW_TILE / 2), bytes);
  if (ROW_TILE * quads * 16 > bytes) throw tooSmall(`${ROW_TILE} rows of d_in ${d_in}`, ROW_TILE * quads * 16, bytes);
  const blocks = cut(d_sae, columns).map((block) => ({ ...block, stride: ceilTo(block.n, COLUMN_TILE) }));
  const stride = blocks[0]?.stride ?? COLUMN_TILE;

  const tiles = Math.min(bytes / (ROW_TILE * 16 * quads), bytes / (ROW_TILE * 8 * stride), SCRATCH / (ROW_TILE * 4 * stride), grid);
  const work = (options.software === true ? WORK.software : WORK.hardware) / (d_in * d_sae);
  const rows = Math.min(
    Math.max(1, Math.floor(tiles)) * ROW_TILE,
    Math.max(ROW_TILE, Math.floor(work / ROW_TILE) * ROW_TILE),
    MOST_ROWS,
    // One readback takes the heads and, in the worst case, an entry for every latent.
    Math.floor((limits.maxBufferSize - HEAD_BYTES * blocks.length) / (8 * d_sae + 4 * blocks.length)),
    // Folded grids of one workgroup a row, and of one thread or one workgroup a segment.
    grid * grid,
    Math.floor(((options.subgroups === true ? 1 : RUN) * grid * grid) / (stride / SEGMENT)),
  );
  if (rows < 1) throw new BackendError(`WebGPU: not one row of ${d_sae} latents fits buffers of ${limits.maxBufferSize} bytes and grids of ${grid} x ${grid} workgroups`, { hint: 'Use --backend wasm.' });

  return { encode: { quads, blocks, rows }, decode: decideDecode(d_sae, d_out, bytes, grid) };
}

function decideDecode(d_sae: number, d_out: number, bytes: number, grid: number): Plan['decode'] {
  const quads = Math.ceil(d_out / 4);
  const row = 16 * quads;
  if (row > bytes) throw tooSmall(`one row of d_out ${d_out}`, row, bytes);
  if (8 * d_sae > bytes) throw tooSmall(`the codes of one row of ${d_sae} features`, 8 * d_sae, bytes);
  if (Math.ceil(quads / 16) > grid) throw new BackendError(`WebGPU: d_out ${d_out} needs ${Math.ceil(quads / 16)} workgroups, the device has ${grid}`);
  const scratch = Math.min(bytes, DECODE_SCRATCH);
  return {
    quads,
    blocks: cut(d_sae, Math.min(Math.floor(bytes / row), MOST_ENTRIES)),
    rows: Math.max(1, Math.min(Math.floor(scratch / row), 4 * grid, MOST_ROWS)),
    entries: Math.max(d_sae, Math.floor(scratch / 8)),
  };
}

/**
 * A one-dimensional grid as a two-dimensional one: at least `groups` workgroups, none of
 * whose sides passes `limit`. Kernels leave out what is over.
 * @throws BackendError when groups > limit * limit, which `decide` rules out
 */
export function fold(groups: number, limit: number): [number, number] {
  const y = Math.max(1, Math.ceil(groups / limit));
  if (y > limit) throw new BackendError(`WebGPU: ${groups} workgroups do not fit a grid of ${limit} x ${limit}`);
  return [Math.ceil(groups / y), y];
}

/** The levels of kernels/scan.wgsl for `count` numbers, and how many numbers the buffer holds: the last level is one run, whose total comes behind it. */
export function scanLevels(count: number): { levels: { begin: number; count: number }[]; length: number } {
  const levels = [];
  let begin = 0;
  for (let size = count; ; size = Math.ceil(size / RUN)) {
    levels.push({ begin, count: size });
    begin += size;
    if (size <= RUN) return { levels, length: begin + 1 };
  }
}

/** Pieces of 0 .. total, in order, all of `most` but the last. */
function cut(total: number, most: number): LatentBlock[] {
  const blocks: LatentBlock[] = [];
  for (let first = 0; first < total; first += most) blocks.push({ first, n: Math.min(most, total - first) });
  return blocks;
}

export function ceilTo(value: number, multiple: number): number {
  return Math.ceil(value / multiple) * multiple;
}

function tooSmall(what: string, needed: number, limit: number): BackendError {
  return new BackendError(`WebGPU: ${what} take ${needed} bytes, and a buffer of this device holds ${limit}`, { hint: 'Use --backend wasm.' });
}
