/**
 * npz: a zip of npy files. The central directory is read by range from the end
 * of the file, so that one array of a large archive costs only its own bytes.
 *
 * An entry that is stored (np.savez) is read in place, by range. A deflated
 * entry (np.savez_compressed) cannot be: it is inflated as a whole into memory
 * when it is opened, chunk by chunk, never beyond the size that the directory
 * declares, and its CRC-32 is compared. zip64 is understood.
 *
 * https://pkware.cachefly.net/webdocs/casestudies/APPNOTE.TXT
 */
import { Inflate } from 'fflate';
import { FormatError } from '../errors.js';
import { bytesSource, type ByteSource } from '../io/bytes.js';
import { allocate, checkRange, messageOf } from '../io/checks.js';
import { crc32 } from '../io/crc32.js';
import { openNpy } from './npy.js';
import type { Tensor } from './tensor.js';

/** A deflated entry larger than this is refused: it would have to be held whole. */
const MAX_INFLATED = 2 ** 31;
/** Deflate cannot shrink by more (RFC 1951: 258 bytes from 2 bits). */
const MAX_RATIO = 1032;
const CHUNK = 1 << 20;

interface ZipEntry {
  readonly name: string;
  readonly method: number;
  readonly crc: number;
  readonly packed: number;
  readonly size: number;
  readonly header: number;
}

export interface NpzFile {
  /** Names of the arrays, without `.npy`. */
  readonly names: readonly string[];
  /** @throws FormatError when there is no such array, or it is damaged */
  tensor(name: string): Promise<Tensor>;
}

/** True when the bytes begin as a zip does. */
export function isZip(head: Uint8Array): boolean {
  return head[0] === 0x50 && head[1] === 0x4b && ((head[2] === 3 && head[3] === 4) || (head[2] === 5 && head[3] === 6));
}

const safe = (value: bigint): number => (value <= BigInt(Number.MAX_SAFE_INTEGER) ? Number(value) : Infinity);

/** Where the directory lies and how many entries it has. */
async function findDirectory(source: ByteSource): Promise<{ start: number; end: number; count: number }> {
  const tailStart = Math.max(0, source.byteLength - 65557);
  const tail = new DataView(await source.slice(tailStart, source.byteLength));
  for (let at = tail.byteLength - 22; at >= 0; at--) {
    if (tail.getUint32(at, true) !== 0x06054b50 || at + 22 + tail.getUint16(at + 20, true) !== tail.byteLength) continue;
    let count = tail.getUint16(at + 10, true);
    let bytes = tail.getUint32(at + 12, true);
    let start = tail.getUint32(at + 16, true);
    if (count === 0xffff || bytes === 0xffffffff || start === 0xffffffff) {
      if (at < 20 || tail.getUint32(at - 20, true) !== 0x07064b50) throw new FormatError(`${source.name}: the zip64 directory is missing`);
      const record = safe(tail.getBigUint64(at - 12, true));
      const zip64 = new DataView(await source.slice(record, record + 56));
      if (zip64.getUint32(0, true) !== 0x06064b50) throw new FormatError(`${source.name}: the zip64 directory is damaged`);
      count = safe(zip64.getBigUint64(32, true));
      bytes = safe(zip64.getBigUint64(40, true));
      start = safe(zip64.getBigUint64(48, true));
    }
    checkRange(source.name, tailStart + at, start, start + bytes);
    return { start, end: start + bytes, count };
  }
  throw new FormatError(`${source.name}: the zip has no directory at its end`, { hint: 'The file is truncated: copy or save it again.' });
}

/** zip64 values replace those that are all ones, in this order. */
function zip64Extra(extra: DataView, fields: number[]): number[] {
  for (let at = 0; at + 4 <= extra.byteLength; ) {
    const length = extra.getUint16(at + 2, true);
    if (extra.getUint16(at, true) === 1) {
      let from = at + 4;
      return fields.map((field) => {
        if (field !== 0xffffffff || from + 8 > Math.min(at + 4 + length, extra.byteLength)) return field;
        from += 8;
        return safe(extra.getBigUint64(from - 8, true));
      });
    }
    at += 4 + length;
  }
  return fields;
}

