/** Root of the repository, with a slash at its end. */
export const ROOT: string;
/** Builds dist/ unless it is newer than its sources. */
export function build(): void;
