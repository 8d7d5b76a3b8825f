/** What the WebGPU backend decides and assembles without a GPU. */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { test } from 'node:test';
import { gzipSync } from 'node:zlib';
import fc from 'fast-check';
import { BackendError } from '../../engine/errors.js';
import { describeAdapter, remedy } from '../../gpu/adapter.js';
import { joinCodes } from '../../engine/codes.js';
import { joinEntries, type LatentEntries, selectTopk } from '../../gpu/assemble.js';
import { COLUMN_TILE, decide, fold, type PlanLimits, ROW_TILE, RUN, scanLevels, SEGMENT } from '../../gpu/decide.js';
import { cutRows, entryRanges } from '../../gpu/decoder.js';
import { pipelined } from '../../gpu/pipelined.js';
import { minifyWgsl } from '../../scripts/asset-loader.mjs';

const DEFAULTS: PlanLimits = { maxStorageBufferBindingSize: 2 ** 27, maxBufferSize: 2 ** 28, maxComputeWorkgroupsPerDimension: 65_535 };

test('decide: whatever the shape and limits, blocks cover all latents and nothing passes a limit', () => {
  const size = fc.integer({ min: 1, max: 9000 });
  const limits = fc.record({
    maxStorageBufferBindingSize: fc.integer({ min: 1, max: 2 ** 30 }),
    maxBufferSize: fc.integer({ min: 1, max: 2 ** 30 }),
    maxComputeWorkgroupsPerDimension: fc.integer({ min: 1, max: 65_535 }),
  });
  let planned = 0;
  fc.assert(
    fc.property(size, fc.integer({ min: 1, max: 200_000 }), size, limits, fc.boolean(), fc.boolean(), (d_in, d_sae, d_out, limit, software, subgroups) => {
      let plan;
      try {
        plan = decide({ d_in, d_sae, d_out }, limit, { software, subgroups });
      } catch (error) {
        assert.ok(error instanceof BackendError, String(error));
        return;
      }
      planned++;
      const bytes = Math.min(limit.maxStorageBufferBindingSize, limit.maxBufferSize);
      const grid = limit.maxComputeWorkgroupsPerDimension;
      const { encode, decode } = plan;
      for (const blocks of [encode.blocks, decode.blocks]) {
        let next = 0;
        for (const { first, n } of blocks) {
          assert.equal(first, next);
          assert.ok(n > 0);
          next = first + n;
        }
        assert.equal(next, d_sae);
      }
      const padded = Math.ceil(encode.rows / ROW_TILE) * ROW_TILE;
      assert.ok(encode.rows >= 1 && Math.ceil(encode.rows / ROW_TILE) <= grid);
      assert.ok(padded * encode.quads * 16 <= bytes, 'rows');
      assert.ok(4 * encode.quads >= d_in && 4 * decode.quads >= d_out);
      for (const { n, stride } of encode.blocks) {
        assert.ok(stride >= n && stride % COLUMN_TILE === 0 && stride <= encode.blocks[0]!.stride);
        assert.ok(encode.quads * 16 * stride <= bytes, 'W_enc');
        assert.ok(padded * stride * 4 <= bytes, 'z');
        assert.ok(encode.rows * n * 8 <= bytes, 'entries, if everything fires');
        assert.ok(stride / COLUMN_TILE <= grid);
        const segments = encode.rows * (stride / SEGMENT);
        assert.ok(scanLevels(segments).length * 4 <= bytes, 'sums');
        for (const groups of [encode.rows, subgroups ? segments : Math.ceil(segments / RUN)]) assert.ok(fold(groups, grid).every((side) => side <= grid));
      }
      const worst = encode.blocks.reduce((sum, { n }) => sum + encode.rows * n * 8 + (encode.rows + 3) * 4, 0);
      assert.ok(worst <= limit.maxBufferSize, 'readback, if everything fires');
      for (const { n } of decode.blocks) assert.ok(n * decode.quads * 16 <= bytes, 'W_dec');
      assert.ok(decode.rows >= 1 && decode.rows * decode.quads * 16 <= bytes && Math.ceil(decode.rows / 4) <= grid);
      assert.ok(decode.entries >= d_sae && decode.entries * 8 <= bytes);
    }),
    { numRuns: 2000 },
  );
  assert.ok(planned > 500, `${planned} plans`);
});

