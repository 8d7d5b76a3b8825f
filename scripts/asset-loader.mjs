/**
 * How a `.wgsl` and a `.wasm` file become JavaScript, for every tool that needs
 * it (rollup, web-test-runner, Node's loader, esbuild): WGSL as text with its
 * comments and spare white space removed when minified, WASM as base64 in the
 * module, because a bundle must work from blob: and data: URLs, in workers, and
 * where only one file can be hosted.
 */

/** WGSL without comments, indentation and blank lines. Line structure stays, so that compiler messages still point somewhere. */
export function minifyWgsl(source) {
  return source
    .replace(/\/\*[\s\S]*?\*\//g, '')
    .replace(/\/\/[^\n]*/g, '')
    .split('\n')
    .map((line) => line.trim().replace(/\s+/g, ' ').replace(/ ?([=+\-*/<>,;:(){}&|]+) ?/g, '$1'))
    .filter((line) => line !== '')
    .join('\n');
}

/** The JavaScript module for an asset, or null when the file is not one. */
export function assetModule(path, bytes, { minify = false } = {}) {
  if (path.endsWith('.wgsl')) {
    const text = new TextDecoder().decode(bytes);
    return `export default ${JSON.stringify(minify ? minifyWgsl(text) : text)};\n`;
  }
  if (path.endsWith('.wasm')) {
    const base64 = Buffer.from(bytes).toString('base64');
    return `const text = atob('${base64}');\nexport default Uint8Array.from(text, (c) => c.charCodeAt(0));\n`;
  }
  return null;
}
