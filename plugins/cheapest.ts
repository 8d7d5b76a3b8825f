/**
 * Whether a run that may choose is cheaper on WASM than on the GPU that there is: a call
 * to a GPU costs a submission and a readback before any arithmetic, so small SAEs may be.
 *
 * The calibration that `saekit doctor --bench` keeps is used where there is one. It is
 * measured here, once a machine, only for runs that are much longer than the measuring.
 */
import type { Backend } from '../engine/backend.js';
import type { Sae } from '../engine/sae.js';

export interface CheapestOptions {
  readonly gpu: Backend;
  readonly openWasm: () => Promise<Backend>;
  readonly sae: Pick<Sae, 'architecture' | 'd_in' | 'd_sae'>;
  /** Rows of the whole run, and of a call at most. */
  readonly rows: number;
  readonly batchRows: number;
  readonly notice: (text: string) => void;
  readonly signal?: AbortSignal | undefined;
}

/** Multiply-adds from which a run is long enough to measure before it: WASM takes some ten seconds. */
const WORTH_MEASURING = 2e11;

/** @returns the WASM backend where it is expected to be cheaper, opened; else null, with nothing left open */
export async function cheaperOnWasm({ gpu, openWasm, sae, rows, batchRows, notice, signal }: CheapestOptions): Promise<Backend | null> {
  const { architecture, d_in, d_sae } = sae;
  const [{ calibrationKey, obtainCalibration }, { loadCalibration, machineName }, { chooseByCost }] = await Promise.all([
    import('../engine/calibrate.js'),
    import('../engine/cost-cache.js'),
    import('../engine/cost-model.js'),
  ]);
  const wasm = await openWasm();
  let taken = false;
  try {
    const backends = [wasm, gpu];
    const kept = await loadCalibration(calibrationKey(await machineName(), backends));
    if (kept === null && rows * d_in * d_sae < WORTH_MEASURING) return null;
    const calibration = kept ?? (await obtainCalibration(backends, { signal })).calibration;
    const shape = { rows: Math.max(1, Math.min(rows, batchRows)), d_in, d_sae, rule: architecture === 'topk' || architecture === 'batchtopk' ? 'topk' : 'threshold' } as const;
    const choice = chooseByCost(shape, calibration, { calls: Math.ceil(rows / shape.rows) });
    taken = choice?.backend === 'wasm' && choice.instead !== null;
    if (!taken) return null;
    notice(`WASM is expected to encode this ${times(choice!.instead!.total / choice!.total)} faster than ${gpu.info.description} (saekit doctor --bench); --backend webgpu takes the GPU all the same`);
    return wasm;
  } finally {
    if (!taken) await wasm.dispose();
  }
}

const times = (ratio: number): string => `${ratio.toPrecision(2)} times`;
