/** typescript-eslint, and the rules of the house: which room may import what. */
import js from '@eslint/js';
import { configs as lit } from 'eslint-plugin-lit';
import tseslint from 'typescript-eslint';

/** Forbids imports that cross into the named rooms. */
const closed = (message, ...patterns) => ({
  'no-restricted-imports': ['error', { patterns: [{ group: patterns, message }] }],
});
const room = (name) => [`**/${name}/**`, `**/${name}`];

export default tseslint.config(
  { ignores: ['dist/', '*.tmp/', '**/build/', 'node_modules/', 'assembly/', 'examples/**/pack/', 'test/fixtures/'] },
  js.configs.recommended,
  ...tseslint.configs.recommended,
  {
    files: ['**/*.ts'],
    rules: {
      'max-lines': ['error', { max: 450 }],
      '@typescript-eslint/no-explicit-any': 'error',
      '@typescript-eslint/consistent-type-imports': ['error', { fixStyle: 'inline-type-imports', disallowTypeAnnotations: false }],
      '@typescript-eslint/no-unused-vars': ['error', { argsIgnorePattern: '^_', varsIgnorePattern: '^_' }],
      'no-restricted-syntax': [
        'error',
        { selector: 'TSEnumDeclaration', message: 'Types only: use a union of literals.' },
        { selector: 'TSModuleDeclaration[kind="namespace"]', message: 'Types only: use a module.' },
        { selector: 'TSParameterProperty', message: 'Types only: declare the field and assign it.' },
        { selector: 'Decorator', message: 'Standard JavaScript: use static properties.' },
      ],
      eqeqeq: 'error',
      'prefer-const': 'error',
    },
  },
  {
    files: ['engine/**/*.ts'],
    ignores: ['engine/choose-backend.ts', 'engine/choose-train-backend.ts', 'engine/wasm/**'],
    rules: closed('engine/ reaches kernels only through choose-backend.ts and choose-train-backend.ts, and knows no room above it.', ...room('gpu'), ...room('assembly'), '**/build/wasm/*', ...room('plugins'), ...room('components'), ...room('cli')),
  },
  { files: ['engine/choose-backend.ts', 'engine/choose-train-backend.ts', 'engine/wasm/**/*.ts'], rules: closed('engine/ knows no room above it.', ...room('plugins'), ...room('components'), ...room('cli')) },
  {
    files: ['gpu/**/*.ts'],
    rules: closed('gpu/ may import only what engine/ has for every backend: backend, batch-topk, checks, codes, errors, sae, ties, weight-source, and the contracts of train/.', ...room('assembly'), ...room('plugins'), ...room('components'), ...room('cli'), '**/engine/*', '!**/engine/backend.js', '!**/engine/batch-topk.js', '!**/engine/checks.js', '!**/engine/codes.js', '!**/engine/errors.js', '!**/engine/sae.js', '!**/engine/ties.js', '!**/engine/weight-source.js', '!**/engine/train', '**/engine/train/*', '!**/engine/train/objective.js', '!**/engine/train/session.js', '!**/engine/train/checks.js'),
  },
  { files: ['plugins/**/*.ts'], rules: closed('plugins/ may import engine/ only.', ...room('gpu'), ...room('assembly'), ...room('components'), ...room('cli')) },
  {
    files: ['components/**/*.ts'],
    plugins: lit['flat/recommended'].plugins,
    rules: {
      ...lit['flat/recommended'].rules,
      ...closed('components/ draw: they read packs and plugin views, never a kernel.', ...room('gpu'), ...room('assembly'), '**/engine/wasm/**', '**/engine/choose-backend.js', ...room('cli')),
      'no-restricted-properties': ['error', { property: 'innerHTML', message: 'Text from packs is always text.' }, { property: 'outerHTML', message: 'Text from packs is always text.' }, { property: 'insertAdjacentHTML', message: 'Text from packs is always text.' }],
    },
  },
  { files: ['cli/**/*.ts'], rules: closed('cli/ may import engine/ and plugins/.', ...room('gpu'), ...room('assembly'), ...room('components')) },
  {
    files: ['**/*.mjs', '**/*.js'],
    languageOptions: { globals: Object.fromEntries(['process', 'console', 'Buffer', 'URL', 'fetch', 'performance', 'setTimeout', 'clearTimeout', 'document', 'window', 'customElements', 'CSSStyleSheet', 'Event', 'HTMLElement', 'self', 'Worker', 'location', 'history', 'navigator', 'postMessage', 'onmessage', 'TextDecoder', 'TextEncoder', 'globalThis', 'AbortController', 'Blob', 'structuredClone', 'URLSearchParams', 'FormData', 'addEventListener', 'queueMicrotask', 'FormData'].map((name) => [name, 'readonly'])) },
  },
);
