/** CRC-32 of IEEE 802.3, reflected: the checksum of zip and gzip. */

let table: Uint32Array | null = null;

/** The checksum of `bytes`, or of what had the checksum `before` and then `bytes`. */
export function crc32(bytes: Uint8Array, before = 0): number {
  table ??= Uint32Array.from({ length: 256 }, (_, n) => {
    for (let bit = 0; bit < 8; bit++) n = n & 1 ? (n >>> 1) ^ 0xedb88320 : n >>> 1;
    return n;
  });
  let crc = ~before;
  // A plain loop: checksums are taken of whole packs.
  for (let i = 0; i < bytes.length; i++) crc = (crc >>> 8) ^ (table[(crc ^ (bytes[i] as number)) & 0xff] as number);
  return ~crc >>> 0;
}
