/** See tfjs.mjs. */
export * as core from '@tensorflow/tfjs-core';
import '@tensorflow/tfjs-backend-webgpu';
