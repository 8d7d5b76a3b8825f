/** `saekit doctor`: what this machine offers, and what to do about what is missing. */
import { Command } from 'commander';
import { describeEnvironment } from '../../engine/choose-backend.js';
import { print, printJson } from '../output.js';
import { VERSION } from '../version.js';

export function doctorCommand(): Command {
  return new Command('doctor')
    .description('Print the backends, adapter, limits and WASM features found, and what to do about what is missing.')
    .option('--json', 'print one JSON object on stdout and nothing else')
    .addHelpText('after', `\nExamples:\n  saekit doctor\n  saekit doctor --json | jq .webgpu`)
    .action(async (flags: { json?: boolean }) => {
      const environment = { saekit: VERSION, ...(await describeEnvironment()) };
      if (flags.json === true) return printJson(environment);
      print(lines(environment, '').join('\n'));
    });
}

/** Nested plain values as indented `name  value` lines. */
function lines(value: Readonly<Record<string, unknown>>, indent: string): string[] {
  const width = Math.max(...Object.keys(value).map((key) => key.length));
  return Object.entries(value).flatMap(([key, entry]) => {
    if (Array.isArray(entry)) {
      if (entry.length === 0) return [`${indent}${key.padEnd(width)}  none`];
      return [`${indent}${key}`, ...entry.flatMap((item) => (isRecord(item) ? lines(item, `${indent}  `) : [`${indent}  ${String(item)}`]))];
    }
    if (isRecord(entry)) return [`${indent}${key}`, ...lines(entry, `${indent}  `)];
    const shown = entry === true ? 'yes' : entry === false ? 'no' : entry === null ? '–' : String(entry);
    return [`${indent}${key.padEnd(width)}  ${shown}`];
  });
}

const isRecord = (value: unknown): value is Record<string, unknown> => typeof value === 'object' && value !== null;
