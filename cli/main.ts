/**
 * The `saekit` program, for Node and Deno: parses the command line and keeps
 * the contract of its output. Results go to stdout (with `--json` exactly one
 * JSON object and nothing else), everything else to stderr. Exit status: 0
 * done, 1 the run failed, 2 wrong use.
 */
import process from 'node:process';
import { Command, CommanderError } from 'commander';
import { SaekitError, UsageError, isAbort } from '../engine/errors.js';
import { analyzeCommand } from './commands/analyze.js';
import { doctorCommand } from './commands/doctor.js';
import { encodeCommand } from './commands/encode.js';
import { serveCommand } from './commands/serve.js';
import { showCommand } from './commands/show.js';
import { VERSION } from './version.js';

/** Builds the whole command tree; nothing runs until it is parsed. */
export function program(): Command {
  const root = new Command('saekit')
    .description('Analyse sparse autoencoders: encode, measure, and leave a pack that any page can show.')
    .version(VERSION, '-V, --version')
    .showHelpAfterError('(run with --help for the options and examples)')
    .configureOutput({ writeErr: (text) => process.stderr.write(text) })
    .addHelpText(
      'after',
      `
Examples:
  saekit analyze --sae SAE_DIR --acts activations.npy --out pack/
  saekit show pack/ --feature 61
  saekit serve pack/
  saekit doctor

Exit status: 0 done, 1 the run failed, 2 wrong use.`,
    );
  for (const command of [analyzeCommand(), encodeCommand(), showCommand(), serveCommand(), doctorCommand()]) {
    // Sub-commands do not inherit the parent's exit rule and output.
    command.exitOverride().copyInheritedSettings(root);
    root.addCommand(command);
  }
  return root.exitOverride();
}

/** Runs one command line and returns the exit status. */
export async function main(argv: readonly string[]): Promise<number> {
  try {
    await program().parseAsync([...argv], { from: 'user' });
    return 0;
  } catch (error) {
    if (error instanceof CommanderError) {
      // Help and version are answers, not errors; commander has printed either already.
      return error.exitCode === 0 ? 0 : 2;
    }
    report(error);
    return error instanceof UsageError ? 2 : 1;
  }
}

/** One message for a person; the stack only for defects, or when asked for. */
function report(error: unknown): void {
  const debug = process.env['SAEKIT_DEBUG'] !== undefined;
  if (isAbort(error)) {
    process.stderr.write('saekit: stopped; nothing was written\n');
  } else if (error instanceof SaekitError) {
    process.stderr.write(`saekit: ${error.message}\n`);
    if (error.hint !== undefined) process.stderr.write(`  ${error.hint}\n`);
    if (debug) process.stderr.write(`${error.stack ?? ''}\n`);
  } else {
    const stack = error instanceof Error ? (error.stack ?? error.message) : String(error);
    process.stderr.write(`saekit: unexpected error; this is a defect of saekit\n${stack}\n`);
  }
}

/** Waits until what was written to a stream has left the process: a pipe may still hold it when `exit` is called. */
function flushed(stream: NodeJS.WriteStream): Promise<void> {
  return new Promise((resolve) => stream.write('', () => resolve()));
}

const status = await main(process.argv.slice(2));
await flushed(process.stdout);
await flushed(process.stderr);
// A GPU device or a worker may keep the process alive; the work is done.
process.exit(status);
