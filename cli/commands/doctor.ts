/** `saekit doctor`: what this machine offers, and what to do about what is missing. */
import { Command } from 'commander';
import type { Environment } from '../../engine/choose-backend.js';
import type { Calibration } from '../../engine/cost-model.js';
import { BackendError, SaekitError } from '../../engine/errors.js';
import { resolveOnnxRuntime } from '../../engine/sources/onnx-runtime.js';
import { type Backend, chooseBackend, describeEnvironment, VERSION } from '../../plugins/index.js';
import { benchText, predictions } from '../bench-text.js';
import { flow, paragraph } from '../columns.js';
import { whole } from '../options.js';
import { print, printJson, terminalWidth } from '../output.js';
import { bytes, thousands } from '../text.js';

/** What `--json` prints. */
interface Findings extends Environment {
  readonly saekit: string;
  /** What would run a language model; null when nothing can. */
  readonly model_runtime: { readonly description: string | null; readonly problem: string | null; readonly remedy: string | null };
}

export function doctorCommand(): Command {
  return new Command('doctor')
    .description('Print the backends, adapter, limits and WASM features found, and what to do about what is missing.')
    .option('--bench', 'also measure what encode costs on each backend, in one or two seconds, and what that means for common sizes')
    .option('--threads <n>', 'with --bench: WASM threads', whole(1), 1)
    .option('--again', 'with --bench: measure even if a measurement of this machine is kept')
    .option('--json', 'print one JSON object on stdout and nothing else')
    .addHelpText(
      'after',
      `
Examples:
  saekit doctor
  saekit doctor --json | jq .webgpu
  saekit doctor --bench --threads 2

With --json: {saekit, runtime, cores, cross_origin_isolated, backend, webgpu, wasm, model_runtime},
  with --bench also bench: {kept, calibration, predictions}`,
    )
    .action(async (flags: DoctorFlags) => {
      const findings: Findings = { saekit: VERSION, ...(await describeEnvironment()), model_runtime: await findModelRuntime() };
      const bench = flags.bench === true ? await findCosts(findings, flags) : null;
      if (flags.json === true) printJson({ ...findings, ...(bench === null ? {} : { bench: { ...bench, predictions: predictions(bench.calibration) } }) });
      else {
        print(findingsText(findings, terminalWidth()));
        if (bench !== null) print(`\n${benchText(bench.calibration, bench.kept, terminalWidth())}`);
      }
    });
}

interface DoctorFlags {
  readonly json?: boolean;
  readonly bench?: boolean;
  readonly threads: number;
  readonly again?: boolean;
}

/** Seconds that a software GPU may compile for: nobody else waits for it. */
const PATIENCE = 30;

/** The calibration of what was found, from the cache or measured now. */
async function findCosts({ webgpu, wasm }: Findings, { threads, again = false }: DoctorFlags): Promise<{ kept: 'read' | 'written' | 'not kept'; calibration: Calibration }> {
  const { obtainCalibration } = await import('../../engine/calibrate.js');
  const backends: Backend[] = [];
  try {
    for (const [backend, { available }] of [['wasm', wasm], ['webgpu', webgpu]] as const) {
      try {
        if (available) backends.push(await chooseBackend({ backend, threads }));
      } catch (error) {
        // It was there a moment ago; the findings have said what there is.
        if (!(error instanceof BackendError)) throw error;
      }
    }
    return await obtainCalibration(backends, { again, ...(webgpu.software === true ? { patience: PATIENCE } : {}) });
  } finally {
    for (const backend of backends) await backend.dispose();
  }
}

async function findModelRuntime(): Promise<Findings['model_runtime']> {
  try {
    return { description: (await resolveOnnxRuntime()).description, problem: null, remedy: null };
  } catch (error) {
    if (!(error instanceof SaekitError)) throw error;
    return { description: null, problem: error.message, remedy: error.hint ?? null };
  }
}

const yes = (value: boolean): string => (value ? 'yes' : 'no');

/** Findings first, then what to do, so that it is the last thing that is read. */
export function findingsText(findings: Findings, width: number): string {
  const { saekit, runtime, cores, backend, webgpu, wasm, model_runtime: model } = findings;
  const lines = [
    flow('', [`saekit ${saekit} on ${runtime}${cores === null ? '' : `, ${cores} ${cores === 1 ? 'core' : 'cores'}`}.`, backend === null ? 'No backend can run here.' : `\`--backend auto\` takes ${backend}.`], width, ' '),
    '',
    `WebGPU      ${webgpu.available ? (webgpu.software === true ? 'there, in software' : 'there') : 'not there'}`,
  ];
  const fact = (name: string, pieces: readonly string[]): void => void lines.push(flow(`  ${name.padEnd(10)}`, pieces, width));
  if (webgpu.adapter !== null) fact('adapter', [webgpu.adapter]);
  if (webgpu.limits !== null) fact('limits', Object.entries(webgpu.limits).map(([name, value]) => `${name} ${/Size$/.test(name) ? bytes(value) : thousands(value)}`));
  if (webgpu.features !== null) fact('features', Object.entries(webgpu.features).map(([name, value]) => `${name} ${yes(value)}`));
  lines.push(`WASM        ${wasm.available ? 'there' : 'not there'}`);
  fact('features', [`SIMD ${yes(wasm.simd)}`, `relaxed SIMD ${yes(wasm.relaxed_simd)}`, `shared memory ${yes(wasm.threads)}`]);
  lines.push(`Models      ${model.description ?? 'cannot be run'}`);

  const remedies = [
    { name: 'WebGPU', ...webgpu },
    { name: 'WASM', ...wasm },
    { name: 'Models', ...model },
  ].filter(({ problem }) => problem !== null);
  lines.push('', remedies.length === 0 ? 'Nothing is missing.' : 'What to do:');
  for (const { name, problem, remedy } of remedies) {
    lines.push(paragraph(`  ${name}: `, sentence(problem ?? ''), width));
    if (remedy !== null) lines.push(paragraph('    ', remedy, width));
  }
  return lines.join('\n');
}

const sentence = (text: string): string => (/[.!?]$/.test(text) ? text : `${text}.`);
