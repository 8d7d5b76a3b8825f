/**
 * The training module's exports: the dense product, packing and selection of the
 * analysis, and what a training step needs besides. Everything after the dense
 * product touches only the entries that a row has: (feature, activation) pairs.
 * engine/wasm/train/kernels.ts types them for TypeScript.
 */
export { alloc, mark, reset } from '../memory';
export { packRows } from '../pack';
export { dense, denseShuffled } from '../gemm';
export { collect, finish, firstFloors } from '../select';
export { above, centre, packFeatures, scaleColumns, unpair } from './select';
export { keep, keepLargest, spreadKeys } from './batch';
export { magnitudes, jump, measure } from './activations';
export { decodeGroups, residuals } from './decode';
export { backward, transpose } from './backward';
export { auxiliary, dead, ghostEntries, ghostResiduals, preactivationLoss } from './dead';
export { adam, alongDecoder, descend, normalise, norms, removeParallel, squares, throughInput } from './update';
