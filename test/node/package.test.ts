/** What `npm run package` puts into the package is what package.json promises. */
import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { test } from 'node:test';

const manifest = JSON.parse(readFileSync('package.json', 'utf8')) as {
  readonly exports: Record<string, string | { readonly types: string; readonly default: string }>;
  readonly scripts: Record<string, string>;
  readonly files: readonly string[];
  readonly bin: Record<string, string>;
};

test('every entry point is built, and its types have a source', () => {
  for (const target of Object.values(manifest.exports)) {
    const { types, default: code } = typeof target === 'string' ? { types: null, default: target } : target;
    assert.ok(existsSync(code), `${code} is missing: npm run build`);
    if (types !== null) assert.ok(existsSync(types.replace('./dist/types/', './').replace('.d.ts', '.ts')), types);
  }
});

test('packing builds first, with types: `npm start` alone leaves none', () => {
  assert.match(manifest.scripts.package ?? '', /npm run (--silent )?build && npm pack$/);
  assert.match(manifest.scripts.build ?? '', /--types/);
});

test('every file that is listed is there', () => {
  for (const path of [...manifest.files, ...Object.values(manifest.bin)]) assert.ok(existsSync(path), path);
});
