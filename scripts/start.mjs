/**
 * `npm start`: sets the clone up, analyses the embedded example (a real language
 * model and SAE), and serves its dashboard on this machine.
 */
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { ROOT, build, installPackages } from './setup.mjs';

const HELP = `Usage: npm start -- [--reuse] [--port N] [--host NAME] [--no-open]

  --reuse      serve the pack of the last run, if there is one
  --port N     port of the dashboard (default: 8080 or the next free one; 0 for any)
  --host NAME  address to listen on (default: 127.0.0.1)
  --no-open    do not open a browser`;
const EXAMPLE = 'examples/stories260k';
const PACK = `${EXAMPLE}/pack`;

/** The flags, checked before a minute is spent on what they come after. */
function readFlags() {
  try {
    const options = { reuse: { type: 'boolean' }, port: { type: 'string' }, host: { type: 'string' }, 'no-open': { type: 'boolean' }, help: { type: 'boolean' } };
    const { values } = parseArgs({ options });
    if (values.port !== undefined && !(/^\d+$/.test(values.port) && Number(values.port) <= 65535)) throw new Error(`--port ${values.port}: expected a number from 0 to 65535`);
    return values;
  } catch (error) {
    console.error(`saekit: ${error.message}\n\n${HELP}`);
    process.exit(2);
  }
}

/** Runs the program in the foreground, so that it has the terminal and its signals. */
function saekit(...args) {
  return new Promise((resolve) => {
    const child = spawn(process.execPath, [join(ROOT, 'dist', 'cli.js'), ...args], { cwd: ROOT, stdio: 'inherit' });
    const pass = (signal) => child.kill(signal);
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, pass);
    child.on('close', (status) => {
      for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.off(signal, pass);
      resolve(status ?? 1);
    });
  });
}

const flags = readFlags();
if (flags.help) {
  console.log(HELP);
  process.exit(0);
}
try {
  installPackages();
  build();
} catch (error) {
  console.error(`saekit: set-up failed: ${error.message}`);
  process.exit(1);
}
let status = 0;
if (!flags.reuse || !existsSync(join(ROOT, PACK, 'manifest.json'))) {
  console.log('saekit: analysing 409,600 tokens of stories260K with its TopK SAE …');
  status = await saekit(
    'analyze', '--sae', `${EXAMPLE}/sae`, '--model', `${EXAMPLE}/model.onnx`, '--tokens', `${EXAMPLE}/tokens.npy`,
    '--tokenizer', `${EXAMPLE}/tokenizer.json`, '--unembed', `${EXAMPLE}/unembedding.safetensors`,
    '--ignore-tokens', '1', '--out', PACK,
  );
}
if (status === 0) {
  const serve = ['port', 'host'].flatMap((name) => (flags[name] === undefined ? [] : [`--${name}`, flags[name]]));
  status = await saekit('serve', PACK, ...serve, ...(flags['no-open'] ? ['--no-open'] : []));
}
process.exit(status);
