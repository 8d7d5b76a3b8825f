/**
 * A static server for one pack and its dashboard, for this machine only. It
 * answers byte ranges, sends a strict Content-Security-Policy, and serves
 * nothing but the pack, the element bundles, and what a page loads (scripts,
 * styles, data, images) from the plugins' folders.
 */
import { Buffer } from 'node:buffer';
import { spawn } from 'node:child_process';
import { createReadStream, existsSync } from 'node:fs';
import { realpath, stat } from 'node:fs/promises';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { basename, dirname, extname, join, resolve, sep } from 'node:path';
import process from 'node:process';
import { fileURLToPath } from 'node:url';
import { FormatError, UsageError } from '../engine/errors.js';
import { openPack } from '../engine/pack/reader.js';
import { dyingInstruments } from '../plugins/index.js';
import { parseRange } from './range.js';

const TYPES: Readonly<Record<string, string>> = {
  '.css': 'text/css',
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript',
  '.mjs': 'text/javascript',
  '.json': 'application/json',
  '.map': 'application/json',
  '.svg': 'image/svg+xml',
  '.wasm': 'application/wasm',
};

/** `style-src 'self'` holds because the elements use constructable style sheets. */
const POLICY = "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; connect-src 'self'; style-src 'self'; img-src 'self' data:; base-uri 'none'; form-action 'none'";

export interface DashboardOptions {
  readonly pack: string;
  /** Undefined: 8080 or the next free port. 0: any. */
  readonly port?: number | undefined;
  readonly host: string;
  /** Plugin modules, whose folders are served too. */
  readonly plugins: readonly string[];
}

/**
 * @throws FormatError when the folder holds no pack
 * @throws UsageError when the port is taken or a plugin is missing
 */
export async function dashboardServer(options: DashboardOptions): Promise<{ url: string; close(): Promise<void> }> {
  if (/^https?:/i.test(options.pack)) throw new UsageError(`${options.pack}: \`serve\` takes a folder of this machine`, { hint: 'Download the pack; or show it in a page of your own: <sae-pack-view src="…">.' });
  const pack = resolve(options.pack.replace(/(^|[\\/])manifest\.json$/, '$1') || '.');
  // Reads the manifest: a folder without a pack, or with a damaged one, is told here and not in the page.
  const { manifest } = await openPack(options.pack);
  const bundle = findBundle();
  const dying = manifest.plugins.some(({ id, status }) => status === 'done' && dyingInstruments.some((instrument) => instrument.id === id));
  const plugins = options.plugins.map((file) => {
    const path = resolve(file);
    if (!existsSync(path)) throw new UsageError(`--plugin ${file}: there is no such file`);
    return path;
  });
  const roots = new Map<string, string>([['/pack/', pack], ['/browser/', join(dirname(bundle), 'browser')]]);
  plugins.forEach((path, i) => roots.set(`/plugins/${i}/`, dirname(path)));
  const pages = new Map<string, { type: string; body: string }>([
    ['/', { type: 'text/html; charset=utf-8', body: PAGE }],
    ['/page.css', { type: 'text/css', body: STYLE }],
    ['/boot.js', { type: 'text/javascript', body: boot(plugins, dying) }],
  ]);

  const server = createServer((request, response) => {
    answer(request, response).catch((error: unknown) => {
      if (!response.headersSent) response.writeHead(500).end(String(error));
      else response.destroy();
    });
  });
  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    response.setHeader('Content-Security-Policy', POLICY);
    response.setHeader('X-Content-Type-Options', 'nosniff');
    response.setHeader('Cache-Control', 'no-cache');
    if (request.method !== 'GET' && request.method !== 'HEAD') return void response.writeHead(405, { Allow: 'GET, HEAD' }).end();
    let path: string;
    try {
      path = decodeURIComponent(new URL(request.url ?? '/', 'http://localhost').pathname);
    } catch {
      return void response.writeHead(400).end('The address is malformed.\n');
    }
    const page = pages.get(path);
    if (page) return void response.writeHead(200, { 'Content-Type': page.type, 'Content-Length': Buffer.byteLength(page.body) }).end(request.method === 'HEAD' ? undefined : page.body);
    if (path === '/saekit.js' || path === '/saekit.js.map') return file(request, response, path.endsWith('.map') ? `${bundle}.map` : bundle, dirname(bundle));
    for (const [prefix, root] of roots) {
      if (path.startsWith(prefix) && mayServe(path, root === pack)) return file(request, response, join(root, path.slice(prefix.length)), root);
    }
    notFound(response);
  }

  const port = await listen(server, options.host, options.port);
  const host = options.host.includes(':') ? `[${options.host}]` : options.host === '0.0.0.0' ? 'localhost' : options.host;
  return {
    url: `http://${host}:${port}/`,
    close: () =>
      new Promise((done) => {
        server.close(() => done());
        server.closeAllConnections();
      }),
  };
}

/** A plugin may lie among anything, in a home directory even: of its folder only what a page loads is served, and hidden files nowhere. */
function mayServe(path: string, inPack: boolean): boolean {
  return !/\/\./.test(path) && (inPack || TYPES[extname(path)] !== undefined);
}