test('decide: the sizes of real SAEs', () => {
  const gpt2 = decide({ d_in: 768, d_sae: 24_576, d_out: 768 }, DEFAULTS);
  assert.equal(gpt2.encode.blocks.length, 1);
  // 2304 x 16,384 is 151 MB: more than the smallest limit that WebGPU promises.
  const gemma = decide({ d_in: 2304, d_sae: 16_384, d_out: 2304 }, DEFAULTS);
  assert.equal(gemma.encode.blocks.length, 2);
  assert.equal(gemma.decode.blocks.length, 2);
  // 4096 x 131,072: 2.1 GB.
  assert.equal(decide({ d_in: 4096, d_sae: 131_072, d_out: 4096 }, DEFAULTS).encode.blocks.length, 16);
  // A software adapter gets less work at a time.
  const slow = decide({ d_in: 768, d_sae: 24_576, d_out: 768 }, DEFAULTS, { software: true });
  assert.ok(slow.encode.rows < gpt2.encode.rows);
  assert.throws(() => decide({ d_in: 4096, d_sae: 10, d_out: 4 }, { ...DEFAULTS, maxBufferSize: 100_000 }), /128 latents of d_in 4096 take \d+ bytes/);
});

test('fold: enough workgroups, little over, sides within the limit', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 1e6 }), fc.integer({ min: 1000, max: 65_535 }), (groups, limit) => {
      const [x, y] = fold(groups, limit);
      assert.ok(x <= limit && y <= limit && x * y >= groups && x * y - groups < y);
    }),
  );
  assert.throws(() => fold(10, 3), BackendError);
});

test('scanLevels: runs of 64 until one is left', () => {
  assert.deepEqual(scanLevels(1), { levels: [{ begin: 0, count: 1 }], length: 2 });
  assert.deepEqual(scanLevels(64), { levels: [{ begin: 0, count: 64 }], length: 65 });
  assert.deepEqual(scanLevels(65), { levels: [{ begin: 0, count: 65 }, { begin: 65, count: 2 }], length: 68 });
  assert.deepEqual(scanLevels(4097).levels.map(({ count }) => count), [4097, 65, 2]);
});

/** Rows of (feature, value) as a block of latents leaves them. */
function block(rows: readonly (readonly (readonly [number, number])[])[]): LatentEntries {
  const flat = rows.flat();
  const words = new Uint32Array(2 * flat.length);
  const floats = new Float32Array(words.buffer);
  flat.forEach(([feature, value], e) => {
    words[2 * e] = feature;
    floats[2 * e + 1] = value;
  });
  const begins = rows.reduce<number[]>((all, row) => [...all, all[all.length - 1]! + row.length], [0]);
  return { begin: (r) => begins[r]!, end: (r) => begins[r + 1]!, words, floats };
}

test('selectTopk: the same as a stable sort of the whole row, however the latents were cut', () => {
  const value = fc.oneof(fc.integer({ min: -3, max: 3 }), fc.constantFrom(-0, 0.5, 1e-40, 3e38)).map(Math.fround);
  fc.assert(
    fc.property(fc.array(fc.array(value, { minLength: 7, maxLength: 7 }), { minLength: 1, maxLength: 5 }), fc.integer({ min: 0, max: 9 }), fc.integer({ min: 1, max: 7 }), (z, k, width) => {
      const tolerance = new Float32Array(z.length).fill(0.25);
      // What kernels/select.wgsl leaves of a block: its k + 1 first above -tol, ascending by feature.
      const blocks = [];
      for (let first = 0; first < 7; first += width) {
        blocks.push(
          block(
            z.map((row) =>
              row
                .map((v, i) => [i, v] as const)
                .slice(first, first + width)
                .filter(([, v]) => v > -0.25)
                .sort((a, b) => b[1] - a[1] || a[0] - b[0])
                .slice(0, k + 1)
                .sort((a, b) => a[0] - b[0]),
            ),
          ),
        );
      }
      const got = selectTopk(blocks, z.length, k, tolerance);
      let near = 0;
      z.forEach((row, r) => {
        const order = row.map((v, i) => [i, v] as const).sort((a, b) => b[1] - a[1] || a[0] - b[0]);
        const selected = order.slice(0, k);
        const fires = selected.filter(([, v]) => v > 0).sort((a, b) => a[0] - b[0]);
        const [from, to] = [got.offsets[r]!, got.offsets[r + 1]!];
        assert.deepEqual(Array.from(got.features.subarray(from, to)), fires.map(([i]) => i));
        assert.deepEqual(Array.from(got.values.subarray(from, to)), fires.map(([, v]) => v));
        const last = selected[k - 1]?.[1] ?? -Infinity;
        const close = last > 0 && order[k] !== undefined && last - order[k][1] < 0.25;
        if (close || selected.some(([, v]) => Math.abs(v) < 0.25)) near++;
      });
      assert.equal(got.nearTies, near);
    }),
  );
});

