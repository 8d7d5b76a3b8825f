/**
 * Tokens to text, from a Hugging Face tokenizer.json.
 *
 * `text(id)` is what one token shows as, by itself: a decoder would strip or
 * join spaces at the ends of a text and turn half of a UTF-8 sequence into
 * replacement characters, so the steps of the decoder that concern a single
 * token are applied here: byte-level alphabets, byte-fallback tokens, the
 * sentencepiece underline, word-piece prefixes, BPE suffixes. Bytes that are no
 * UTF-8 by themselves show as `\xE2`.
 */
import type { Tokenizer as HuggingFaceTokenizer } from '@huggingface/tokenizers';
import { FormatError } from './errors.js';
import { messageOf, NotFoundError } from './io/checks.js';
import { openRef, type Ref } from './io/open.js';
import { readJson } from './io/read.js';

export interface Tokenizer {
  /** Number of ids, added tokens included: the largest id + 1. */
  readonly vocabulary: number;
  /** Display text of one token: its leading space kept, bytes decoded, special tokens as themselves, `#id` outside of the vocabulary. Never markup. */
  text(id: number): string;
  /** Token ids of a text, with the special tokens that the tokenizer adds (BOS). */
  encode(text: string): number[];
}

type Json = Readonly<Record<string, unknown>>;

/** How a piece of the vocabulary becomes text. */
interface PieceRules {
  readonly byteLevel: boolean;
  readonly byteFallback: boolean;
  /** Literal replacements, in order. */
  readonly replace: readonly (readonly [string, string])[];
  readonly wordPiecePrefix: string | null;
  readonly suffix: string | null;
}

function collectRules(decoder: unknown, rules: { -readonly [K in keyof PieceRules]: PieceRules[K] }): void {
  if (typeof decoder !== 'object' || decoder === null) return;
  const step = decoder as Json;
  switch (step['type']) {
    case 'Sequence':
      for (const inner of Array.isArray(step['decoders']) ? (step['decoders'] as unknown[]) : []) collectRules(inner, rules);
      break;
    case 'ByteLevel':
      rules.byteLevel = true;
      break;
    case 'ByteFallback':
      rules.byteFallback = true;
      break;
    case 'Metaspace':
      rules.replace = [...rules.replace, [typeof step['replacement'] === 'string' ? step['replacement'] : '▁', ' ']];
      break;
    case 'Replace': {
      const pattern = (step['pattern'] as Json | undefined)?.['String'];
      if (typeof pattern === 'string' && pattern !== '' && typeof step['content'] === 'string') rules.replace = [...rules.replace, [pattern, step['content']]];
      break;
    }
    case 'WordPiece':
      rules.wordPiecePrefix = typeof step['prefix'] === 'string' ? step['prefix'] : '##';
      break;
    case 'BPEDecoder':
      rules.suffix = typeof step['suffix'] === 'string' ? step['suffix'] : '</w>';
      break;
    default:
      // Fuse, Strip, CTC: they concern the ends of a whole text, not a token.
      break;
  }
}

/** GPT-2's alphabet: printable bytes stand for themselves, the others for characters from U+0100 on. */
function byteAlphabet(): Map<string, number> {
  const alphabet = new Map<string, number>();
  let next = 256;
  for (let byte = 0; byte < 256; byte++) {
    const printable = (byte >= 33 && byte <= 126) || (byte >= 161 && byte <= 172) || byte >= 174;
    alphabet.set(String.fromCodePoint(printable ? byte : next++), byte);
  }
  return alphabet;
}

/** UTF-8 to text; a byte that belongs to no whole character shows as `\xE2`. */
export function showBytes(bytes: readonly number[]): string {
  let out = '';
  for (let at = 0; at < bytes.length; ) {
    const lead = bytes[at] as number;
    const length = lead < 0x80 ? 1 : lead >= 0xc2 && lead < 0xe0 ? 2 : lead >= 0xe0 && lead < 0xf0 ? 3 : lead >= 0xf0 && lead < 0xf5 ? 4 : 0;
    let character: string | null = null;
    if (length > 0 && at + length <= bytes.length) {
      try {
        character = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(Uint8Array.from(bytes.slice(at, at + length)));
      } catch {
        // Not a whole character: its first byte is shown by itself.
      }
    }
    out += character ?? `\\x${lead.toString(16).toUpperCase().padStart(2, '0')}`;
    at += character === null ? 1 : length;
  }
  return out;
}

