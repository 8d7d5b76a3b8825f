/** Hands the stream's counts, the held rows and the run's checkpoints to engine/dying/certificate-study.ts. */
import { UsageError } from '../../../engine/errors.js';
import type { GradientReport } from '../../../engine/dying/anatomy-reports.js';
import { certificateStudy, type CertificateInput, type CertificateRun } from '../../../engine/dying/certificate-study.js';
import { countFirings, frameSteps, type HeldRows } from '../../../engine/dying/run-frames.js';
import type { Accumulator, AnalysisResult } from '../../../engine/run/accumulator.js';
import type { Sae } from '../../../engine/sae.js';
import type { RunReader } from '../../../engine/train/run-reader.js';
import { lambdaOfRun } from '../gradient-anatomy/analysis.js';
import { atTheEnd, normalisedRows, streamCounts } from '../held-rows.js';
import type { PluginContext } from '../../types.js';
import type { CertificateSettings } from './index.js';

type Context = PluginContext<CertificateSettings>;

const RANKED: readonly string[] = ['topk', 'batchtopk', 'matryoshka'];
/** Checkpoints that are counted anew, at most. */
const MOST_FRAMES = 64;

/** @throws UsageError where the SAE's output is not a reconstruction of its input */
export function create(ctx: Context): Accumulator {
  const { sae, settings, positions, ops, run } = ctx;
  if (sae.d_in !== sae.d_out) throw new UsageError(`the SAE maps ${sae.d_in} dimensions to ${sae.d_out}: without the target that it was trained on its features' part in the error is not known`);
  return atTheEnd(async (signal): Promise<AnalysisResult> => {
    const held = await ctx.rows();
    const { counts, tokens } = streamCounts(ctx);
    const { certificates, report } = await certificateStudy({
      sae,
      counts,
      tokens,
      edge: settings.edge,
      held,
      positions,
      target: (first, count) => normalisedRows(sae, held.x.subarray(first * sae.d_in, (first + count) * sae.d_in), count, null),
      lambda: penaltyOf(ctx),
      ranked: RANKED.includes(run?.record.recipe.arch ?? sae.architecture),
      run: run === null || run.record.checkpoints.length < 2 ? null : await followed(ctx, run, held, signal),
      ops,
      signal,
    });
    return {
      features: [
        { name: 'certificate', type: 'string', data: certificates.map(({ cause }) => (cause === 'alive' ? null : cause)), description: 'Cause of death, by the decision list of engine/dying/certificate.ts: useful-rare, resampled, born-dead-relu, born-dead-topk, duplicate, absorbed, orphaned, pushed-by-l1, pushed-by-error or cannot-tell; null for a feature that lives.' },
        { name: 'certificate_evidence', type: 'string', data: certificates.map(({ evidence }) => evidence), description: 'The figures that it rests on; where it cannot be told, what is missing.' },
      ],
      summary: { ...report },
    };
  });
}

/** lambda at a step: it rises over the warm-up. Without a run, what the gradient's analysis took. */
function penaltyOf({ sae, settings, run, result }: Context): CertificateInput['lambda'] {
  const own = run === null ? null : lambdaOfRun(run.record);
  const warmup = run?.record.recipe.l1_warmup ?? 0;
  const gradients = result('sae/gradient-anatomy')?.summary as GradientReport | undefined;
  return (step) => {
    if ((run?.record.recipe.arch ?? sae.architecture) !== 'standard') return run?.record.recipe.arch === 'topk' || sae.architecture === 'topk' ? { value: 0, byDecoderNorm: false } : null;
    const share = step === null || warmup === 0 ? 1 : Math.min(1, step / warmup);
    if (settings.l1 >= 0) return { value: settings.l1 * share, byDecoderNorm: false };
    if (own !== null && own !== 'none') return { value: own.value * share, byDecoderNorm: own.byDecoderNorm };
    const { lambda = null } = gradients ?? {};
    return lambda === null ? null : { value: lambda * share, byDecoderNorm: false };
  };
}

/** The run's checkpoints up to the SAE, as sae/evolution counted them on the held rows; counted here where it did not run. Null where the SAE is none of them, or the first. */
async function followed(ctx: Context, run: RunReader, held: HeldRows, signal: AbortSignal | undefined): Promise<CertificateRun | null> {
  const { ops } = ctx;
  const { resampled = [], checkpoints } = run.record;
  const told = framesOf(ctx.result('sae/evolution'))?.filter(({ rows }) => rows === held.rows) ?? [];
  const known = new Map(told.map((frame) => [frame.step, frame]));
  const steps = told.length > 1 ? told.map(({ step }) => step) : frameSteps(checkpoints.map((one) => one.step), MOST_FRAMES);
  const end = await stepOf(ctx.sae, run, steps);
  if (end === null) ctx.notice(`the SAE is none of the run's checkpoints: its features' history is left out`);
  if (end === null || steps.indexOf(end) < 1) return null;
  const frames: CertificateRun['frames'][number][] = [];
  for (const step of steps.slice(0, steps.indexOf(end) + 1)) frames.push(known.get(step) ?? { step, rows: held.rows, counts: await countFirings(await run.sae(step), held, { ops, signal }) });
  return { frames, sae: (step) => run.sae(step), resampled: resampled.filter(({ step }) => step <= end) };
}

/** The step of the checkpoint that this SAE is, by its biases to the bit; the last first, since it is that as a rule. */
async function stepOf({ b_enc, b_dec }: Sae, run: RunReader, steps: readonly number[]): Promise<number | null> {
  const equal = (a: Float32Array, b: Float32Array): boolean => a.length === b.length && a.every((value, at) => value === b[at]);
  for (const step of [...steps].reverse()) {
    const sae = await run.sae(step);
    if (equal(sae.b_enc, b_enc) && equal(sae.b_dec, b_dec)) return step;
  }
  return null;
}

function framesOf(evolution: AnalysisResult | null): CertificateRun['frames'] | null {
  const columns = (table: string, name: string): ArrayLike<number> | null => (evolution?.tables?.find((one) => one.name === table)?.columns.find((one) => one.name === name)?.data ?? null) as ArrayLike<number> | null;
  const [steps, rows, counts] = [columns('dying_steps', 'step'), columns('dying_steps', 'rows'), columns('dying_frames', 'count')];
  if (steps === null || rows === null || counts === null || steps.length === 0) return null;
  const n = counts.length / steps.length;
  return Array.from(steps, (step, at) => ({ step, rows: rows[at]!, counts: Float64Array.from({ length: n }, (_, i) => counts[at * n + i]!) }));
}
