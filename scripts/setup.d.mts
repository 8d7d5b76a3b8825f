/** Root of the repository, with a slash at its end. */
export const ROOT: string;
/** Builds dist/ unless it is newer than its sources. */
export function build(): void;
/** Runs a program to its end; throws when it fails. */
export function run(command: string, args: string[], options?: { cwd?: string }): void;
