/** Reading small files whole: bytes, JSON, and their SHA-256. */
import { FormatError } from '../errors.js';
import type { ByteSource } from './bytes.js';
import { messageOf } from './checks.js';
import { openRef, type Ref } from './open.js';

/** The whole of a reference, as bytes; what it opened is closed again. */
export async function readAll(ref: Ref): Promise<Uint8Array<ArrayBuffer>> {
  const source = await openRef(ref);
  try {
    return new Uint8Array(await source.slice(0, source.byteLength));
  } finally {
    if (source !== ref) await source.close?.();
  }
}

/** Reads JSON out of a source. @throws FormatError naming the file */
export async function readJson(source: ByteSource): Promise<unknown> {
  if (source.byteLength > 2 ** 26) throw new FormatError(`${source.name}: ${source.byteLength} bytes are too many for a configuration`);
  const bytes = await source.slice(0, source.byteLength);
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes)) as unknown;
  } catch (cause) {
    throw new FormatError(`${source.name}: is not JSON (${messageOf(cause)})`, { cause });
  }
}

/** SHA-256 in hex; null where the host has no crypto.subtle (a page that is not served securely). */
export async function sha256Hex(bytes: Uint8Array<ArrayBuffer>): Promise<string | null> {
  const subtle = (globalThis.crypto as Crypto | undefined)?.subtle as SubtleCrypto | undefined;
  if (subtle === undefined) return null;
  const digest = new Uint8Array(await subtle.digest('SHA-256', bytes));
  return Array.from(digest, (byte) => byte.toString(16).padStart(2, '0')).join('');
}
