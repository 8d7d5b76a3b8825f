/** saekit itself, behind the contract that it is compared through. */
import type { Backend, LoadOptions } from '../../engine/backend.js';
import type { Sae } from '../../engine/sae.js';
import { saeOf } from '../arrays.js';
import { type Outcome, type Peer, type Task, Unsupported } from './peer.js';

export interface SaekitOptions {
  readonly backend: Backend;
  readonly name: string;
  readonly threads: number;
  readonly load?: LoadOptions;
  readonly note?: string;
}

export function openSaekit({ backend, name, threads, load = {}, note }: SaekitOptions): Peer {
  async function task<T>(sae: Sae, body: (loaded: Awaited<ReturnType<Backend['load']>>) => Promise<T>, how?: string): Promise<Task<T>> {
    const loaded = await backend.load(sae, load);
    if (load.screen === 'on' && (loaded.report?.().screen ?? null) === null) {
      loaded.dispose();
      throw new Unsupported(`${name}: this encoder is not screened`);
    }
    return {
      ...(how === undefined ? {} : { how }),
      note() {
        const screen = loaded.report?.().screen ?? null;
        return screen === null ? '' : `${(100 * screen.survivorRatio).toPrecision(2)} % of the pre-activations survive the screen`;
      },
      async run(): Promise<Outcome<T>> {
        const result = await body(loaded);
        return { value: () => result };
      },
      dispose: () => loaded.dispose(),
    };
  }
  return {
    name,
    threads,
    ...(note === undefined ? {} : { note }),
    dense({ rows, d_in, d_sae, x, W, b }) {
      // Into one array, run after run, as a caller does who has many batches; no peer here has a way to be told where results go.
      const out = new Float32Array(threads > 1 && typeof SharedArrayBuffer !== 'undefined' ? new SharedArrayBuffer(rows * d_sae * 4) : new ArrayBuffer(rows * d_sae * 4));
      return task(saeOf({ architecture: 'standard', d_in, d_sae, W_enc: W, b_enc: b }), (loaded) => {
        if (loaded.preactivations === undefined) throw new Unsupported(`${name} gives no pre-activations`);
        return loaded.preactivations(x, rows, { out });
      });
    },
    encode: async ({ rows, x, sae }) => [await task(sae, (loaded) => loaded.encode(x, rows))],
    decode: ({ sae, codes }) => task(sae, (loaded) => loaded.decode(codes), 'sparse'),
    dispose: () => backend.dispose(),
  };
}
