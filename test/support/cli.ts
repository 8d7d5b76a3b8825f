/** Runs the built program as a child process, in Node or in Deno, as a person would. */
import { spawn, type ChildProcessWithoutNullStreams } from 'node:child_process';
import { readFile, writeFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import { build } from '../../scripts/setup.mjs';
import { npyBytes } from './arrays.js';

build();

export const EXAMPLE = 'examples/stories260k';
const CLI = resolve('dist/cli.js');

export interface Outcome {
  /** Exit status; null when a signal ended it. */
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface CliOptions {
  /** Permissions make it run in Deno, with these and no others. */
  readonly deno?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
}

/** Starts it; the child is the caller's to end. */
export function startCli(args: readonly string[], { deno, env = {} }: CliOptions = {}): ChildProcessWithoutNullStreams {
  const program = deno === undefined ? [CLI] : [resolve('node_modules/deno/bin.cjs'), 'run', '--no-prompt', '--cached-only', ...deno, CLI];
  return spawn(process.execPath, [...program, ...args], { env: { ...process.env, NO_COLOR: '1', ...env } });
}

/** Runs it to its end. */
export async function cli(args: readonly string[], options: CliOptions = {}): Promise<Outcome> {
  return outcome(startCli(args, options));
}

/** What a child leaves behind. */
export async function outcome(child: ChildProcessWithoutNullStreams): Promise<Outcome> {
  const texts = { stdout: '', stderr: '' };
  for (const name of ['stdout', 'stderr'] as const) {
    child[name].setEncoding('utf8');
    child[name].on('data', (text: string) => (texts[name] += text));
  }
  const status = await new Promise<number | null>((done, fail) => {
    child.on('error', fail);
    child.on('close', done);
  });
  return { status, ...texts };
}

/** The one JSON object on stdout. Anything else there is an error. */
export function jsonOf({ status, stdout, stderr }: Outcome): Record<string, unknown> {
  if (status !== 0 || !/^\{.*\}\n$/.test(stdout)) throw new Error(`status ${status}\nstdout: ${stdout}\nstderr: ${stderr}`);
  return JSON.parse(stdout) as Record<string, unknown>;
}

/** Writes the first contexts of the embedded example's tokens as npy, [contexts, 128]. */
export async function writeTokens(path: string, contexts: number): Promise<void> {
  const file = await readFile(`${EXAMPLE}/tokens.npy`);
  const header = 10 + file.readUInt16LE(8);
  const ids = new Uint16Array(file.buffer.slice(file.byteOffset + header, file.byteOffset + header + contexts * 128 * 2));
  await writeFile(path, npyBytes(ids, [contexts, 128]));
}
