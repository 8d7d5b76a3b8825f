/**
 * The `saekit` program, for Node and Deno: parses the command line and keeps
 * the contract of its output. Results go to stdout (with `--json` exactly one
 * JSON object and nothing else), everything else to stderr. Exit status: 0
 * done, 1 the run failed, 2 wrong use.
 */
import process from 'node:process';
import { Command, CommanderError } from 'commander';
import { SaekitError, UsageError, isAbort } from '../engine/errors.js';
import { VERSION } from '../engine/version.js';
import { analyzeCommand } from './commands/analyze.js';
import { dyingCommand } from './commands/dying.js';
import { doctorCommand } from './commands/doctor.js';
import { encodeCommand } from './commands/encode.js';
import { generateCommand } from './commands/generate.js';
import { serveCommand } from './commands/serve.js';
import { showCommand } from './commands/show.js';
import { trainCommand } from './commands/train.js';
import { sweepCommand } from './commands/sweep.js';
import { endWithReader, environmentVariable } from './output.js';

/** Builds the whole command tree; nothing runs until it is parsed. */
export function program(): Command {
  const root = new Command('saekit')
    .description('Analyse sparse autoencoders: encode, measure, and leave a pack that any page can show.')
    .version(VERSION, '-V, --version')
    .configureOutput({
      outputError: (text, write) => write(text.replace(/^error: /, 'saekit: ')),
      // Nothing here is coloured; the defaults ask the environment, for which Deno wants a permission.
      getOutHasColors: () => false,
      getErrHasColors: () => false,
    })
    .addHelpText(
      'after',
      `
Examples:
  saekit analyze --sae SAE_DIR --acts activations.npy --out pack/
  saekit show pack/ --feature 61
  saekit serve pack/
  saekit dying --run RUN_DIR --acts activations.npy --out dying/
  saekit doctor

\`saekit COMMAND --help\` has every option and more examples.
Exit status: 0 done, 1 the run failed, 2 wrong use.`,
    );
  root.exitOverride().showHelpAfterError('  `saekit --help` lists the commands.');
  for (const command of [analyzeCommand(), encodeCommand(), generateCommand(), sweepCommand(), showCommand(), serveCommand(), trainCommand(), dyingCommand(), doctorCommand()]) {
    // Sub-commands do not inherit the parent's exit rule and output.
    command.copyInheritedSettings(root).showHelpAfterError(`  \`saekit ${command.name()} --help\` lists the options, with examples.`);
    root.addCommand(command);
  }
  return root;
}

/** Runs one command line and returns the exit status. */
export async function main(argv: readonly string[]): Promise<number> {
  try {
    await program().parseAsync([...argv], { from: 'user' });
    return 0;
  } catch (error) {
    // Help and version are answers, not errors; commander has printed either already.
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2;
    report(error);
    return error instanceof UsageError ? 2 : 1;
  }
}

/** One message for a person; the stack only for defects, or when asked for. */
function report(error: unknown): void {
  const debug = environmentVariable('SAEKIT_DEBUG') !== undefined;
  const say = (text: string): void => void process.stderr.write(`${text}\n`);
  if (isAbort(error)) return say('saekit: stopped; nothing was written');
  const stack = error instanceof Error ? (error.stack ?? error.message) : String(error);
  const denied = denial(error);
  if (denied !== null) {
    say(`saekit: Deno does not allow it: ${denied}`);
    say('  saekit needs --allow-read; --allow-write to write, --allow-net to serve and to read URLs; --allow-env for NO_COLOR.');
  } else if (error instanceof SaekitError) {
    say(`saekit: ${error.message}`);
    if (error.hint !== undefined) say(`  ${error.hint}`);
  } else return say(`saekit: unexpected error; this is a defect of saekit\n${stack}`);
  if (debug) say(stack);
}

/** What Deno refused, also where an error of ours was made of it; null for other errors. */
function denial(error: unknown): string | null {
  for (let cause = error, depth = 0; cause instanceof Error && depth < 5; cause = cause.cause, depth++) {
    if (cause.name === 'NotCapable') return cause.message;
  }
  return null;
}

/** Waits until what was written to a stream has left the process: a pipe may still hold it when `exit` is called. */
function flushed(stream: NodeJS.WriteStream): Promise<void> {
  return new Promise((resolve) => stream.write('', () => resolve()));
}

endWithReader();
// What is thrown where nobody waits for it (Deno refuses a port that way) is told like everything else.
process.on('uncaughtException', (error) => {
  report(error);
  process.exit(1);
});
// Stdout is the result's alone: what plugins and libraries have to say goes to stderr.
console.log = console.info = console.debug = console.error;
// Not awaited at the top: chunks that are loaded later may share code with this module, and would wait for it to end.
void main(process.argv.slice(2)).then(async (status) => {
  await flushed(process.stdout);
  await flushed(process.stderr);
  // A GPU device or a worker may keep the process alive; the work is done.
  process.exit(status);
});
