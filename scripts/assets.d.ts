/** The two kinds of file that are imported as data; scripts/asset-loader.mjs and rollup.config.mjs load them. */
declare module '*.wgsl' {
  const source: string;
  export default source;
}
declare module '*.wasm' {
  const bytes: Uint8Array<ArrayBuffer>;
  export default bytes;
}
