/**
 * SAELens folders: cfg.json and sae_weights.safetensors, for the architectures
 * standard, topk, jumprelu and gated, into the canonical SAE.
 *
 * Every convention that changes a number is applied here once and written down
 * in `conventions`. Folded into the weights, so that no backend knows of them:
 *   expected_average_only_in with scale s   W_enc *= s, W_dec /= s, b_dec /= s
 *   finetuning scaling factor g             W_dec[i] *= g[i]
 *   BatchTopK checkpoint                    jumprelu with threshold t for every feature
 * (the last after the decoder's norms when rescale_acts_by_decoder_norm, as
 * SAELens' save_inference_model does: W_enc[:, i] and b_enc[i] *= ||W_dec[i]||,
 * W_dec[i] /= ||W_dec[i]||).
 */
import { FormatError, ShapeError } from '../errors.js';
import { bytesSource } from '../io/bytes.js';
import type { Folder } from '../io/open.js';
import { readJson, sha256Hex } from '../io/read.js';
import type { Sae } from '../sae.js';
import { streamedSae } from '../weight-source.js';
import { readSaelensConfig, type SaelensConfig } from './saelens-config.js';
import { openSafetensors, type TensorFile } from './safetensors.js';
import { foldDecoder, foldEncoder, streamMatrices, type MatrixFolds } from './saelens-stream.js';
import { assertFinite, show, type Tensor } from './tensor.js';

export const CFG_FILE = 'cfg.json';
export const WEIGHTS_FILE = 'sae_weights.safetensors';
const SCALER_FILE = 'activation_scaler.json';
/** Weight files up to this size are read whole and hashed; larger ones tensor by tensor. */
const HASHED_BYTES = 2 ** 30;
/** W_enc and W_dec up to this size together, as f32, are held in memory. */
const HOLD_BYTES = 2 ** 31;
/** Bytes of decoder rows that are looked at together. */
const NORM_SLAB = 2 ** 23;

export interface SaelensOptions {
  /** s of expected_average_only_in, when it is known from elsewhere (the release's index). */
  readonly normScalingFactor?: number | undefined;
  /** Bytes of W_enc and W_dec together, as f32, that may be held in memory; larger ones are read a piece at a time (`Sae.weights`). Default 2 GiB. */
  readonly holdBytes?: number | undefined;
}

async function readFolderJson(folder: Folder, name: string): Promise<unknown> {
  const source = await folder.file(name);
  try {
    return await readJson(source);
  } finally {
    await source.close?.();
  }
}

