/**
 * Which kernels encode a block of rows: a pure function of the problem, the device's
 * limits and whether the device is a real GPU. Every choice gives the same codes.
 *
 *   row        at most 4 rows: each weight is read once, no tile is left half empty
 *   registers  software adapters, which share rows and columns by the CPU's caches and
 *              compile barriers for seconds; and problems too small for tiles
 *   tiled      a real GPU: tiles of x and W in workgroup memory
 *
 * `fused` decides and compacts from registers, so that pre-activations are never written;
 * it is done where there are tiles. topk then ranks a first slice of the columns densely,
 * and of the others keeps only what is above the slice's (k+1)-th largest.
 *
 * `screened` takes integers to find what is worth computing (kernels/parts/screened.wgsl) in the
 * place of the fused product; topk's first slice is dense as before.
 *
 * `subgroups` counts and ranks by sums over subgroups, where a real GPU has them, instead of
 * by atomics and by one thread after the other.
 */
import type { Capabilities, DeviceLimits } from '../capabilities.js';

export type Core = 'registers' | 'tiled' | 'row';

export interface EncodeProblem {
  readonly rows: number;
  readonly d_sae: number;
  /** Latents of the first block, the widest. */
  readonly n: number;
  /** Entries of a row that are ranked, k + 1, or all; null where a threshold decides. */
  readonly keep: number | null;
  /** Whether the weights are there as integers too. */
  readonly screened?: boolean | undefined;
}

export interface EncodeChoice {
  readonly core: Core;
  readonly fused: boolean;
  /** topk, fused: columns of the first block that are ranked densely; all of them where there would be nothing left, 0 where a threshold decides. */
  readonly slice: number;
  /** Fused, by a screen and what passes it. */
  readonly screened: boolean;
}

/** For tests: what is to be chosen wherever it is right and fits the device at all. */
export interface ForcedChoice {
  readonly core?: Core | undefined;
  readonly fused?: boolean | undefined;
  /** Columns, up to a multiple of 128. */
  readonly slice?: number | undefined;
  /** Or a WGSL source that stands in for what the device does not have (pipelines.ts). */
  readonly subgroups?: boolean | string | undefined;
}

/** Rows that kernels/row.wgsl takes. */
export const FEW_ROWS = 4;
/** Tile of parts/tile.wgsl. */
export const TILE_ROWS = 64;
const TILE_COLUMNS = 128;
/** Threads of a workgroup of the tiled kernels. */
const TILE_THREADS = 128;
/** Bytes of workgroup memory: of kernels/tile.wgsl, and of fire.wgsl. */
const TILE_STORAGE = 12_288;
const FIRE_STORAGE = 13_572;
/** Storage buffers of fire.wgsl; no kernel has more. */
const FIRE_BUFFERS = 8;
/** Fewer rows than half a tile leave most of it empty; fewer columns leave most of the GPU idle. */
const LEAST_ROWS = 32;
const LEAST_LATENTS = 1024;

/** Pure. */
export function chooseKernels(problem: EncodeProblem, limits: DeviceLimits, adapter: { readonly software: boolean }, forced: ForcedChoice = {}): EncodeChoice {
  const { rows, d_sae, n, keep, screened = false } = problem;
  const tiles = limits.maxComputeInvocationsPerWorkgroup >= TILE_THREADS && limits.maxComputeWorkgroupStorageSize >= TILE_STORAGE;
  const may: Record<Core, boolean> = { registers: true, tiled: tiles, row: rows <= FEW_ROWS };
  const wanted: Core = forced.core ?? (may.row ? 'row' : adapter.software || rows <= LEAST_ROWS || d_sae < LEAST_LATENTS ? 'registers' : 'tiled');
  const core = may[wanted] ? wanted : 'registers';
  const fits = core === 'tiled' && limits.maxComputeWorkgroupStorageSize >= FIRE_STORAGE && limits.maxStorageBuffersPerShaderStage >= FIRE_BUFFERS;
  // A row's edge is a bound only where it is the last of all that are ranked.
  const ranks = keep === null || keep <= n;
  const fused = ranks && (screened ? limits.maxStorageBuffersPerShaderStage >= FIRE_BUFFERS : fits && forced.fused !== false);
  if (!fused || keep === null) return { core, fused, slice: 0, screened: screened && fused };
  const slice = sliceOf(n, keep, forced.slice);
  return { core, fused: slice < d_sae, slice, screened: screened && slice < d_sae };
}

/** Whether kernels use subgroups, which may have any size. Software adapters simulate them, and compile their barriers for seconds. Pure. */
export function chooseSubgroups({ subgroups }: Pick<Capabilities, 'subgroups'>, adapter: { readonly software: boolean }, { subgroups: forced }: ForcedChoice = {}): boolean | string {
  return typeof forced === 'string' ? forced : subgroups !== null && (forced ?? !adapter.software);
}

/**
 * Columns of n whose `keep` largest bound those of the others. With columns in no order,
 * of s columns' z (4 s bytes written) follow keep n / s candidates (8 bytes each): the sum
 * is least at s = sqrt(2 keep n). Pure.
 */
export function sliceOf(n: number, keep: number, forced?: number): number {
  const best = forced ?? Math.max(4 * keep, Math.sqrt(2 * keep * n));
  const columns = Math.ceil(Math.max(best, keep) / TILE_COLUMNS) * TILE_COLUMNS;
  return forced === undefined && columns > n / 2 ? n : Math.min(n, columns);
}

/** The same of batchtopk's first look: columns whose z are counted, for an edge that the rest is held against. Pure. */
export function sampleOf(rows: number, n: number, forced?: number): number {
  if (forced === undefined && rows * n < SMALLEST_SAMPLED) return 0;
  const columns = Math.ceil((forced ?? n / 16) / TILE_COLUMNS) * TILE_COLUMNS;
  return Math.min(columns, Math.ceil(n / TILE_COLUMNS) * TILE_COLUMNS);
}

/** Pre-activations of a batchtopk call below which a look costs more than it saves. */
const SMALLEST_SAMPLED = 2 ** 18;
