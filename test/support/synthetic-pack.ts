/**
 * A synthetic pack with the make-up of a real one: text whose tokens follow
 * Zipf's law over several thousand strings, features whose densities spread over
 * six orders of magnitude, 20 top examples and up to 50 from the intervals in
 * windows of 16 tokens, logit weights in both variants, neighbours, log
 * histograms. Deterministic for a seed.
 */
import type { Column, Table } from '../../engine/run/table.js';
import type { ManifestInput, WritePackOptions } from '../../engine/pack/writer.js';

export interface SyntheticOptions {
  readonly features: number;
  readonly seed?: number;
  /** Distinct token strings. */
  readonly vocabulary?: number;
  /** Tokens a window. */
  readonly window?: number;
  /** Leave the logits table out. */
  readonly logits?: boolean;
}

/** xorshift32: uniform in [0, 1). */
export function uniform(seed: number): () => number {
  let state = (seed * 2654435761 + 1) >>> 0 || 1;
  return () => {
    state ^= state << 13;
    state >>>= 0;
    state ^= state >>> 17;
    state ^= state << 5;
    state >>>= 0;
    return state / 2 ** 32;
  };
}

const TOKENS = 400_000_000;
const CONTEXT = 128;

function tokenStrings(count: number, random: () => number): string[] {
  const letters = 'etaoinshrdlucmfwypvbgk';
  const strings = new Set<string>([',', ' the', '.', ' and', '\n', ' of', ' to', '"', ' a', ' in']);
  while (strings.size < count) {
    let text = random() < 0.6 ? ' ' : '';
    const length = 1 + Math.floor(-Math.log(1 - random()) * 4);
    for (let i = 0; i < length; i++) text += letters[Math.floor(letters.length * random() ** 1.6)] ?? 'e';
    strings.add(text);
  }
  return [...[...strings].slice(0, -4), '</script>', '\u202e', '\ufeff', '日本'];
}

/** Samples of Zipf's law with Mandelbrot's offset, by inverting a table. */
function zipf(count: number, random: () => number): () => number {
  const cumulative = new Float64Array(count);
  let sum = 0;
  for (let rank = 0; rank < count; rank++) cumulative[rank] = sum += 1 / (rank + 2.7);
  return () => {
    const target = random() * sum;
    let low = 0;
    let high = count - 1;
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((cumulative[middle] as number) < target) low = middle + 1;
      else high = middle;
    }
    return low;
  };
}

const gauss = (random: () => number): number => Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());

const column = (name: string, type: Column['type'], data: ArrayLike<unknown>): Column => ({ name, type, data, description: `${name} of a synthetic feature: its meaning, unit and formula in a line of usual length` });

/** What `writePack` takes, without the sink. */
export function syntheticPack(options: SyntheticOptions): Omit<WritePackOptions, 'sink'> {
  const { features, seed = 1, vocabulary = 8000, window = 16, logits = true } = options;
  const random = uniform(seed);
  const strings = tokenStrings(vocabulary, random);
  const rank = zipf(vocabulary, random);
  const text = Array.from({ length: 1 << 18 }, () => strings[rank()] as string);

  const counts = new Float64Array(features);
  const max: (number | null)[] = [];
  for (let feature = 0; feature < features; feature++) {
    const dead = random() < 0.04;
    counts[feature] = dead ? 0 : Math.max(1, Math.round(Math.min(TOKENS / 3, TOKENS * 10 ** (-4 + 1.2 * gauss(random)))));
    max.push(dead ? null : Math.fround(Math.exp(1 + 0.6 * gauss(random))));
  }
  const tables: Table[] = [histograms(counts, max, random), examples(counts, max, text, window, random)];
  if (logits) tables.push(logitTable(features, strings, random));
  return {
    manifest: manifest(features),
    featureColumns: [
      { plugin: 'sae/density', columns: densityColumns(counts) },
      { plugin: 'sae/activations', columns: activationColumns(max, random) },
      { plugin: 'sae/weights', columns: weightColumns(features, random) },
    ],
    tables: tables.map((table) => ({ plugin: `sae/${table.name}`, table })),
  };
}

