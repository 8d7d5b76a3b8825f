/**
 * The WGSL sources, by name. Each file has one entry point and begins with its
 * contract. WGSL has no include: what several kernels share lies in
 * `kernels/parts/`, and stands before the kernel when it is compiled.
 */
import bins from './kernels/bins.wgsl';
import countLanes from './kernels/count-lanes.wgsl';
import count from './kernels/count.wgsl';
import decode from './kernels/decode.wgsl';
import encode from './kernels/encode.wgsl';
import expand from './kernels/expand.wgsl';
import fire from './kernels/fire.wgsl';
import gather from './kernels/gather.wgsl';
import merge from './kernels/merge.wgsl';
import packColumns from './kernels/pack-columns.wgsl';
import packRows from './kernels/pack-rows.wgsl';
import before from './kernels/parts/before.wgsl';
import keep from './kernels/parts/keep.wgsl';
import lanes from './kernels/parts/lanes.wgsl';
import params from './kernels/parts/params.wgsl';
import rank from './kernels/parts/rank.wgsl';
import screened from './kernels/parts/screened.wgsl';
import threads from './kernels/parts/threads.wgsl';
import tiles from './kernels/parts/tile.wgsl';
import walkLanes from './kernels/parts/walk-lanes.wgsl';
import walkThreads from './kernels/parts/walk-threads.wgsl';
import row from './kernels/row.wgsl';
import scanLanes from './kernels/scan-lanes.wgsl';
import scan from './kernels/scan.wgsl';
import scatterLanes from './kernels/scatter-lanes.wgsl';
import scatter from './kernels/scatter.wgsl';
import screen from './kernels/screen.wgsl';
import select from './kernels/select.wgsl';
import settle from './kernels/settle.wgsl';
import tile from './kernels/tile.wgsl';

export const kernels = { bins, count, decode, encode, expand, fire, gather, merge, 'pack-columns': packColumns, 'pack-rows': packRows, row, scan, scatter, screen, select, settle, tile } as const;

export type KernelName = keyof typeof kernels;

/** Kernels that are other ones where subgroups are used; the rest have another part before them, or are the same. */
const WITH_LANES: Partial<Record<KernelName, string>> = { count: countLanes, scan: scanLanes, scatter: scatterLanes };

/** What stands before a kernel, in this order; before a kernel that subgroups make another. */
const PARTS: Readonly<Record<KernelName, readonly string[]>> = {
  bins: [params, threads],
  count: [params],
  decode: [],
  encode: [params],
  expand: [params],
  fire: [params, keep, threads, tiles],
  gather: [params],
  merge: [params, threads, before, walkThreads, rank],
  'pack-columns': [params, screened],
  'pack-rows': [params, screened],
  row: [params],
  scan: [],
  scatter: [params],
  screen: [params, screened],
  select: [params, threads, before, walkThreads, rank],
  settle: [params, keep],
  tile: [params, tiles],
};
const PARTS_WITH_LANES: Partial<Record<KernelName, readonly string[]>> = {
  bins: [params, lanes],
  count: [params, lanes],
  fire: [params, keep, lanes, tiles],
  merge: [params, lanes, before, walkLanes, rank],
  scan: [lanes, before],
  scatter: [params, lanes, before],
  select: [params, lanes, before, walkLanes, rank],
};

/** Kernels that read weights: `Weight` is a vec4 of them, as it is stored. */
const READ_WEIGHTS: readonly KernelName[] = ['decode', 'encode', 'fire', 'row', 'tile'];

/** Whether there is another way to build a kernel where the device has subgroups. */
export function usesLanes(name: KernelName): boolean {
  return name in PARTS_WITH_LANES;
}

/** A kernel's own source. */
export function sourceOf(name: KernelName, subgroups = false): string {
  return (subgroups ? WITH_LANES[name] : undefined) ?? kernels[name];
}

/** Everything that stands before a kernel, for weights that are stored so. */
export function preludeOf(name: KernelName, storage: 'f32' | 'f16' = 'f32', subgroups = false): string {
  const weight = READ_WEIGHTS.includes(name) ? [`alias Weight = vec4<${storage}>;\n`] : [];
  return [...weight, ...((subgroups ? PARTS_WITH_LANES[name] : undefined) ?? PARTS[name])].join('\n');
}
