/** Under `auto`, Node asks no driver where the machine has no device for one. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { test } from 'node:test';
import { gpuPossible } from '../../engine/gpu-devices-node.js';

const CHOOSE = `
  import { chooseBackend } from './engine/choose-backend.js';
  const notices = [];
  const backend = await chooseBackend({ backend: 'auto', notice: (text) => notices.push(text) });
  console.log(JSON.stringify({ kind: backend.info.kind, notices }));
  process.exit(0);
`;

test('a Linux machine without device files has no GPU, any other may', () => {
  const devices = process.platform === 'linux' ? readdirSync('/dev') : [];
  if (process.platform !== 'linux') assert.equal(gpuPossible(), true);
  else assert.equal(gpuPossible(), devices.some((name) => name === 'dri' || name === 'dxg' || name === 'kfd' || name.startsWith('nvidia') || name.startsWith('mali')));
});

test('auto runs on WASM there, says so, and nothing else is written', () => {
  if (gpuPossible()) return;
  const { stdout, stderr, status } = spawnSync(process.execPath, ['--import', './scripts/ts.mjs', '--input-type=module', '-e', CHOOSE], { encoding: 'utf8' });
  assert.equal(status, 0, stderr);
  assert.equal(stderr, '');
  const { kind, notices } = JSON.parse(stdout) as { kind: string; notices: string[] };
  assert.equal(kind, 'wasm');
  assert.match(notices[0] ?? '', /running on WASM SIMD, 1 thread\. This machine has no GPU/);
});
