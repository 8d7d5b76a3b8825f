/** tfjs is loaded through this module, so that bundlers find it and the type checker needs no package that may not be installed. */
export * as core from '@tensorflow/tfjs-core';
export * as wasm from '@tensorflow/tfjs-backend-wasm';
