/** `saekit serve` as a child process: what it serves, what it refuses, how it stops. */
import assert from 'node:assert/strict';
import { mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { request as httpRequest, type IncomingHttpHeaders } from 'node:http';
import { createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { parseRange } from '../../cli/range.js';
import { directorySink } from '../../engine/io/sink.js';
import { openPack } from '../../engine/pack/reader.js';
import { writePack } from '../../engine/pack/writer.js';
import { openBrowser } from '../support/browser-pages.js';
import { cli, startCli } from '../support/cli.js';
import { syntheticPack } from '../support/synthetic-pack.js';

let folder = '';
let pack = '';
before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'saekit-serve-'));
  pack = join(folder, 'pack');
  await writePack({ ...syntheticPack({ features: 64, seed: 3 }), sink: await directorySink(pack) });
  await writeFile(join(folder, 'secret.json'), '"secret"');
  await mkdir(join(folder, 'plugins'));
  await symlink(join(folder, 'secret.json'), join(pack, 'link.json'));
  await writeFile(join(pack, '.hidden'), 'hidden');
  for (const name of ['key.pem', '.env.json', 'data.json']) await writeFile(join(folder, 'plugins', name), '{}');
  await writeFile(join(folder, 'plugins', 'plugin.mjs'), "export default { id: 'my-lab/panel', version: '1.0.0', api: '^1.0.0', title: 't', description: 'd', load: async () => ({ create() {} }) };");
});
after(() => rm(folder, { recursive: true }));

interface Served {
  readonly url: string;
  readonly printed: string;
  /** Ctrl-C; resolves with the exit status. */
  stop(): Promise<number | null>;
}

async function serve(...args: string[]): Promise<Served> {
  const child = startCli(['serve', pack, '--no-open', ...args]);
  const ended = new Promise<number | null>((done) => child.on('close', done));
  let printed = '';
  let errors = '';
  child.stderr.on('data', (text: Buffer) => (errors += String(text)));
  await new Promise<void>((done, fail) => {
    child.stdout.on('data', (text: Buffer) => {
      printed += String(text);
      if (printed.includes('\n')) done();
    });
    child.on('close', () => fail(new Error(`it ended: ${errors}`)));
  });
  return {
    url: /http:\/\/[^\s"]+/.exec(printed)![0],
    printed,
    stop: () => {
      child.kill('SIGINT');
      return ended;
    },
  };
}

interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
}

/** A request whose path is sent as it is: fetch would tidy it up. */
function ask(base: string, path: string, headers: Record<string, string> = {}, method = 'GET'): Promise<Answer> {
  const { hostname, port } = new URL(base);
  return new Promise((done, fail) => {
    const sent = httpRequest({ hostname, port, path, headers, method }, (response) => {
      const chunks: Buffer[] = [];
      response.on('data', (chunk: Buffer) => chunks.push(chunk));
      response.on('end', () => done({ status: response.statusCode ?? 0, headers: response.headers, body: Buffer.concat(chunks) }));
    });
    sent.on('error', fail);
    sent.end();
  });
}

describe('byte ranges', () => {
  it('are those of RFC 9110', () => {
    const cases: [string | undefined, number, ReturnType<typeof parseRange>][] = [
      [undefined, 10, null], ['bytes=0-3', 10, [0, 3]], ['bytes=4-', 10, [4, 9]], ['bytes=4-99', 10, [4, 9]], ['bytes=-3', 10, [7, 9]], ['bytes=-99', 10, [0, 9]],
      ['bytes=10-', 10, 'unsatisfiable'], ['bytes=-0', 10, 'unsatisfiable'], ['bytes=0-', 0, 'unsatisfiable'], ['bytes=5-2', 10, 'unsatisfiable'],
      ['bytes=-', 10, null], ['bytes=0-1,3-4', 10, null], ['rows=0-3', 10, null], ['Bytes=0-0', 10, [0, 0]], ['bytes=9-9', 10, [9, 9]],
    ];
    for (const [header, size, expected] of cases) assert.deepEqual(parseRange(header, size), expected, String(header));
  });
});

