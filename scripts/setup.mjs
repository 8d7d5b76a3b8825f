/**
 * Everything that a fresh clone needs before it can run: packages, the WASM
 * module, the bundles. Each step is skipped when it is up to date.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const ROOT = fileURLToPath(new URL('..', import.meta.url));

/** Runs a program to its end; throws when it fails. Its output goes to stderr, so that stdout stays the command's own. */
export function run(command, args, options = {}) {
  const shell = process.platform === 'win32';
  const result = spawnSync(command, args, { cwd: ROOT, stdio: ['ignore', process.stderr, process.stderr], shell, ...options });
  if (result.error) throw result.error;
  if (result.status !== 0) throw new Error(`${command} ${args.join(' ')} ended with status ${result.status ?? result.signal}`);
}

/** Installs the packages that package-lock.json names, once per lock file. Install scripts stay off (.npmrc). */
export function installPackages() {
  const [major = 0] = process.versions.node.split('.').map(Number);
  if (major < 20) throw new Error(`saekit needs Node.js 20 or newer; this is ${process.version}.`);
  const stamp = join(ROOT, 'node_modules', '.saekit-lock');
  const lock = createHash('sha256').update(readFileSync(join(ROOT, 'package-lock.json'))).digest('hex');
  if (existsSync(stamp) && readFileSync(stamp, 'utf8') === lock) return;
  console.error('saekit: installing packages (once, about a minute) …');
  run('npm', ['ci', '--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error']);
  writeFileSync(stamp, lock);
}

const SOURCES = ['assembly', 'gpu', 'engine', 'plugins', 'components', 'cli', 'scripts', 'rollup.config.mjs', 'package-lock.json', 'tsconfig.json'];

/** Newest modification time of the sources, in ms. */
function newest(path) {
  const stat = statSync(path);
  if (!stat.isDirectory()) return stat.mtimeMs;
  return Math.max(stat.mtimeMs, ...readdirSync(path).map((name) => newest(join(path, name))));
}

/** True when dist/ is whole and not older than any source. */
export function buildIsFresh() {
  const stamp = join(ROOT, 'dist', '.built');
  return existsSync(stamp) && statSync(stamp).mtimeMs >= Math.max(...SOURCES.map((path) => newest(join(ROOT, path))));
}

export function build() {
  if (buildIsFresh()) return;
  console.error('saekit: building …');
  run(process.execPath, ['scripts/build.mjs']);
}
