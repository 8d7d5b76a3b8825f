/**
 * Leaves of an ONNX model only what one output needs. The runtime computes every
 * node of a graph, asked for or not: without the blocks behind the hook and the
 * unembedding, a hook in the middle of a model costs a fraction.
 *
 * Works on the protobuf as it is (onnx.proto: ModelProto.graph = 7; GraphProto:
 * node = 1, initializer = 5, output = 12; NodeProto: input = 1, output = 2,
 * attribute = 5; AttributeProto: g = 6, graphs = 11; TensorProto.name = 8;
 * ValueInfoProto.name = 1). Fields that are kept are copied byte by byte.
 */

/** One field: its number, the bytes with their tag, and for length-delimited fields the content. */
interface Field {
  readonly number: number;
  readonly raw: Uint8Array;
  readonly content: Uint8Array | null;
}

class NotProtobuf extends Error {}

function readVarint(bytes: Uint8Array, at: number): readonly [value: number, next: number] {
  let value = 0;
  for (let shift = 1; ; shift *= 128, at++) {
    const byte = bytes[at];
    if (byte === undefined || shift > 2 ** 63) throw new NotProtobuf();
    value += (byte & 127) * shift;
    if (byte < 128) return [value, at + 1];
  }
}

/** The fields of a message. @throws NotProtobuf */
function fieldsOf(bytes: Uint8Array): Field[] {
  const fields: Field[] = [];
  for (let at = 0; at < bytes.length; ) {
    const [tag, start] = readVarint(bytes, at);
    const wire = tag % 8;
    let from = start;
    let end: number;
    if (wire === 0) end = readVarint(bytes, start)[1];
    else if (wire === 1) end = start + 8;
    else if (wire === 5) end = start + 4;
    else if (wire === 2) {
      const [length, next] = readVarint(bytes, start);
      from = next;
      end = next + length;
    } else throw new NotProtobuf();
    if (end > bytes.length) throw new NotProtobuf();
    fields.push({ number: Math.floor(tag / 8), raw: bytes.subarray(at, end), content: wire === 2 ? bytes.subarray(from, end) : null });
    at = end;
  }
  return fields;
}

const contents = (fields: readonly Field[], number: number): Uint8Array[] => fields.flatMap((field) => (field.number === number && field.content !== null ? [field.content] : []));
const strings = (fields: readonly Field[], number: number): string[] => contents(fields, number).map((bytes) => new TextDecoder().decode(bytes));

/** Names that the subgraphs of a node (If, Loop, Scan) may take from outside. */
function captured(node: readonly Field[]): string[] {
  return contents(node, 5).flatMap((attribute) => {
    const parts = fieldsOf(attribute);
    return [...contents(parts, 6), ...contents(parts, 11)].flatMap((graph) => {
      const inner = fieldsOf(graph);
      const outputs = contents(inner, 12).flatMap((output) => strings(fieldsOf(output), 1));
      return [...outputs, ...contents(inner, 1).map(fieldsOf).flatMap((node) => [...strings(node, 1), ...captured(node)])];
    });
  });
}

function concat(parts: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const out = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    out.set(part, at);
    at += part.length;
  }
  return out;
}

function varint(value: number): Uint8Array {
  const bytes: number[] = [];
  for (; value >= 128; value = Math.floor(value / 128)) bytes.push((value % 128) + 128);
  return Uint8Array.from([...bytes, value]);
}

function pruneGraph(graph: Uint8Array, output: string): Uint8Array | null {
  const fields = fieldsOf(graph);
  const needed = new Set([output]);
  const dropped = new Set<Field>();
  if (!contents(fields, 12).some((value) => strings(fieldsOf(value), 1).includes(output))) return null;
  // Nodes come in topological order: one pass from the end finds all that are needed.
  for (const field of [...fields].reverse()) {
    if (field.number !== 1 || field.content === null) continue;
    const node = fieldsOf(field.content);
    if (strings(node, 2).some((name) => needed.has(name))) for (const name of [...strings(node, 1), ...captured(node)]) needed.add(name);
    else dropped.add(field);
  }
  for (const field of fields) {
    if (field.content === null) continue;
    if (field.number === 12 && !strings(fieldsOf(field.content), 1).includes(output)) dropped.add(field);
    if (field.number === 5 && !strings(fieldsOf(field.content), 8).some((name) => needed.has(name))) dropped.add(field);
  }
  return concat(fields.filter((field) => !dropped.has(field)).map(({ raw }) => raw));
}

/**
 * @param model an ONNX file
 * @param output name of the output that is wanted
 * @returns the model with this output alone, or null when it has no such output or is no ONNX file: the runtime then says what is wrong
 */
export function pruneToOutput(model: Uint8Array, output: string): Uint8Array<ArrayBuffer> | null {
  try {
    let found = false;
    const parts = fieldsOf(model).flatMap((field) => {
      if (field.number !== 7 || field.content === null) return [field.raw];
      const graph = pruneGraph(field.content, output);
      if (graph === null) return [field.raw];
      found = true;
      return [Uint8Array.of((7 << 3) | 2), varint(graph.length), graph];
    });
    return found ? concat(parts) : null;
  } catch (error) {
    if (error instanceof NotProtobuf) return null;
    throw error;
  }
}
