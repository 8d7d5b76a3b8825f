/**
 * npy, versions 1 to 3: a magic string, a header that is a Python dict, then
 * the elements. Little- and big-endian numbers and booleans in C order.
 *
 * https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html
 */
import { FormatError } from '../errors.js';
import type { ByteSource } from '../io/bytes.js';
import { DTYPE_BYTES, type Dtype } from './dtype.js';
import { show, sizeOf, tensorAt, type Tensor } from './tensor.js';

const DTYPES: Readonly<Record<string, Dtype>> = {
  b1: 'bool', u1: 'u8', i1: 'i8', u2: 'u16', i2: 'i16', u4: 'u32', i4: 'i32', u8: 'u64', i8: 'i64', f2: 'f16', f4: 'f32', f8: 'f64',
};
/** numpy itself writes less than 1 KB for plain types; its own reader refuses more than 10,000. */
const MAX_HEADER = 1 << 20;

/** True when the bytes begin with npy's magic string. */
export function isNpy(head: Uint8Array): boolean {
  return [0x93, 0x4e, 0x55, 0x4d, 0x50, 0x59].every((byte, at) => head[at] === byte);
}

type Literal = string | number | boolean | null | readonly Literal[] | ReadonlyMap<string, Literal>;

/** The Python literals that a header is made of. @throws Error where the text is something else */
function parseLiteral(text: string): Literal {
  let at = 0;
  const take = (pattern: RegExp): string | null => {
    pattern.lastIndex = at;
    const match = pattern.exec(text);
    if (match === null) return null;
    at += match[0].length;
    return match[0];
  };
  const space = (): void => void take(/\s*/y);
  const fail = (): never => {
    throw new Error(`unexpected ${at < text.length ? JSON.stringify(text.slice(at, at + 12)) : 'end'} at ${at}`);
  };
  const value = (depth: number): Literal => {
    if (depth > 8) fail();
    space();
    const word = take(/u?'[^'\\]*'|u?"[^"\\]*"/y);
    if (word !== null) return word.replace(/^u/, '').slice(1, -1);
    // Python 2 wrote long integers with an L.
    const number = take(/-?\d+L?/y);
    if (number !== null) return Number(number.replace('L', ''));
    const name = take(/True|False|None/y);
    if (name !== null) return name === 'None' ? null : name === 'True';
    const open = take(/[([{]/y) ?? fail();
    const close = open === '(' ? /\)/y : open === '[' ? /\]/y : /\}/y;
    const items: Literal[] = [];
    const map = new Map<string, Literal>();
    for (;;) {
      space();
      if (take(close) !== null) return open === '{' ? map : items;
      const item = value(depth + 1);
      space();
      if (open === '{') {
        if (typeof item !== 'string' || take(/:/y) === null) fail();
        map.set(item as string, value(depth + 1));
        space();
      } else items.push(item);
      if (take(/,/y) === null) {
        space();
        if (take(close) !== null) return open === '{' ? map : items;
        fail();
      }
    }
  };
  const result = value(0);
  space();
  return at === text.length ? result : fail();
}

function dtypeOf(name: string, descr: Literal | undefined): { dtype: Dtype; bigEndian: boolean } {
  if (Array.isArray(descr)) throw new FormatError(`${name}: holds records, plain numbers were expected`, { hint: 'Save one field: np.save(path, x["field"]).' });
  if (typeof descr !== 'string') throw new FormatError(`${name}: the npy header has no descr`);
  const match = /^([<>|=])([a-zA-Z]\d+)$/.exec(descr);
  const dtype = match === null ? undefined : DTYPES[match[2] as string];
  if (match === null || dtype === undefined) {
    const raw = /V2$/.test(descr) ? ' numpy has no bfloat16: save it as float32, or in safetensors as BF16.' : '';
    throw new FormatError(`${name}: dtype ${JSON.stringify(descr)} is not supported`, { hint: `Save float16, float32, float64 or integers.${raw}` });
  }
  return { dtype, bigEndian: match[1] === '>' };
}

/**
 * Opens an npy file: two ranged reads.
 * @throws FormatError when it is malformed, truncated, has bytes too many, or is in Fortran order
 */
export async function openNpy(source: ByteSource): Promise<Tensor> {
  const name = source.name;
  const head = new Uint8Array(await source.slice(0, Math.min(12, source.byteLength)));
  if (!isNpy(head)) throw new FormatError(`${name}: not an npy file (it does not begin with \\x93NUMPY)`);
  const [major, minor] = [head[6], head[7]];
  if (head.length < 12 || major === undefined || major < 1 || major > 3 || minor !== 0) {
    throw new FormatError(`${name}: npy version ${major ?? '?'}.${minor ?? '?'}, versions 1.0, 2.0 and 3.0 are known`);
  }
  const view = new DataView(head.buffer);
  const start = major === 1 ? 10 : 12;
  const length = major === 1 ? view.getUint16(8, true) : view.getUint32(8, true);
  if (length > MAX_HEADER || start + length > source.byteLength) throw new FormatError(`${name}: the npy header would be ${length} bytes long, the file has ${source.byteLength}`);
  const text = new TextDecoder(major === 3 ? 'utf-8' : 'latin1').decode(await source.slice(start, start + length));
  let header: Literal;
  try {
    header = parseLiteral(text);
  } catch (cause) {
    throw new FormatError(`${name}: the npy header is not a Python dict (${cause instanceof Error ? cause.message : ''})`, { cause });
  }
  if (!(header instanceof Map)) throw new FormatError(`${name}: the npy header is not a Python dict`);
  const dict = header as ReadonlyMap<string, Literal>;
  const { dtype, bigEndian } = dtypeOf(name, dict.get('descr'));
  const shape = dict.get('shape');
  if (!Array.isArray(shape) || !shape.every((n) => typeof n === 'number')) throw new FormatError(`${name}: the npy header has no shape`);
  const extents = shape as readonly number[];
  const size = sizeOf(extents, name);
  // With one long axis at most, both orders are the same bytes.
  if (dict.get('fortran_order') !== false && extents.filter((n) => n !== 1).length > 1) {
    throw new FormatError(`${name}: shape ${show(extents)} is stored in Fortran order, its rows cannot be read by range`, {
      hint: 'Save it in C order: np.save(path, np.ascontiguousarray(x)).',
    });
  }
  const offset = start + length;
  const bytes = size * DTYPE_BYTES[dtype];
  if (source.byteLength - offset !== bytes) {
    throw new FormatError(`${name}: shape ${show(extents)} of ${dtype} takes ${bytes} bytes, the file holds ${source.byteLength - offset}`, {
      hint: source.byteLength - offset < bytes ? 'The file is truncated: copy or save it again.' : 'Something was appended to the file.',
    });
  }
  return tensorAt({ source, name, label: name, dtype, shape: extents, offset, bigEndian });
}
