/** Where a suite runs: what differs between Node, Deno and a page. */
import type * as Ort from 'onnxruntime-web';

export type Runtime = 'node' | 'deno' | 'chromium';

export interface Host {
  readonly runtime: Runtime;
  /** `Node 20.20.2` */
  readonly description: string;
  /** Threads that the machine has. */
  readonly cores: number;
  /**
   * A copy of onnxruntime-web of its own: its number of threads is fixed when it starts.
   * @throws Error where this runtime cannot start that many
   */
  ortWeb(build: 'wasm' | 'webgpu', threads: number): Promise<typeof Ort>;
  /** Where tfjs finds its `.wasm`; undefined: it knows. */
  readonly tfjsFolder: string | undefined;
  /** Makes relaxed SIMD valid where it is behind a flag; says how, or null where it needed nothing. */
  relaxedSimd(): Promise<string | null>;
  say(line: string): void;
}