describe('serve', () => {
  it('serves page, elements and pack, with ranges and a strict policy, and nothing else', async () => {
    const served = await serve('--port', '0', '--plugin', join(folder, 'plugins', 'plugin.mjs'));
    try {
      assert.match(served.printed, /^saekit: dashboard of .*pack at http:\/\/127\.0\.0\.1:\d+\/ {3}\(Ctrl-C stops it\)\n$/);
      const page = await ask(served.url, '/');
      assert.equal(page.status, 200);
      assert.match(page.body.toString(), /<sae-pack-view src="\/pack\/">/);
      assert.ok(!/<script(?![^>]*src=)|style=|onload/.test(page.body.toString()), 'nothing inline');
      const policy = String(page.headers['content-security-policy']);
      for (const part of ["default-src 'none'", "script-src 'self' 'wasm-unsafe-eval'", "connect-src 'self'", "style-src 'self'"]) assert.ok(policy.includes(part), policy);
      assert.equal(page.headers['x-content-type-options'], 'nosniff');
      for (const [path, type] of [['/saekit.js', 'text/javascript'], ['/boot.js', 'text/javascript'], ['/page.css', 'text/css'], ['/pack/manifest.json', 'application/json'], ['/plugins/0/plugin.mjs', 'text/javascript'], ['/plugins/0/data.json', 'application/json']] as const) {
        const answer = await ask(served.url, path);
        assert.deepEqual([answer.status, answer.headers['content-type']], [200, type], path);
        const head = await ask(served.url, path, { range: 'bytes=0-1' }, 'HEAD');
        assert.deepEqual([head.status, head.headers['content-length'], head.body.length], [200, String(answer.body.length), 0], path);
      }
      const file = await readFile(join(pack, 'features.parquet'));
      const range = await ask(served.url, '/pack/features.parquet', { range: 'bytes=4-103' });
      assert.deepEqual([range.status, range.headers['content-range'], range.headers['accept-ranges']], [206, `bytes 4-103/${file.length}`, 'bytes']);
      assert.deepEqual(range.body, file.subarray(4, 104));
      const beyond = await ask(served.url, '/pack/features.parquet', { range: `bytes=${file.length}-` });
      assert.deepEqual([beyond.status, beyond.headers['content-range']], [416, `bytes */${file.length}`]);
      // Out of the pack, by every way that there is, and hidden files.
      for (const path of ['/pack/../secret.json', '/pack/%2e%2e/secret.json', '/pack/..%2fsecret.json', '/pack/%2e%2e%2fsecret.json', '/pack/link.json', '/pack/.hidden', '/pack/', '/pack/nothing', '/pack/%00', '/plugins/0/key.pem', '/plugins/0/.env.json', '/plugins/0/../secret.json', '/plugins/0/..%2fsecret.json', '/plugins/1/plugin.mjs', '/secret.json', '/package.json', '//etc/passwd']) {
        const answer = await ask(served.url, path);
        assert.equal(answer.status, 404, path);
        assert.ok(!answer.body.toString().includes('secret"'), path);
      }
      assert.equal((await ask(served.url, '/pack/%zz')).status, 400);
      const post = await ask(served.url, '/', {}, 'POST');
      assert.deepEqual([post.status, post.headers['allow']], [405, 'GET, HEAD']);
      // A pack reader sees the same pack.
      const [ours, theirs] = [await (await openPack(pack)).card(5), await (await openPack(`${served.url}pack/`)).card(5)];
      assert.deepEqual(theirs, ours);
    } finally {
      assert.equal(await served.stop(), 0);
    }
  });

  it('shows the dashboard in a browser, under its own policy', async () => {
    const served = await serve('--port', '0');
    const browser = await openBrowser();
    try {
      const page = await browser.newPage();
      const problems: string[] = [];
      page.on('pageerror', (error) => problems.push(String(error)));
      page.on('console', (message) => {
        if (message.type() === 'error') problems.push(message.text());
      });
      await page.goto(served.url);
      await page.waitForFunction(() => document.querySelector('sae-pack-view')?.shadowRoot?.querySelector('sae-density-histogram') !== null, { timeout: 30_000 });
      assert.deepEqual(problems, []);
    } finally {
      await browser.close();
      await served.stop();
    }
  });

  it('--json prints one object once it listens', async () => {
    const served = await serve('--port', '0', '--json');
    try {
      assert.deepEqual(JSON.parse(served.printed), { url: served.url, pack });
      assert.equal((await ask(served.url, '/')).status, 200);
    } finally {
      assert.equal(await served.stop(), 0);
    }
  });

  it('takes the next free port, unless one was asked for', async () => {
    const taken = createServer();
    await new Promise<void>((done) => taken.listen(0, '127.0.0.1', done));
    const { port } = taken.address() as AddressInfo;
    try {
      const busy = await cli(['serve', pack, '--no-open', '--port', String(port)]);
      assert.deepEqual([busy.status, busy.stdout], [2, '']);
      assert.match(busy.stderr, new RegExp(`port ${port} of 127.0.0.1 is in use\n.*--port`));
      const first = await serve();
      const second = await serve();
      assert.notEqual(first.url, second.url);
      for (const { url } of [first, second]) assert.ok(Number(new URL(url).port) >= 8080 && Number(new URL(url).port) < 8180, url);
      await Promise.all([first.stop(), second.stop()]);
    } finally {
      taken.close();
    }
  });

  it('says what is wrong before it listens', async () => {
    const cases: [string[], number, RegExp][] = [
      [[join(folder, 'plugins')], 1, /manifest\.json: there is no such file\n.*saekit analyze/],
      [['README.md'], 1, /is a file, a folder was expected/],
      [['https://example.org/pack'], 2, /takes a folder of this machine/],
      [[pack, '--port', '70000'], 2, /from 0 to 65535/],
      [[pack, '--plugin', 'none.js'], 2, /--plugin none\.js: there is no such file/],
      [[pack, '--host', 'not a host'], 2, /cannot listen on not a host/],
      [[], 2, /missing required argument 'pack'/],
    ];
    for (const [args, status, message] of cases) {
      const run = await cli(['serve', ...args, '--no-open']);
      assert.deepEqual([run.status, run.stdout], [status, ''], args.join(' '));
      assert.match(run.stderr, message);
    }
  });
});
