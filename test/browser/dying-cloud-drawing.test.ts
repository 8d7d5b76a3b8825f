/** The cloud's drawing: marks are where an independent projection says, on a canvas and by WebGPU; what is picked and outlined is what lies there. */
import { assert } from '@esm-bundle/chai';
import fc from 'fast-check';
import { projectAll, viewProjection } from '../../components/dying-cloud/camera.js';
import { CanvasRenderer } from '../../components/dying-cloud/canvas-renderer.js';
import { pickAt, withinPolygon, withinRectangle, type Point } from '../../components/dying-cloud/pick.js';
import type { Scene } from '../../components/dying-cloud/scene.js';
import { CloudPainter } from '../../components/dying-cloud/webgpu-renderer.js';
import { knownRecord } from '../shared/dying-record.js';
import { apart, COLORS, oracle, rgbOf, sceneOf, uncovered } from '../support/cloud.js';

/** The mark's middle has its class's colour, or the surface's where it is open, and beside all marks there is nothing. */
function assertMarks(scene: Scene, data: Uint8ClampedArray | Uint8Array): void {
  const { points, matrix, width, height } = scene;
  const seen = projectAll(matrix, points.position, points.shown, width, height);
  const pixel = (x: number, y: number): Uint8ClampedArray | Uint8Array => data.subarray(4 * (Math.floor(y) * width + Math.floor(x)), 4 * (Math.floor(y) * width + Math.floor(x)) + 4);
  const found = uncovered(scene);
  assert.isAbove(found.length, 12);
  for (const i of found) {
    const [x, y] = [seen[3 * i]!, seen[3 * i + 1]!];
    assert.isAtMost(apart(pixel(x, y), rgbOf(points.open[i] === 1 ? COLORS.surface : COLORS.classes[points.classes[i]!]!)), 3, `feature ${i} at ${x}, ${y}`);
    assert.equal(pixel(x, y)[3], 255);
  }
  let empty = 0;
  for (let y = 0; y < height; y += 7) {
    for (let x = 0; x < width; x += 7) {
      let near = false;
      for (let i = 0; i < points.count && !near; i++) near = Math.hypot(seen[3 * i]! - x, seen[3 * i + 1]! - y) < 11;
      if (near) continue;
      empty++;
      assert.equal(pixel(x, y)[3], 0, `nothing at ${x}, ${y}`);
    }
  }
  assert.isAbove(empty, 500);
}

