/**
 * Published worlds by name: `{"kind": "superposition", "preset": "synthsaebench-16k", "seed": 1}`.
 * A preset fills in fields; those that are given beside it win.
 */

/**
 * SynthSAEBench-16k (SAELens, docs/synth_sae_bench.md): 16,384 features in 768 dimensions,
 * 10,880 of them in 128 trees. `small` has the same shape at a sixteenth of the features.
 */
const SYNTH_SAE_BENCH_16K = {
  d: 768, features: 16384, zipf: 0.5, p_high: 0.4, p_low: 5e-4,
  magnitude: 'normal', magnitude_mean: 5, magnitude_mean_last: 4, magnitude_sd: 0.5, magnitude_sd_spread: 0.5,
  roots: 128, branching: 4, depth: 3, exclusive: true, compensate: true, scale_children: true,
  correlation: 0.1, correlation_rank: 25, bias: 0.5,
};

export const PRESETS: Readonly<Record<string, { readonly kind: string; readonly fields: Readonly<Record<string, unknown>> }>> = {
  'synthsaebench-16k': { kind: 'superposition', fields: SYNTH_SAE_BENCH_16K },
  'synthsaebench-small': { kind: 'superposition', fields: { ...SYNTH_SAE_BENCH_16K, d: 128, features: 1024, roots: 8, p_low: 2e-3 } },
  /** The sweep over coherence: see docs/generators.md; set `rho`. */
  'spiked-sweep': { kind: 'spiked', fields: { d: 256, features: 1024, active: 16, low: 1, high: 3 } },
};
