/** Browser tests: real Chromium, real WebGPU adapter, the TypeScript sources as they are. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { esbuildPlugin } from '@web/dev-server-esbuild';
import { chromeLauncher } from '@web/test-runner-chrome';
import { assetModule } from './scripts/asset-loader.mjs';
import { BROWSER_FLAGS, findBrowser } from './scripts/browser.mjs';

const executablePath = findBrowser();
if (executablePath === null) throw new Error('No Chromium, Chrome or Edge found. Install one, or set CHROME_PATH to its program.');

/** `.wgsl` and `.wasm` imports become modules; a fetch() of the same file still gets the bytes. */
const assets = {
  name: 'saekit-assets',
  resolveMimeType(context) {
    return isImport(context) && /\.(wgsl|wasm)$/.test(context.path) ? 'js' : undefined;
  },
  async serve(context) {
    if (!isImport(context) || !/\.(wgsl|wasm)$/.test(context.path)) return undefined;
    const path = join(process.cwd(), context.path);
    return { body: assetModule(path, await readFile(path)), type: 'js' };
  },
};
const isImport = (context) => ['script', 'worker'].includes(context.request.headers['sec-fetch-dest'] ?? '');

/** Shared memory needs isolation; the same headers are what an isolated page would send. */
function isolate(context, next) {
  context.set('Cross-Origin-Opener-Policy', 'same-origin');
  context.set('Cross-Origin-Embedder-Policy', 'require-corp');
  context.set('Cross-Origin-Resource-Policy', 'same-origin');
  return next();
}

export default {
  files: process.env.SAEKIT_BROWSER_FILES ?? 'test/browser/**/*.test.ts',
  nodeResolve: { exportConditions: ['browser', 'production'] },
  concurrency: 1,
  browserStartTimeout: 60_000,
  testsStartTimeout: 120_000,
  testsFinishTimeout: 600_000,
  testFramework: { config: { timeout: 120_000, ui: 'bdd' } },
  middleware: [isolate],
  plugins: [assets, esbuildPlugin({ ts: true, target: 'es2022', tsconfig: 'tsconfig.json' })],
  browsers: [chromeLauncher({ launchOptions: { executablePath, headless: true, args: BROWSER_FLAGS } })],
  reporters: [(await import('./scripts/wtr-reporter.mjs')).reporter(process.env.SAEKIT_TEST_REPORT)],
};
