/**
 * How a memory that threads share is divided. All of it is asked for at once, and
 * it never grows: what is not written to is address space, no more.
 *
 *   control | weights | screen | one stretch a thread | rows of a call
 *
 * The first thread packs the weights, and the screen when it is wanted; the others
 * find them where the same allocations lead them. Rows are written once, by the
 * first thread, and read by whoever takes them (share.ts).
 */
import { BLOCK, BOUNDED, CHUNK, PANEL, SLAB, decideCandidates, encoderBytes, type EncoderWeights } from './shape.js';
import { MEMORY_CEILING, type Pointer, type Stretch } from './loader.js';
import { screenBytes } from './screen.js';

/** Where an encoder is, in a memory that it shares: plain data, which a worker can be sent. */
export interface Home {
  readonly memory: WebAssembly.Memory;
  readonly weights: Stretch;
  /** Empty where there is to be no screen. */
  readonly screen: Stretch;
  /** This thread's own. */
  readonly own: Stretch;
  /** Whether another thread has packed the weights. */
  readonly packed: boolean;
}

/** A divided memory. */
export interface Space extends Omit<Home, 'own' | 'packed' | 'memory'> {
  readonly bytes: number;
  /** CONTROL_WORDS u32 (share.ts). */
  readonly control: Pointer;
  readonly threads: readonly Stretch[];
  /** Rows of a call, and how many of them there is room for. */
  readonly rows: Stretch;
  readonly staged: number;
}

const PAGE = 65_536;
/** What allocations lose to alignment, and the arena's own. */
const SLACK = 4096;
/** Where everything fires, fewer rows at a time fit: a share of the entries that 128 rows could have is enough. */
const DENSITY = 1 / 16;
/** Rows of a call that are in memory at once: so many bytes, or so many chunks a thread. */
const STAGED_BYTES = 32 * 2 ** 20;
const STAGED_CHUNKS = 8;

/**
 * Pure.
 * @returns null where it does not fit into what a 32-bit memory can address
 */
export function divide(weights: EncoderWeights, threads: number): Space | null {
  const { d_in, d_sae } = weights;
  const columns = Math.ceil(d_sae / PANEL) * PANEL;
  let top = PAGE;
  const stretch = (bytes: number): Stretch => {
    const begin = top;
    top += Math.ceil(bytes / PAGE) * PAGE;
    return { begin, end: top };
  };
  const control = stretch(1).begin;
  // Packing takes one row of the matrix more.
  const parts = {
    weights: stretch(encoderBytes(d_in, d_sae, weights.gate !== null) + columns * 4 + SLACK),
    screen: stretch(weights.screen === 'off' ? 0 : screenBytes(d_in, columns) + SLACK),
    threads: Array.from({ length: threads }, () => stretch(scratchBytes(weights))),
  };
  const chunkBytes = CHUNK * d_in * 4;
  const staged = CHUNK * Math.max(STAGED_CHUNKS * threads, Math.floor(STAGED_BYTES / chunkBytes));
  const rows = stretch(staged * d_in * 4);
  // The last page stays out, as in assembly/memory.ts.
  return top > MEMORY_CEILING - PAGE ? null : { bytes: top, control, ...parts, rows, staged };
}

/** What one thread needs for a chunk of rows: all of it where a sixteenth of the features fires, else some rows of it. */
function scratchBytes({ d_in, d_sae, architecture, k, screen }: EncoderWeights): number {
  const blocks = Math.ceil(d_sae / BLOCK);
  const columns = blocks * BLOCK;
  // x, packed, i16 rows; records, bounds, sums and lists of a screen; energies.
  const rows = CHUNK * ((d_in + 4) * 10 + 1024) + d_in * 8;
  const tile = CHUNK * BLOCK * 4 * (architecture === 'topk' && screen !== 'off' ? Math.min(blocks, BOUNDED) : 1);
  const entries = Math.max(columns * 8, CHUNK * columns * 8 * DENSITY) + CHUNK * BLOCK * 8;
  const most = Math.min(k ?? 0, d_sae);
  const codes = architecture === 'topk' ? CHUNK * (decideCandidates(most, blocks).capacity + most + 1) * 8 : blocks * CHUNK * 4 + entries;
  const slab = (SLAB + CHUNK * 16) * 4;
  return rows + Math.max(tile + codes, slab) + columns * 4 + SLACK;
}
