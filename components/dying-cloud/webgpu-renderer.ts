/**
 * The cloud by WebGPU: one instance buffer, one pipeline, one draw call. It draws and computes
 * nothing else, and shares no device with the kernels: those may run in a worker, or not at all.
 *
 * Kept true: marks are uploaded when they have changed and not when the camera has moved; the
 * device is destroyed with the renderer; a device that is lost otherwise says so once, by `onLost`.
 */
import source from './cloud.wgsl';
import { middleDepth } from './camera.js';
import type { CloudColors } from './marks.js';
import { haloOf, type CloudRenderer, type Scene } from './scene.js';

const SAMPLES = 4;
/** Bytes of a mark: three floats and its kind. */
const MARK = 16;
/** Floats of `View`. */
const VIEW = 16 + 8 + 4 * 7;

export interface WebGpuOptions {
  /** Whether an adapter that computes on the CPU will do; a 2-D canvas is faster than that. */
  readonly software: boolean;
  readonly onLost: (reason: string) => void;
}

/** @returns null where this browser has no adapter that will do */
export async function openWebGpuRenderer(canvas: HTMLCanvasElement, { software, onLost }: WebGpuOptions): Promise<WebGpuRenderer | null> {
  const adapter = await navigator.gpu?.requestAdapter();
  if (!adapter || (!software && (adapter.info.isFallbackAdapter || /swiftshader|llvmpipe/i.test(`${adapter.info.architecture} ${adapter.info.device} ${adapter.info.description}`)))) return null;
  const device = await adapter.requestDevice({ label: 'sae-dying-cloud' });
  const context = canvas.getContext('webgpu');
  if (context === null) {
    device.destroy();
    return null;
  }
  const renderer = new WebGpuRenderer(canvas, context, device);
  void device.lost.then(({ reason, message }) => {
    if (!renderer.disposed) onLost(message || reason || 'lost');
  });
  return renderer;
}

export class WebGpuRenderer implements CloudRenderer {
  readonly kind = 'webgpu';
  disposed = false;
  readonly device: GPUDevice;
  readonly #canvas: HTMLCanvasElement;
  readonly #context: GPUCanvasContext;
  readonly #pipeline: GPURenderPipeline;
  readonly #view: GPUBuffer;
  readonly #binding: GPUBindGroup;
  #marks: GPUBuffer | null = null;
  #drawn: { readonly points: Scene['points']; readonly chosen: Scene['chosen']; readonly count: number } | null = null;
  #targets: { readonly color: GPUTexture; readonly depth: GPUTexture } | null = null;
  #colors: { readonly from: CloudColors; readonly values: Float32Array } | null = null;

