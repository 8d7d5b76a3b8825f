/**
 * Bytes behind a URL, read by HTTP Range.
 *
 * The first request is a ranged GET, whose Content-Range tells the length and
 * whose body is kept, so that a header at the front of a file costs nothing
 * more. A server that ignores Range answers 200 with everything: the body is
 * kept and no second request is made. A cross-origin server that does not
 * expose Content-Range is asked by HEAD. Kept true: a read returns exactly the
 * bytes asked for or fails, and a file that changes length meanwhile fails.
 */
import { FormatError, isAbort } from '../errors.js';
import { bytesSource, type ByteSource } from './bytes.js';
import { checkRange, messageOf, NotFoundError } from './checks.js';

export interface UrlOptions {
  /** Length, when it is known from elsewhere (a manifest): the first request is saved. */
  readonly byteLength?: number | undefined;
  /** Aborts the opening request; not the reads that follow. */
  readonly signal?: AbortSignal | undefined;
}

/** How much the first request asks for: a safetensors header of an SAE, a whole cfg.json. */
const PROBE_BYTES = 16384;

async function request(url: string, init: RequestInit): Promise<Response> {
  try {
    return await fetch(url, init);
  } catch (cause) {
    if (isAbort(cause)) throw cause;
    throw new FormatError(`${shorten(url)}: the request failed (${messageOf(cause)})`, {
      cause,
      hint: 'Check the address; in a page, the other server must allow this origin (CORS), and a content security policy must allow it in connect-src.',
    });
  }
}

function shorten(url: string): string {
  return url.length <= 120 ? url : `${url.slice(0, 100)}…`;
}

function statusError(url: string, response: Response): FormatError {
  const text = `${shorten(url)}: the server answered ${response.status} ${response.statusText}`.trimEnd();
  if (response.status === 404 || response.status === 410) return new NotFoundError(text);
  if (response.status === 401 || response.status === 403) return new FormatError(text, { hint: 'The file is not public, or the link has expired.' });
  return new FormatError(text);
}

async function body(url: string, response: Response): Promise<ArrayBuffer> {
  try {
    return await response.arrayBuffer();
  } catch (cause) {
    if (isAbort(cause)) throw cause;
    throw new FormatError(`${shorten(url)}: the connection broke while the answer was read (${messageOf(cause)})`, { cause });
  }
}

/** Total length that a Content-Range names, or null. */
function totalOf(response: Response): number | null {
  const match = /^bytes\s+(?:\d+-\d+|\*)\/(\d+)$/i.exec(response.headers.get('content-range')?.trim() ?? '');
  return match === null ? null : Number(match[1]);
}

async function lengthByHead(url: string, signal: AbortSignal | undefined): Promise<number | null> {
  const response = await request(url, { method: 'HEAD', ...(signal ? { signal } : {}) });
  const length = response.headers.get('content-length');
  // A compressed answer's length is not the file's.
  if (!response.ok || length === null || response.headers.has('content-encoding')) return null;
  return /^\d+$/.test(length) ? Number(length) : null;
}

/** Opens a URL. @throws NotFoundError on 404, FormatError on any other failure, both naming URL and status. */
export async function openUrl(url: string, options: UrlOptions = {}): Promise<ByteSource> {
  if (options.byteLength !== undefined) return rangedSource(url, options.byteLength, null);
  const signal = options.signal ? { signal: options.signal } : {};
  const response = await request(url, { headers: { range: `bytes=0-${PROBE_BYTES - 1}` }, ...signal });
  if (response.status === 200) return bytesSource(shorten(url), new Uint8Array(await body(url, response)));
  if (response.status === 416 && totalOf(response) === 0) return bytesSource(shorten(url), new Uint8Array(0));
  if (response.status !== 206) throw statusError(url, response);
  const head = new Uint8Array(await body(url, response));
  // Fewer bytes than asked for are either the whole file or a broken answer: the total decides.
  const total = totalOf(response) ?? (await lengthByHead(url, options.signal));
  if (total === null) {
    const whole = await request(url, signal);
    if (!whole.ok) throw statusError(url, whole);
    return bytesSource(shorten(url), new Uint8Array(await body(url, whole)));
  }
  if (head.byteLength !== Math.min(total, PROBE_BYTES)) throw lengthError(url, Math.min(total, PROBE_BYTES), head.byteLength);
  return rangedSource(url, total, head);
}

/** What a blob: or data: URL names: it is in memory already, and hosts disagree about ranges of it. @throws FormatError */
export async function fetchBlob(url: string, signal: AbortSignal | undefined): Promise<Blob> {
  const response = await request(url, signal ? { signal } : {});
  if (!response.ok) throw statusError(url, response);
  return new Blob([await body(url, response)]);
}

function lengthError(url: string, expected: number, got: number): FormatError {
  return new FormatError(`${shorten(url)}: ${expected} bytes were asked for and ${got} came`, {
    hint: 'The server or something before it cuts answers short.',
  });
}

function rangedSource(url: string, byteLength: number, head: Uint8Array | null): ByteSource {
  /** Set once a server that was thought to know ranges sends everything. */
  let whole: ByteSource | null = null;
  return {
    name: shorten(url),
    byteLength,
    async slice(start, end = byteLength) {
      checkRange(shorten(url), byteLength, start, end);
      if (whole !== null) return whole.slice(start, end);
      if (start === end) return new ArrayBuffer(0);
      if (head !== null && end <= head.byteLength) return head.slice(start, end).buffer as ArrayBuffer;
      const response = await request(url, { headers: { range: `bytes=${start}-${end - 1}` } });
      if (response.status === 200) {
        const bytes = new Uint8Array(await body(url, response));
        if (bytes.byteLength !== byteLength) throw lengthError(url, byteLength, bytes.byteLength);
        whole = bytesSource(shorten(url), bytes);
        return whole.slice(start, end);
      }
      const total = totalOf(response);
      if (total !== null && total !== byteLength) {
        throw new FormatError(`${shorten(url)}: the file had ${byteLength} bytes and now has ${total}: it changed while it was read`);
      }
      if (response.status !== 206) throw statusError(url, response);
      const bytes = await body(url, response);
      if (bytes.byteLength !== end - start) throw lengthError(url, end - start, bytes.byteLength);
      return bytes;
    },
  };
}
