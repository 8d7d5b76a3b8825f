/** The WebGPU backend in Node, on the npm package `webgpu` (Dawn): it computes, and the process ends. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { test } from 'node:test';

/** Chromium's software Vulkan driver. Dawn refuses Debian's lavapipe, which is too old for it. */
const SWIFTSHADER = '/usr/lib/chromium/vk_swiftshader_icd.json';

test('Dawn in Node: encode and decode as in float64, and the process ends by itself', () => {
  const env: NodeJS.ProcessEnv = { ...process.env, XDG_RUNTIME_DIR: process.env['XDG_RUNTIME_DIR'] ?? '/tmp' };
  if (env['VK_ICD_FILENAMES'] === undefined && existsSync(SWIFTSHADER)) env['VK_ICD_FILENAMES'] = SWIFTSHADER;
  const started = Date.now();
  const child = spawnSync(process.execPath, ['--import', './scripts/ts.mjs', 'test/support/dawn-child.ts'], { env, encoding: 'utf8', timeout: 60_000 });
  assert.equal(child.signal, null, `the process did not end within 60 s of its last output: ${child.stdout}${child.stderr}`);
  assert.equal(child.status, 0, child.stderr);
  const result = JSON.parse(child.stdout) as { adapter?: string; error?: string; hint?: string; ended?: number };
  assert.ok(
    result.adapter,
    `${result.error}\n${result.hint}\nThis test needs an adapter that Dawn accepts: a GPU with a driver, or Chromium's SwiftShader at ${SWIFTSHADER} (Debian: apt-get install chromium), or VK_ICD_FILENAMES naming another Vulkan driver.`,
  );
  assert.ok(Date.now() - started - (result.ended ?? 0) < 10_000, 'the process lingered after its work');
});
