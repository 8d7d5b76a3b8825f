/**
 * What the head of the dashboard says about a pack, from its manifest alone:
 * where the numbers come from, and the figures of the whole run.
 */
import type { Manifest } from '../../engine/pack/schema.js';
import { formatCount as whole, formatDensity, formatNumber } from '../internal/format.js';

export interface Figure {
  readonly label: string;
  readonly value: string;
  /** What it is, in a sentence. */
  readonly description: string;
}

/** The SAE in a line: `topk (k 16), 64 → 512 on blocks.2.hook_resid_post of stories260K`. */
export function describeSae({ sae }: Manifest): string {
  const size = sae.d_in === sae.d_out ? `${whole(sae.d_in)} → ${whole(sae.d_sae)}` : `${whole(sae.d_in)} → ${whole(sae.d_sae)} → ${whole(sae.d_out)}`;
  const where = [sae.hook_name, sae.model_name].filter((text) => text !== null && text !== '').join(' of ');
  return [`${sae.architecture}${sae.k === null ? '' : ` (k ${sae.k})`}, ${size}`, where].filter((text) => text !== '').join(' on ');
}

/** The ignore rules in words, or null where everything counts. */
export function describeIgnored({ data }: Manifest): string | null {
  const list = (name: string, ids: readonly number[]): string[] => (ids.length === 0 ? [] : [`${name}${ids.length === 1 ? '' : 's'} ${ids.join(', ')}`]);
  const parts = [...list('token id', data.ignore_tokens), ...list('position', data.ignore_positions)];
  if (parts.length === 0) return null;
  return `${parts.join(' and ')} left out (${whole(data.rows - data.tokens)} tokens)`;
}

/** A number of the reconstruction analysis's summary, or null. */
function reconstruction(manifest: Manifest, name: string): number | null {
  const value = manifest.plugins.find(({ id }) => id === 'sae/reconstruction')?.summary?.[name];
  return typeof value === 'number' && Number.isFinite(value) ? value : null;
}

/** The figures of the run, as far as the pack has them. */
export function figuresOf(manifest: Manifest): Figure[] {
  const { data } = manifest;
  const figures: Figure[] = [
    { label: 'tokens', value: whole(data.tokens), description: `Tokens that count, of ${whole(data.rows)} in ${whole(data.contexts)} contexts of ${whole(data.positions)}` },
    { label: 'features', value: whole(manifest.features), description: 'Features of the SAE (d_sae)' },
  ];
  const add = (label: string, name: string, description: string): void => {
    const value = reconstruction(manifest, name);
    if (value !== null) figures.push({ label, value: formatNumber(value), description });
  };
  add('L0', 'l0', 'Mean number of features that fire on a token');
  add('FVU', 'fvu', 'Fraction of variance unexplained: E‖x − x̂‖² / (E‖x‖² − ‖E x‖²)');
  add('MSE', 'mse', 'E‖x − x̂‖²: the squared error of a token, summed over dimensions; mean over tokens');
  return figures;
}

/**
 * Where the activations came from, a pair for each part: `model`, `model.onnx, 1 248 693 bytes, SHA-256 6637…`.
 * A source may have written anything; what is not known by name is written as it is.
 */
function sourcesOf(source: Manifest['data']['source']): [string, string | null][] {
  const parts = (value: unknown): string[] => {
    if (value === null || value === '') return [];
    if (Array.isArray(value) || typeof value !== 'object') return [typeof value === 'string' ? value : JSON.stringify(value) ?? ''];
    return Object.entries(value).flatMap(([key, part]: [string, unknown]) => {
      if (part === null || key === 'format') return [];
      if (key === 'bytes') return [`${whole(Number(part))} bytes`];
      if (key === 'shape' && Array.isArray(part)) return [`[${part.join(', ')}]`];
      if (key === 'sha256') return [`SHA-256 ${String(part)}`];
      return key === 'file' || key === 'dtype' ? parts(part) : [`${key} ${parts(part).join(' ')}`];
    });
  };
  // Their sizes are part of the other rows, and what kind of source it is can be seen from what it names.
  const names = Object.keys(source).filter((name) => !['kind', 'contexts', 'positions', 'd', 'runtime'].includes(name));
  return names.map((name) => [name, parts(source[name]).join(', ')]);
}

/** How the pack was made, as pairs for a list. */
export function provenanceOf(manifest: Manifest): readonly (readonly [string, string])[] {
  const { sae, data, run } = manifest;
  const pairs: [string, string | null][] = [
    ['SAE', `${sae.source} (${sae.format})`],
    ['SHA-256', sae.sha256],
    ['conventions', sae.conventions.length === 0 ? null : sae.conventions.join(' ')],
    ...sourcesOf(data.source),
    ['left out', describeIgnored(manifest) ?? 'nothing'],
    ['resolution', `densities below 3/N = ${formatDensity(manifest.density_floor)} cannot be told from zero at 95 %`],
    ['backend', run.backend_description === '' ? run.backend : `${run.backend} (${run.backend_description})`],
    ['near ties', `${whole(run.near_ties)}: the most decisions that another backend could round the other way`],
    ['model runtime', run.model_runtime],
    ['run', `${run.seconds.toFixed(1)} s, ${whole(Math.round(run.tokens_per_second))} tokens/s, seed ${run.seed}, ${run.runtime}`],
    ['analyses', manifest.plugins.filter(({ status }) => status === 'done').map(({ id, version }) => `${id} ${version}`).join(', ')],
    ['written', `${manifest.created.slice(0, 16).replace('T', ' ')} UTC by saekit ${manifest.saekit}`],
  ];
  return pairs.flatMap(([name, value]) => (value === null || value === '' ? [] : [[name, value] as const]));
}
