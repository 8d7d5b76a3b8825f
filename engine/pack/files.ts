/**
 * The files of a pack, wherever they are: by HTTP with ranges, in memory, in a
 * directory (Node, Deno). Kept true: a read gives exactly the bytes that were
 * asked for, or a SaekitError that names the file; an abort reaches the request.
 */
import { FormatError, isAbort } from '../errors.js';
import { messageOf, NotFoundError } from '../io/checks.js';
import { hasFileSystem, openFolder } from '../io/open.js';
import { SharedTasks } from './shared-tasks.js';

/** What a pack is read through; hand in your own for other places. */
export interface PackFiles {
  /** For messages: the pack's path or URL. */
  readonly name?: string;
  /**
   * Bytes `start` up to, not including, `end` of a file; all of it without them.
   * @param path below the pack, e.g. `features.parquet`
   */
  read(path: string, start?: number, end?: number, signal?: AbortSignal): Promise<Uint8Array>;
}

/** A folder's path or URL (in a page relative to the document), files in memory, or a reader. */
export type PackSource = string | URL | ReadonlyMap<string, Uint8Array> | PackFiles;

export interface OpenedFiles {
  readonly name: string;
  /** The same for two sources that are the same place; null where that cannot be known. */
  readonly key: string | null;
  readonly files: PackFiles;
}

/** @throws FormatError when the reference makes no sense here */
export function openFiles(source: PackSource, fetcher: typeof fetch | undefined): OpenedFiles {
  if (source instanceof Map) return { name: 'pack in memory', key: null, files: memoryFiles(source as ReadonlyMap<string, Uint8Array>) };
  if (typeof source === 'object' && !(source instanceof URL)) {
    const files = source as PackFiles;
    return { name: files.name ?? 'pack', key: null, files };
  }
  // Some give the manifest instead of its folder.
  const text = String(source).replace(/(^|[\\/])manifest\.json$/, '$1');
  const url = urlOf(text);
  if (url === null) {
    const path = text === '' ? '.' : text;
    return { name: path, key: null, files: folderFiles(path) };
  }
  // A fetch of the caller's own may answer differently: such packs are not shared.
  return { name: url.href, key: fetcher === undefined ? url.href : null, files: urlFiles(url, fetcher ?? ((input, init) => fetch(input, init))) };
}

/** The folder as an absolute URL with a slash at its end, or null for a path of this machine. */
function urlOf(text: string): URL | null {
  const remote = /^(https?|blob|data):/i.test(text);
  if (!remote && hasFileSystem()) return null;
  const host = globalThis as { document?: { baseURI?: string }; location?: { href?: string } };
  let url: URL;
  try {
    url = new URL(text === '' ? '.' : text, host.document?.baseURI ?? host.location?.href);
  } catch (cause) {
    throw new FormatError(`${JSON.stringify(text)} is not the address of a pack`, { cause });
  }
  if (url.protocol !== 'http:' && url.protocol !== 'https:') {
    throw new FormatError(`${text}: a pack is a folder behind http: or https:, not ${url.protocol}`, { hint: 'Serve the folder, for example with `npx saekit serve PACK`.' });
  }
  url.hash = '';
  if (!url.pathname.endsWith('/')) url.pathname += '/';
  return url;
}

const cutOff = (name: string, start: number, end: number, size: number): FormatError =>
  new FormatError(`${name}: has ${size} bytes, bytes ${start} to ${end} were asked for: it is cut off, or belongs to another pack`, {
    hint: 'Copy the whole pack again.',
  });

const missing = (name: string, cause?: unknown): NotFoundError =>
  new NotFoundError(`${name}: there is no such file`, {
    cause,
    hint: name.endsWith('manifest.json') ? 'Give the folder that `saekit analyze --out` wrote; it holds manifest.json.' : 'The pack is not whole: copy all of it, with plugins/.',
  });

function memoryFiles(map: ReadonlyMap<string, Uint8Array>): PackFiles {
  return {
    read(path, start = 0, end, signal) {
      if (signal?.aborted === true) return Promise.reject(signal.reason as Error);
      const bytes = map.get(path);
      if (bytes === undefined) return Promise.reject(missing(path));
      const stop = end ?? bytes.byteLength;
      if (stop > bytes.byteLength) return Promise.reject(cutOff(path, start, stop, bytes.byteLength));
      return Promise.resolve(bytes.subarray(start, stop));
    },
  };
}