test('joinEntries and joinCodes: blocks of latents side by side, pieces one below the other', () => {
  const low = block([[[0, 1], [2, 2]], [], [[1, 3]]]);
  const high = block([[[5, 4]], [[4, 5]], []]);
  const piece = joinEntries([low, high], 3, 2);
  assert.deepEqual(Array.from(piece.offsets), [0, 3, 4, 5]);
  assert.deepEqual(Array.from(piece.features), [0, 2, 5, 4, 1]);
  assert.deepEqual(Array.from(piece.values), [1, 2, 4, 5, 3]);
  const codes = joinCodes([piece, joinEntries([low], 3, 1)], 6);
  assert.deepEqual(Array.from(codes.offsets), [0, 3, 4, 5, 7, 7, 8]);
  assert.deepEqual(Array.from(codes.features), [0, 2, 5, 4, 1, 0, 2, 1]);
  assert.equal(codes.nearTies, 3);
  assert.deepEqual(joinCodes([], 6).offsets, new Uint32Array(1));
});

test('cutRows and entryRanges: what one decode submission takes', () => {
  const offsets = Uint32Array.of(0, 2, 2, 5, 9, 10);
  assert.deepEqual(cutRows(offsets, 100, 100), [0, 5]);
  assert.deepEqual(cutRows(offsets, 2, 100), [0, 2, 4, 5]);
  assert.deepEqual(cutRows(offsets, 100, 5), [0, 3, 5]);
  assert.deepEqual(cutRows(Uint32Array.of(0), 2, 5), [0]);
  const codes = { rows: 2, d_sae: 10, offsets: Uint32Array.of(0, 3, 5), features: Uint32Array.of(1, 4, 9, 4, 5), values: new Float32Array(5), nearTies: 0 };
  assert.deepEqual(Array.from(entryRanges(codes, 0, 2, 0, 10)), [0, 3, 3, 5]);
  assert.deepEqual(Array.from(entryRanges(codes, 0, 2, 4, 5)), [1, 2, 3, 4]);
  assert.deepEqual(Array.from(entryRanges(codes, 1, 2, 5, 10)), [1, 2]);
});

test('pipelined: in order, at most three at once, the first failure counts, nothing is left running', async () => {
  let running = 0;
  let most = 0;
  const block = async (start: number): Promise<number> => {
    most = Math.max(most, ++running);
    await new Promise((resolve) => setTimeout(resolve, start % 3));
    running--;
    if (start === 7 || start === 8) throw new Error(`block ${start}`);
    return start;
  };
  assert.deepEqual(await pipelined([0, 1, 2, 3, 4, 5], block, undefined), [0, 1, 2, 3, 4, 5]);
  assert.equal(most, 3);
  await assert.rejects(pipelined([4, 5, 6, 7, 8, 9], block, undefined), /block 7/);
  assert.equal(running, 0);
  const abort = new AbortController();
  const aborted = pipelined([0, 1, 2, 3, 4, 5], (start) => (start === 2 && abort.abort(), block(start)), abort.signal);
  await assert.rejects(aborted, { name: 'AbortError' });
  assert.equal(running, 0);
});

test('describeAdapter: tells software from hardware, in the words of every runtime', () => {
  const adapter = (info: Record<string, unknown>) => describeAdapter({ info } as unknown as GPUAdapter);
  // As Chromium, Dawn, Deno and Windows report them.
  assert.equal(adapter({ vendor: 'google', architecture: 'swiftshader', device: '', description: '' }).software, true);
  assert.equal(adapter({ vendor: '65541', architecture: '', device: '0', description: 'llvmpipe (LLVM 15.0.6, 256 bits)' }).software, true);
  assert.equal(adapter({ vendor: 'microsoft', architecture: 'warp', device: '', description: 'Microsoft Basic Render Driver' }).software, true);
  assert.equal(adapter({ vendor: 'x', architecture: 'y', device: 'z', description: '', isFallbackAdapter: true }).software, true);
  const apple = adapter({ vendor: 'apple', architecture: 'metal-3', device: '', description: '', isFallbackAdapter: false });
  assert.deepEqual([apple.software, apple.name], [false, 'metal-3 (apple)']);
  assert.deepEqual([adapter({ vendor: 'nvidia', architecture: 'warped-memory', device: '', description: '' }).software], [false]);
  assert.equal(adapter({}).name, 'GPU');
  for (const runtime of ['browser', 'deno', 'node'] as const) for (const missing of ['webgpu', 'adapter'] as const) assert.ok(remedy(runtime, missing).length > 20);
});

test('the kernels: one entry point a file, a contract at its head, 8 kB gzipped with their parts', () => {
  const folder = new URL('../../gpu/kernels/', import.meta.url);
  let all = '';
  for (const name of readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((file) => file.endsWith('.wgsl'))) {
    const source = readFileSync(new URL(name, folder), 'utf8');
    if (!name.startsWith('parts')) {
      assert.equal(source.match(/@compute/g)?.length, 1, name);
      for (const pattern of [/^\/\/ grid /m, /^\/\/ workgroup/m]) assert.match(source, pattern, name);
    }
    all += minifyWgsl(source);
  }
  const bytes = gzipSync(all, { level: 9 }).length;
  assert.ok(bytes <= 8000, `${bytes} bytes`);
});
