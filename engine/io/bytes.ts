/**
 * Random access to bytes, wherever they are: a file, a URL with HTTP ranges, a
 * Blob, memory. The shape is that of hyparquet's AsyncBuffer, so that a source
 * can be handed to it as it is.
 */
import { allocate, checkRange } from './checks.js';

/** Bytes that can be read by range. `slice(start, end)` is end-exclusive and never returns fewer bytes than asked for. */
export interface ByteSource {
  /** What to call it in a message: a path or URL. */
  readonly name: string;
  readonly byteLength: number;
  slice(start: number, end?: number): Promise<ArrayBuffer>;
  /** Give back what the source holds (a file handle); reading afterwards is an error. */
  close?(): Promise<void>;
}

/** A source over bytes in memory. The buffer is not copied until it is sliced. */
export function bytesSource(name: string, bytes: Uint8Array): ByteSource {
  return {
    name,
    byteLength: bytes.byteLength,
    slice(start, end = bytes.byteLength) {
      try {
        checkRange(name, bytes.byteLength, start, end);
        // A Uint8Array may sit over a SharedArrayBuffer or an offset: copy to a plain ArrayBuffer.
        const copy = allocate(name, end - start);
        new Uint8Array(copy).set(bytes.subarray(start, end));
        return Promise.resolve(copy);
      } catch (error) {
        return Promise.reject(error as Error);
      }
    },
  };
}
