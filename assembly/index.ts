/**
 * The WASM module's exports. All of them work on raw pointers into the module's
 * memory; engine/wasm/loader.ts types them for TypeScript and says what they expect.
 */
export { alloc, bound, mark, reset } from './memory';
export { packRows, packWeights } from './pack';
export { dense, denseRow, denseShuffled } from './gemm';
export { boundAbove, packScreen, roundRows, settle } from './screen';
export { compact, compactGated } from './compact';
export { collect, finish, firstFloors, raiseFloors } from './select';
export { decode } from './decode';
