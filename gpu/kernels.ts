/**
 * The WGSL sources, by name. Each file has one entry point and begins with its
 * contract. WGSL has no include: what several kernels share lies in
 * `kernels/parts/`, and stands before the kernel when it is compiled.
 */
import bins from './kernels/bins.wgsl';
import count from './kernels/count.wgsl';
import decode from './kernels/decode.wgsl';
import encode from './kernels/encode.wgsl';
import fire from './kernels/fire.wgsl';
import gather from './kernels/gather.wgsl';
import merge from './kernels/merge.wgsl';
import params from './kernels/parts/params.wgsl';
import rank from './kernels/parts/rank.wgsl';
import tiles from './kernels/parts/tile.wgsl';
import row from './kernels/row.wgsl';
import scan from './kernels/scan.wgsl';
import scatter from './kernels/scatter.wgsl';
import select from './kernels/select.wgsl';
import tile from './kernels/tile.wgsl';

export const kernels = { bins, count, decode, encode, fire, gather, merge, row, scan, scatter, select, tile } as const;

export type KernelName = keyof typeof kernels;

/** What stands before a kernel, in this order. */
const PARTS: Readonly<Record<KernelName, readonly string[]>> = {
  bins: [params],
  count: [params],
  decode: [],
  encode: [params],
  fire: [params, tiles],
  gather: [params],
  merge: [params, rank],
  row: [params],
  scan: [],
  scatter: [params],
  select: [params, rank],
  tile: [params, tiles],
};

/** Kernels that read weights: `Weight` is a vec4 of them, as it is stored. */
const READ_WEIGHTS: readonly KernelName[] = ['decode', 'encode', 'fire', 'row', 'tile'];

/** Everything that stands before a kernel, for weights that are stored so. */
export function preludeOf(name: KernelName, storage: 'f32' | 'f16' = 'f32'): string {
  const weight = READ_WEIGHTS.includes(name) ? [`alias Weight = vec4<${storage}>;\n`] : [];
  return [...weight, ...PARTS[name]].join('\n');
}