function folderFiles(path: string): PackFiles {
  return {
    async read(name, start = 0, end, signal) {
      signal?.throwIfAborted();
      const where = `${path.replace(/[\\/]+$/, '')}/${name}`;
      const folder = await openFolder(path);
      const file = await folder.file(name).catch((error: unknown) => {
        throw error instanceof NotFoundError ? missing(where, error) : error;
      });
      try {
        const stop = end ?? file.byteLength;
        if (stop > file.byteLength) throw cutOff(where, start, stop, file.byteLength);
        const bytes = new Uint8Array(await file.slice(start, stop));
        signal?.throwIfAborted();
        return bytes;
      } finally {
        await file.close?.();
      }
    },
  };
}

function urlFiles(base: URL, fetcher: typeof fetch): PackFiles {
  /** Files that the host sent whole though a range was asked for: they are not asked for again. */
  const wholes = new SharedTasks<Uint8Array>(8);
  const ignoresRange = new Set<string>();

  const whole = (url: string, signal?: AbortSignal): Promise<Uint8Array> =>
    wholes.get(url, async (shared) => body(url, await request(fetcher, url, { signal: shared })), signal);

  /** The whole file from an answer that came instead of a range. */
  const keepWhole = async (url: string, response: Response, signal?: AbortSignal): Promise<Uint8Array> => {
    let taken = false;
    const read = (): Promise<Uint8Array> => {
      taken = true;
      return body(url, response);
    };
    try {
      const bytes = wholes.get(url, read, signal);
      // Another range of the file was answered whole as well, and earlier.
      if (!taken) void response.body?.cancel().catch(() => undefined);
      return await bytes;
    } catch (error) {
      // The answer belonged to a caller that has gone; this one is still there.
      if (isAbort(error) && signal?.aborted !== true) return whole(url, signal);
      throw error;
    }
  };

  return {
    async read(path, start = 0, end, signal) {
      const target = new URL(base);
      target.pathname += path;
      const url = target.href;
      // The JSON files are kept by the pack, decoded; only what is cut from a whole file is kept here.
      if (end === undefined) return body(url, await request(fetcher, url, signal === undefined ? {} : { signal }));
      if (!ignoresRange.has(url)) {
        const response = await request(fetcher, url, { headers: { range: `bytes=${start}-${end - 1}` }, ...(signal === undefined ? {} : { signal }) });
        if (response.status === 206) return checkedRange(url, response, start, end);
        ignoresRange.add(url);
        return cut(url, await keepWhole(url, response, signal), start, end);
      }
      return cut(url, await whole(url, signal), start, end);
    },
  };
}

function cut(url: string, bytes: Uint8Array, start: number, end: number): Uint8Array {
  if (end > bytes.byteLength) throw cutOff(url, start, end, bytes.byteLength);
  return bytes.subarray(start, end);
}

async function request(fetcher: typeof fetch, url: string, init: RequestInit): Promise<Response> {
  let response: Response;
  try {
    response = await fetcher(url, init);
  } catch (cause) {
    if (isAbort(cause) || init.signal?.aborted === true) throw cause;
    throw new FormatError(`${url}: the request failed (${messageOf(cause)})`, {
      cause,
      hint: 'Check the address and the connection; another server must allow this page (CORS), and a content security policy must allow it in connect-src.',
    });
  }
  if (response.status === 404 || response.status === 410) throw missing(url);
  if (response.status === 416) throw new FormatError(`${url}: is shorter than the pack's index says: it is cut off, or belongs to another pack`, { hint: 'Copy the whole pack again.' });
  if (!response.ok) throw new FormatError(`${url}: the server answered ${response.status} ${response.statusText}`.trimEnd());
  return response;
}

async function body(url: string, response: Response): Promise<Uint8Array> {
  try {
    return new Uint8Array(await response.arrayBuffer());
  } catch (cause) {
    if (isAbort(cause)) throw cause;
    throw new FormatError(`${url}: the connection broke while the answer was read (${messageOf(cause)})`, { cause });
  }
}

async function checkedRange(url: string, response: Response, start: number, end: number): Promise<Uint8Array> {
  const bytes = await body(url, response);
  const sent = /^bytes\s+(\d+)-/i.exec(response.headers.get('content-range') ?? '')?.[1];
  if (bytes.byteLength === end - start && (sent === undefined || Number(sent) === start)) return bytes;
  throw new FormatError(`${url}: bytes ${start} to ${end} were asked for, ${bytes.byteLength} came`, {
    hint: response.headers.has('content-encoding') ? 'The server compresses ranges on the fly: turn that off for .parquet files.' : 'The file is cut off, or something before the server cuts answers short.',
  });
}
