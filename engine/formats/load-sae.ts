/**
 * From a folder to the canonical SAE: finds out which tool wrote it. What is not
 * supported is recognised where it can be, so that the message says what the
 * folder is and what would work.
 */
import { FormatError } from '../errors.js';
import { openFolder, type Folder, type FolderRef } from '../io/open.js';
import type { Sae } from '../sae.js';
import { CFG_FILE, loadSaelens, WEIGHTS_FILE, type SaelensOptions } from './saelens.js';

export type LoadSaeOptions = SaelensOptions;

/** Files that give away a format which is not read. */
const FOREIGN: readonly { readonly file: string; readonly what: string; readonly hint: string }[] = [
  { file: 'params.npz', what: 'a Gemma Scope folder', hint: 'Load it with SAELens and save it with save_model, which writes cfg.json and sae_weights.safetensors.' },
  { file: 'params.safetensors', what: 'a Gemma Scope 2 folder', hint: 'Load it with SAELens and save it with save_model.' },
  { file: 'sae.safetensors', what: 'a sparsify folder', hint: 'Load it with SAELens and save it with save_model.' },
  { file: 'lm_config.json', what: 'a Llama Scope folder', hint: 'Load it with SAELens and save it with save_model.' },
  { file: 'ae.pt', what: 'a dictionary_learning folder', hint: 'PyTorch pickles are not read: load it with SAELens and save it with save_model.' },
  { file: 'sae_weights.pt', what: 'a folder with PyTorch pickles', hint: 'Pickles are not read: save the weights as safetensors.' },
];

async function nothingKnown(folder: Folder): Promise<FormatError> {
  for (const { file, what, hint } of FOREIGN) {
    if (await folder.has(file)) return new FormatError(`${folder.name}: is ${what} (it holds ${file}), which is not supported yet`, { hint });
  }
  const listed = await folder.list();
  const nested = listed?.find((name) => /^(blocks|layer)|_sae$|^sae/.test(name) && !name.includes('.safetensors'));
  const found = listed === null ? '' : listed.length === 0 ? '; the folder is empty' : `; the folder holds ${listed.slice(0, 12).join(', ')}${listed.length > 12 ? ` and ${listed.length - 12} more` : ''}`;
  return new FormatError(`${folder.name}: holds no SAE that is known${found}`, {
    hint: `A folder with ${CFG_FILE} and ${WEIGHTS_FILE}, as SAELens writes it, was expected.${nested === undefined ? '' : ` Did you mean ${nested} inside of it?`}`,
  });
}

/**
 * Loads an SAE.
 * @param ref folder: a path, a base URL, or files in memory by name
 * @returns weights as f32 with every convention applied or named in `conventions`
 * @throws FormatError when the folder holds no SAE that is supported, naming what was found; ShapeError when tensors do not fit cfg.json; NumericError for NaN and infinity in a weight
 */
export async function loadSae(ref: FolderRef, options: LoadSaeOptions = {}): Promise<Sae> {
  const folder = await openFolder(ref);
  const [cfg, weights] = [await folder.has(CFG_FILE), await folder.has(WEIGHTS_FILE)];
  if (cfg && weights) return loadSaelens(folder, options);
  if (!cfg && weights) throw new FormatError(`${folder.name}: holds ${WEIGHTS_FILE} and no ${CFG_FILE}`, { hint: `${CFG_FILE} says how the weights are meant: get it from where the weights come from.` });
  const error = await nothingKnown(folder);
  if (cfg && error.message.includes('holds no SAE')) {
    throw new FormatError(`${folder.name}: holds ${CFG_FILE} and no ${WEIGHTS_FILE}`, { hint: 'Was the download finished?' });
  }
  throw error;
}
