/**
 * From what a person writes (a path, a URL, a Blob, bytes) to a ByteSource or a
 * Folder. Which reader is used depends on the reference and the host:
 *
 *   http(s):                 HTTP Range, everywhere
 *   blob:, data:             in memory already, everywhere
 *   file:, plain paths       node:fs in Node and Deno
 *   plain paths              in a page or worker: relative to its location
 *
 * Nothing is assumed to exist: `process` is looked up on globalThis.
 */
import { FormatError } from '../errors.js';
import { bytesSource, type ByteSource } from './bytes.js';
import { checkRange, messageOf, NotFoundError } from './checks.js';
import { fetchBlob, openUrl, type UrlOptions } from './url-source.js';

/** Anything that bytes can be read from. */
export type Ref = string | URL | Blob | Uint8Array | ByteSource;

/** A place with several files: a directory, a base URL, or files in memory by name. */
export type FolderRef = string | URL | Readonly<Record<string, Blob | Uint8Array | ByteSource>>;

export interface Folder {
  /** For messages: path or URL. */
  readonly name: string;
  /** Last part of the name, for people. */
  readonly label: string;
  /** @throws NotFoundError when there is no such file. */
  file(name: string): Promise<ByteSource>;
  has(name: string): Promise<boolean>;
  /** What is in it, sorted; null where that cannot be known (a URL). */
  list(): Promise<readonly string[] | null>;
}

/** True where node:fs can be had: Node and Deno, their workers included. */
export function hasFileSystem(): boolean {
  const host = globalThis as { Deno?: unknown; process?: { versions?: { node?: unknown } } };
  return host.Deno !== undefined || typeof host.process?.versions?.node === 'string';
}

const SCHEME = /^([a-z][a-z0-9+.-]+):/i;

/** The absolute URL that a reference means here, or null when it is a file for node:fs. */
function urlOf(ref: string): string | null {
  const scheme = SCHEME.exec(ref)?.[1]?.toLowerCase();
  if (scheme === 'http' || scheme === 'https' || scheme === 'blob' || scheme === 'data') return ref;
  const local = hasFileSystem();
  if (scheme === 'file') {
    if (local) return null;
    throw new FormatError(`${ref}: a page cannot read files of the machine`, { hint: 'Serve the file over HTTP, or hand in a Blob from a file picker.' });
  }
  if (local) return null;
  if (scheme !== undefined) throw new FormatError(`${ref}: the scheme ${scheme}: is not supported`, { hint: 'Use http, https, blob or data.' });
  const host = globalThis as { document?: { baseURI?: string }; location?: { href?: string } };
  const base = host.document?.baseURI ?? host.location?.href;
  try {
    return new URL(ref, base).href;
  } catch (cause) {
    throw new FormatError(`${ref}: not a URL, and there is no document to resolve it against`, { cause });
  }
}

/** Bytes of a Blob or File. */
export function blobSource(blob: Blob): ByteSource {
  const name = 'name' in blob && typeof blob.name === 'string' ? blob.name : 'a Blob';
  return {
    name,
    byteLength: blob.size,
    async slice(start, end = blob.size) {
      checkRange(name, blob.size, start, end);
      try {
        const buffer = await blob.slice(start, end).arrayBuffer();
        if (buffer.byteLength === end - start) return buffer;
      } catch (cause) {
        throw new FormatError(`${name}: cannot be read (${messageOf(cause)})`, { cause, hint: 'The file changed or was moved after it was chosen.' });
      }
      throw new FormatError(`${name}: ended before byte ${end}`);
    },
  };
}

/**
 * Opens what a reference names.
 * @throws NotFoundError when there is no such file; FormatError for every other failure. The message names the path or URL, and the status of an HTTP answer.
 */
export async function openRef(ref: Ref, options: UrlOptions = {}): Promise<ByteSource> {
  if (ref instanceof Uint8Array) return bytesSource(`${ref.byteLength} bytes in memory`, ref);
  if (typeof Blob !== 'undefined' && ref instanceof Blob) return blobSource(ref);
  if (typeof ref === 'object' && !(ref instanceof URL)) {
    if ('slice' in ref && 'byteLength' in ref) return ref as ByteSource;
    throw new FormatError('a path, URL, Blob, Uint8Array or ByteSource was expected', { hint: 'An ArrayBuffer goes in as new Uint8Array(buffer).' });
  }
  const text = String(ref);
  if (text === '') throw new FormatError('an empty path was given where a file was expected');
  const url = urlOf(text);
  if (url !== null) return /^(blob|data):/i.test(url) ? blobSource(await fetchBlob(url, options.signal)) : openUrl(url, options);
  return (await import('./file-source-node.js')).openFile(text);
}

/** Last part of a path or URL. */
export function labelOf(name: string): string {
  return name.replace(/[?#].*$/, '').replace(/[\\/]+$/, '').replace(/^.*[\\/]/, '') || name;
}

/** Opens a folder. Nothing is read until a file is asked for. @throws FormatError */
export async function openFolder(ref: FolderRef): Promise<Folder> {
  if (typeof ref === 'object' && !(ref instanceof URL)) return memoryFolder(ref);
  const text = String(ref);
  if (text === '') throw new FormatError('an empty path was given where a folder was expected');
  const url = urlOf(text);
  if (url !== null) return urlFolder(url);
  const node = await import('./file-source-node.js');
  const path = node.toPath(text);
  if ((await node.kindOfPath(path)) === 'file') {
    throw new FormatError(`${path}: is a file, a folder was expected`, { hint: `Give the folder that holds it: ${path.replace(/[^\\/]*$/, '') || '.'}` });
  }
  const join = (name: string): string => `${path.replace(/[\\/]+$/, '')}/${name}`;
  return {
    name: path,
    label: labelOf(path),
    file: (name) => node.openFile(join(name)),
    has: async (name) => (await node.kindOfPath(join(name))) === 'file',
    list: () => node.listFolder(path),
  };
}

function urlFolder(url: string): Folder {
  const base = new URL(url);
  if (base.protocol === 'blob:' || base.protocol === 'data:') throw new FormatError(`${base.protocol} URLs name one file, a folder was expected`);
  if (!base.pathname.endsWith('/')) base.pathname += '/';
  base.hash = '';
  const opened = new Map<string, Promise<ByteSource>>();
  const file = (name: string): Promise<ByteSource> => {
    let source = opened.get(name);
    if (source === undefined) {
      const target = new URL(base);
      target.pathname += name.split('/').map(encodeURIComponent).join('/');
      source = openUrl(target.href);
      opened.set(name, source);
      // A failure is not kept: the next try asks again.
      source.catch(() => opened.delete(name));
    }
    return source;
  };
  return {
    name: base.href,
    label: decodeURIComponent(labelOf(base.pathname)),
    file,
    async has(name) {
      try {
        await file(name);
        return true;
      } catch (error) {
        if (error instanceof NotFoundError) return false;
        throw error;
      }
    },
    list: () => Promise.resolve(null),
  };
}

function memoryFolder(files: Readonly<Record<string, Blob | Uint8Array | ByteSource>>): Folder {
  return {
    name: 'files in memory',
    label: 'files in memory',
    async file(name) {
      if (!Object.hasOwn(files, name)) throw new NotFoundError(`${name}: is not among the files that were handed in (${Object.keys(files).join(', ')})`);
      const source = await openRef(files[name] as Ref);
      return { ...source, name, slice: (start: number, end?: number) => source.slice(start, end) };
    },
    has: (name) => Promise.resolve(Object.hasOwn(files, name)),
    list: () => Promise.resolve(Object.keys(files).sort()),
  };
}
