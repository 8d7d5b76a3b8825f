/**
 * ONNX models written byte by byte: the protocol-buffer wire format needs no
 * library for a graph of a few nodes. Weights are initialisers, so a runtime may
 * pack them once, as a backend of ours does.
 *
 * Field numbers are those of onnx.proto3 (ONNX 1.14, IR version 8, opset 17).
 */

const FLOAT = 1;
const INT64 = 7;

/** A tensor inside a model. */
export interface Initializer {
  readonly name: string;
  readonly dims: readonly number[];
  readonly data: Float32Array | BigInt64Array;
}

export interface Node {
  readonly op: string;
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  /** Integer attributes. */
  readonly attributes?: Readonly<Record<string, number>>;
}

/** A model's input or output; a dimension that is text is free. */
export interface Port {
  readonly name: string;
  readonly type: 'float32' | 'int64';
  readonly dims: readonly (number | string)[];
}

export interface Graph {
  readonly nodes: readonly Node[];
  readonly inputs: readonly Port[];
  readonly outputs: readonly Port[];
  readonly initializers: readonly Initializer[];
}

type Chunk = Uint8Array;

function varint(value: number): Chunk {
  const bytes: number[] = [];
  let rest = value;
  // Not by shifts: lengths pass 2^31.
  while (rest >= 128) {
    bytes.push((rest % 128) + 128);
    rest = Math.floor(rest / 128);
  }
  bytes.push(rest);
  return Uint8Array.from(bytes);
}

const size = (chunks: readonly Chunk[]): number => chunks.reduce((sum, chunk) => sum + chunk.byteLength, 0);
/** A field that holds a whole number of at least 0. */
const whole = (field: number, value: number): Chunk[] => [varint(field * 8), varint(value)];
/** A field that holds bytes, text or a message. Chunks are not joined until the end: a weight is copied once. */
const bytes = (field: number, chunks: readonly Chunk[]): Chunk[] => [varint(field * 8 + 2), varint(size(chunks)), ...chunks];
const text = (field: number, value: string): Chunk[] => bytes(field, [new TextEncoder().encode(value)]);

function port(field: number, { name, type, dims }: Port): Chunk[] {
  const shape = dims.flatMap((dim) => bytes(1, typeof dim === 'number' ? whole(1, dim) : text(2, dim)));
  const tensor = [...whole(1, type === 'float32' ? FLOAT : INT64), ...bytes(2, shape)];
  return bytes(field, [...text(1, name), ...bytes(2, bytes(1, tensor))]);
}

function node({ op, inputs, outputs, attributes = {} }: Node): Chunk[] {
  const list = Object.entries(attributes).flatMap(([name, value]) => bytes(5, [...text(1, name), ...whole(3, value), ...whole(20, 2)]));
  return bytes(1, [...inputs.flatMap((name) => text(1, name)), ...outputs.flatMap((name) => text(2, name)), ...text(4, op), ...list]);
}

function initializer({ name, dims, data }: Initializer): Chunk[] {
  const raw = new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
  return bytes(5, [...dims.flatMap((dim) => whole(1, dim)), ...whole(2, data instanceof Float32Array ? FLOAT : INT64), ...text(8, name), ...bytes(9, [raw])]);
}

/** The model as a file's bytes. Little-endian machines only, as ONNX's raw data. */
export function onnxModel(graph: Graph): Uint8Array {
  const body = [
    ...graph.nodes.flatMap(node),
    ...text(2, 'bench'),
    ...graph.initializers.flatMap(initializer),
    ...graph.inputs.flatMap((input) => port(11, input)),
    ...graph.outputs.flatMap((output) => port(12, output)),
  ];
  const model = [...whole(1, 8), ...text(2, 'saekit-bench'), ...bytes(7, body), ...bytes(8, [...text(1, ''), ...whole(2, 17)])];
  const file = new Uint8Array(size(model));
  let at = 0;
  for (const chunk of model) {
    file.set(chunk, at);
    at += chunk.byteLength;
  }
  return file;
}