function pieceText(piece: string, rules: PieceRules, alphabet: ReadonlyMap<string, number>): string {
  if (rules.byteLevel) {
    const bytes = [...piece].map((character) => alphabet.get(character));
    if (bytes.every((byte) => byte !== undefined)) return showBytes(bytes);
  }
  const byte = rules.byteFallback ? /^<0x([0-9A-Fa-f]{2})>$/.exec(piece) : null;
  if (byte !== null) return showBytes([parseInt(byte[1] as string, 16)]);
  let text = piece;
  for (const [from, to] of rules.replace) text = text.replaceAll(from, to);
  if (rules.wordPiecePrefix !== null) text = text.startsWith(rules.wordPiecePrefix) ? text.slice(rules.wordPiecePrefix.length) : ` ${text}`;
  if (rules.suffix !== null && text.endsWith(rules.suffix)) text = `${text.slice(0, -rules.suffix.length)} `;
  return text;
}

/** tokenizer_config.json beside a tokenizer.json, where there is one. */
async function configBeside(ref: Ref): Promise<Json> {
  const text = typeof ref === 'string' || ref instanceof URL ? String(ref) : '';
  if (!/tokenizer\.json(\?.*)?$/.test(text) || text.startsWith('data:')) return {};
  try {
    const source = await openRef(text.replace(/tokenizer\.json(\?.*)?$/, 'tokenizer_config.json$1'));
    try {
      return (await readJson(source)) as Json;
    } finally {
      await source.close?.();
    }
  } catch (error) {
    if (error instanceof NotFoundError) return {};
    throw error;
  }
}

/**
 * Loads a tokenizer.json, and the tokenizer_config.json beside it when there is one.
 * @throws FormatError when it is not a tokenizer that @huggingface/tokenizers knows
 */
export async function loadTokenizer(ref: Ref): Promise<Tokenizer> {
  const source = await openRef(ref);
  let json: Json;
  try {
    json = (await readJson(source)) as Json;
  } finally {
    if (source !== ref) await source.close?.();
  }
  if (typeof json !== 'object' || json === null || typeof json['model'] !== 'object' || json['model'] === null) {
    throw new FormatError(`${source.name}: is not a tokenizer.json: it has no model`, { hint: 'tokenizer_config.json and vocab.json are other files; save the tokenizer with save_pretrained of its fast version.' });
  }
  const { Tokenizer: Library } = await import('@huggingface/tokenizers');
  let tokenizer: HuggingFaceTokenizer;
  let added: Map<number, string>;
  let pieces: Map<number, string>;
  try {
    tokenizer = new Library(json, await configBeside(ref));
    added = new Map([...tokenizer.get_added_tokens_decoder()].map(([id, token]) => [id, token.content]));
    pieces = new Map([...tokenizer.get_vocab(true)].map(([piece, id]) => [id, piece]));
  } catch (cause) {
    if (cause instanceof FormatError) throw cause;
    throw new FormatError(`${source.name}: the tokenizer cannot be set up (${messageOf(cause)})`, { cause });
  }
  const rules = { byteLevel: false, byteFallback: false, replace: [], wordPiecePrefix: null, suffix: null };
  collectRules(json['decoder'], rules);
  const alphabet = byteAlphabet();
  const shown = new Map<number, string>();
  let vocabulary = 0;
  for (const id of [...added.keys(), ...pieces.keys()]) vocabulary = Math.max(vocabulary, id + 1);
  return {
    vocabulary,
    text(id) {
      const known = shown.get(id) ?? added.get(id);
      if (known !== undefined) return known;
      const piece = pieces.get(id);
      if (piece === undefined) return `#${id}`;
      const text = pieceText(piece, rules, alphabet);
      shown.set(id, text);
      return text;
    },
    encode(text) {
      try {
        return [...tokenizer.encode(text).ids];
      } catch (cause) {
        throw new FormatError(`${source.name}: the text cannot be tokenized (${messageOf(cause)})`, { cause });
      }
    },
  };
}
