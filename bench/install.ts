/** The peers' packages (bench/package.json): a folder of their own, so that `npm test` never installs them. Install scripts stay off. */
import { createHash } from 'node:crypto';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import process from 'node:process';
import { fileURLToPath } from 'node:url';
import { run } from '../scripts/setup.mjs';
import { messageOf } from './contest.js';

const FOLDER = fileURLToPath(new URL('.', import.meta.url));

/** Installs once per lock file. Without a registry the run goes on, and says which peers it lacks. `SAEKIT_BENCH_INSTALL=no` installs nothing. */
export function installPeers(say: (line: string) => void): void {
  const lock = createHash('sha256').update(readFileSync(join(FOLDER, 'package-lock.json'))).digest('hex');
  const stamp = join(FOLDER, 'node_modules', '.saekit-lock');
  if (process.env.SAEKIT_BENCH_INSTALL === 'no' || (existsSync(stamp) && readFileSync(stamp, 'utf8') === lock)) return;
  say("bench: installing the peers' packages (once) …");
  try {
    run('npm', ['ci', '--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error'], { cwd: FOLDER });
    writeFileSync(stamp, lock);
  } catch (error) {
    say(`bench: they cannot be installed: ${messageOf(error)}`);
  }
}