/** Loads an SAE that SAELens saved. @throws FormatError, ShapeError, NumericError naming file, tensor and shapes */
export async function loadSaelens(folder: Folder, options: SaelensOptions = {}): Promise<Sae> {
  const cfgSource = await folder.file(CFG_FILE);
  let cfg: SaelensConfig;
  try {
    cfg = readSaelensConfig(cfgSource.name, await readJson(cfgSource));
  } finally {
    await cfgSource.close?.();
  }
  const weightSource = await folder.file(WEIGHTS_FILE);
  let streamed = false;
  try {
    // What is held is read whole and hashed, where that is not too much at once.
    streamed = 8 * cfg.d_in * cfg.d_sae > (options.holdBytes ?? HOLD_BYTES);
    const whole = !streamed && weightSource.byteLength <= HASHED_BYTES ? new Uint8Array(await weightSource.slice(0, weightSource.byteLength)) : null;
    const file = await openSafetensors(whole === null ? weightSource : bytesSource(weightSource.name, whole));
    checkTensors(file, cfg);
    const notes = [...cfg.notes];
    const W_dec = streamed ? null : await matrix(required(file, 'W_dec'), cfg.d_sae, cfg.d_in, notes);
    const b_enc = await vector(required(file, cfg.architecture === 'gated' ? 'b_mag' : 'b_enc'), cfg.d_sae);
    const b_dec = await vector(required(file, 'b_dec'), cfg.d_in);
    const { threshold, norms } = await readThreshold(file, cfg, W_dec, b_enc, notes);
    const finetuning = await readFinetuning(file, cfg, notes);
    const average = cfg.normalizeActivations === 'expected_average_only_in' ? await averageScale(folder, options, notes) : null;
    if (average !== null) for (let i = 0; i < b_dec.length; i++) (b_dec[i] as number) /= average;
    const folds: MatrixFolds = { average, norms, finetuning };
    noteDtype(file, cfg, notes);
    const rest = {
      architecture: cfg.architecture,
      d_in: cfg.d_in,
      d_sae: cfg.d_sae,
      d_out: cfg.d_in,
      b_enc,
      b_dec,
      threshold,
      k: cfg.k,
      gate: cfg.architecture === 'gated' ? { r_mag: await vector(required(file, 'r_mag'), cfg.d_sae), b_gate: await vector(required(file, 'b_gate'), cfg.d_sae) } : null,
      applyBDecToInput: cfg.applyBDecToInput,
      normalizeActivations: cfg.normalizeActivations === 'expected_average_only_in' ? 'none' : cfg.normalizeActivations,
      rescaleActsByDecoderNorm: cfg.architecture === 'topk' && cfg.rescaleActsByDecoderNorm,
      metadata: {
        name: displayName(folder),
        model_name: cfg.model_name,
        hook_name: cfg.hook_name,
        source: folder.name,
        format: `SAELens ${cfg.version}`,
        sha256: whole === null ? null : await sha256Hex(whole),
      },
    } as const;
    if (W_dec === null) {
      const weights = streamMatrices(required(file, 'W_enc'), required(file, 'W_dec'), cfg, folds, () => weightSource.close?.() ?? Promise.resolve());
      notes.push(`The matrices, ${Math.round((8 * cfg.d_in * cfg.d_sae) / 2 ** 20)} MiB as f32, are not held in memory: they are read a piece at a time.`);
      return streamedSae({ ...rest, conventions: [...forwardLines(cfg), ...notes] }, weights);
    }
    const W_enc = await matrix(required(file, 'W_enc'), cfg.d_in, cfg.d_sae, notes);
    foldEncoder(W_enc, 0, cfg.d_sae, folds);
    foldDecoder(W_dec, 0, cfg.d_in, folds);
    return { ...rest, W_enc, W_dec, conventions: [...forwardLines(cfg), ...notes] };
  } catch (error) {
    streamed = false;
    throw error;
  } finally {
    // A streamed SAE reads on: `weights.close` gives the file back.
    if (!streamed) await weightSource.close?.();
  }
}

