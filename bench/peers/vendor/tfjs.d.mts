/** What is used of tfjs 4.22. */
export interface Tensor {
  dataSync(): Float32Array | Int32Array;
  data(): Promise<Float32Array | Int32Array>;
  dispose(): void;
}
export interface Variable extends Tensor {
  readonly name: string;
}
export interface Core {
  tensor2d(values: Float32Array, shape: [number, number]): Tensor;
  tensor1d(values: Float32Array): Tensor;
  fused: { matMul(options: { a: Tensor; b: Tensor; bias: Tensor }): Tensor };
  matMul(a: Tensor, b: Tensor): Tensor;
  transpose(x: Tensor): Tensor;
  add(a: Tensor, b: Tensor | number): Tensor;
  sub(a: Tensor, b: Tensor): Tensor;
  mul(a: Tensor, b: Tensor | number): Tensor;
  square(x: Tensor): Tensor;
  relu(x: Tensor): Tensor;
  /** 1 where x > 0, else 0. */
  step(x: Tensor): Tensor;
  sum(x: Tensor, axis?: number): Tensor;
  slice(x: Tensor, begin: number[], size: number[]): Tensor;
  reshape(x: Tensor, shape: number[]): Tensor;
  variable(initial: Tensor): Variable;
  tidy<T>(body: () => T): T;
  train: { adam(lr: number, beta1: number, beta2: number, eps: number): { applyGradients(gradients: Record<string, Tensor>): void; dispose(): void } };
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
