/** The WebGPU backend in Node, on the npm package `webgpu` (Dawn): it computes, leaves nothing behind, and the process ends. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { test } from 'node:test';

/** Chromium's software Vulkan driver. Dawn refuses Debian's lavapipe, which is too old for it. */
const SWIFTSHADER = '/usr/lib/chromium/vk_swiftshader_icd.json';

/** Runs a program that prints one JSON object, `error` and `hint` in it where it failed. */
function runChild(program: string, ...flags: string[]): Record<string, unknown> {
  const env: NodeJS.ProcessEnv = { ...process.env, XDG_RUNTIME_DIR: process.env['XDG_RUNTIME_DIR'] ?? '/tmp' };
  if (env['VK_ICD_FILENAMES'] === undefined && existsSync(SWIFTSHADER)) env['VK_ICD_FILENAMES'] = SWIFTSHADER;
  const child = spawnSync(process.execPath, [...flags, '--import', './scripts/ts.mjs', program], { env, encoding: 'utf8', timeout: 60_000 });
  assert.equal(child.signal, null, `the process did not end within 60 s of its last output: ${child.stdout}${child.stderr}`);
  assert.equal(child.status, 0, child.stderr);
  const result = JSON.parse(child.stdout) as Record<string, unknown>;
  assert.equal(
    result['error'],
    undefined,
    `${String(result['hint'])}\nThis test needs an adapter that Dawn accepts: a GPU with a driver, or Chromium's SwiftShader at ${SWIFTSHADER} (Debian: apt-get install chromium), or VK_ICD_FILENAMES naming another Vulkan driver.`,
  );
  return result;
}

test('Dawn in Node: encode and decode as in float64, and the process ends by itself', () => {
  const started = Date.now();
  const { adapter, ended } = runChild('test/support/dawn-child.ts');
  assert.ok(adapter);
  assert.ok(Date.now() - started - Number(ended) < 10_000, 'the process lingered after its work');
});

test('Dawn in Node: gradients of every selection as in float64, and the process ends by itself', () => {
  const { cases } = runChild('test/support/dawn-train-child.ts');
  assert.ok(Number(cases) >= 5, `${String(cases)} cases`);
});

test('Dawn in Node: 200 encodes and decodes leave GPU buffers, their bytes, the heap and what lies outside it where they were', () => {
  const { before, after, produced, weightsLeft } = runChild('test/support/dawn-leak-child.ts', '--expose-gc') as unknown as {
    before: Memory;
    after: Memory;
    produced: number;
    weightsLeft: number;
  };
  const figures = JSON.stringify({ before, after, produced });
  assert.deepEqual([after.buffers, after.bytes], [before.buffers, before.bytes], figures);
  // What the runs gave would be seen: it is fifty times as much.
  assert.ok(produced > 50 * SLACK, figures);
  assert.ok(after.heap - before.heap < SLACK, figures);
  assert.ok(after.outside - before.outside < SLACK, figures);
  assert.equal(weightsLeft, 0);
});

/** Bytes by which a heap may differ after garbage collection: code that is compiled lazily, and such. */
const SLACK = 200_000;

interface Memory {
  readonly heap: number;
  readonly outside: number;
  readonly buffers: number;
  readonly bytes: number;
}
