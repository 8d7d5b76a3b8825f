/**
 * What a page loads to show how features die: the cloud, the collapse plot, densities over training, the
 * hyperplane, the verdict, causes of death, and the lab that trains in the page. Also as panels for a dashboard:
 *
 *   import { registry } from 'saekit.js';
 *   import { dyingViews } from 'browser/dying.js';
 *   for (const view of dyingViews) registry.register(view);
 */
import { dyingInstruments } from '../plugins/builtin/index.js';
import type { AnalysisPlugin, PluginView } from '../plugins/types.js';
import './dying-cloud/define.js';
import './collapse-plot/define.js';
import './density-timelapse/define.js';
import './hyperplane/define.js';
import './verdict/define.js';
import './certificate/define.js';
import './training-lab/define.js';

export { SaeCertificate } from './certificate/certificate.js';
export { SaeCollapsePlot } from './collapse-plot/collapse-plot.js';
export { SaeDensityTimelapse } from './density-timelapse/density-timelapse.js';
export { SaeDyingCloud } from './dying-cloud/dying-cloud.js';
export { SaeHyperplane } from './hyperplane/hyperplane.js';
export { SaeTrainingLab } from './training-lab/training-lab.js';
export { SaeVerdict } from './verdict/verdict.js';
export { SaeScrubEvent } from './internal/events.js';
export { readDyingRecord } from '../engine/dying/read-record.js';
export type { DyingFrame, DyingPlane, DyingRecord } from '../engine/dying/record.js';
export type { PredictionResult } from '../engine/dying/predictions.js';
export { openPack } from '../engine/pack/reader.js';
export { SaekitError } from '../engine/errors.js';
export { VERSION } from '../engine/version.js';

/** Where each instrument's panel is: its element is defined by this module. */
const VIEWS: Readonly<Record<string, readonly [tag: string, title: string, scope?: PluginView['scope']]>> = {
  'sae/verdict': ['sae-verdict', 'The verdict'],
  'sae/clusters': ['sae-dying-cloud', 'Density, bias and D/E'],
  'sae/evolution': ['sae-density-timelapse', 'Densities over training'],
  'sae/hyperplane': ['sae-hyperplane', 'The hyperplane'],
  'sae/rare-directions': ['sae-collapse-plot', 'The collapse plot'],
  'sae/certificate': ['sae-certificate', 'Cause of death', 'feature'],
};

/** The instruments with the panels that a dashboard shows for them, the verdict first. */
export const dyingViews: readonly AnalysisPlugin[] = Object.entries(VIEWS).flatMap(([id, [tag, title, scope = 'pack']]) => {
  const plugin = dyingInstruments.find((one) => one.id === id);
  const view: PluginView = { tag, title, scope, load: () => Promise.resolve() };
  return plugin === undefined ? [] : [{ ...plugin, view }];
});
