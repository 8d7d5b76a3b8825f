/** `saekit encode`: the sparse codes of a file of activations, and nothing else. */
import { Command } from 'commander';
import { encodeToFile } from '../../plugins/index.js';
import { oneOf, whole } from '../options.js';
import { print, printJson, stopSignal } from '../output.js';
import { progressDisplay } from '../progress.js';
import { duration, figure, thousands } from '../text.js';

interface EncodeFlags {
  readonly sae: string;
  readonly acts: string;
  readonly out: string;
  readonly backend: 'auto' | 'webgpu' | 'wasm';
  readonly threads?: number;
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
    .option('--threads <n>', 'WASM worker threads', whole(1))
    .option('--json', 'print one JSON object on stdout and nothing else')
    .option('--quiet', 'no progress')
    .addHelpText(
      'after',
      `
Example:
  saekit encode --sae examples/stories260k/sae --acts acts.npy --out codes.safetensors

Entries are sorted by row, then feature; rows of [contexts, positions, d] are context * positions + position.
With --json: {rows, features, nnz, l0, backend, seconds, tokens_per_second, out}`,
    )
    .action(async (flags: EncodeFlags) => {
      const { json, quiet, ...options } = flags;
      const display = progressDisplay(quiet === true);
      try {
        const report = await encodeToFile({
          ...options,
          signal: stopSignal(),
          onProgress: (event) => display.update(event),
          onNotice: (text) => display.line(`note: ${text}`),
        });
        display.stop();
        if (json === true) return printJson(report);
        print(`${thousands(report.nnz)} activations of ${thousands(report.features)} features on ${thousands(report.rows)} rows (L0 ${figure(report.l0)}), ${duration(report.seconds)} on ${report.backend}\ncodes: ${report.out}`);
      } finally {
        display.stop();
      }
    });
}
