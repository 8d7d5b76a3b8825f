/**
 * The main job held against a run that shares no code with it: statistics of a
 * ReLU SAE over every token of the embedded example that is not BOS, by numpy,
 * in float64.
 */
import { memorySink } from '../../engine/io/sink.js';
import { analyze, type AnalyzeOptions, type AnalyzeReport } from '../../plugins/analyze.js';

export const RELU_REFERENCE = {
  tokens: 406_395,
  l0: 2.6060064715363134,
  fvu: 0.12456378631159501,
  dead: 45,
  /** Features that fire, on less than 1e-4 of the tokens. */
  below_1e_4: 512,
} as const;

const close = (name: string, got: number | null, expected: number, tolerance: number): void => {
  if (got === null || !(Math.abs(got - expected) <= tolerance)) throw new Error(`${name} is ${got}, ${expected} within ${tolerance} was expected`);
};

/**
 * Analyses it on one backend and compares the figures.
 * @param root the project, as a path or URL with a slash at its end
 * @param more analyses of the same activations
 * @throws Error naming the figure that differs
 */
export async function checkReluReference(root: string, backend: 'webgpu' | 'wasm', more: Pick<AnalyzeOptions, 'plugins' | 'settings'> = {}): Promise<AnalyzeReport> {
  const example = `${root}examples/stories260k`;
  const report = await analyze({
    ...more,
    sae: `${root}test/fixtures/stories260k-relu-step12000`,
    model: `${example}/model.onnx`,
    tokens: `${example}/tokens.npy`,
    ignoreTokens: [1],
    backend,
    runtime: 'web',
    // What the reference has no figures for.
    without: ['sae/examples', 'sae/activations', 'sae/weights', 'sae/logits'],
    out: memorySink(),
  });
  if (report.backend !== backend) throw new Error(`it ran on ${report.backend}, ${backend} was asked for`);
  close('tokens', report.tokens, RELU_REFERENCE.tokens, 0);
  close('L0', report.l0, RELU_REFERENCE.l0, 1e-3);
  close('FVU', report.fvu, RELU_REFERENCE.fvu, 1e-5);
  const { dead, ultralow, rare } = report.classes;
  close('dead features', dead, RELU_REFERENCE.dead, 1);
  close('features that fire below 1e-4', ultralow + rare, RELU_REFERENCE.below_1e_4, 1);
  return report;
}
