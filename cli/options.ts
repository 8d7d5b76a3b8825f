/** Parsing of option values, shared by the commands. Each parser throws a commander error that names the flag's value. */
import { InvalidArgumentError } from 'commander';

/** A whole number of at least `low`. */
export function whole(low: number) {
  return (text: string): number => {
    const value = Number(text);
    if (!/^\d+$/.test(text) || !Number.isSafeInteger(value) || value < low) {
      throw new InvalidArgumentError(`Expected a whole number of at least ${low}.`);
    }
    return value;
  };
}

/** `0,1,2` → [0, 1, 2] */
export function wholeList(text: string): number[] {
  const parse = whole(0);
  return text.split(',').map((part) => parse(part.trim()));
}

/** One of the words given. */
export function oneOf<const T extends string>(...words: readonly T[]) {
  return (text: string): T => {
    const found = words.find((word) => word === text);
    if (found === undefined) throw new InvalidArgumentError(`Expected one of ${words.join(', ')}.`);
    return found;
  };
}

/** Gathers a repeatable option. */
export function collect(text: string, before: readonly string[] = []): string[] {
  return [...before, text];
}

/** `sae/examples.top=10` gathered into {'sae/examples': {top: 10}}; numbers and true/false are recognised. */
export function setting(text: string, before: Record<string, Record<string, unknown>> = {}): Record<string, Record<string, unknown>> {
  const match = /^([a-z0-9-]+\/[a-z0-9-]+)\.([A-Za-z_]\w*)=(.*)$/.exec(text);
  if (match === null) throw new InvalidArgumentError('Expected PLUGIN.SETTING=VALUE, for example sae/examples.top=10.');
  const [, plugin = '', name = '', raw = ''] = match;
  const value = raw === 'true' ? true : raw === 'false' ? false : raw !== '' && Number.isFinite(Number(raw)) ? Number(raw) : raw;
  return { ...before, [plugin]: { ...before[plugin], [name]: value } };
}
