/** The data of a live run. */
import { UsageError } from '../errors.js';
import type { TrainData } from './data.js';
import type { LiveData } from './live-messages.js';

/**
 * Opens what a run trains on. What it does not need is not loaded: generators and readers of files come on demand.
 * @param seed of the order of held rows
 * @throws UsageError naming what is wrong with it
 */
export async function openLiveData(data: LiveData, seed: number): Promise<TrainData> {
  switch (data.kind) {
    case 'held': {
      if (!(data.x instanceof Float32Array)) throw new UsageError('live data: "x" is not a Float32Array', { hint: 'Activations as f32, [rows, d], row by row.' });
      const { heldData } = await import('./held-data.js');
      return heldData({ x: data.x, d: data.d, seed, provenance: { kind: 'held', rows: data.x.length / data.d, d: data.d } });
    }
    case 'generator': {
      const { generatedData } = await import('../generate/generate.js');
      return generatedData(data.spec);
    }
    case 'file': {
      const { openTrainData } = await import('./open-data.js');
      return openTrainData({ acts: data.src, seed });
    }
    default:
      throw new UsageError(`live data: "kind" is ${JSON.stringify((data as { kind?: unknown }).kind)}; expected held or generator, or file`);
  }
}
