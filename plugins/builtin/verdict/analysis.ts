/** Gathers the reports of the other instruments and the figures of the runs beside this one, and applies the rules of engine/dying/verdict.ts. */
import { MULTIPLE_TESTING } from '../../../engine/dying/claims.js';
import type { ComparedEvidence, DyingEvidence } from '../../../engine/dying/evidence.js';
import type { PredictionResult } from '../../../engine/dying/predictions.js';
import { plantedEvidence } from '../../../engine/dying/planted.js';
import { runFigures } from '../../../engine/dying/run-comparison.js';
import { readRunFrames, type HeldRows } from '../../../engine/dying/run-frames.js';
import { verdict } from '../../../engine/dying/verdict.js';
import type { GeneratorSpec } from '../../../engine/generate/generators.js';
import type { Accumulator, AnalysisResult, Batch, StateValue } from '../../../engine/run/accumulator.js';
import type { Table } from '../../../engine/run/table.js';
import { savedNumber } from '../../../engine/sketches/saved.js';
import type { RunReader } from '../../../engine/train/run-reader.js';
import { isAbort, SaekitError } from '../../../engine/errors.js';
import type { ComparedRun, PluginContext, SampledRows } from '../../types.js';
import type { VerdictSettings } from './index.js';

/** Architectures of T17. */
const RANKED: readonly string[] = ['topk', 'batchtopk'];

class Verdict implements Accumulator {
  readonly #ctx: PluginContext<VerdictSettings>;
  #tokens = 0;

  constructor(ctx: PluginContext<VerdictSettings>) {
    this.#ctx = ctx;
  }

  update({ countedRows }: Batch): void {
    this.#tokens += countedRows;
  }

  save(): StateValue {
    return this.#tokens;
  }

  merge(saved: StateValue): void {
    this.#tokens += savedNumber(saved, 'tokens');
  }

  async finish(signal?: AbortSignal): Promise<AnalysisResult> {
    const { run, compared } = this.#ctx;
    const report = <T>(id: string): T | null => (this.#ctx.result(id)?.summary as T | undefined) ?? null;
    const evidence: DyingEvidence = {
      tokens: this.#tokens,
      recipe: run?.record.recipe ?? null,
      hook: this.#hook(),
      generator: run === null ? null : generatorOf(run),
      directions: report('sae/rare-directions'),
      hyperplane: report('sae/hyperplane'),
      cofiring: report('sae/rare-cofiring'),
      gradients: report('sae/gradient-anatomy'),
      conspiracy: report('sae/conspiracy'),
      evolution: report('sae/evolution'),
      // By itself a run is only asked for T17; the other rules have its evolution, or another run beside it.
      own: run === null || (compared.length === 0 && !RANKED.includes(run.record.recipe.arch)) ? null : (await this.#figures({ name: 'this run', run, rows: null }, signal)).figures,
      compared: await this.#compared(signal),
    };
    const results = verdict(evidence);
    return { tables: [tableOf(results)], summary: { results, compared: evidence.compared.map(({ name, hook, figures: { classes, groups, l0, fvu } }) => ({ name, hook, classes, groups, l0, fvu })), own: evidence.own === null ? null : { classes: evidence.own.classes, groups: evidence.own.groups, l0: evidence.own.l0, fvu: evidence.own.fvu }, remark: MULTIPLE_TESTING } };
  }

  async #figures({ name, run, rows }: ComparedRun, signal: AbortSignal | undefined): Promise<Pick<ComparedEvidence, 'figures' | 'planted'>> {
    const { ops, seed, settings } = this.#ctx;
    const held = spaced(await (rows === null ? this.#ctx.rows() : rows()), settings.rows);
    const options = { held, ops, edge: settings.edge, frames: settings.frames, kept: 1, seed, signal };
    const frames = await readRunFrames(run, options);
    const { spec } = run.record.provenance as { readonly spec?: GeneratorSpec };
    return { figures: await runFigures(name, run, options, frames), planted: spec === undefined ? null : await plantedEvidence(spec, run, frames.last, { held, ops, seed, signal }) };
  }

  #hook(): string | null {
    const { run, sae } = this.#ctx;
    return (run === null ? null : hookOf(run)) ?? sae.metadata.hook_name;
  }

  async #compared(signal: AbortSignal | undefined): Promise<ComparedEvidence[]> {
    const found: ComparedEvidence[] = [];
    for (const one of this.#ctx.compared) {
      const { name, run } = one;
      try {
        found.push({ name, recipe: run.record.recipe, hook: hookOf(run) ?? (one.rows === null ? this.#hook() : null), generator: generatorOf(run), ...(await this.#figures(one, signal)) });
      } catch (error) {
        // One run that cannot be read leaves the other predictions standing.
        if (isAbort(error) || !(error instanceof SaekitError)) throw error;
        this.#ctx.notice(`${name} is left out of the verdict: ${error.message}`);
      }
    }
    return found;
  }
}

/** So many rows at most, evenly spaced. */
function spaced({ x, rows, d }: SampledRows, most: number): HeldRows {
  if (rows <= most) return { x, rows, d };
  const some = new Float32Array(most * d);
  for (let r = 0; r < most; r++) {
    const from = Math.floor((r * rows) / most);
    some.set(x.subarray(from * d, (from + 1) * d), r * d);
  }
  return { x: some, rows: most, d };
}

function hookOf({ record }: RunReader): string | null {
  const { hook } = record.provenance;
  return typeof hook === 'string' ? hook : null;
}

function generatorOf({ record }: RunReader): string | null {
  const { spec } = record.provenance;
  return spec === undefined ? null : JSON.stringify(spec);
}

function tableOf(results: readonly PredictionResult[]): Table {
  const column = <T>(name: string, type: 'string' | 'f64', of: (one: PredictionResult) => T, description: string): Table['columns'][number] => ({ name, type, data: results.map(of), description });
  return {
    name: 'verdict',
    rows: results.length,
    columns: [
      column('id', 'string', ({ id }) => id, 'T1 to T17.'),
      column('claim', 'string', ({ claim }) => claim, 'What is predicted.'),
      column('quantity', 'string', ({ quantity }) => quantity, 'The number that decides.'),
      column('value', 'f64', ({ value }) => value, 'It; null where it could not be had.'),
      column('low', 'f64', ({ interval }) => interval?.[0] ?? null, 'Its 95 % interval.'),
      column('high', 'f64', ({ interval }) => interval?.[1] ?? null, 'The same, above.'),
      column('null_value', 'f64', ({ null_value }) => null_value, 'What it would be if there were nothing to the prediction.'),
      column('null_name', 'string', ({ null_name }) => null_name, 'What that null is.'),
      column('outcome', 'string', ({ outcome }) => outcome, 'supports, refutes or cannot-tell.'),
      column('reason', 'string', ({ reason }) => reason, 'The figures it rests on, or what is missing.'),
      column('needs_tokens', 'f64', ({ needs_tokens }) => needs_tokens, 'Rows after which it could be told, should the value stay; null where more rows would not help.'),
    ],
  };
}

export function create(ctx: PluginContext<VerdictSettings>): Accumulator {
  return new Verdict(ctx);
}
