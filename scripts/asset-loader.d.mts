/** WGSL without comments, indentation and blank lines. */
export function minifyWgsl(source: string): string;
/** The JavaScript module for an asset, or null when the file is not one. */
export function assetModule(path: string, bytes: Uint8Array, options?: { minify?: boolean }): string | null;