function densityColumns(counts: Float64Array): Column[] {
  const density = Array.from(counts, (count) => count / TOKENS);
  const spread = Array.from(counts, (count) => (1.96 * Math.sqrt(count)) / TOKENS);
  const className = (value: number): string => (value === 0 ? 'dead' : value < 1e-6 ? 'ultralow' : value < 1e-4 ? 'rare' : value > 0.1 ? 'dense' : 'live');
  return [
    column('feature', 'u32', Uint32Array.from(counts, (_, i) => i)),
    column('count', 'u64', counts),
    column('density', 'f64', density),
    column('density_low', 'f64', density.map((value, i) => Math.max(0, value - (spread[i] as number)))),
    column('density_high', 'f64', density.map((value, i) => (value === 0 ? 3 / TOKENS : value + (spread[i] as number)))),
    column('class', 'string', density.map(className)),
  ];
}

function activationColumns(max: readonly (number | null)[], random: () => number): Column[] {
  const share = (low: number): (number | null)[] => max.map((value) => (value === null ? null : Math.fround(value * (low + 0.1 * random()))));
  return [
    ...['mean', 'mean_all', 'variance', 'skew', 'kurtosis'].map((name) => column(name, 'f32', share(0.3))),
    column('max', 'f32', max),
    ...['01', '05', '25', '50', '75', '95', '99'].map((digits) => column(`q${digits}`, 'f32', share(Number(digits) / 120))),
  ];
}

function weightColumns(features: number, random: () => number): Column[] {
  const numbers = (scale: number): Float32Array => Float32Array.from({ length: features }, () => scale * gauss(random));
  return [
    ...['encoder_norm', 'decoder_norm', 'bias', 'effective_bias', 'threshold', 'de_projection', 'de_cosine'].map((name) => column(name, 'f32', numbers(1))),
    column('neighbours', { list: 'u32' }, Array.from({ length: features }, () => Uint32Array.from({ length: 10 }, () => Math.floor(random() * features)))),
    column('neighbour_cosines', { list: 'f32' }, Array.from({ length: features }, () => Float32Array.from({ length: 10 }, (_, i) => 0.9 - 0.05 * i - 0.04 * random()))),
  ];
}

function histograms(counts: Float64Array, max: readonly (number | null)[], random: () => number): Table {
  const bits = new DataView(new ArrayBuffer(4));
  const first: (number | null)[] = [];
  const lists: Float64Array[] = [];
  counts.forEach((count, feature) => {
    bits.setFloat32(0, max[feature] ?? 1);
    const last = bits.getUint32(0) >>> 19;
    const width = count === 0 ? 0 : Math.min(120, 1 + Math.floor(8 * Math.log2(1 + count) * (0.8 + 0.4 * random())));
    first.push(width === 0 ? null : last - width + 1);
    const shape = Float64Array.from({ length: width }, (_, i) => (i + 1) * Math.exp(-(((width - i) / width) ** 2) * 3) * (0.9 + 0.2 * random()));
    const sum = shape.reduce((total, value) => total + value, 0);
    const list = shape.map((value) => Math.floor((value / sum) * count));
    if (width > 0) list[width - 1] = (list[width - 1] as number) + count - list.reduce((total, value) => total + value, 0);
    lists.push(list);
  });
  const feature = Uint32Array.from(counts, (_, i) => i);
  return { name: 'histograms', rows: counts.length, featuresPerGroup: 1, columns: [column('feature', 'u32', feature), column('first_bin', 'i32', first), column('counts', { list: 'u64' }, lists)] };
}