  constructor(canvas: HTMLCanvasElement, context: GPUCanvasContext, device: GPUDevice) {
    this.#canvas = canvas;
    this.#context = context;
    this.device = device;
    const format = navigator.gpu.getPreferredCanvasFormat();
    context.configure({ device, format, alphaMode: 'premultiplied' });
    const module = device.createShaderModule({ label: 'cloud', code: source });
    this.#pipeline = device.createRenderPipeline({
      label: 'cloud',
      layout: 'auto',
      vertex: {
        module,
        entryPoint: 'corner',
        buffers: [
          {
            arrayStride: MARK,
            stepMode: 'instance',
            attributes: [
              { shaderLocation: 0, offset: 0, format: 'float32x3' },
              { shaderLocation: 1, offset: 12, format: 'uint32' },
            ],
          },
        ],
      },
      fragment: { module, entryPoint: 'paint', targets: [{ format }] },
      primitive: { topology: 'triangle-strip' },
      depthStencil: { format: 'depth24plus', depthWriteEnabled: true, depthCompare: 'less-equal' },
      multisample: { count: SAMPLES },
    });
    this.#view = device.createBuffer({ label: 'view', size: 4 * VIEW, usage: GPUBufferUsage.UNIFORM | GPUBufferUsage.COPY_DST });
    this.#binding = device.createBindGroup({ layout: this.#pipeline.getBindGroupLayout(0), entries: [{ binding: 0, resource: { buffer: this.#view } }] });
  }

  draw(scene: Scene): void {
    if (this.disposed) return;
    const { device } = this;
    const targets = this.#fit(scene);
    const count = this.#upload(scene);
    device.queue.writeBuffer(this.#view, 0, this.#viewOf(scene));
    const encoder = device.createCommandEncoder();
    const pass = encoder.beginRenderPass({
      colorAttachments: [{ view: targets.color.createView(), resolveTarget: this.#context.getCurrentTexture().createView(), clearValue: [0, 0, 0, 0], loadOp: 'clear', storeOp: 'discard' }],
      depthStencilAttachment: { view: targets.depth.createView(), depthClearValue: 1, depthLoadOp: 'clear', depthStoreOp: 'discard' },
    });
    if (count > 0 && this.#marks !== null) {
      pass.setPipeline(this.#pipeline);
      pass.setBindGroup(0, this.#binding);
      pass.setVertexBuffer(0, this.#marks);
      pass.draw(4, count);
    }
    pass.end();
    device.queue.submit([encoder.finish()]);
  }

  dispose(): void {
    if (this.disposed) return;
    this.disposed = true;
    this.#context.unconfigure();
    // Takes its buffers and textures along.
    this.device.destroy();
  }

  #fit({ width, height, scale }: Scene): { readonly color: GPUTexture; readonly depth: GPUTexture } {
    const most = this.device.limits.maxTextureDimension2D;
    const [w, h] = [width, height].map((side) => Math.max(1, Math.min(most, Math.round(side * scale)))) as [number, number];
    if (this.#targets !== null && this.#targets.color.width === w && this.#targets.color.height === h) return this.#targets;
    this.#targets?.color.destroy();
    this.#targets?.depth.destroy();
    this.#canvas.width = w;
    this.#canvas.height = h;
    const texture = (format: GPUTextureFormat): GPUTexture => this.device.createTexture({ size: [w, h], format, sampleCount: SAMPLES, usage: GPUTextureUsage.RENDER_ATTACHMENT });
    return (this.#targets = { color: texture(navigator.gpu.getPreferredCanvasFormat()), depth: texture('depth24plus') });
  }

  #upload({ points, chosen }: Scene): number {
    if (this.#drawn !== null && this.#drawn.points === points && this.#drawn.chosen === chosen) return this.#drawn.count;
    const { position, classes, open, shown } = points;
    const floats = new Float32Array(4 * points.count);
    const kinds = new Uint32Array(floats.buffer);
    let count = 0;
    for (let i = 0; i < points.count; i++) {
      if (shown[i] === 0) continue;
      floats[4 * count] = position[3 * i]!;
      floats[4 * count + 1] = position[3 * i + 1]!;
      floats[4 * count + 2] = position[3 * i + 2]!;
      kinds[4 * count + 3] = classes[i]! | (open[i]! << 3) | (chosen !== null && chosen[i] === 0 ? 16 : 0);
      count++;
    }
    if (this.#marks === null || this.#marks.size < MARK * count) {
      this.#marks?.destroy();
      this.#marks = this.device.createBuffer({ label: 'marks', size: Math.max(MARK, MARK * count), usage: GPUBufferUsage.VERTEX | GPUBufferUsage.COPY_DST });
    }
    if (count > 0) this.device.queue.writeBuffer(this.#marks, 0, floats, 0, 4 * count);
    this.#drawn = { points, chosen, count };
    return count;
  }

  #viewOf({ matrix, width, height, scale, radius, colors }: Scene): Float32Array<ArrayBuffer> {
    if (this.#colors?.from !== colors) this.#colors = { from: colors, values: rgb([colors.surface, colors.faded, ...colors.classes]) };
    const view = new Float32Array(VIEW);
    view.set(matrix);
    view.set([width, height, scale, radius, middleDepth(matrix), haloOf(radius)], 16);
    view.set(this.#colors.values, 24);
    return view;
  }
}

/** CSS colours of any form as [r, g, b, 1]: a canvas knows them all. */
function rgb(colors: readonly string[]): Float32Array {
  const canvas = document.createElement('canvas');
  canvas.width = colors.length;
  canvas.height = 1;
  const context = canvas.getContext('2d', { willReadFrequently: true })!;
  for (const [i, color] of colors.entries()) {
    context.fillStyle = color;
    context.fillRect(i, 0, 1, 1);
  }
  return Float32Array.from(context.getImageData(0, 0, colors.length, 1).data, (value) => value / 255);
}
