/** Experiments that are worth a look, each with what it is meant to show: a reader sees whether it does. */
import { DATA_DEFAULTS, RECIPE, type LabData, type LabSettings } from './settings.js';

export interface LabPreset {
  readonly id: string;
  readonly label: string;
  /** The question. */
  readonly about: string;
  readonly settings: Pick<LabSettings, 'data' | 'recipe' | 'b'>;
}

const data = (kind: string): LabData => DATA_DEFAULTS[kind] as LabData;

export const PRESETS: readonly LabPreset[] = [
  {
    id: 'centring',
    label: 'Where the origin is: b_dec at zero and at the mean',
    about: 'The same sparse directions, moved three standard deviations from the origin. Do features die when b_dec starts at zero, and when it starts at the mean?',
    settings: { data: data('shifted'), recipe: { ...RECIPE, b_dec: 'zero' }, b: { b_dec: 'mean' } },
  },
  {
    id: 'frozen',
    label: 'Moved data: may b_dec learn?',
    about: 'b_dec starts at zero in both runs. A may move it towards the mean, B may not. Which features come back?',
    settings: { data: data('shifted'), recipe: { ...RECIPE, b_dec: 'zero' }, b: { freeze_b_dec: true } },
  },
  {
    id: 'control',
    label: 'Resampling, with a control that it spares',
    about: 'Half of the features that are due are reset, the other half is left alone. Do the reset ones die again, and do the spared ones revive by themselves?',
    settings: { data: data('shifted'), recipe: { ...RECIPE, b_dec: 'zero', freeze_b_dec: true, resample: 'anthropic', resample_at: [2000, 4000, 6000], resample_spare: 0.5 }, b: { resample: 'none' } },
  },
  {
    id: 'spiked',
    label: 'Coherent directions, TopK',
    about: 'All directions share a component, so that coherence brings a mean with it. Is it the coherence that kills, or the mean? B takes the mean away.',
    settings: { data: data('spiked'), recipe: { ...RECIPE, arch: 'topk', k: 8, b_dec: 'zero' }, b: { b_dec: 'mean' } },
  },
  {
    id: 'rare',
    label: 'Useful rare features',
    about: 'Eight directions at each of three low rates are planted in centred data. A feature that is rare because it is useful ought to stay where it is.',
    settings: { data: data('rare'), recipe: { ...RECIPE, b_dec: 'mean' }, b: null },
  },
  {
    id: 'shared',
    label: 'Rare features that share a direction, and are useful',
    about: 'A nested group along one direction, as dying features would be, but in the data: the instruments must not take it for death.',
    settings: { data: data('shared-direction'), recipe: { ...RECIPE, b_dec: 'mean' }, b: null },
  },
  {
    id: 'gaussian',
    label: 'No structure at all',
    about: 'Gaussian rows with a mean: there is nothing to find, and a closed form of the direction along which features fire least.',
    settings: { data: data('gaussian'), recipe: { ...RECIPE, b_dec: 'zero' }, b: { b_dec: 'mean' } },
  },
  {
    id: 'optimiser',
    label: 'Adam against SGD',
    about: 'The law by which density falls differs between optimisers. Both runs see the same rows from the same start.',
    settings: { data: data('shifted'), recipe: { ...RECIPE, b_dec: 'zero', freeze_b_dec: true }, b: { optimizer: 'sgd', lr: 0.05 } },
  },
];