async function readDirectory(source: ByteSource): Promise<Map<string, ZipEntry>> {
  const { start, end, count } = await findDirectory(source);
  const buffer = await source.slice(start, end);
  const view = new DataView(buffer);
  const entries = new Map<string, ZipEntry>();
  const damaged = (): FormatError => new FormatError(`${source.name}: the zip's directory is damaged`);
  let at = 0;
  for (let i = 0; i < count; i++) {
    if (at + 46 > view.byteLength || view.getUint32(at, true) !== 0x02014b50) throw damaged();
    const [nameBytes, extraBytes, commentBytes] = [view.getUint16(at + 28, true), view.getUint16(at + 30, true), view.getUint16(at + 32, true)];
    const next = at + 46 + nameBytes + extraBytes + commentBytes;
    if (next > view.byteLength) throw damaged();
    const name = new TextDecoder().decode(new Uint8Array(buffer, at + 46, nameBytes));
    const [size, packed, header] = zip64Extra(new DataView(buffer, at + 46 + nameBytes, extraBytes), [
      view.getUint32(at + 24, true),
      view.getUint32(at + 20, true),
      view.getUint32(at + 42, true),
    ]) as [number, number, number];
    if ((view.getUint16(at + 8, true) & 1) !== 0) throw new FormatError(`${source.name}: ${name} is encrypted`);
    if (entries.has(name)) throw new FormatError(`${source.name}: the zip holds ${JSON.stringify(name)} twice`);
    if (!name.endsWith('/')) entries.set(name, { name, method: view.getUint16(at + 10, true), crc: view.getUint32(at + 16, true), packed, size, header });
    at = next;
  }
  return entries;
}

async function inflateEntry(source: ByteSource, label: string, entry: ZipEntry, start: number): Promise<ByteSource> {
  if (entry.size > MAX_INFLATED) {
    throw new FormatError(`${label}: is compressed and ${entry.size} bytes large, more than can be held`, { hint: 'Save it with np.savez, which does not compress, or as .npy: these are read by range.' });
  }
  if (entry.size > entry.packed * MAX_RATIO + 64) throw new FormatError(`${label}: ${entry.packed} compressed bytes cannot be the ${entry.size} that the directory declares`);
  const out = new Uint8Array(allocate(label, entry.size));
  let filled = 0;
  let crc = 0;
  let finished = false;
  const inflate = new Inflate((chunk, final) => {
    if (filled + chunk.length > out.length) throw new FormatError(`${label}: inflates to more than the ${entry.size} bytes that the directory declares`);
    out.set(chunk, filled);
    filled += chunk.length;
    crc = crc32(chunk, crc);
    finished = final;
  });
  try {
    // Pushed in small pieces, so that a hostile stream is stopped before it has grown far.
    for (let at = 0; at < entry.packed; at += CHUNK) {
      const piece = new Uint8Array(await source.slice(start + at, start + Math.min(at + CHUNK, entry.packed)));
      for (let from = 0; from < piece.length; from += 16384) {
        const to = Math.min(from + 16384, piece.length);
        inflate.push(piece.subarray(from, to), at + to === entry.packed);
      }
    }
  } catch (cause) {
    if (cause instanceof FormatError) throw cause;
    throw new FormatError(`${label}: the compressed data is damaged (${messageOf(cause)})`, { cause });
  }
  if (!finished || filled !== entry.size) throw new FormatError(`${label}: inflates to ${filled} bytes, the directory declares ${entry.size}`);
  if (crc !== entry.crc) throw new FormatError(`${label}: its checksum is wrong: the file is damaged`);
  return bytesSource(label, out);
}

/** Opens an npz by reading its directory. @throws FormatError when it is no zip, damaged or truncated */
export async function openNpz(source: ByteSource): Promise<NpzFile> {
  const entries = await readDirectory(source);
  const names = [...entries.keys()].map((name) => name.replace(/\.npy$/, ''));
  return {
    names,
    async tensor(name) {
      const entry = entries.get(`${name}.npy`) ?? entries.get(name);
      if (entry === undefined) throw new FormatError(`${source.name}: there is no array ${JSON.stringify(name)}`, { hint: `It holds ${names.join(', ') || 'nothing'}.` });
      const label = `${source.name}#${name}`;
      const local = new DataView(await source.slice(entry.header, entry.header + 30));
      if (local.getUint32(0, true) !== 0x04034b50) throw new FormatError(`${label}: the zip entry is damaged`);
      const start = entry.header + 30 + local.getUint16(26, true) + local.getUint16(28, true);
      checkRange(label, source.byteLength, start, start + entry.packed);
      if (entry.method === 8) return { ...(await openNpy(await inflateEntry(source, label, entry, start))), name };
      if (entry.method !== 0) throw new FormatError(`${label}: compression method ${entry.method} is not supported`, { hint: 'Save it with np.savez or np.savez_compressed.' });
      if (entry.packed !== entry.size) throw new FormatError(`${label}: is stored as ${entry.packed} bytes, the directory declares ${entry.size}`);
      const stored: ByteSource = {
        name: label,
        byteLength: entry.size,
        slice(from, to = entry.size) {
          try {
            checkRange(label, entry.size, from, to);
          } catch (error) {
            return Promise.reject(error as Error);
          }
          return source.slice(start + from, start + to);
        },
      };
      return { ...(await openNpy(stored)), name };
    },
  };
}
