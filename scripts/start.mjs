/**
 * `npm start`: sets the clone up, analyses the embedded example (a real language
 * model and SAE), and serves its dashboard on this machine.
 *
 *   npm start -- [--port N] [--no-open] [--reuse]
 */
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { ROOT, build, installPackages } from './setup.mjs';

const flags = process.argv.slice(2);
const reuse = flags.includes('--reuse');
const serveFlags = flags.filter((flag) => flag !== '--reuse');
const EXAMPLE = 'examples/stories260k';
const PACK = `${EXAMPLE}/pack`;

/** Runs the program in the foreground, so that it has the terminal and its signals. */
function saekit(...args) {
  return new Promise((resolve) => {
    const child = spawn(process.execPath, [join(ROOT, 'dist', 'cli.js'), ...args], { cwd: ROOT, stdio: 'inherit' });
    for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => child.kill(signal));
    child.on('close', (status) => resolve(status ?? 1));
  });
}

try {
  installPackages();
  build();
} catch (error) {
  console.error(`saekit: set-up failed: ${error.message}`);
  process.exit(1);
}
let status = 0;
if (!reuse || !existsSync(join(ROOT, PACK, 'manifest.json'))) {
  console.log('saekit: analysing 409,600 tokens of stories260K with its TopK SAE …');
  status = await saekit(
    'analyze', '--sae', `${EXAMPLE}/sae`, '--model', `${EXAMPLE}/model.onnx`, '--tokens', `${EXAMPLE}/tokens.npy`,
    '--tokenizer', `${EXAMPLE}/tokenizer.json`, '--unembed', `${EXAMPLE}/unembedding.safetensors`,
    '--ignore-tokens', '1', '--out', PACK,
  );
}
if (status === 0) status = await saekit('serve', PACK, ...serveFlags);
process.exit(status);
