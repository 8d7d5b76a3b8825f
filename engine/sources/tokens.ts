/**
 * Token ids from a file: npy, `x.npz#name`, `x.safetensors#name`, any integer
 * type, [contexts, positions] or [N]. Read by range, checked to be ids.
 */
import { FormatError, ShapeError } from '../errors.js';
import { isFloat } from '../formats/dtype.js';
import { openTensor } from '../formats/tensor-file.js';
import { show } from '../formats/tensor.js';
import type { Ref } from '../io/open.js';

export interface TokenSource {
  /** For messages. */
  readonly label: string;
  /** [contexts, positions] or [N] */
  readonly shape: readonly number[];
  /** Number of tokens. */
  readonly count: number;
  /** Ids start .. end, row-major. @throws FormatError for a negative id or one above 2^31 - 1, naming where */
  ids(start: number, end: number): Promise<Int32Array<ArrayBuffer>>;
  provenance(): Promise<Readonly<Record<string, unknown>>>;
  close(): Promise<void>;
}

/** Opens token ids. @throws FormatError when they are no integers or have no two-dimensional shape */
export async function loadTokens(ref: Ref): Promise<TokenSource> {
  const { tensor, provenance, close } = await openTensor(ref);
  try {
    if (isFloat(tensor.dtype) || tensor.dtype === 'bool') {
      throw new FormatError(`${tensor.label}: holds ${tensor.dtype}, token ids are integers`);
    }
    if (tensor.shape.length !== 1 && tensor.shape.length !== 2) {
      throw new ShapeError(`${tensor.label}: tokens have shape ${show(tensor.shape)}, [contexts, positions] or [N] was expected`);
    }
    if (tensor.size === 0) throw new ShapeError(`${tensor.label}: tokens have shape ${show(tensor.shape)}: there are none`);
  } catch (error) {
    await close();
    throw error;
  }
  return {
    label: tensor.label,
    shape: tensor.shape,
    count: tensor.size,
    async ids(start, end) {
      const ids = await tensor.integers(start, end);
      for (let i = 0; i < ids.length; i++) {
        if ((ids[i] as number) < 0) throw new FormatError(`${tensor.label}: token ${start + i} has the id ${ids[i]}, ids are not negative`);
      }
      return ids;
    },
    provenance,
    close,
  };
}

/** How N tokens lie in contexts. */
export interface Layout {
  readonly contexts: number;
  readonly positions: number;
}

/** N rows cut into contexts of `contextSize`. @throws ShapeError when it does not divide N */
export function cut(label: string, count: number, contextSize: number): Layout {
  if (!Number.isSafeInteger(contextSize) || contextSize < 1) throw new ShapeError(`the context size is ${contextSize}, a positive whole number was expected`);
  if (count % contextSize !== 0) {
    throw new ShapeError(`${label}: ${count} rows cannot be cut into contexts of ${contextSize}`, { hint: `${count % contextSize} rows would be left over.` });
  }
  return { contexts: count / contextSize, positions: contextSize };
}

/**
 * The contexts of a token file: its own, or those of `contextSize` when it is a flat list.
 * @returns null for a flat list without a context size
 * @throws ShapeError when the context size contradicts the file
 */
export function layoutOf(tokens: TokenSource, contextSize: number | undefined): Layout | null {
  const [contexts, positions] = tokens.shape;
  if (positions === undefined) return contextSize === undefined ? null : cut(tokens.label, tokens.count, contextSize);
  if (contextSize !== undefined && contextSize !== positions) {
    throw new ShapeError(`${tokens.label}: tokens have shape ${show(tokens.shape)}, contexts of ${contextSize} were asked for`);
  }
  return { contexts: contexts as number, positions };
}
