/**
 * `npm test`: sets the machine up, runs every suite, and closes with one line
 * `N passed, N failed` that adds up all runners. A runner that cannot start, a
 * suite without tests and a file that does not load count as failures.
 *
 *   node scripts/test.mjs [--only node|browser|deno] [--files PATTERN]
 */
import { spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { ROOT, build, installPackages, run } from './setup.mjs';

const argument = (name) => {
  const at = process.argv.indexOf(name);
  return at < 0 ? undefined : process.argv[at + 1];
};
const only = argument('--only');
const pattern = argument('--files');
if (only !== undefined && !['node', 'browser', 'deno'].includes(only)) {
  console.error(`--only takes node, browser or deno, not ${only}`);
  process.exit(2);
}

const total = { passed: 0, failed: 0, skipped: 0 };
const add = (name, count) => {
  for (const key of Object.keys(total)) total[key] += count[key] ?? 0;
  console.log(`${name}: ${count.passed} passed, ${count.failed} failed${count.skipped ? `, ${count.skipped} skipped` : ''}`);
};

/** Test files of a folder, those whose name contains the pattern when one is given. */
function files(folder) {
  const all = readdirSync(join(ROOT, 'test', folder)).filter((name) => name.endsWith('.test.ts')).sort();
  return all.filter((name) => pattern === undefined || name.includes(pattern)).map((name) => join('test', folder, name));
}

/** Streams a program's output through, and returns it with the status. */
function stream(command, args, env = {}) {
  return new Promise((resolve) => {
    const child = spawn(command, args, { cwd: ROOT, env: { ...process.env, ...env }, stdio: ['ignore', 'pipe', 'inherit'] });
    let output = '';
    child.stdout.on('data', (chunk) => {
      output += chunk;
      process.stdout.write(chunk);
    });
    child.on('error', (error) => resolve({ status: 1, output: String(error) }));
    child.on('close', (status) => resolve({ status: status ?? 1, output }));
  });
}

async function nodeTests() {
  const list = files('node');
  if (list.length === 0) return add('node', { passed: 0, failed: pattern === undefined ? 1 : 0 });
  const { status, output } = await stream(process.execPath, [
    '--import', './scripts/ts.mjs', '--test', '--test-concurrency=2', '--test-reporter=tap', ...list,
  ]);
  const figure = (name) => Number(new RegExp(`^# ${name} (\\d+)`, 'm').exec(output)?.[1] ?? 0);
  const count = { passed: figure('pass'), failed: figure('fail') + figure('cancelled'), skipped: figure('skipped') + figure('todo') };
  if (status !== 0 && count.failed === 0) count.failed = 1;
  add('node', count);
}

async function browserTests() {
  const list = files('browser');
  if (list.length === 0) return add('browser', { passed: 0, failed: pattern === undefined ? 1 : 0 });
  ensureBrowser();
  const report = join(ROOT, 'build', 'browser-report.json');
  rmSync(report, { force: true });
  const { status } = await stream(process.execPath, ['node_modules/@web/test-runner/dist/bin.js', '--files', ...list], { SAEKIT_TEST_REPORT: report });
  const count = existsSync(report) ? JSON.parse(readFileSync(report, 'utf8')) : { passed: 0, failed: 1 };
  if (status !== 0 && count.failed === 0) count.failed = 1;
  add('browser', count);
}

async function denoTests() {
  const list = files('deno');
  if (list.length === 0) return add('deno', { passed: 0, failed: pattern === undefined ? 1 : 0 });
  const out = join(ROOT, 'build', 'deno');
  rmSync(out, { recursive: true, force: true });
  mkdirSync(out, { recursive: true });
  const { bundleForDeno } = await import('./bundle-deno.mjs');
  await bundleForDeno(list, out);
  const run = async (file) => {
    const { status, output } = await stream(process.execPath, [
      'node_modules/deno/bin.cjs', 'test', '--allow-all', '--no-check', '--cached-only', file,
    ], { NO_COLOR: '1', XDG_RUNTIME_DIR: process.env.XDG_RUNTIME_DIR ?? '/tmp' });
    const match = /(\d+) passed(?: \(\d+ steps?\))? \| (\d+) failed(?: \(\d+ steps?\))?(?: \| (\d+) ignored)?/.exec(output);
    return { status, count: match ? { passed: Number(match[1]), failed: Number(match[2]), skipped: Number(match[3] ?? 0) } : { passed: 0, failed: 1 } };
  };
  const count = { passed: 0, failed: 0, skipped: 0 };
  // A process for each file. In one for all, lavapipe has been seen to find its heap corrupted while the process
  // ended, after every test had passed and many devices had come, some lost on purpose, and gone. Should a process
  // die so all the same, its file is run again; what dies twice has failed.
  for (const file of readdirSync(out).filter((name) => name.endsWith('.test.js')).sort()) {
    let one = await run(join(out, file));
    if (one.status !== 0 && one.count.failed === 0 && one.count.passed > 0) {
      console.log(`deno: ${file}: the process ended with status ${one.status} after all ${one.count.passed} tests had passed; running them once more`);
      one = await run(join(out, file));
    }
    if (one.status !== 0 && one.count.failed === 0) one.count.failed = 1;
    for (const key of Object.keys(count)) count[key] += one.count[key];
  }
  add('deno', count);
}

/** The suite needs a browser and a software Vulkan driver: on Debian as root they are installed, elsewhere the person is told. */
function ensureBrowser() {
  const has = (program) => spawnSync('which', [program]).status === 0;
  if (process.platform !== 'linux') return;
  const missing = [];
  if (!process.env.CHROME_PATH && !['chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable', 'microsoft-edge'].some(has)) missing.push('chromium');
  if (!existsSync('/usr/share/vulkan/icd.d') || readdirSync('/usr/share/vulkan/icd.d').length === 0) missing.push('mesa-vulkan-drivers');
  if (missing.length === 0) return;
  if (process.getuid?.() === 0 && has('apt-get')) {
    console.error(`saekit: installing ${missing.join(' and ')} for the browser and GPU tests …`);
    run('apt-get', ['update', '-qq']);
    run('apt-get', ['install', '-y', '-qq', '--no-install-recommends', ...missing], { env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' } });
  } else {
    console.error(`saekit: ${missing.join(' and ')} not found; the tests that need them will fail. Install them with your package manager (or set CHROME_PATH).`);
  }
}

installPackages();
mkdirSync(join(ROOT, 'build'), { recursive: true });
if (existsSync(join(ROOT, 'scripts/build-wasm.mjs'))) run(process.execPath, ['scripts/build-wasm.mjs']);
if (pattern === undefined) build();
if (only === undefined || only === 'browser' || only === 'deno') ensureBrowser();
const started = Date.now();
if (only === undefined || only === 'node') await nodeTests();
if (only === undefined || only === 'browser') await browserTests();
if (only === undefined || only === 'deno') await denoTests();
console.log(`suite: ${((Date.now() - started) / 1000).toFixed(0)} s`);
console.log(`${total.passed} passed, ${total.failed} failed${total.skipped ? `, ${total.skipped} skipped` : ''}`);
process.exit(total.failed > 0 || total.passed === 0 ? 1 : 0);
