/**
 * Shared memories, used again. An engine frees one when nothing refers to it any
 * more, but does not count it towards collecting garbage: an SAE after another would
 * fill the machine first. So a memory that was given back is taken by the next SAE
 * of this realm, and grown where it is too small. It is held weakly: what nobody
 * takes is collected as ever.
 */
const PAGE = 65_536;
/** What a 32-bit memory can have. */
const MOST_PAGES = 65_536;

let spare: WeakRef<WebAssembly.Memory>[] = [];

/** A memory of at least so many bytes, whatever they hold; null where it is not to be had. */
export function takeMemory(bytes: number): WebAssembly.Memory | null {
  const pages = Math.ceil(bytes / PAGE);
  const there = spare.flatMap((reference) => reference.deref() ?? []);
  // The largest: it is least likely to have to grow.
  there.sort((a, b) => b.buffer.byteLength - a.buffer.byteLength);
  const [again, ...others] = there;
  spare = others.map((memory) => new WeakRef(memory));
  return (again !== undefined && grown(again, pages)) || made(pages, MOST_PAGES) || made(pages, pages);
}

/** No thread writes to it any more. */
export function giveMemory(memory: WebAssembly.Memory): void {
  spare.push(new WeakRef(memory));
}

function grown(memory: WebAssembly.Memory, pages: number): WebAssembly.Memory | null {
  const missing = pages - memory.buffer.byteLength / PAGE;
  try {
    if (missing > 0) memory.grow(missing);
    return memory;
  } catch {
    return null;
  }
}

/** @param most pages that it may grow to: engines that set that much aside may refuse it */
function made(pages: number, most: number): WebAssembly.Memory | null {
  try {
    return new WebAssembly.Memory({ initial: pages, maximum: most, shared: true });
  } catch {
    return null;
  }
}
