/** What is used of jax-js 0.1.25. A function takes ownership of its arguments; `ref` keeps one for oneself. */
export interface Array {
  readonly ref: Array;
  reshape(shape: number[]): Array;
  add(other: Array): Array;
  data(): Promise<Float32Array | Int32Array>;
  dispose(): void;
}
export function init(...devices: string[]): Promise<string[]>;
export function defaultDevice(device: string): string;
export function jit<A extends unknown[], R>(f: (...args: A) => R): ((...args: A) => R) & { dispose(): void };
export const numpy: {
  array(values: Float32Array): Array;
  matmul(a: Array, b: Array): Array;
};
export const lax: { topK(x: Array, k: number): [Array, Array] };