/** What a person would call the SAE: its folder, with the one above where the folder's own name says nothing (`stories260k/sae`). */
export function displayName({ name, label }: Pick<Folder, 'name' | 'label'>): string {
  if (!/^(sae|saes|final|latest|default|(final_|step_|checkpoint[_-]?)?\d*)$/i.test(label)) return label;
  // Of a URL its path alone: a host says where an SAE was served, not what it is.
  const inUrl = /^[a-z][a-z0-9+.-]+:\/\/[^/]*/i.exec(name)?.[0];
  const path = inUrl === undefined ? name : name.slice(inUrl.length).replace(/[?#].*$/, '');
  const parts = path.split(/[\\/]+/).filter((part) => part !== '' && part !== '.' && !/^[a-z]:$/i.test(part));
  const above = parts[parts.length - 2];
  if (above === undefined || above === '..') return label;
  return `${inUrl === undefined ? above : decoded(above)}/${label}`;
}

/** A part of a URL as text; as it is where its escapes are none. */
function decoded(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}

/** The forward pass that results, in words. */
function forwardLines(cfg: SaelensConfig): string[] {
  const lines = [
    cfg.applyBDecToInput ? 'b_dec is subtracted from the input (apply_b_dec_to_input).' : 'b_dec is not subtracted from the input (apply_b_dec_to_input is false).',
    cfg.architecture === 'topk'
      ? `The ${cfg.k} largest pre-activations of a row are kept, then ReLU; ties go to the lowest feature.`
      : cfg.architecture === 'jumprelu'
        ? 'A feature fires where its pre-activation is above its threshold, strictly, and positive.'
        : cfg.architecture === 'gated'
          ? 'A feature fires where its gate, xbar @ W_enc + b_gate, and its magnitude, xbar @ (W_enc exp(r_mag)) + b_mag, are both above 0; the activation is the magnitude. bias in the tables is b_mag.'
          : 'A feature fires where its pre-activation is above 0.',
  ];
  if (cfg.normalizeActivations === 'constant_norm_rescale') lines.push('Each input row is scaled to norm sqrt(d_in), the output back (constant_norm_rescale).');
  if (cfg.normalizeActivations === 'layer_norm') lines.push('Each input row is centred and divided by its unbiased standard deviation + 1e-5, the output is turned back (layer_norm).');
  if (cfg.architecture === 'topk' && cfg.rescaleActsByDecoderNorm) lines.push('Pre-activations are multiplied by their decoder’s norm before selection, activations divided by it before decoding (rescale_acts_by_decoder_norm).');
  return lines;
}

function required(file: TensorFile, name: string): Tensor {
  const tensor = file.tensors.get(name);
  if (tensor !== undefined) return tensor;
  throw new FormatError(`${file.name}: there is no tensor ${name}`, { hint: `It holds ${[...file.tensors].map(([key, { shape }]) => `${key} ${show(shape)}`).join(', ') || 'nothing'}.` });
}

/** A vector of `length`; [1, length] counts as one too. */
async function vector(tensor: Tensor, length: number): Promise<Float32Array> {
  const long = tensor.shape.filter((extent) => extent !== 1);
  if (tensor.size !== length || long.length > 1) throw new ShapeError(`${tensor.label} has shape ${show(tensor.shape)}, cfg.json demands ${show([length])}`);
  const values = await tensor.read();
  assertFinite(values, tensor.label, tensor.shape);
  return values;
}

async function matrix(tensor: Tensor, rows: number, columns: number, notes: string[]): Promise<Float32Array> {
  const [r, c] = tensor.shape;
  const straight = tensor.shape.length === 2 && r === rows && c === columns;
  if (!straight && !(tensor.shape.length === 2 && r === columns && c === rows)) {
    throw new ShapeError(`${tensor.label} has shape ${show(tensor.shape)}, cfg.json demands ${show([rows, columns])}`);
  }
  const values = await tensor.read();
  assertFinite(values, tensor.label, tensor.shape);
  if (straight) return values;
  notes.push(`${tensor.name} is stored transposed, ${show(tensor.shape)}: it was turned to ${show([rows, columns])}.`);
  const out = new Float32Array(values.length);
  for (let i = 0; i < rows; i++) for (let j = 0; j < columns; j++) out[i * columns + j] = values[j * rows + i] as number;
  return out;
}

/** @throws FormatError where the tensors are of another architecture than cfg.json's */
function checkTensors(file: TensorFile, cfg: SaelensConfig): void {
  const others = (cfg.architecture === 'gated' ? ['W_skip', 'b_enc'] : ['W_skip', 'b_gate', 'b_mag', 'r_mag']).filter((name) => file.tensors.has(name));
  if (others.length > 0) throw new FormatError(`${file.name}: holds ${others.join(', ')}, which a ${cfg.architecture} SAE has not`, { hint: 'cfg.json names another architecture than the weights are of.' });
  if (cfg.architecture !== 'jumprelu' && file.tensors.has('threshold')) {
    throw new FormatError(`${file.name}: holds a threshold, cfg.json says ${cfg.architecture}`, { hint: 'Is it a jumprelu SAE?' });
  }
  required(file, 'W_enc');
}

/**
 * The threshold of jumprelu. A training checkpoint of BatchTopK becomes what
 * save_inference_model makes of it: b_enc is multiplied here, the matrices by `norms`.
 */
async function readThreshold(file: TensorFile, cfg: SaelensConfig, W_dec: Float32Array | null, b_enc: Float32Array, notes: string[]): Promise<{ threshold: Float32Array | null; norms: Float64Array | null }> {
  if (!cfg.batchTopK) return { threshold: cfg.architecture === 'jumprelu' ? await vector(required(file, 'threshold'), cfg.d_sae) : null, norms: null };
  const tensor = file.tensors.get('topk_threshold');
  if (tensor === undefined) {
    throw new FormatError(`${file.name}: a BatchTopK checkpoint without topk_threshold cannot be run on single rows`, { hint: 'Save it with SAELens’ save_inference_model, which writes a jumprelu SAE.' });
  }
  const threshold = (await vector(tensor, 1))[0] as number;
  let norms: Float64Array | null = null;
  if (cfg.rescaleActsByDecoderNorm) {
    norms = await rowNorms(required(file, 'W_dec'), W_dec, cfg);
    const zero = norms.indexOf(0);
    if (zero >= 0) throw new FormatError(`${file.name}: decoder row ${zero} is zero, its norm cannot be folded (rescale_acts_by_decoder_norm)`);
    for (let i = 0; i < cfg.d_sae; i++) (b_enc[i] as number) *= norms[i] as number;
    notes.push('The decoder’s norms were folded into the encoder (rescale_acts_by_decoder_norm), as SAELens does when it saves a BatchTopK SAE for inference.');
  }
  notes.push(`A BatchTopK training checkpoint: read as jumprelu with its topk_threshold ${threshold} for every feature, as SAELens’ save_inference_model does.`);
  return { threshold: new Float32Array(cfg.d_sae).fill(threshold), norms };
}

/** Norms of the decoder's rows as stored, in f64; of the matrix in memory, or read in slabs. */
async function rowNorms(tensor: Tensor, held: Float32Array | null, { d_in, d_sae }: SaelensConfig): Promise<Float64Array> {
  const norms = new Float64Array(d_sae);
  const most = Math.max(1, Math.floor(NORM_SLAB / (4 * d_in)));
  for (let first = 0; first < d_sae; first += most) {
    const count = Math.min(most, d_sae - first);
    const rows = held?.subarray(first * d_in, (first + count) * d_in) ?? (await tensor.rows(first, first + count));
    for (let r = 0; r < count; r++) {
      let sum = 0;
      for (let j = 0; j < d_in; j++) sum += (rows[r * d_in + j] as number) ** 2;
      norms[first + r] = Math.sqrt(sum);
    }
  }
  return norms;
}

/** The factor that SAELens multiplies activations by before decoding: the same as scaling the decoder's rows. Null where there is none. */
async function readFinetuning(file: TensorFile, cfg: SaelensConfig, notes: string[]): Promise<Float32Array | null> {
  const legacy = file.tensors.get('scaling_factor');
  const tensor = legacy ?? file.tensors.get('finetuning_scaling_factor');
  if (tensor === undefined) {
    if (cfg.finetuningScalingFactor) notes.push('finetuning_scaling_factor is set and the weights hold none: nothing is scaled, as SAELens does.');
    return null;
  }
  const factor = await vector(tensor, cfg.d_sae);
  // torch.allclose with its defaults.
  if (factor.every((g) => Math.abs(g - 1) <= 1e-8 + 1e-5)) {
    notes.push(`${tensor.name} is 1 throughout and was dropped, as SAELens does.`);
    return null;
  }
  if (!cfg.finetuningScalingFactor) throw new FormatError(`${tensor.label}: is not 1 throughout, but cfg.json does not set finetuning_scaling_factor`, { hint: 'SAELens refuses such a folder too; set the key to true if the factor is meant.' });
  notes.push(`${tensor.name} was folded into the decoder’s rows: decoder norms include it, activations do not.`);
  return factor;
}

async function averageScale(folder: Folder, options: SaelensOptions, notes: string[]): Promise<number | null> {
  let scale: unknown = options.normScalingFactor;
  let from = 'the scale that was given';
  if (scale === undefined && (await folder.has(SCALER_FILE))) {
    scale = (await readFolderJson(folder, SCALER_FILE) as { scaling_factor?: unknown } | null)?.scaling_factor ?? undefined;
    from = SCALER_FILE;
  }
  if (scale === undefined) {
    notes.push('WARNING: normalize_activations is expected_average_only_in and the scale is not in the folder: the weights are used on raw activations as they are, as SAELens does with a warning. If they were not folded when they were saved, activations and reconstruction are wrong.');
    return null;
  }
  if (typeof scale !== 'number' || !Number.isFinite(scale) || scale <= 0) throw new FormatError(`${folder.name}: the scaling factor of ${from} is ${JSON.stringify(scale)}, a positive number was expected`);
  notes.push(`expected_average_only_in was folded with ${from}, ${scale}: W_enc times it, W_dec and b_dec divided by it.`);
  return scale;
}

function noteDtype(file: TensorFile, cfg: SaelensConfig, notes: string[]): void {
  const stored = file.tensors.get('W_enc')?.dtype ?? 'f32';
  if (stored !== 'f32') notes.push(`Weights are stored as ${stored} and used as f32.`);
  if (cfg.dtype !== 'float32') notes.push(`cfg.json says dtype ${cfg.dtype}: SAELens would compute in it, saekit computes in f32.`);
}
