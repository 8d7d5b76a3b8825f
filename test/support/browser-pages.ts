/**
 * The example pages in a real Chromium, over HTTP with headers of one's choice:
 * what a reader of a static host gets. The pages, the built files and a pack lie
 * in one folder of links.
 */
import { mkdir, mkdtemp, rm, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { createRequire } from 'node:module';
import { readFile } from 'node:fs/promises';
import puppeteer, { type Browser, type Page } from 'puppeteer-core';
import { BROWSER_FLAGS, findBrowser } from '../../scripts/browser.mjs';
import { startRangeServer, type RangeServer } from './range-server.js';

/** A folder with `examples/`, `dist/` and `node_modules/` as links, and room for packs. */
export async function siteFolder(): Promise<{ path: string; remove(): Promise<void> }> {
  const path = await mkdtemp(join(tmpdir(), 'saekit-site-'));
  for (const name of ['examples', 'dist', 'node_modules']) await symlink(resolve(name), join(path, name), 'dir');
  await mkdir(join(path, 'packs'));
  return { path, remove: () => rm(path, { recursive: true }) };
}

export async function openBrowser(): Promise<Browser> {
  const executablePath = findBrowser();
  if (executablePath === null) throw new Error('No Chromium, Chrome or Edge found. Install one, or set CHROME_PATH to its program.');
  return puppeteer.launch({ executablePath, headless: true, args: BROWSER_FLAGS });
}

/** A page with everything that went wrong in it. */
export interface WatchedPage {
  readonly page: Page;
  readonly server: RangeServer;
  /** Errors of scripts, messages of the console, violations of the content security policy. */
  readonly problems: string[];
  close(): Promise<void>;
}

/** Opens `path` of a site under a content security policy. */
export async function openPage(browser: Browser, site: string, path: string, policy: string | null, options: { scripts?: boolean; colorScheme?: 'light' | 'dark'; width?: number } = {}): Promise<WatchedPage> {
  const server = await startRangeServer(site, policy === null ? {} : { headers: { 'content-security-policy': policy } });
  const page = await browser.newPage();
  const problems: string[] = [];
  page.on('pageerror', (error) => problems.push(`error: ${error instanceof Error ? error.message : String(error)}`));
  page.on('console', (message) => {
    if (['error', 'warn'].includes(message.type())) problems.push(`console: ${message.text()}`);
  });
  await page.setViewport({ width: options.width ?? 1300, height: 900 });
  await page.emulateMediaFeatures([{ name: 'prefers-color-scheme', value: options.colorScheme ?? 'light' }]);
  await page.setJavaScriptEnabled(options.scripts ?? true);
  await page.goto(server.url + path);
  return {
    page,
    server,
    problems,
    async close() {
      await page.close();
      await server.close();
    },
  };
}

/** What axe finds on the whole page, as lines. Injected through the debugger, which no policy of the page forbids. */
export async function axeViolations(page: Page): Promise<string[]> {
  const source = await readFile(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
  await page.evaluate(`${source}; void 0`);
  return page.evaluate(async () => {
    const { axe } = globalThis as unknown as { axe: { run(): Promise<{ violations: { id: string; nodes: { html: string; failureSummary?: string }[] }[] }> } };
    const { violations } = await axe.run();
    return violations.map(({ id, nodes }) => `${id}: ${nodes.map(({ html, failureSummary }) => `${html.slice(0, 160)} ${failureSummary ?? ''}`).join(' | ')}`);
  });
}
