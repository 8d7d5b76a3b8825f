/** The WGSL sources, by name. Each file has one entry point and begins with its contract. */
import count from './kernels/count.wgsl';
import decode from './kernels/decode.wgsl';
import encode from './kernels/encode.wgsl';
import scan from './kernels/scan.wgsl';
import scatter from './kernels/scatter.wgsl';
import select from './kernels/select.wgsl';

export const kernels = { count, decode, encode, scan, scatter, select } as const;

export type KernelName = keyof typeof kernels;
