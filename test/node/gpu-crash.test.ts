/** Chromium's GPU process ends in mid-run, as after a driver's crash: the run goes on with the same codes. */
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { test } from 'node:test';
import { build } from 'esbuild';
import { assetModule } from '../../scripts/asset-loader.mjs';
import { openBrowser } from '../support/browser-pages.js';
import type { CrashResult } from '../support/gpu-crash-page.js';

test('the GPU process is crashed while rows are encoded and decoded: they come out the same, on a second device', async () => {
  const { outputFiles } = await build({
    entryPoints: ['test/support/gpu-crash-page.ts'],
    bundle: true,
    write: false,
    format: 'esm',
    target: 'es2022',
    packages: 'external',
    external: ['node:*'],
    plugins: [
      {
        name: 'saekit-assets',
        setup: (context) => context.onLoad({ filter: /\.(wgsl|wasm)$/ }, async ({ path }) => ({ contents: assetModule(path, await readFile(path)) ?? '', loader: 'js' })),
      },
    ],
  });
  const server = createServer(({ url }, response) => {
    const isScript = url === '/page.js';
    response.setHeader('content-type', isScript ? 'text/javascript' : 'text/html');
    response.end(isScript ? outputFiles[0]!.text : '<!doctype html><title>crash</title><script type="module" src="/page.js"></script>');
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const browser = await openBrowser();
  try {
    const page = await browser.newPage();
    await page.goto(`http://127.0.0.1:${(server.address() as AddressInfo).port}/`);
    await page.waitForFunction('globalThis.crashPage?.ready || globalThis.crashPage?.result', { timeout: 60_000 });
    const devtools = await browser.target().createCDPSession();
    await devtools.send('Browser.crashGpuProcess');
    await page.waitForFunction('globalThis.crashPage.result', { timeout: 60_000 });
    const { runs, generation, notices, error } = (await page.evaluate('globalThis.crashPage.result')) as CrashResult;
    assert.equal(error, null);
    assert.equal(generation, 2, `${runs} runs: ${notices.join('; ')}`);
    assert.equal(notices.length, 1);
    assert.match(notices[0]!, /the device was lost \(unknown: .*going on with a new one/);
  } finally {
    await browser.close();
    server.close();
  }
});
