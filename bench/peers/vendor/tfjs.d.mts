/** What is used of tfjs 4.22. */
export interface Tensor {
  dataSync(): Float32Array | Int32Array;
  data(): Promise<Float32Array | Int32Array>;
  dispose(): void;
}
export interface Core {
  tensor2d(values: Float32Array, shape: [number, number]): Tensor;
  tensor1d(values: Float32Array): Tensor;
  fused: { matMul(options: { a: Tensor; b: Tensor; bias: Tensor }): Tensor };
  topk(x: Tensor, k: number, sorted: boolean): { values: Tensor; indices: Tensor };
  setBackend(name: string): Promise<boolean>;
  ready(): Promise<void>;
  version_core: string;
}
export const core: Core;
export const wasm: {
  setWasmPaths(folder: string): void;
  setThreadsCount(threads: number): void;
  getThreadsCount(): number;
};
