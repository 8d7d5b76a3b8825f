/**
 * SAEs as SAELens v6 saves them for inference: cfg.json, sae_weights.safetensors, and
 * sparsity.safetensors with log10(density + 1e-10) where densities are known. Folded weights:
 * `normalize_activations` is `none`. What `loadSae` reads back is the same to the bit.
 */
import { UsageError } from '../errors.js';
import type { Sae } from '../sae.js';
import { writeSafetensors, type SafetensorsEntry } from './safetensors.js';

export interface SaelensFiles {
  readonly 'cfg.json': string;
  readonly 'sae_weights.safetensors': Uint8Array<ArrayBuffer>;
  readonly 'sparsity.safetensors'?: Uint8Array<ArrayBuffer>;
}

/** The release whose names and defaults the files follow. */
const SAE_LENS_VERSION = '6.18.0';

export interface WriteSaelensOptions {
  /** [d_sae] firings, and how many tokens they are of. */
  readonly counts?: ArrayLike<number> | undefined;
  readonly tokens?: number | undefined;
  /** Beside the metadata that SAELens has. */
  readonly metadata?: Readonly<Record<string, unknown>> | undefined;
}

/** @throws UsageError for an SAE that cfg.json cannot describe */
export function saelensFiles(sae: Sae, { counts, tokens, metadata = {} }: WriteSaelensOptions = {}): SaelensFiles {
  const { architecture, d_in, d_sae, d_out } = sae;
  if (architecture === 'batchtopk') throw new UsageError('a batchtopk SAE is saved as the jumprelu that it is at inference: it needs its threshold');
  if (d_in !== d_out) throw new UsageError(`SAELens' folders hold SAEs with d_in = d_out, this one has ${d_in} and ${d_out}`);
  const entries: SafetensorsEntry[] = [
    { name: 'W_enc', shape: [d_in, d_sae], data: sae.W_enc },
    { name: 'W_dec', shape: [d_sae, d_in], data: sae.W_dec },
    { name: 'b_dec', shape: [d_in], data: sae.b_dec },
  ];
  if (architecture === 'gated') {
    const gate = sae.gate;
    if (!gate) throw new UsageError('a gated SAE needs its gate');
    entries.push({ name: 'b_gate', shape: [d_sae], data: gate.b_gate }, { name: 'r_mag', shape: [d_sae], data: gate.r_mag }, { name: 'b_mag', shape: [d_sae], data: sae.b_enc });
  } else entries.push({ name: 'b_enc', shape: [d_sae], data: sae.b_enc });
  if (architecture === 'jumprelu') entries.push({ name: 'threshold', shape: [d_sae], data: sae.threshold ?? new Float32Array(d_sae) });
  const cfg = {
    architecture,
    ...(architecture === 'topk' ? { k: sae.k } : {}),
    d_in,
    d_sae,
    dtype: 'float32',
    device: 'cpu',
    apply_b_dec_to_input: sae.applyBDecToInput,
    normalize_activations: sae.normalizeActivations,
    reshape_activations: 'none',
    ...(architecture === 'topk' ? { rescale_acts_by_decoder_norm: sae.rescaleActsByDecoderNorm } : {}),
    metadata: { model_name: sae.metadata.model_name, hook_name: sae.metadata.hook_name, sae_lens_version: SAE_LENS_VERSION, ...metadata },
  };
  return {
    'cfg.json': `${JSON.stringify(cfg, null, 2)}\n`,
    'sae_weights.safetensors': writeSafetensors(entries),
    ...(counts === undefined || tokens === undefined ? {} : { 'sparsity.safetensors': writeSafetensors([{ name: 'sparsity', shape: [d_sae], data: Float32Array.from(counts, (count) => Math.log10(count / tokens + 1e-10)) }]) }),
  };
}
