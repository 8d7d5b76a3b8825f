/** `saekit encode`: the sparse codes of a file of activations, and nothing else. */
import { Command } from 'commander';
import { encodeToFile, type EncodeReport } from '../../plugins/index.js';
import { byteSize, nameFlag, oneOf, whole } from '../options.js';
import { print, printJson, stopSignal } from '../output.js';
import { progressDisplay } from '../progress.js';
import { duration, figure, plural } from '../text.js';

interface EncodeFlags {
  readonly sae: string;
  readonly acts: string;
  readonly out: string;
  readonly backend: 'auto' | 'webgpu' | 'wasm';
  readonly threads?: number;
  readonly relaxedSimd?: boolean;
  readonly screen: 'auto' | 'on' | 'off';
  readonly storage: 'f32' | 'f16';
  readonly holdWeights?: number;
  readonly gpuMemory?: number;
  readonly json?: boolean;
  readonly quiet?: boolean;
}

export function encodeCommand(): Command {
  return new Command('encode')
    .description('Write the sparse codes of activations as safetensors.')
    .requiredOption('--sae <dir>', 'SAE folder or URL')
    .requiredOption('--acts <ref>', 'activations, [N, d] or [contexts, positions, d]: x.npy, x.npz#name, x.safetensors#name')
    .requiredOption('--out <file>', 'codes.safetensors: locations u32 [nnz, 2] (row, feature), activations f32 [nnz]')
    .option('--backend <kind>', 'auto, webgpu or wasm', oneOf('auto', 'webgpu', 'wasm'), 'auto')
    .option('--hold-weights <size>', 'largest encoder and decoder to hold in memory, e.g. 512MiB; larger ones are read a piece at a time (default: 2GiB)', byteSize)
    .option('--gpu-memory <size>', 'the most that weights and buffers may take on a GPU, e.g. 1GiB (default: what there is)', byteSize)
    .option('--threads <n>', 'WASM worker threads', whole(1))
    .option('--relaxed-simd', 'WASM: fused multiply-add where the runtime has it; faster, in other last bits')
    .option('--screen <when>', 'exclude by integers what cannot fire; the same codes to the bit; auto: on WASM, where it measures faster', oneOf('auto', 'on', 'off'), 'auto')
    .option('--storage <bits>', 'WebGPU: weights as f32, or f16 where the device has it, with the bound of its error in the manifest', oneOf('f32', 'f16'), 'f32')
    .option('--json', 'print one JSON object on stdout and nothing else')
    .option('--quiet', 'no progress and no notes')
    .addHelpText(
      'after',
      `
Examples:
  saekit encode --sae examples/stories260k/sae --acts acts.npy --out codes.safetensors
  saekit encode --sae SAE_DIR --acts acts.safetensors#resid --out codes.safetensors --json
Read back, for example with Python's safetensors:
  codes = load_file("codes.safetensors"); rows, features = codes["locations"].T

Entries are sorted by row, then feature; rows of [contexts, positions, d] are context * positions + position.
With --json: {rows, features, nnz, l0, backend, seconds, tokens_per_second, out}`,
    )
    .action(async (flags: EncodeFlags) => {
      const { json, quiet = false, holdWeights, relaxedSimd, gpuMemory, ...options } = flags;
      const signal = stopSignal();
      const display = progressDisplay(quiet);
      let report: EncodeReport;
      try {
        report = await encodeToFile({
          ...options,
          holdBytes: holdWeights,
          relaxed: relaxedSimd,
          memoryBudget: gpuMemory,
          signal,
          onProgress: (event) => display.update(event),
          onNotice: (text) => display.line(`note: ${text}`),
        });
      } catch (error) {
        nameFlag(error, { ...options });
        throw error;
      } finally {
        display.stop();
      }
      if (json === true) return printJson(report);
      print(
        [
          `${plural(report.nnz, 'activation')} of ${plural(report.features, 'feature')} on ${plural(report.rows, 'row')}: L0 ${figure(report.l0)}`,
          `${duration(report.seconds)} on ${report.backend}`,
          `codes: ${report.out}`,
        ].join('\n'),
      );
    });
}
