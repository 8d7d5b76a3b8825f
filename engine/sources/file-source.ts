/**
 * Activations from a file: npy, `x.npz#name`, `x.safetensors#name`, of shape
 * [N, d] or [contexts, positions, d]. Rows are read by range, batch by batch; the
 * file is never held whole. (A compressed npz is the exception: see formats/npz.)
 */
import { NumericError, ShapeError } from '../errors.js';
import { openTensor } from '../formats/tensor-file.js';
import { firstNonFinite, show, type Tensor } from '../formats/tensor.js';
import type { Ref } from '../io/open.js';
import { contextBatches } from './prefetch.js';
import type { ActivationSource } from './source.js';
import { cut, layoutOf, loadTokens, type Layout, type TokenSource } from './tokens.js';

export interface FileSourceOptions {
  /** The activations. */
  readonly acts: Ref;
  /** Ids of the tokens that the rows belong to, [contexts, positions] or [N]. */
  readonly tokens?: Ref | undefined;
  /** Positions of a context, where neither file says. */
  readonly contextSize?: number | undefined;
}

/** Rows of `acts` as contexts; what each file says must agree. */
function layout(acts: Tensor, tokens: TokenSource | null, contextSize: number | undefined): Layout {
  const rank = acts.shape.length;
  if (rank !== 2 && rank !== 3) {
    throw new ShapeError(`${acts.label}: activations have shape ${show(acts.shape)}, [N, d] or [contexts, positions, d] was expected`);
  }
  if (acts.size === 0) throw new ShapeError(`${acts.label}: activations have shape ${show(acts.shape)}: there are none`);
  const rows = acts.size / (acts.shape[rank - 1] as number);
  const ofTokens = tokens === null ? null : layoutOf(tokens, contextSize);
  if (tokens !== null && tokens.count !== rows) {
    throw new ShapeError(`${acts.label} has shape ${show(acts.shape)}, ${tokens.label} has shape ${show(tokens.shape)}: ${rows} rows of activations and ${tokens.count} tokens`);
  }
  if (rank === 3) {
    const [contexts, positions] = acts.shape as [number, number, number];
    const other = ofTokens?.positions ?? contextSize ?? positions;
    if (other !== positions) {
      throw new ShapeError(`${acts.label} has contexts of ${positions} positions (${show(acts.shape)}), ${tokens !== null && tokens.shape.length === 2 ? `${tokens.label} of ${other} (${show(tokens.shape)})` : `${other} were asked for`}`);
    }
    return { contexts, positions };
  }
  return ofTokens ?? cut(acts.label, rows, contextSize ?? 1);
}

/**
 * Opens activations that are stored in a file.
 * @throws FormatError for a file that is malformed, ShapeError when shapes do not fit; while reading, NumericError for NaN and infinity, naming file and row
 */
export async function fileSource(options: FileSourceOptions): Promise<ActivationSource> {
  const acts = await openTensor(options.acts);
  let tokens: TokenSource | null = null;
  const close = async (): Promise<void> => {
    await acts.close();
    await tokens?.close();
  };
  try {
    tokens = options.tokens === undefined ? null : await loadTokens(options.tokens);
    const { tensor } = acts;
    const ids = tokens;
    const { contexts, positions } = layout(tensor, ids, options.contextSize);
    const d = tensor.shape[tensor.shape.length - 1] as number;
    /** Rows of the leading axis that a context takes. */
    const perContext = tensor.shape.length === 3 ? 1 : positions;
    const read = async (start: number, end: number): Promise<Float32Array> => {
      const x = await tensor.rows(start * perContext, end * perContext);
      const bad = firstNonFinite(x);
      if (bad >= 0) {
        const row = start * positions + Math.floor(bad / d);
        throw new NumericError(`${tensor.label}: row ${row} (context ${Math.floor(row / positions)}, position ${row % positions}), column ${bad % d} is ${x[bad]}`, {
          hint: 'Activations must be finite; float16 overflows above 65,504.',
        });
      }
      return x;
    };
    return {
      d,
      contexts,
      positions,
      hasTokens: ids !== null,
      provenance: { kind: 'file', activations: await acts.provenance(), tokens: ids === null ? null : await ids.provenance(), contexts, positions, d },
      ranges: true,
      batches: (batchOptions) =>
        contextBatches(batchOptions, contexts, async (start, end) => {
          const [x, batchIds] = await Promise.all([read(start, end), ids === null ? null : ids.ids(start * positions, end * positions)]);
          return { contexts: end - start, positions, x, tokens: batchIds };
        }),
      close,
    };
  } catch (error) {
    await close();
    throw error;
  }
}
