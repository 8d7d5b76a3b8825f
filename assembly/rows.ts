/**
 * The record that each row of a chunk has while it is encoded: 32 bytes, of
 * which JavaScript reads `ties` and `flags`.
 */

/** Size of a record, as a shift. */
// @ts-ignore: decorator
@inline export const ROW_SHIFT: usize = 5;

/** f32: tol_r of engine/codes.ts. */
// @ts-ignore: decorator
@inline export const TOLERANCE: usize = 0;
/** f32, topk: only z above it can still be among the largest. */
// @ts-ignore: decorator
@inline export const FLOOR: usize = 4;
/** u32, topk: candidates held. */
// @ts-ignore: decorator
@inline export const HELD: usize = 8;
/** u32: decisions within the tolerance. */
// @ts-ignore: decorator
@inline export const TIES: usize = 12;
/** u32: what is not finite. */
// @ts-ignore: decorator
@inline export const FLAGS: usize = 16;

// @ts-ignore: decorator
@inline export const BAD_INPUT: u32 = 1;
// @ts-ignore: decorator
@inline export const BAD_PREACTIVATION: u32 = 2;
