/** Pipelines as encode needs them, and the one way to start a kernel. */
import type { Architecture } from '../engine/sae.js';
import type { Core, EncodeChoice } from './decide/kernels.js';
import type { KernelName } from './kernels.js';
import type { Pipelines } from './pipelines.js';
import type { Storage } from './upload.js';

/** A product by one of its kernels, or what comes after it. */
export type Step = Core | 'count' | 'scan' | 'scatter' | 'fire' | 'gather' | 'select' | 'merge' | 'bins' | 'pack-rows' | 'screen' | 'expand' | 'settle';

export interface EncodePipelines {
  /** Whether those that can use subgroups do, upon which their grids depend. */
  readonly subgroups: boolean;
  get(step: Step): GPUComputePipeline;
}

export interface EncodeVariant {
  readonly architecture: Architecture;
  readonly storage: Storage;
  /** All that will be made for any number of rows. */
  readonly choices: readonly EncodeChoice[];
  /** As pipelines.ts has it. */
  readonly subgroups: boolean | string;
  /** Software adapters have the fewest threads in a workgroup that ranks a row. */
  readonly software: boolean;
}

const PRODUCTS: Readonly<Record<Core, KernelName>> = { registers: 'encode', tiled: 'tile', row: 'row' };
/** Threads that rank a row. */
const THREADS = { software: 64, hardware: 256 };

/** The steps of some choices, each once. Pure. */
export function stepsOf(architecture: Architecture, choices: readonly EncodeChoice[]): Step[] {
  const ranks = architecture === 'topk';
  const steps = choices.flatMap(({ core, fused, screened }): Step[] => {
    if (!fused) return ranks ? [core, 'select'] : [core, 'count', 'scan', 'scatter'];
    const kept: Step[] = screened ? ['pack-rows', 'screen', 'expand', 'settle', 'scan', 'gather'] : ['fire', 'scan', 'gather'];
    return ranks ? [core, 'select', ...kept, 'merge'] : [core, ...kept];
  });
  return [...new Set(architecture === 'batchtopk' ? [...steps, 'bins' as const] : steps)];
}

/** @throws BackendError with the compiler's messages */
export async function encodePipelines(pipelines: Pipelines, { architecture, storage, choices, subgroups, software }: EncodeVariant): Promise<EncodePipelines> {
  const get = (step: Step): Promise<GPUComputePipeline> => {
    switch (step) {
      case 'registers':
      case 'tiled':
      case 'row':
        return pipelines.get(PRODUCTS[step], { storage });
      case 'fire':
        return pipelines.get(step, { storage, subgroups });
      case 'select':
      case 'merge':
        return pipelines.get(step, { constants: { THREADS: software ? THREADS.software : THREADS.hardware }, subgroups });
      default:
        return pipelines.get(step, { subgroups });
    }
  };
  const compiled = new Map(await Promise.all(stepsOf(architecture, choices).map(async (step) => [step, await get(step)] as const)));
  return {
    subgroups: subgroups !== false,
    get(step) {
      const pipeline = compiled.get(step);
      if (pipeline === undefined) throw new TypeError(`no pipeline for ${step}`);
      return pipeline;
    },
  };
}

/** Binds buffers 0, 1, ... of group 0, whole, and dispatches. */
export function dispatch(gpu: GPUDevice, pass: GPUComputePassEncoder, pipeline: GPUComputePipeline, buffers: readonly GPUBuffer[], [x, y]: readonly [number, number]): void {
  pass.setPipeline(pipeline);
  pass.setBindGroup(
    0,
    gpu.createBindGroup({
      layout: pipeline.getBindGroupLayout(0),
      entries: buffers.map((buffer, binding) => ({ binding, resource: { buffer } })),
    }),
  );
  pass.dispatchWorkgroups(x, y);
}
