/**
 * Logit weights: the direct effect of each feature on the logits through the
 * unembedding,
 *
 *   plain    L = W_dec[i] @ W_U                          what sae_vis and SAEDashboard show
 *   normed   L = (W_dec[i] * final_norm_scale) @ W_U     with the scale of the final norm,
 *                                                        which they leave out
 *
 * each shifted to median 0 over the vocabulary: softmax does not see a shift, and
 * the sign of a logit weight then says which half of the vocabulary it is in.
 * As plain sums in f64 give them (engine/ops/row-products.ts), logits of a few features
 * at a time, never d_sae x vocabulary.
 */
import { ShapeError } from '../../../engine/errors.js';
import type { RowSummary } from '../../../engine/ops/row-summary.js';
import type { Accumulator, AnalysisResult } from '../../../engine/run/accumulator.js';
import type { Column } from '../../../engine/run/table.js';
import type { PluginContext, Unembedding } from '../../types.js';

/** Tokens that are listed at each end. */
const LISTED = 10;
const HISTOGRAM_BINS = 50;
/** Bytes of decoder rows that are in memory at a time, of an SAE that is not held. */
const BLOCK = 2 ** 26;

/** Summaries of all features for one variant. @param scale [d], multiplied into the rows; null for none */
async function logitSummaries({ sae, ops }: PluginContext, unembed: Unembedding, scale: Float32Array | null, signal: AbortSignal | undefined): Promise<RowSummary[]> {
  const { d, vocabulary, W_U } = unembed;
  const products = (data: Float32Array, rows: number): Promise<RowSummary[]> => ops.rowProducts({ data, rows, d }, { data: W_U, d, columns: vocabulary }, { listed: LISTED, bins: HISTOGRAM_BINS, scale, signal });
  if (!sae.weights) return products(sae.W_dec, sae.d_sae);
  const summaries: RowSummary[] = [];
  const most = Math.max(1, Math.floor(BLOCK / (4 * d)));
  for (let first = 0; first < sae.d_sae; first += most) {
    const count = Math.min(most, sae.d_sae - first);
    for (const summary of await products(await sae.weights.decoderRows(first, count, signal), count)) summaries.push(summary);
  }
  return summaries;
}

function variantColumns(prefix: 'plain' | 'normed', summaries: readonly RowSummary[] | null, rows: number, text: (id: number) => string): Column[] {
  const what = prefix === 'plain' ? 'W_dec[i] @ W_U' : '(W_dec[i] * final_norm_scale) @ W_U';
  const missing = prefix === 'normed' && summaries === null ? ' Null: the unembedding has no final_norm_scale.' : '';
  const each = (pick: (summary: RowSummary) => unknown): unknown[] => (summaries === null ? Array<null>(rows).fill(null) : summaries.map(pick));
  const column = (name: string, type: Column['type'], pick: (summary: RowSummary) => unknown, description: string): Column => ({ name: `${prefix}_${name}`, type, data: each(pick), description: description + missing });
  return (['top', 'bottom'] as const)
    .flatMap((side) => {
      const order = side === 'top' ? 'largest first' : 'smallest first';
      return [
        column(`${side}_ids`, { list: 'i32' }, (s) => s[side].ids, `Token ids of the ${LISTED} ${side === 'top' ? 'largest' : 'smallest'} logit weights ${what}, ${order} (ties: lowest id).`),
        column(`${side}_tokens`, { list: 'string' }, (s) => s[side].ids.map(text), `Their texts; #id without a tokenizer.`),
        column(`${side}_values`, { list: 'f32' }, (s) => s[side].values, `Their logit weights, shifted so that the median over the vocabulary is 0.`),
      ];
    })
    .concat([
      column('hist_low', 'f32', (s) => s.low, 'Lower edge of the histogram of shifted logit weights over the vocabulary: their minimum (where all are equal, 1/2 below).'),
      column('hist_high', 'f32', (s) => s.high, 'Upper edge: their maximum (where all are equal, 1/2 above).'),
      column('hist_counts', { list: 'u32' }, (s) => s.counts, `Tokens in ${HISTOGRAM_BINS} bins of equal width; the last one includes its upper edge.`),
    ]);
}

async function analyse(ctx: PluginContext, unembed: Unembedding, signal: AbortSignal | undefined): Promise<AnalysisResult> {
  const { sae, tokenText } = ctx;
  const text = (id: number): string => (tokenText === null ? `#${id}` : tokenText(id));
  const plain = await logitSummaries(ctx, unembed, null, signal);
  const normed = unembed.final_norm_scale === null ? null : await logitSummaries(ctx, unembed, unembed.final_norm_scale, signal);
  return {
    tables: [
      {
        name: 'logits',
        rows: sae.d_sae,
        featuresPerGroup: 8,
        columns: [
          { name: 'feature', type: 'u32', data: Uint32Array.from({ length: sae.d_sae }, (_, i) => i), description: 'Index of the feature in the SAE.' },
          ...variantColumns('plain', plain, sae.d_sae, text),
          ...variantColumns('normed', normed, sae.d_sae, text),
        ],
      },
    ],
    summary: { vocabulary: unembed.vocabulary, variants: normed === null ? ['plain'] : ['plain', 'normed'] },
  };
}

export function create(ctx: PluginContext): Accumulator {
  const { sae, unembed } = ctx;
  if (unembed === null) throw new ShapeError('logit weights need an unembedding matrix');
  if (unembed.d !== sae.d_out) {
    throw new ShapeError(`the unembedding takes ${unembed.d} dimensions, the SAE writes d_out = ${sae.d_out}`, { hint: 'Give the unembedding of the model that the SAE was trained on.' });
  }
  return {
    update: () => undefined,
    merge: () => undefined,
    save: () => null,
    finish: (signal) => analyse(ctx, unembed, signal),
  };
}