function examples(counts: Float64Array, max: readonly (number | null)[], text: readonly string[], window: number, random: () => number): Table {
  const data = { feature: [] as number[], group: [] as number[], rank: [] as number[], context: [] as number[], position: [] as number[], value: [] as number[], start: [] as number[], tokens: [] as string[][], act_offsets: [] as Uint8Array[], act_values: [] as Float32Array[] };
  const add = (feature: number, group: number, place: number, value: number): void => {
    const position = Math.floor(random() * CONTEXT);
    const start = Math.max(0, Math.min(CONTEXT - window, position - Math.floor(window / 2)));
    const at = Math.floor(random() * (text.length - window));
    // The firing token and now and then a neighbour.
    const offsets = [position - start];
    for (let i = 0; i < window; i++) if (i !== position - start && random() < 0.08) offsets.push(i);
    offsets.sort((a, b) => a - b);
    data.feature.push(feature);
    data.group.push(group);
    data.rank.push(place);
    data.context.push(Math.floor((random() * TOKENS) / CONTEXT));
    data.position.push(position);
    data.value.push(Math.fround(value));
    data.start.push(start);
    data.tokens.push(text.slice(at, at + window));
    data.act_offsets.push(Uint8Array.from(offsets));
    data.act_values.push(Float32Array.from(offsets, (offset) => (offset === position - start ? value : value * random())));
  };
  counts.forEach((count, feature) => {
    const top = max[feature] ?? 0;
    for (let place = 0; place < Math.min(20, count); place++) add(feature, 0, place, top * (1 - 0.01 * place * random()));
    for (let group = 1; group <= 10; group++) {
      const there = Math.min(5, Math.floor(count / (4 * group)));
      for (let place = 0; place < there; place++) add(feature, group, place, (top * (group - 1 + random())) / 10);
    }
  });
  const types: Record<keyof typeof data, Column['type']> = { feature: 'u32', group: 'u8', rank: 'u8', context: 'u32', position: 'u32', value: 'f32', start: 'u32', tokens: { list: 'string' }, act_offsets: { list: 'u8' }, act_values: { list: 'f32' } };
  return { name: 'examples', rows: data.feature.length, featuresPerGroup: 1, columns: Object.entries(types).map(([name, type]) => column(name, type, data[name as keyof typeof data])) };
}

function logitTable(features: number, strings: readonly string[], random: () => number): Table {
  const columns = [column('feature', 'u32', Uint32Array.from({ length: features }, (_, i) => i))];
  for (const variant of ['plain', 'normed']) {
    for (const side of ['top', 'bottom']) {
      const ids = Array.from({ length: features }, () => Int32Array.from({ length: 10 }, () => Math.floor(random() * strings.length)));
      columns.push(column(`${variant}_${side}_ids`, { list: 'i32' }, ids));
      columns.push(column(`${variant}_${side}_tokens`, { list: 'string' }, ids.map((list) => Array.from(list, (id) => strings[id] as string))));
      columns.push(column(`${variant}_${side}_values`, { list: 'f32' }, ids.map((list) => Float32Array.from(list, (_, i) => (side === 'top' ? 1 : -1) * (2 - 0.1 * i + 0.05 * random())))));
    }
    columns.push(column(`${variant}_hist_low`, 'f32', Float32Array.from({ length: features }, () => -2 - random())));
    columns.push(column(`${variant}_hist_high`, 'f32', Float32Array.from({ length: features }, () => 2 + random())));
    columns.push(column(`${variant}_hist_counts`, { list: 'u32' }, Array.from({ length: features }, () => Uint32Array.from({ length: 50 }, (_, i) => Math.round(strings.length * 0.07 * Math.exp(-(((i - 25) / 8) ** 2)) * (0.8 + 0.4 * random()))))));
  }
  return { name: 'logits', rows: features, featuresPerGroup: 1, columns };
}

function manifest(features: number): ManifestInput {
  return {
    saekit: '0.1.0',
    created: '2025-01-01T00:00:00.000Z',
    sae: { name: 'synthetic', architecture: 'standard', d_in: 768, d_sae: features, d_out: 768, k: null, model_name: 'none', hook_name: 'blocks.8.hook_resid_pre', source: 'synthetic', format: 'none', sha256: null, conventions: ['made by test/support/synthetic-pack.ts'] },
    data: { tokens: TOKENS, rows: TOKENS, contexts: TOKENS / CONTEXT, positions: CONTEXT, ignore_tokens: [], ignore_positions: [], source: { kind: 'synthetic' } },
    run: { backend: 'wasm', backend_description: 'none', model_runtime: null, seed: 0, seconds: 1, tokens_per_second: TOKENS, near_ties: 0, runtime: 'none' },
    plugins: ['density', 'activations', 'examples', 'weights', 'reconstruction', 'logits'].map((name) => ({ id: `sae/${name}`, version: '1.0.0', title: name, settings: {}, status: 'done', message: null, summary: null, view: null })),
  };
}
