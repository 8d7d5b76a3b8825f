/**
 * The cloud on a 2-D canvas: where there is no WebGPU, where its device was lost, and for print.
 *
 * Marks are drawn from the farthest to the nearest by a counting sort over depth, each a sprite
 * that is drawn once for its class, openness, fading and size.
 */
import { FEATURE_CLASSES, type FeatureClass } from '../../engine/pack/schema.js';
import { middleDepth, projectAll, sizeAt } from './camera.js';
import { MARK_REACH, traceMark } from './marks.js';
import { haloOf, type CloudRenderer, type Scene } from './scene.js';

/** From so many marks on they are copied pixel by pixel, without soft edges: drawImage costs some 20 us on a CPU. */
const MANY = 4000;
/** Layers of depth, within which marks are drawn in order of their index. */
const LAYERS = 1024;
/** Sizes between the smallest and the largest. */
const SIZES = 8;
const [LEAST, MOST] = [0.7, 1.5];

interface Sprite {
  readonly canvas: HTMLCanvasElement;
  readonly side: number;
  /** Its pixels, read when they are first needed. */
  pixels: Uint32Array | null;
}

export class CanvasRenderer implements CloudRenderer {
  readonly kind = 'canvas';
  readonly #canvas: HTMLCanvasElement;
  readonly #context: CanvasRenderingContext2D;
  #sprites: { readonly key: string; readonly images: (Sprite | undefined)[] } = { key: '', images: [] };
  #order = new Uint32Array(0);

  constructor(canvas: HTMLCanvasElement) {
    const context = canvas.getContext('2d');
    if (context === null) throw new Error('this browser gives no 2-D canvas');
    this.#canvas = canvas;
    this.#context = context;
  }

  draw(scene: Scene): void {
    const { points, chosen, matrix, width, height, scale, radius, colors } = scene;
    const [w, h] = [Math.max(1, Math.round(width * scale)), Math.max(1, Math.round(height * scale))];
    if (this.#canvas.width !== w) this.#canvas.width = w;
    if (this.#canvas.height !== h) this.#canvas.height = h;
    const context = this.#context;
    context.setTransform(1, 0, 0, 1, 0, 0);
    context.clearRect(0, 0, w, h);
    const key = `${scale} ${radius} ${colors.classes.join()} ${colors.surface} ${colors.faded}`;
    if (this.#sprites.key !== key) this.#sprites = { key, images: [] };
    const seen = projectAll(matrix, points.position, points.shown, width, height);
    const middle = middleDepth(matrix);
    const order = this.#farthestFirst(seen);
    const picture = order.length > MANY ? context.createImageData(w, h) : null;
    for (let k = 0; k < order.length; k++) {
      const i = order[k]!;
      const size = Math.round(((sizeAt(seen[3 * i + 2]!, middle) - LEAST) / (MOST - LEAST)) * (SIZES - 1));
      const kind = points.classes[i]! | (points.open[i]! << 3) | (chosen !== null && chosen[i] === 0 ? 16 : 0);
      const sprite = (this.#sprites.images[kind * SIZES + size] ??= spriteOf(kind, radius * (LEAST + (size * (MOST - LEAST)) / (SIZES - 1)), scene));
      const [x, y] = [seen[3 * i]! * scale - sprite.side / 2, seen[3 * i + 1]! * scale - sprite.side / 2];
      if (picture === null) context.drawImage(sprite.canvas, x, y);
      else copyOpaque(sprite, picture, Math.round(x), Math.round(y));
    }
    if (picture !== null) context.putImageData(picture, 0, 0);
  }

  dispose(): void {
    this.#sprites = { key: '', images: [] };
    this.#order = new Uint32Array(0);
  }

  #farthestFirst(seen: Float32Array): Uint32Array {
    const count = seen.length / 3;
    let [near, far] = [Infinity, 0];
    let shown = 0;
    for (let at = 2; at < seen.length; at += 3) {
      const w = seen[at]!;
      if (Number.isNaN(w)) continue;
      shown++;
      if (w < near) near = w;
      if (w > far) far = w;
    }
    const layer = (w: number): number => Math.floor(((far - w) / (far - near || 1)) * (LAYERS - 1));
    const starts = new Uint32Array(LAYERS + 1);
    for (let at = 2; at < seen.length; at += 3) if (!Number.isNaN(seen[at])) starts[layer(seen[at]!) + 1]!++;
    for (let l = 1; l <= LAYERS; l++) starts[l] = starts[l]! + starts[l - 1]!;
    if (this.#order.length < shown) this.#order = new Uint32Array(shown);
    for (let i = 0; i < count; i++) {
      const w = seen[3 * i + 2]!;
      if (!Number.isNaN(w)) this.#order[starts[layer(w)]!++] = i;
    }
    return this.#order.subarray(0, shown);
  }
}

/** Copies what of a sprite covers a pixel by half or more. */
function copyOpaque(sprite: Sprite, { data, width, height }: ImageData, left: number, top: number): void {
  const { side } = sprite;
  sprite.pixels ??= opaquePixels(sprite.canvas);
  const to = new Uint32Array(data.buffer);
  const [from, end] = [Math.max(0, -left), Math.min(side, width - left)];
  for (let y = Math.max(0, -top); y < Math.min(side, height - top); y++) {
    for (let x = from, at = (top + y) * width + left + from; x < end; x++, at++) {
      const pixel = sprite.pixels[y * side + x]!;
      if (pixel !== 0) to[at] = pixel;
    }
  }
}

/** As words of four bytes, 0 for a pixel that is less than half covered. */
function opaquePixels(canvas: HTMLCanvasElement): Uint32Array {
  const { data } = canvas.getContext('2d')!.getImageData(0, 0, canvas.width, canvas.height);
  for (let at = 3; at < data.length; at += 4) {
    if (data[at]! >= 128) data[at] = 255;
    else data[at - 3] = data[at - 2] = data[at - 1] = data[at] = 0;
  }
  return new Uint32Array(data.buffer);
}

/** A mark with the ring that sets it off from those behind it. */
function spriteOf(kind: number, radius: number, { scale, colors, radius: nominal }: Scene): Sprite {
  const name = FEATURE_CLASSES[kind & 7] as FeatureClass;
  const halo = haloOf(nominal);
  const side = 2 * Math.ceil((radius * MARK_REACH + halo + 1) * scale);
  const canvas = document.createElement('canvas');
  canvas.width = canvas.height = side;
  const context = canvas.getContext('2d')!;
  const color = (kind & 16) !== 0 ? colors.faded : colors.classes[kind & 7]!;
  const stroke = Math.max(1, 0.36 * radius * scale);
  const outline = (r: number): void => traceMark(context, name, r * scale, side / 2, side / 2);
  context.lineJoin = 'round';
  if (halo > 0) {
    outline(radius);
    context.strokeStyle = colors.surface;
    context.lineWidth = 2 * halo * scale;
    context.stroke();
  }
  outline(radius);
  if ((kind & 8) === 0) {
    context.fillStyle = color;
    context.fill();
    return { canvas, side, pixels: null };
  }
  context.fillStyle = colors.surface;
  context.fill();
  // The stroke lies inside the outline, as the shader's does.
  context.clip();
  context.strokeStyle = color;
  context.lineWidth = 2 * stroke;
  context.stroke();
  return { canvas, side, pixels: null };
}
