/** The built program in Deno: what it needs leave for, and what it says without. */
import { openPack } from '../../engine/pack/reader.js';

interface Output {
  readonly code: number;
  readonly stdout: Uint8Array;
  readonly stderr: Uint8Array;
}
interface Child {
  readonly stdout: ReadableStream<Uint8Array>;
  readonly status: Promise<{ code: number }>;
  kill(signal: string): void;
}
declare const Deno: {
  test(name: string, run: () => Promise<void>): void;
  execPath(): string;
  makeTempDir(): Promise<string>;
  remove(path: string, options: { recursive: boolean }): Promise<void>;
  readDir(path: string): AsyncIterable<{ name: string }>;
  Command: new (program: string, options: { args: string[]; stdout?: 'piped'; stderr?: 'piped' | 'null' }) => { output(): Promise<Output>; spawn(): Child };
};

const program = (permissions: string[], args: string[]): string[] => ['run', '--no-prompt', '--cached-only', ...permissions, 'dist/cli.js', ...args];

async function cli(permissions: string[], ...args: string[]): Promise<{ code: number; stdout: string; stderr: string }> {
  const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), { args: program(permissions, args) }).output();
  const text = (bytes: Uint8Array): string => new TextDecoder().decode(bytes);
  return { code, stdout: text(stdout), stderr: text(stderr) };
}

function check(condition: boolean, what: unknown): void {
  if (!condition) throw new Error(typeof what === 'string' ? what : JSON.stringify(what));
}

const SAE = 'examples/stories260k/sae';
const ACTS = 'test/fixtures/stories260k/prompts.resid_post.safetensors#p2.blocks.2.resid_post';

async function withFolder(run: (path: (name: string) => string) => Promise<void>): Promise<void> {
  const folder = await Deno.makeTempDir();
  try {
    await run((name) => `${folder}/${name}`);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

Deno.test('analyze with leave to read and write, with threads; show with leave to read', () =>
  withFolder(async (path) => {
    const run = await cli(['--allow-read', '--allow-write'], 'analyze', '--sae', SAE, '--acts', ACTS, '--backend', 'wasm', '--threads', '2', '--out', path('pack'), '--json');
    check(run.code === 0 && /^\{.*\}\n$/.test(run.stdout), run);
    const report = JSON.parse(run.stdout) as { tokens: number; l0: number };
    check(report.tokens === 56 && report.l0 === 16, report);
    const { manifest } = await openPack(path('pack'));
    check(manifest.run.runtime.startsWith('deno ') && manifest.run.backend_description.includes('2 threads'), manifest.run);

    const card = await cli(['--allow-read'], 'show', path('pack'), '--feature', '3', '--json');
    check(card.code === 0 && (JSON.parse(card.stdout) as { feature: number }).feature === 3, card);
    const words = await cli(['--allow-read'], 'show', path('pack'), '--feature', '3');
    check(words.code === 0 && words.stderr === '' && words.stdout.startsWith('feature 3  '), words);
  }),
);

Deno.test('what is not allowed is told with the flag, and leaves nothing', () =>
  withFolder(async (path) => {
    const analyze = ['analyze', '--sae', SAE, '--acts', ACTS, '--backend', 'wasm', '--out', path('pack')];
    for (const [permissions, flag] of [[['--allow-read'], '--allow-write'], [['--allow-write'], '--allow-read']] as [string[], string][]) {
      const { code, stdout, stderr } = await cli(permissions, ...analyze);
      check(code !== 0 && stdout === '', { code, stdout });
      check(stderr.includes('saekit: Deno does not allow it: ') && stderr.includes(`the ${flag} flag`) && !stderr.includes('    at '), stderr);
    }
    for await (const entry of Deno.readDir(path(''))) throw new Error(`${entry.name} was left behind`);
    const serve = await cli(['--allow-read'], 'serve', 'examples', '--no-open', '--port', '0');
    check(serve.code === 1 && serve.stderr.includes('manifest.json'), serve);
    const wrong = await cli(['--allow-read'], 'show', 'examples');
    check(wrong.code === 2 && wrong.stderr.includes('--feature'), wrong);
  }),
);

Deno.test('serve with leave to read and to listen; it stops on Ctrl-C', () =>
  withFolder(async (path) => {
    check((await cli(['--allow-read', '--allow-write'], 'analyze', '--sae', SAE, '--acts', ACTS, '--backend', 'wasm', '--out', path('pack'), '--quiet')).code === 0, 'analyze');
    const refused = await cli(['--allow-read'], 'serve', path('pack'), '--no-open', '--port', '0');
    check(refused.code === 1 && refused.stderr.includes('--allow-net'), refused);
    const child = new Deno.Command(Deno.execPath(), { args: program(['--allow-read', '--allow-net'], ['serve', path('pack'), '--no-open', '--port', '0', '--json']), stdout: 'piped', stderr: 'null' }).spawn();
    const reader = child.stdout.pipeThrough(new TextDecoderStream() as unknown as TransformStream<Uint8Array, string>).getReader();
    try {
      const { url } = JSON.parse((await reader.read()).value ?? '') as { url: string };
      const response = await fetch(`${url}pack/manifest.json`, { headers: { range: 'bytes=0-9' } });
      check(response.status === 206 && (await response.text()).length === 10, response.status);
    } finally {
      child.kill('SIGINT');
    }
    check((await child.status).code === 0, 'status');
    await reader.cancel();
  }),
);
