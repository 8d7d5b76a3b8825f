/** The training module with relaxed SIMD: in a chunk of its own, loaded where it is asked for. */
export { default } from '../../../build/wasm/train-relaxed.wasm';
