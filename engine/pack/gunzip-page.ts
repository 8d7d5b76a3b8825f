/**
 * Inflating one page (RFC 1952), with everything checked that the format allows
 * to check: the length that Parquet's header promises, the length and the CRC-32
 * in gzip's trailer. A flipped bit in a pack's numbers is thus an error.
 */
import { gunzipSync } from 'fflate';
import { crc32 } from '../io/crc32.js';

/** Most bytes that one page may unpack to. */
const MAX_PAGE = 1 << 28;
/** Deflate packs at most 1032 to 1. */
const MAX_RATIO = 1032;

/**
 * @param length what the page's header says it unpacks to
 * @throws Error when it does not
 */
export function gunzipPage(bytes: Uint8Array, length: number): Uint8Array {
  if (!(length >= 0) || length > Math.min(MAX_PAGE, bytes.byteLength * MAX_RATIO)) {
    throw new Error(`a page that says it unpacks ${bytes.byteLength} bytes into ${length}`);
  }
  if (bytes.byteLength < 18) throw new Error('a page that is cut off');
  const trailer = new DataView(bytes.buffer, bytes.byteOffset + bytes.byteLength - 8, 8);
  if (trailer.getUint32(4, true) !== length) throw new Error(`a page of ${trailer.getUint32(4, true)} bytes where its header says ${length}`);
  const page = gunzipSync(bytes, { out: new Uint8Array(length) });
  if (page.byteLength !== length) throw new Error(`a page that ends after ${page.byteLength} of ${length} bytes`);
  if (crc32(page) !== trailer.getUint32(0, true)) throw new Error('a page whose checksum does not fit');
  return page;
}
