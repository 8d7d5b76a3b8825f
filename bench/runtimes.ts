/**
 * Running suites outside of this process: in Deno from a bundle, and in a
 * Chromium-family browser from a bundle that is served locally to a page that is
 * cross-origin isolated, so that threads can share memory there.
 */
import { spawn } from 'node:child_process';
import { createReadStream, existsSync, mkdirSync, readFileSync, rmSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { extname, join, normalize } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build, type BuildOptions, type Plugin } from 'esbuild';
import { launch } from 'puppeteer-core';
import { assetModule } from '../scripts/asset-loader.mjs';
import { gpuPossible } from '../engine/gpu-devices-node.js';
import { BROWSER_FLAGS, findBrowser } from '../scripts/browser.mjs';
import type { PageResult } from './page.js';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
/** Below bench/, so that Deno resolves bench/node_modules from here. */
const BUILD = join(ROOT, 'bench', 'build');

const assets: Plugin = {
  name: 'saekit-assets',
  setup(context) {
    context.onLoad({ filter: /\.(wgsl|wasm)$/ }, ({ path }) => ({ contents: assetModule(path, readFileSync(path)) ?? '', loader: 'js' }));
  },
};

/** What is only reached in Node, as in rollup.config.mjs. */
const withoutNode: Plugin = {
  name: 'saekit-without-node',
  setup(context) {
    context.onResolve({ filter: /-node\.js$/ }, ({ path }) => ({ path, namespace: 'empty' }));
    context.onLoad({ filter: /.*/, namespace: 'empty' }, () => ({ contents: 'export {};' }));
  },
};

async function bundle(entry: string, folder: string, browser: boolean): Promise<void> {
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  const common: BuildOptions = { entryPoints: [join(ROOT, 'bench', entry)], outdir: folder, bundle: true, splitting: true, format: 'esm', target: 'es2022', logLevel: 'error', tsconfig: join(ROOT, 'tsconfig.json') };
  if (browser) {
    // The dependencies that pages of a model's run load are not reached from here.
    await build({ ...common, platform: 'browser', minify: true, external: ['node:*', 'onnxruntime-web', 'onnxruntime-web/*'], plugins: [withoutNode, assets] });
  } else await build({ ...common, platform: 'neutral', packages: 'external', external: ['node:*'], plugins: [assets] });
}

/** A program for Node in a folder of its own, and what removes it. */
export async function bundleForNode(entry: string): Promise<{ program: string; remove(): void }> {
  const folder = join(BUILD, `node-${process.pid}`);
  await bundle(entry, folder, false);
  return { program: join(folder, entry.replace(/\.ts$/, '.js')), remove: () => rmSync(folder, { recursive: true, force: true }) };
}

export async function runInDeno(names: readonly string[], quick: boolean): Promise<PageResult> {
  const folder = join(BUILD, `deno-${process.pid}`);
  try {
    await bundle('deno.ts', folder, false);
    const out = join(folder, 'result.json');
    const given = JSON.stringify({ root: new URL('..', import.meta.url).href, names, quick, out });
    const status = await new Promise<number>((resolve, reject) => {
      const child = spawn(process.execPath, [join(ROOT, 'node_modules/deno/bin.cjs'), 'run', '--allow-all', '--no-check', '--cached-only', '--node-modules-dir=manual', join(folder, 'deno.js'), given], {
        cwd: join(ROOT, 'bench'),
        env: { ...process.env, NO_COLOR: '1', XDG_RUNTIME_DIR: process.env.XDG_RUNTIME_DIR ?? '/tmp' },
        stdio: ['ignore', 'inherit', 'inherit'],
      });
      child.on('error', reject);
      child.on('close', (code) => resolve(code ?? 1));
    });
    if (status !== 0 || !existsSync(out)) throw new Error(`Deno ended with status ${status}`);
    return JSON.parse(readFileSync(out, 'utf8')) as PageResult;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

const TYPES: Readonly<Record<string, string>> = { '.js': 'text/javascript', '.mjs': 'text/javascript', '.wasm': 'application/wasm', '.html': 'text/html' };

/** Serves the bundle and the packages' own files, isolated. */
function serve(folder: string): Promise<{ url: string; close(): void }> {
  const places: Readonly<Record<string, string>> = {
    '/ort/': join(ROOT, 'node_modules/onnxruntime-web/dist'),
    '/tfjs/': join(ROOT, 'bench/node_modules/@tensorflow/tfjs-backend-wasm/dist'),
    '/': folder,
  };
  const server = createServer((request, response) => {
    const path = new URL(request.url ?? '/', 'http://localhost').pathname;
    response.setHeader('Cross-Origin-Opener-Policy', 'same-origin');
    response.setHeader('Cross-Origin-Embedder-Policy', 'require-corp');
    response.setHeader('Cross-Origin-Resource-Policy', 'same-origin');
    if (path === '/') return void response.setHeader('Content-Type', 'text/html').end('<!doctype html><title>saekit bench</title><link rel="icon" href="data:,"><script type="module" src="/page.js"></script>');
    const [prefix = '/', place = folder] = Object.entries(places).find(([start]) => path.startsWith(start)) ?? [];
    const file = join(place, normalize(`/${path.slice(prefix.length)}`));
    if (!existsSync(file)) return void response.writeHead(404).end();
    response.setHeader('Content-Type', TYPES[extname(file)] ?? 'application/octet-stream');
    createReadStream(file).pipe(response);
  });
  return new Promise((resolve) => {
    server.listen(0, '127.0.0.1', () =>
      resolve({
        url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`,
        close() {
          server.closeAllConnections();
          server.close();
        },
      }),
    );
  });
}

/** On Linux a page gets a real GPU through Vulkan only, and only when told; where there is none the flags would cost the software adapter. */
const GPU_FLAGS = process.platform === 'linux' && gpuPossible() ? ['--enable-features=Vulkan', '--ignore-gpu-blocklist'] : [];

/** A page that computes answers no protocol message meanwhile; an hour is longer than any suite. */
const PATIENCE = 3_600_000;

export async function runInChromium(names: readonly string[], quick: boolean, say: (line: string) => void): Promise<PageResult> {
  const executablePath = findBrowser();
  if (executablePath === null) throw new Error('No Chromium, Chrome or Edge found. Install one, or set CHROME_PATH to its program.');
  const folder = join(BUILD, `chromium-${process.pid}`);
  await bundle('page.ts', folder, true);
  const server = await serve(folder);
  const browser = await launch({ executablePath, headless: true, args: [...BROWSER_FLAGS, ...GPU_FLAGS], protocolTimeout: PATIENCE });
  try {
    const page = await browser.newPage();
    page.setDefaultTimeout(PATIENCE);
    page.on('console', (message) => say(message.text()));
    const broken = new Promise<never>((_, reject) => {
      page.on('error', (error) => reject(new Error(`the page broke: ${error.message}`)));
      page.on('pageerror', (error) => reject(error instanceof Error ? error : new Error(String(error))));
    });
    broken.catch(() => undefined);
    await page.goto(server.url);
    await page.waitForFunction('typeof benchmark === "function"', { timeout: 60_000 });
    return (await Promise.race([broken, page.evaluate(`benchmark(${JSON.stringify(names)}, ${quick})`)])) as PageResult;
  } finally {
    await browser.close();
    server.close();
    rmSync(folder, { recursive: true, force: true });
  }
}
