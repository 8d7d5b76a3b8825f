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

/** @returns null where this browser has no adapter that will do @throws where its device cannot draw the cloud */
export async function openWebGpuRenderer(canvas: HTMLCanvasElement, { software, onLost }: WebGpuOptions): Promise<WebGpuRenderer | null> {
  const adapter = await navigator.gpu?.requestAdapter();
  if (!adapter || (!software && (adapter.info.isFallbackAdapter || /swiftshader|llvmpipe/i.test(`${adapter.info.architecture} ${adapter.info.device} ${adapter.info.description}`)))) return null;
  const device = await adapter.requestDevice({ label: 'sae-dying-cloud' });
  try {
    const format = navigator.gpu.getPreferredCanvasFormat();
    const painter = await CloudPainter.create(device, format);
    const context = canvas.getContext('webgpu');
    if (context === null) throw new Error('this browser gives no WebGPU canvas');
    context.configure({ device, format, alphaMode: 'premultiplied' });
    const renderer = new WebGpuRenderer(canvas, context, painter);
    void device.lost.then(({ reason, message }) => {
      if (!renderer.disposed) onLost(message || reason || 'lost');
    });
    // A device that refuses what it is told is as good as lost.
    device.addEventListener('uncapturederror', ({ error }) => {
      if (!renderer.disposed) onLost(error.message);
    });
    return renderer;
  } catch (error) {
    device.destroy();
    throw error;
  }
}

export class WebGpuRenderer implements CloudRenderer {
  readonly kind = 'webgpu';
  disposed = false;
  readonly #canvas: HTMLCanvasElement;
  readonly #context: GPUCanvasContext;
  readonly #painter: CloudPainter;

  constructor(canvas: HTMLCanvasElement, context: GPUCanvasContext, painter: CloudPainter) {
    this.#canvas = canvas;
    this.#context = context;
    this.#painter = painter;
  }

  draw(scene: Scene): void {
    if (this.disposed) return;
    const most = this.#painter.device.limits.maxTextureDimension2D;
    const side = (pixels: number): number => Math.max(1, Math.min(most, Math.round(pixels * scene.scale)));
    const [width, height] = [side(scene.width), side(scene.height)];
    if (this.#canvas.width !== width) this.#canvas.width = width;
    if (this.#canvas.height !== height) this.#canvas.height = height;
    this.#painter.paint(scene, this.#context.getCurrentTexture());
  }

  dispose(): void {
    if (this.disposed) return;
    this.disposed = true;
    this.#context.unconfigure();
    // Takes its buffers and textures along.
    this.#painter.device.destroy();
  }
}

/** Paints scenes on textures of one format. */
export class CloudPainter {
  readonly device: GPUDevice;
  readonly #format: GPUTextureFormat;
  readonly #pipeline: GPURenderPipeline;
  readonly #view: GPUBuffer;
  readonly #binding: GPUBindGroup;
  #marks: GPUBuffer | null = null;
  #drawn: { readonly points: Scene['points']; readonly chosen: Scene['chosen']; readonly count: number } | null = null;
  #targets: { readonly color: GPUTexture; readonly depth: GPUTexture } | null = null;
  #colors: { readonly from: CloudColors; readonly values: Float32Array } | null = null;

  /** @throws GPUPipelineError where the device does not take the shader */
  static async create(device: GPUDevice, format: GPUTextureFormat): Promise<CloudPainter> {
    const module = device.createShaderModule({ label: 'cloud', code: source });
    const pipeline = await device.createRenderPipelineAsync({
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
    return new CloudPainter(device, format, pipeline);
  }

  private constructor(device: GPUDevice, format: GPUTextureFormat, pipeline: GPURenderPipeline) {
    this.device = device;
    this.#format = format;
    this.#pipeline = pipeline;
    this.#view = device.createBuffer({ label: 'view', size: 4 * VIEW, usage: GPUBufferUsage.UNIFORM | GPUBufferUsage.COPY_DST });
    this.#binding = device.createBindGroup({ layout: pipeline.getBindGroupLayout(0), entries: [{ binding: 0, resource: { buffer: this.#view } }] });
  }

  paint(scene: Scene, target: GPUTexture): void {
    const { device } = this;
    const { color, depth } = this.#fit(target);
    const count = this.#upload(scene);
    device.queue.writeBuffer(this.#view, 0, this.#viewOf(scene));
    const encoder = device.createCommandEncoder();
    const pass = encoder.beginRenderPass({
      colorAttachments: [{ view: color.createView(), resolveTarget: target.createView(), clearValue: [0, 0, 0, 0], loadOp: 'clear', storeOp: 'discard' }],
      depthStencilAttachment: { view: depth.createView(), depthClearValue: 1, depthLoadOp: 'clear', depthStoreOp: 'discard' },
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

  #fit({ width, height }: GPUTexture): { readonly color: GPUTexture; readonly depth: GPUTexture } {
    if (this.#targets !== null && this.#targets.color.width === width && this.#targets.color.height === height) return this.#targets;
    this.#targets?.color.destroy();
    this.#targets?.depth.destroy();
    const texture = (format: GPUTextureFormat): GPUTexture => this.device.createTexture({ size: [width, height], format, sampleCount: SAMPLES, usage: GPUTextureUsage.RENDER_ATTACHMENT });
    return (this.#targets = { color: texture(this.#format), depth: texture('depth24plus') });
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
