/**
 * Examples as token strips, one a line, the firing tokens under each other as in
 * a concordance. The firing token is in brackets (never told by colour alone);
 * with colour, every token is shaded by its activation.
 */
import type { FeatureExample } from '../engine/pack/schema.js';
import { takeEnd, takeStart, textWidth } from './columns.js';
import { fixedFigure, visibleToken } from './text.js';

export interface StripOptions {
  readonly colour: boolean;
  /** Columns of a line. */
  readonly width: number;
  /** The activation that has the deepest shade. */
  readonly max: number;
}

interface Piece {
  readonly text: string;
  /** 0 to 4, or null where the feature does not fire. */
  readonly shade: number | null;
}

interface Strip {
  readonly label: string;
  readonly left: readonly Piece[];
  readonly token: Piece;
  readonly right: readonly Piece[];
  /** Where it is, for those that have no text. */
  readonly place: string;
}

/** 256-colour ramp from pale to deep orange, for black text: legible on light and dark terminals. */
const RAMP = [230, 223, 216, 215, 208];
const GAP = '  ';

/** Lines of some examples, aligned with each other. */
export function strips(examples: readonly FeatureExample[], options: StripOptions): string[] {
  const list = examples.map((example) => makeStrip(example, options.max));
  const label = Math.max(7, ...list.map((strip) => strip.label.length));
  const room = options.width - label - 2 * GAP.length;
  const lefts = list.map((strip) => width(strip.left));
  const rights = list.map((strip) => textWidth(strip.token.text) + width(strip.right) + textWidth(strip.place));
  // All of the left context where there is room for it, else less than half of the line.
  const wanted = Math.max(0, ...lefts);
  const left = Math.max(0, Math.min(wanted, Math.max(Math.floor(room * 0.45), room - Math.max(0, ...rights))));
  return list.map((strip) => {
    const before = cut(strip.left, left, 'start');
    const token = textWidth(strip.token.text) > room - left ? { ...strip.token, text: `${takeStart(strip.token.text, room - left - 2)}…]` } : strip.token;
    const after = cut(strip.right, room - left - textWidth(token.text), 'end');
    const pad = ' '.repeat(left - width(before));
    const line = [...before, token, ...after].map((piece) => shaded(piece, options.colour)).join('');
    return `${GAP}${strip.label.padStart(label)}${GAP}${pad}${line}${strip.place}`.trimEnd();
  });
}

function makeStrip(example: FeatureExample, max: number): Strip {
  const pieces = example.tokens.map((token, i): Piece => {
    const activation = example.activations[i] ?? 0;
    const shade = activation > 0 ? Math.min(RAMP.length - 1, Math.floor((activation / max) * RAMP.length)) : null;
    const text = visibleToken(token);
    return { text: i === example.firing ? `[${text}]` : text, shade };
  });
  const textless = example.tokens.every((token) => token === '·');
  return {
    label: fixedFigure(example.value, 3),
    left: pieces.slice(0, example.firing),
    token: pieces[example.firing] ?? { text: '[?]', shade: null },
    right: pieces.slice(example.firing + 1),
    place: textless ? `  context ${example.context}, position ${example.position}` : '',
  };
}

const width = (pieces: readonly Piece[]): number => pieces.reduce((sum, piece) => sum + textWidth(piece.text), 0);

/** Cuts pieces at their start or end to at most `columns`, and marks that with `…`. */
function cut(pieces: readonly Piece[], columns: number, side: 'start' | 'end'): Piece[] {
  if (width(pieces) <= columns) return [...pieces];
  const ordered = side === 'start' ? [...pieces].reverse() : pieces;
  const kept: Piece[] = [];
  let left = columns - 1;
  if (left < 0) return kept;
  for (const piece of ordered) {
    const size = textWidth(piece.text);
    if (size <= left) {
      kept.push(piece);
      left -= size;
      continue;
    }
    const part = side === 'start' ? takeEnd(piece.text, left) : takeStart(piece.text, left);
    if (part !== '') kept.push({ ...piece, text: part });
    break;
  }
  kept.push({ text: '…', shade: null });
  return side === 'start' ? kept.reverse() : kept;
}

function shaded({ text, shade }: Piece, colour: boolean): string {
  if (!colour || shade === null) return text;
  return `\x1b[48;5;${RAMP[shade]}m\x1b[30m${text}\x1b[39m\x1b[49m`;
}
