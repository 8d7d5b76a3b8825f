/**
 * One tensor out of any of the array files: `x.npy`, `x.npz#name`,
 * `x.safetensors#name`. What a file is, its first bytes say, not its name.
 */
import { FormatError } from '../errors.js';
import type { ByteSource } from '../io/bytes.js';
import { labelOf, openRef, type Ref } from '../io/open.js';
import { sha256Hex } from '../io/read.js';
import { isNpy, openNpy } from './npy.js';
import { isZip, openNpz } from './npz.js';
import { openSafetensors } from './safetensors.js';
import type { Tensor } from './tensor.js';

/** Files up to this size are hashed for provenance; larger ones would have to be read once more. */
const HASHED_BYTES = 64 * 2 ** 20;

export interface OpenTensor {
  readonly tensor: Tensor;
  readonly format: 'npy' | 'npz' | 'safetensors';
  /** For the manifest: file, tensor, dtype, shape, bytes, and the SHA-256 of a file of at most 64 MiB. */
  provenance(): Promise<Readonly<Record<string, unknown>>>;
  close(): Promise<void>;
}

/** `x.npz#name` in its two parts; a `#` that is part of a file name is left alone. */
export function splitRef(ref: string): { file: string; name: string | null } {
  const match = /^(.*\.(?:npz|npy|safetensors)(?:\?[^#]*)?)#([^]*)$/i.exec(ref);
  return match === null ? { file: ref, name: null } : { file: match[1] as string, name: match[2] as string };
}

function choose(file: string, names: readonly string[], wanted: string | null): string {
  if (wanted !== null && wanted !== '') return wanted;
  if (names.length === 1) return names[0] as string;
  throw new FormatError(`${file}: holds ${names.length} arrays, one must be named`, { hint: `Write ${file}#NAME with one of: ${names.join(', ') || 'none'}.` });
}

async function find(source: ByteSource, name: string | null): Promise<{ tensor: Tensor; format: OpenTensor['format'] }> {
  const head = new Uint8Array(await source.slice(0, Math.min(16, source.byteLength)));
  if (isNpy(head)) {
    if (name !== null && name !== '') throw new FormatError(`${source.name}: an npy file holds one array without a name, ${JSON.stringify(name)} was asked for`);
    return { tensor: await openNpy(source), format: 'npy' };
  }
  if (isZip(head)) {
    const npz = await openNpz(source);
    return { tensor: await npz.tensor(choose(source.name, npz.names, name)), format: 'npz' };
  }
  if (head[8] !== 0x7b) {
    throw new FormatError(`${source.name}: neither npy nor npz nor safetensors (it begins with ${[...head.subarray(0, 8)].map((byte) => byte.toString(16).padStart(2, '0')).join(' ') || 'nothing'})`, {
      hint: 'A .pt or .bin file of PyTorch must be saved as safetensors or npy first.',
    });
  }
  const { tensors } = await openSafetensors(source);
  const chosen = choose(source.name, [...tensors.keys()], name);
  const tensor = tensors.get(chosen);
  if (tensor === undefined) throw new FormatError(`${source.name}: there is no tensor ${JSON.stringify(chosen)}`, { hint: `It holds ${[...tensors.keys()].join(', ') || 'nothing'}.` });
  return { tensor, format: 'safetensors' };
}

/**
 * Opens one tensor.
 * @param ref path, URL, Blob or bytes; of a string, `#name` picks the array of an npz or safetensors file and may be left out when there is one
 * @throws FormatError naming the file, and what it holds where the name is wrong
 */
export async function openTensor(ref: Ref): Promise<OpenTensor> {
  const text = typeof ref === 'string' || ref instanceof URL ? String(ref) : null;
  const { file, name } = text === null ? { file: ref, name: null } : splitRef(text);
  const source = await openRef(file);
  const close = async (): Promise<void> => {
    if (source !== ref) await source.close?.();
  };
  try {
    const { tensor, format } = await find(source, name);
    return {
      tensor,
      format,
      async provenance() {
        const sha256 = source.byteLength <= HASHED_BYTES ? await sha256Hex(new Uint8Array(await source.slice(0, source.byteLength))) : null;
        return { file: labelOf(source.name), format, tensor: format === 'npy' ? null : tensor.name, dtype: tensor.dtype, shape: tensor.shape, bytes: source.byteLength, sha256 };
      },
      close,
    };
  } catch (error) {
    await close();
    throw error;
  }
}
