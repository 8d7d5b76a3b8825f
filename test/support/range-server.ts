/**
 * A static file server with HTTP ranges, for tests: it records every request
 * with the range that was asked for and the bytes that were sent, and can be
 * told to misbehave the ways that real hosts do.
 */
import { createServer } from 'node:http';
import { readFile, stat } from 'node:fs/promises';
import { join, normalize, sep } from 'node:path';
import type { AddressInfo } from 'node:net';

export interface RangeRequest {
  readonly method: string;
  /** Decoded path below the served directory, without the leading slash. */
  readonly path: string;
  /** The Range header, or null. */
  readonly range: string | null;
  readonly status: number;
  /** Bytes of the body that was sent. */
  readonly bytes: number;
}

export interface RangeServerOptions {
  /** Answer 200 with the whole file whatever range is asked for. */
  readonly ignoreRange?: boolean;
  /** Send a 206 without Content-Range, as a cross-origin host that does not expose it looks to a page. */
  readonly hideContentRange?: boolean;
  /** Refuse HEAD with 405. */
  readonly refuseHead?: boolean;
  /** Send this many bytes fewer than the range asked for, claiming that they are all. */
  readonly shortBy?: number;
  /** Status to answer everything with. */
  readonly status?: number;
  /** Wait so many milliseconds before each answer. */
  readonly delay?: number;
  /** More headers, e.g. for CORS or CSP. */
  readonly headers?: Readonly<Record<string, string>>;
}

export interface RangeServer {
  /** Base URL with a trailing slash. */
  readonly url: string;
  readonly requests: RangeRequest[];
  close(): Promise<void>;
}

const TYPES: Readonly<Record<string, string>> = {
  html: 'text/html; charset=utf-8',
  js: 'text/javascript; charset=utf-8',
  mjs: 'text/javascript; charset=utf-8',
  css: 'text/css; charset=utf-8',
  json: 'application/json',
  wasm: 'application/wasm',
};

/** Serves `directory` on a free port of 127.0.0.1. */
export async function startRangeServer(directory: string, options: RangeServerOptions = {}): Promise<RangeServer> {
  const requests: RangeRequest[] = [];
  const server = createServer((request, response) => {
    void (async () => {
      const path = decodeURIComponent(new URL(request.url ?? '/', 'http://localhost').pathname).slice(1);
      const range = request.headers.range ?? null;
      const send = (status: number, body: Uint8Array, headers: Record<string, string> = {}): void => {
        const sent = request.method === 'HEAD' ? 0 : body.byteLength;
        requests.push({ method: request.method ?? 'GET', path, range, status, bytes: sent });
        response.writeHead(status, { 'content-length': String(body.byteLength), ...options.headers, ...headers });
        response.end(request.method === 'HEAD' ? undefined : body);
      };
      const text = (status: number, message: string): void => send(status, new TextEncoder().encode(message), { 'content-type': 'text/plain' });

      if (options.delay !== undefined) await new Promise((resolve) => setTimeout(resolve, options.delay));
      if (options.status !== undefined) return text(options.status, `status ${options.status}`);
      if (request.method === 'HEAD' && options.refuseHead === true) return text(405, 'method not allowed');
      const file = normalize(join(directory, path));
      if (file !== directory && !file.startsWith(directory.endsWith(sep) ? directory : directory + sep)) return text(403, 'forbidden');
      const info = await stat(file).catch(() => null);
      if (info === null || !info.isFile()) return text(404, 'not found');
      const bytes = await readFile(file);
      const type = { 'content-type': TYPES[file.slice(file.lastIndexOf('.') + 1)] ?? 'application/octet-stream' };
      const match = /^bytes=(\d+)-(\d*)$/.exec(range ?? '');
      if (match === null || options.ignoreRange === true) return send(200, bytes, { ...type, ...(options.ignoreRange === true ? {} : { 'accept-ranges': 'bytes' }) });
      const start = Number(match[1]);
      const last = Math.min(match[2] === '' ? Infinity : Number(match[2]), bytes.byteLength - 1);
      if (start >= bytes.byteLength) return send(416, new Uint8Array(0), { 'content-range': `bytes */${bytes.byteLength}` });
      const body = bytes.subarray(start, Math.max(start, last + 1 - (options.shortBy ?? 0)));
      send(206, body, { ...type, 'accept-ranges': 'bytes', ...(options.hideContentRange === true ? {} : { 'content-range': `bytes ${start}-${last}/${bytes.byteLength}` }) });
    })().catch((error: unknown) => {
      response.destroy(error instanceof Error ? error : new Error(String(error)));
    });
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(0, '127.0.0.1', resolve);
  });
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}/`,
    requests,
    close: () =>
      new Promise((resolve, reject) => {
        server.close((error) => (error === undefined ? resolve() : reject(error)));
        server.closeAllConnections();
      }),
  };
}