function notFound(response: ServerResponse): void {
  response.writeHead(404, { 'Content-Type': 'text/plain; charset=utf-8' }).end('Not found.\n');
}

/** One file below `root`, whole or by range. Links that lead out of the root are not followed. */
async function file(request: IncomingMessage, response: ServerResponse, path: string, root: string): Promise<void> {
  let real: string;
  let size: number;
  try {
    real = await realpath(path);
    const info = await stat(real);
    if (!info.isFile()) throw new Error('not a file');
    size = info.size;
  } catch {
    return notFound(response);
  }
  const top = await realpath(root);
  if (real !== top && !real.startsWith(top.endsWith(sep) ? top : top + sep)) return notFound(response);
  const headers = { 'Content-Type': TYPES[extname(real)] ?? 'application/octet-stream', 'Accept-Ranges': 'bytes' };
  // A range is for GET alone (RFC 9110, section 14.2).
  const range = request.method === 'HEAD' ? null : parseRange(request.headers.range, size);
  if (range === 'unsatisfiable') return void response.writeHead(416, { 'Content-Range': `bytes */${size}` }).end();
  const [start, end] = range ?? [0, size - 1];
  response.writeHead(range === null ? 200 : 206, {
    ...headers,
    'Content-Length': end - start + 1,
    ...(range === null ? {} : { 'Content-Range': `bytes ${start}-${end}/${size}` }),
  });
  if (request.method === 'HEAD' || size === 0) return void response.end();
  createReadStream(real, { start, end }).on('error', () => response.destroy()).pipe(response);
}

/** A port that was asked for must be free; otherwise the next free one from 8080 is taken. */
function listen(server: ReturnType<typeof createServer>, host: string, wanted: number | undefined): Promise<number> {
  return new Promise((done, fail) => {
    let port = wanted ?? 8080;
    server.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'EADDRINUSE' && wanted === undefined && port < 8180) server.listen(++port, host);
      else if (error.code === 'EADDRINUSE') fail(new UsageError(`port ${port} of ${host} is in use`, { hint: 'Give another with --port, or leave it out.' }));
      else if (error.code === 'EACCES') fail(new UsageError(`port ${port} may not be used by this user`, { hint: 'Give one above 1023 with --port.' }));
      else fail(new UsageError(`cannot listen on ${host}:${port}: ${error.message}`));
    });
    server.listen(port, host, () => done((server.address() as AddressInfo).port));
  });
}

/** dist/saekit.js lies beside this module in a build, and in dist/ when the sources are run. */
function findBundle(): string {
  const here = dirname(fileURLToPath(import.meta.url));
  const found = [join(here, 'saekit.js'), join(here, '..', 'saekit.js'), join(here, '..', 'dist', 'saekit.js')].find((path) => existsSync(path));
  if (found === undefined) throw new FormatError('the element bundle dist/saekit.js is missing', { hint: 'Build it with `npm run build`.' });
  return found;
}

const PAGE = `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>saekit</title>
<link rel="icon" href="data:,">
<link rel="stylesheet" href="/page.css">
<script type="module" src="/boot.js"></script>
</head>
<body>
<main>
<sae-pack-view src="/pack/">Loading the pack …</sae-pack-view>
<noscript>The dashboard is drawn by scripts. <code>saekit show PACK --feature N</code> prints a card without them.</noscript>
</main>
</body>
</html>
`;

const STYLE = `:root { color-scheme: light dark; font: 15px/1.5 system-ui, sans-serif; }
body { margin: 0; padding: clamp(0.75rem, 2vw, 2rem); background: Canvas; color: CanvasText; }
`;

/** The page's only script: the elements, and the plugins that were named. A plugin that does not load must not take the page with it. */
function boot(plugins: readonly string[], dying: boolean): string {
  const imports = plugins.map((path, i) => JSON.stringify(`/plugins/${i}/${encodeURIComponent(basename(path))}`));
  // The views of dying are not in saekit.js: most packs have none.
  const views = dying ? "import('/browser/dying.js').then(({ dyingViews }) => { for (const view of dyingViews) registry.register(view); }).catch((error) => console.error('saekit: the views of dying do not load', error));\n" : '';
  return `import { registry } from '/saekit.js';
${views}for (const url of [${imports.join(', ')}]) {
  import(url)
    .then((module) => { for (const plugin of [module.default].flat()) registry.register(plugin); })
    .catch((error) => console.error('saekit: the plugin at ' + url + ' does not load', error));
}
`;
}

/** Opens the page with the desktop's own opener; a machine without one is no reason to fail. */
export function openInBrowser(url: string): void {
  const [command, args] = process.platform === 'darwin' ? ['open', [url]] : process.platform === 'win32' ? ['cmd', ['/c', 'start', '', url]] : ['xdg-open', [url]];
  try {
    const child = spawn(command as string, args as string[], { stdio: 'ignore', detached: true });
    child.on('error', () => {});
    child.unref();
  } catch {
    // The address is printed; that is enough.
  }
}
