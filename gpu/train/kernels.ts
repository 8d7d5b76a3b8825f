/**
 * The WGSL of training, apart from that of the analysis so that a page that does not
 * train does not load it. Each file has one entry point and begins with its contract;
 * what several share lies in kernels/parts/ and stands before the kernel when it is compiled.
 */
import { type Device } from '../device.js';
import { compile } from '../pipelines.js';
import accumulate from './kernels/accumulate.wgsl';
import centre from './kernels/centre.wgsl';
import columns from './kernels/columns.wgsl';
import decode from './kernels/decode.wgsl';
import dots from './kernels/dots.wgsl';
import entries from './kernels/entries.wgsl';
import figures from './kernels/figures.wgsl';
import finish from './kernels/finish.wgsl';
import fold from './kernels/fold.wgsl';
import ghost from './kernels/ghost.wgsl';
import cell from './kernels/parts/cell.wgsl';
import params from './kernels/parts/params.wgsl';
import slope from './kernels/parts/slope.wgsl';
import tanh from './kernels/parts/tanh.wgsl';
import settings from './kernels/parts/update.wgsl';
import renormalize from './kernels/renormalize.wgsl';
import rows from './kernels/rows.wgsl';
import scalars from './kernels/scalars.wgsl';
import suffix from './kernels/suffix.wgsl';
import sum from './kernels/sum.wgsl';
import table from './kernels/table.wgsl';
import tally from './kernels/tally.wgsl';
import transpose from './kernels/transpose.wgsl';
import update from './kernels/update.wgsl';
import verdict from './kernels/verdict.wgsl';
import walk from './kernels/walk.wgsl';

/** Each kernel's source, after what stands before it. */
const KERNELS = {
  accumulate: [accumulate, params, slope],
  centre: [centre, params],
  columns: [columns, params, cell],
  decode: [decode, params],
  dots: [dots],
  entries: [entries, params, tanh],
  figures: [figures, params, tanh],
  finish: [finish, params],
  fold: [fold],
  ghost: [ghost, params],
  renormalize: [renormalize, settings],
  rows: [rows, params, cell],
  scalars: [scalars, params, slope, tanh],
  suffix: [suffix, params],
  sum: [sum],
  table: [table, params],
  tally: [tally, params, cell],
  transpose: [transpose, params],
  update: [update, settings],
  verdict: [verdict, settings],
  walk: [walk, params],
} as const;

export type TrainKernel = keyof typeof KERNELS;
export const TRAIN_KERNELS = Object.keys(KERNELS) as readonly TrainKernel[];

export type TrainPipelines = Readonly<Record<TrainKernel, GPUComputePipeline>>;

const compiled = new WeakMap<Device, Promise<TrainPipelines>>();

/**
 * All of them, compiled once for a device.
 * @throws BackendError with the compiler's messages
 */
export function trainPipelines(device: Device): Promise<TrainPipelines> {
  let all = compiled.get(device);
  if (all === undefined) {
    all = Promise.all(
      TRAIN_KERNELS.map(async (name) => {
        const [code, ...parts] = KERNELS[name];
        return [name, await compile(device, `train/${name}`, code, { prelude: parts.join('\n') })] as const;
      }),
    ).then((pairs) => Object.fromEntries(pairs) as unknown as TrainPipelines);
    compiled.set(device, all);
    // A failure is not kept.
    all.catch(() => compiled.delete(device));
  }
  return all;
}
