/** The same with relaxed SIMD. */
export { default } from '../../build/wasm/shared-relaxed.wasm';
