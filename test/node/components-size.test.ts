/** What a page downloads for a card: budgets, and what is loaded only when it is needed. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { gzipSync } from 'node:zlib';
import { build, type Metafile } from 'esbuild';

/** The card's module as a bundler leaves it, in chunks. */
async function bundle(): Promise<{ readonly outputs: Metafile['outputs']; readonly size: (paths: Iterable<string>) => number }> {
  const { metafile, outputFiles } = await build({
    entryPoints: ['components/feature-card/define.ts'],
    outdir: '/out',
    bundle: true,
    splitting: true,
    minify: true,
    write: false,
    metafile: true,
    format: 'esm',
    target: 'es2022',
    legalComments: 'none',
    conditions: ['browser', 'production'],
    external: ['node:*'],
  });
  const texts = new Map(outputFiles.map(({ path, contents }) => [path.split('/').at(-1), contents]));
  const size = (paths: Iterable<string>): number => gzipSync(Buffer.concat([...paths].map((path) => texts.get(path.split('/').at(-1)) as Uint8Array)), { level: 9 }).length;
  return { outputs: metafile.outputs, size };
}

/** A chunk with all that it imports statically. */
function closure(outputs: Metafile['outputs'], entry: string, found = new Set<string>()): Set<string> {
  if (found.has(entry)) return found;
  found.add(entry);
  for (const { path, kind, external } of outputs[entry]?.imports ?? []) if (kind === 'import-statement' && external !== true) closure(outputs, path, found);
  return found;
}

test('the card with Lit is at most 12 kB, its view 9.5 kB, the reader 20 kB; view and reader come when they are needed', async (t) => {
  const { outputs, size } = await bundle();
  const holding = (source: string): string => Object.keys(outputs).find((path) => outputs[path]?.entryPoint === source) as string;
  const element = closure(outputs, holding('components/feature-card/define.ts'));
  const rest = (source: string): Set<string> => new Set([...closure(outputs, holding(source))].filter((path) => !element.has(path)));
  const figures = { element: size(element), view: size(rest('components/feature-card/card-view.ts')), reader: size(rest('engine/pack/reader.ts')) };
  t.diagnostic(`gzipped: ${JSON.stringify(figures)}`);
  const inputs = [...element].flatMap((path) => Object.keys(outputs[path]?.inputs ?? {}));
  for (const lazy of ['engine/pack/reader.ts', 'components/feature-card/card-view.ts', 'components/feature-card/examples.ts']) assert.ok(!inputs.includes(lazy), lazy);
  assert.ok(inputs.some((path) => path.includes('lit-html')));
  assert.ok(figures.element <= 12_000, `element ${figures.element}`);
  assert.ok(figures.view <= 9_500, `view ${figures.view}`);
  assert.ok(figures.reader <= 20_000, `reader ${figures.reader}`);
});
