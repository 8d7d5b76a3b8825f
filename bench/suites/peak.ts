/**
 * What an adapter can do at most in f32: threads that do nothing but fused
 * multiply-adds on registers, sixteen independent chains each, so that latency
 * is hidden. A multiply-add counts as two operations, as everywhere.
 */

const CHAINS = 4;
const STEPS = 512;
const GROUP = 256;

const WGSL = /* wgsl */ `
@group(0) @binding(0) var<storage, read_write> out: array<f32>;
@compute @workgroup_size(${GROUP})
fn peak(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let seed = f32(id.x & 1023u) * 1e-6;
  // Below 1, so that no chain overflows or becomes a constant that the compiler sees.
  let a = vec4f(0.999 + seed, 0.998 + seed, 0.997 + seed, 0.996 + seed);
  let b = a.wzyx * seed;
  var c0 = a; var c1 = a.yzwx; var c2 = a.zwxy; var c3 = a.wxyz;
  for (var i = 0u; i < ${STEPS}u; i++) {
    c0 = fma(c0, a, b); c1 = fma(c1, a, b); c2 = fma(c2, a, b); c3 = fma(c3, a, b);
  }
  let sum = c0 + c1 + c2 + c3;
  out[id.x + id.y * groups.x * ${GROUP}u] = sum.x + sum.y + sum.z + sum.w;
}`;

/**
 * FLOP/s of the fastest of several runs, timed by the wall from submission to
 * done; the work doubles until a run takes a tenth of a second, so that what
 * it costs to submit does not matter.
 */
export async function peakFlops(device: GPUDevice): Promise<number> {
  const pipeline = await device.createComputePipelineAsync({ layout: 'auto', compute: { module: device.createShaderModule({ code: WGSL }), entryPoint: 'peak' } });
  const most = device.limits.maxComputeWorkgroupsPerDimension;
  let best = 0;
  for (let groups = 64, seconds = 0; seconds < 0.1 && groups <= most * 16; groups *= 2) {
    const grid = [Math.min(groups, most), Math.ceil(groups / most)] as const;
    const buffer = device.createBuffer({ size: grid[0] * grid[1] * GROUP * 4, usage: GPUBufferUsage.STORAGE });
    const bindings = device.createBindGroup({ layout: pipeline.getBindGroupLayout(0), entries: [{ binding: 0, resource: { buffer } }] });
    for (let run = 0; run < 3; run++) {
      const encoder = device.createCommandEncoder();
      const pass = encoder.beginComputePass();
      pass.setPipeline(pipeline);
      pass.setBindGroup(0, bindings);
      pass.dispatchWorkgroups(...grid);
      pass.end();
      const started = performance.now();
      device.queue.submit([encoder.finish()]);
      await device.queue.onSubmittedWorkDone();
      seconds = (performance.now() - started) / 1000;
      best = Math.max(best, (2 * 4 * CHAINS * STEPS * GROUP * grid[0] * grid[1]) / seconds);
    }
    buffer.destroy();
  }
  return best;
}
