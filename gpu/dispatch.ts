/** Pipelines as encode and decode need them, and the one way to start a kernel. */
import { BackendError } from '../engine/errors.js';
import type { Architecture } from '../engine/sae.js';
import type { Pipelines } from './pipelines.js';

export type EncodePipelines =
  | { readonly kind: 'threshold'; readonly encode: GPUComputePipeline; readonly count: GPUComputePipeline; readonly scan: GPUComputePipeline; readonly scatter: GPUComputePipeline }
  | { readonly kind: 'topk'; readonly encode: GPUComputePipeline; readonly select: GPUComputePipeline };

/** @throws BackendError with the compiler's messages, or for an architecture that no kernel computes */
export async function encodePipelines(pipelines: Pipelines, architecture: Architecture): Promise<EncodePipelines> {
  if (architecture === 'gated' || architecture === 'batchtopk') throw new BackendError(`WebGPU: no kernel encodes ${architecture} SAEs`, { hint: 'Use --backend wasm.' });
  if (architecture === 'topk') return { kind: 'topk', ...(await pipelines.all(['encode', 'select'])) };
  return { kind: 'threshold', ...(await pipelines.all(['encode', 'count', 'scan', 'scatter'])) };
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
