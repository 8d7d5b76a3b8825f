/** The module for a memory that threads share: in a chunk of its own, loaded where there are such threads. */
export { default } from '../../build/wasm/shared.wasm';