describe('the drawing of <sae-dying-cloud>', () => {
  const record = knownRecord({ features: 160 });

  it('projects as the textbook says', () => {
    fc.assert(
      fc.property(fc.double({ min: -4, max: 4, noNaN: true }), fc.double({ min: -1.4, max: 1.4, noNaN: true }), fc.double({ min: 3, max: 12, noNaN: true }), fc.integer({ min: 200, max: 1600 }), fc.integer({ min: 200, max: 900 }), fc.array(fc.double({ min: -1, max: 1, noNaN: true }), { minLength: 3, maxLength: 30 }), (yaw, pitch, distance, width, height, values) => {
        const position = Float32Array.from(values.slice(0, values.length - (values.length % 3)));
        const seen = projectAll(viewProjection({ yaw, pitch, distance }, width, height), position, new Uint8Array(position.length / 3).fill(1), width, height);
        const see = oracle({ yaw, pitch, distance }, width, height);
        for (let i = 0; i < position.length / 3; i++) {
          const { x, y, depth } = see([...position.subarray(3 * i, 3 * i + 3)]);
          assert.closeTo(seen[3 * i]!, x, 0.02);
          assert.closeTo(seen[3 * i + 1]!, y, 0.02);
          assert.closeTo(seen[3 * i + 2]!, depth, 1e-4);
        }
      }),
      { numRuns: 100 },
    );
  });

  it('finds what is inside a rectangle, inside a lasso and under the pointer, whatever the points are', () => {
    const coordinate = fc.integer({ min: 0, max: 60 }).map((value) => value + 0.25);
    fc.assert(
      fc.property(fc.array(fc.tuple(coordinate, coordinate, fc.boolean()), { maxLength: 60 }), fc.array(fc.tuple(fc.integer({ min: 0, max: 60 }), fc.integer({ min: 0, max: 60 })), { minLength: 3, maxLength: 9 }), (points, corners) => {
        const seen = Float32Array.from(points.flatMap(([x, y, shown]) => (shown ? [x, y, 2] : [NaN, NaN, NaN])));
        const polygon = corners.map(([x, y]) => ({ x, y }));
        const [a, b] = polygon as [Point, Point];
        const shown = points.flatMap(([x, y, on], i) => (on ? [{ i, x, y }] : []));
        assert.deepEqual(withinRectangle(seen, a, b), shown.filter(({ x, y }) => (x - a.x) * (x - b.x) <= 0 && (y - a.y) * (y - b.y) <= 0).map(({ i }) => i));
        // The canvas' own even-odd rule.
        const path = new Path2D();
        for (const { x, y } of polygon) path.lineTo(x, y);
        path.closePath();
        const context = document.createElement('canvas').getContext('2d')!;
        const onEdge = (x: number, y: number): boolean => polygon.some((p, k) => {
          const q = polygon[(k + 1) % polygon.length]!;
          const length = Math.hypot(q.x - p.x, q.y - p.y);
          const along = length === 0 ? 0 : Math.max(0, Math.min(1, ((x - p.x) * (q.x - p.x) + (y - p.y) * (q.y - p.y)) / length ** 2));
          return Math.hypot(x - p.x - along * (q.x - p.x), y - p.y - along * (q.y - p.y)) < 1e-3;
        });
        const lasso = new Set(withinPolygon(seen, polygon));
        for (const { i, x, y } of shown) if (!onEdge(x, y)) assert.equal(lasso.has(i), context.isPointInPath(path, x, y, 'evenodd'), `${x}, ${y}`);
        const under = pickAt(seen, a.x, a.y, 10);
        const least = Math.min(...shown.map(({ x, y }) => Math.hypot(x - a.x, y - a.y)));
        if (under === null) assert.isAbove(least, 10);
        else assert.isAtMost(Math.hypot(points[under]![0] - a.x, points[under]![1] - a.y), Math.sqrt(least ** 2 + 1) + 1e-6);
      }),
      { numRuns: 150 },
    );
  });

  it('draws marks on a canvas where they are projected, in their colours', () => {
    const scene = sceneOf(record);
    const canvas = document.createElement('canvas');
    const renderer = new CanvasRenderer(canvas);
    renderer.draw(scene);
    assertMarks(scene, canvas.getContext('2d')!.getImageData(0, 0, scene.width, scene.height).data);
  });

  it('draws very many marks on a canvas in a quicker way, to the same effect', () => {
    const canvas = document.createElement('canvas');
    const few = sceneOf(record);
    const { points } = few;
    // Forty of each, at the same place: more than the slow way is for.
    const times = <T extends Float32Array | Uint8Array>(array: T, size: number): T => {
      const out = new (array.constructor as new (length: number) => T)(array.length * 40);
      for (let k = 0; k < 40; k++) out.set(array.subarray(0, size * points.count), k * array.length);
      return out;
    };
    const many: Scene = { ...few, points: { ...points, count: 40 * points.count, position: times(points.position, 3), classes: times(points.classes, 1), open: times(points.open, 1), shown: times(points.shown, 1) } };
    new CanvasRenderer(canvas).draw(many);
    assertMarks(few, canvas.getContext('2d')!.getImageData(0, 0, few.width, few.height).data);
  });

  it('draws the same by WebGPU', async () => {
    const scene = sceneOf(record);
    const adapter = await navigator.gpu.requestAdapter();
    assert.isNotNull(adapter);
    const device = await adapter!.requestDevice();
    const complaints: string[] = [];
    device.addEventListener('uncapturederror', ({ error }) => complaints.push(error.message));
    const painter = await CloudPainter.create(device, 'rgba8unorm');
    const read = async (of: Scene): Promise<Uint8Array> => {
      const target = device.createTexture({ size: [of.width, of.height], format: 'rgba8unorm', usage: GPUTextureUsage.RENDER_ATTACHMENT | GPUTextureUsage.COPY_SRC });
      const stride = Math.ceil((4 * of.width) / 256) * 256;
      const buffer = device.createBuffer({ size: stride * of.height, usage: GPUBufferUsage.COPY_DST | GPUBufferUsage.MAP_READ });
      painter.paint(of, target);
      const encoder = device.createCommandEncoder();
      encoder.copyTextureToBuffer({ texture: target }, { buffer, bytesPerRow: stride }, [of.width, of.height]);
      device.queue.submit([encoder.finish()]);
      await buffer.mapAsync(GPUMapMode.READ);
      const padded = new Uint8Array(buffer.getMappedRange());
      const out = new Uint8Array(4 * of.width * of.height);
      for (let y = 0; y < of.height; y++) out.set(padded.subarray(y * stride, y * stride + 4 * of.width), 4 * y * of.width);
      buffer.unmap();
      return out;
    };
    const gpu = await read(scene);
    assertMarks(scene, gpu);
    const canvas = document.createElement('canvas');
    new CanvasRenderer(canvas).draw(scene);
    const flat = canvas.getContext('2d')!.getImageData(0, 0, scene.width, scene.height).data;
    let [drawn, differ] = [0, 0];
    for (let at = 0; at < gpu.length; at += 4) {
      if (gpu[at + 3] === 0 && flat[at + 3] === 0) continue;
      drawn++;
      if (Math.abs(gpu[at + 3]! - flat[at + 3]!) > 100 || (gpu[at + 3]! > 200 && flat[at + 3]! > 200 && apart(gpu.subarray(at, at + 3), flat.subarray(at, at + 3)) > 90)) differ++;
    }
    assert.isAbove(drawn, 2000);
    assert.isBelow(differ / drawn, 0.04, 'edges and ties of depth may differ, marks may not');
    // Another choice is another upload: what is not in it is faded.
    const chosen = new Uint8Array(scene.points.count);
    const faded = await read({ ...scene, chosen });
    let kept = 0;
    for (let at = 0; at < faded.length; at += 4) if (faded[at + 3] === 255 && COLORS.classes.some((color) => apart(faded.subarray(at, at + 3), rgbOf(color)) < 3)) kept++;
    assert.equal(kept, 0);
    assert.deepEqual(complaints, []);
    device.destroy();
  });
});
