/** Token texts and ids: the embedded tokenizer against reference ids, and decoders of other families. */
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { test } from 'node:test';
import fc from 'fast-check';
import { loadTokenizer, showBytes } from '../../engine/tokenizer.js';
import { openTensor } from '../../engine/formats/tensor-file.js';

const EXAMPLE = 'examples/stories260k/';

test('encode gives the reference ids of the three prompts, and their texts join to the prompt', async () => {
  const tokenizer = await loadTokenizer(`${EXAMPLE}tokenizer.json`);
  assert.equal(tokenizer.vocabulary, 512);
  for (const { text, ids } of JSON.parse(await readFile('test/fixtures/stories260k/prompts.json', 'utf8')) as { text: string; ids: number[] }[]) {
    assert.deepEqual(tokenizer.encode(text), ids);
    assert.equal(ids.slice(1).map((id) => tokenizer.text(id)).join(''), ` ${text}`);
  }
});

test('single tokens: leading space, special tokens, bytes, outside of the vocabulary', async () => {
  const tokenizer = await loadTokenizer(`${EXAMPLE}tokenizer.json`);
  assert.deepEqual([403, 407, 261].map((id) => tokenizer.text(id)), [' Once', ' upon', ' a']);
  assert.deepEqual([0, 1, 2].map((id) => tokenizer.text(id)), ['<unk>', '<s>', '</s>']);
  // <0xNN> is id NN + 3: ASCII as itself, a lone byte of a longer sequence by its number.
  assert.equal(tokenizer.text(3 + 0x0a), '\n');
  assert.equal(tokenizer.text(3 + 0xe2), '\\xE2');
  for (const id of [512, -1, 1.5, NaN, 2 ** 40]) assert.equal(tokenizer.text(id), `#${id}`);
});

test('every token of a generated story is shown, and the story reads', async () => {
  const tokenizer = await loadTokenizer(`${EXAMPLE}tokenizer.json`);
  const { tensor, close } = await openTensor(`${EXAMPLE}tokens.npy`);
  const story = [...(await tensor.integers(0, 128))].map((id) => tokenizer.text(id)).join('');
  await close();
  assert.match(story, /^<s> Once upon a time/);
});

const bytesOf = (json: unknown): Uint8Array => new TextEncoder().encode(JSON.stringify(json));
const bpe = (vocab: Record<string, number>, decoder: unknown, added: unknown[] = []) =>
  bytesOf({ version: '1.0', added_tokens: added, normalizer: null, pre_tokenizer: null, post_processor: null, decoder, model: { type: 'BPE', vocab, merges: [], byte_fallback: false, dropout: null, unk_token: null, continuing_subword_prefix: null, end_of_word_suffix: null, fuse_unk: false } });

test('byte-level BPE (GPT-2): its alphabet is decoded, halves of characters show their bytes', async () => {
  const tokenizer = await loadTokenizer(bpe({ 'Ġthe': 0, 'Ċ': 1, 'Ã©': 2, 'âĢ': 3, '½': 4, ' raw': 5 }, { type: 'ByteLevel' }, [{ id: 6, content: '<|endoftext|>', special: true, single_word: false, lstrip: false, rstrip: false, normalized: false }]));
  assert.deepEqual([0, 1, 2, 3, 4, 5, 6].map((id) => tokenizer.text(id)), [' the', '\n', 'é', '\\xE2\\x80', '\\xBD', ' raw', '<|endoftext|>']);
});

test('word pieces, Metaspace, BPE with suffixes', async () => {
  const wordPiece = await loadTokenizer(bytesOf({ version: '1.0', added_tokens: [], normalizer: null, pre_tokenizer: null, post_processor: null, decoder: { type: 'WordPiece', prefix: '##', cleanup: true }, model: { type: 'WordPiece', vocab: { '[UNK]': 0, play: 1, '##ing': 2 }, unk_token: '[UNK]', continuing_subword_prefix: '##', max_input_chars_per_word: 100 } }));
  assert.deepEqual([1, 2].map((id) => wordPiece.text(id)), [' play', 'ing']);
  const meta = await loadTokenizer(bpe({ '▁the': 0, x: 1 }, { type: 'Sequence', decoders: [{ type: 'Metaspace', replacement: '▁', add_prefix_space: true, prepend_scheme: 'always' }, { type: 'Fuse' }] }));
  assert.deepEqual([0, 1].map((id) => meta.text(id)), [' the', 'x']);
  const suffix = await loadTokenizer(bpe({ 'dog</w>': 0, do: 1 }, { type: 'BPEDecoder', suffix: '</w>' }));
  assert.deepEqual([0, 1].map((id) => suffix.text(id)), ['dog ', 'do']);
});

test('showBytes is UTF-8 where the bytes are, for every text', () => {
  fc.assert(fc.property(fc.string({ unit: 'grapheme' }), (text) => showBytes([...new TextEncoder().encode(text)]) === text));
  fc.assert(fc.property(fc.uint8Array(), (bytes) => !showBytes([...bytes]).includes('�') || [...bytes].join().includes('239,191,189')));
  assert.equal(showBytes([0xc0, 0x80]), '\\xC0\\x80');
  assert.equal(showBytes([0xed, 0xa0, 0x80]), '\\xED\\xA0\\x80');
});

test('what is no tokenizer says so', async () => {
  for (const json of [null, 1, [], {}, { model: null }, { model: 'BPE' }]) await assert.rejects(loadTokenizer(bytesOf(json)), { name: 'FormatError', message: /not a tokenizer.json/ });
  await assert.rejects(loadTokenizer(bytesOf({ model: { type: 'Magic', vocab: {} } })), { name: 'FormatError', message: /cannot be set up/ });
  await assert.rejects(loadTokenizer(new Uint8Array([1, 2])), { name: 'FormatError', message: /not JSON/ });
});
