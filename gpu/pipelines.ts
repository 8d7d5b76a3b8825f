/**
 * Compute pipelines of one device, each compiled once: a second request while
 * the first is under way waits for it. A pipeline is named by its kernel, the
 * constants that override the kernel's, and what stands before its source
 * (`enable` directives, aliases): the key is all three. Bind group layouts are
 * WebGPU's automatic ones, taken from the WGSL.
 */
import { BackendError } from '../engine/errors.js';
import { type Device, message } from './device.js';
import { type KernelName, preludeOf, sourceOf, usesLanes } from './kernels.js';

/** One way to compile a kernel. */
export interface Variant {
  /** Values of the kernel's `override` declarations. */
  readonly constants?: Readonly<Record<string, number>> | undefined;
  /** WGSL extensions; the device must have been given the features. */
  readonly enable?: readonly ('f16' | 'subgroups')[] | undefined;
  /** How the weights are stored that the kernel reads; default f32. f16 enables the extension. */
  readonly storage?: 'f32' | 'f16' | undefined;
  /**
   * Whether subgroups are used, by a kernel that can; default no. They enable the extension, but for
   * tests: a WGSL source that stands in for what the extension declares.
   */
  readonly subgroups?: boolean | string | undefined;
  /** Declarations before the kernel, after what it includes. */
  readonly prelude?: string | undefined;
}

export class Pipelines {
  readonly #device: Device;
  readonly #compiled = new Map<string, Promise<GPUComputePipeline>>();
  #compilations = 0;

  constructor(device: Device) {
    this.#device = device;
  }

  /** How often the WGSL compiler was asked. */
  get compilations(): number {
    return this.#compilations;
  }

  /** @throws BackendError with the WGSL compiler's messages and lines */
  get(name: KernelName, variant: Variant = {}): Promise<GPUComputePipeline> {
    const key = variantKey(name, variant);
    let pipeline = this.#compiled.get(key);
    if (pipeline === undefined) {
      this.#compilations++;
      pipeline = compile(this.#device, name, sourceOf(name, uses(variant, name)), withParts(name, variant));
      this.#compiled.set(key, pipeline);
      // A failure is not kept: the next request tries again and gets its own error.
      pipeline.catch(() => this.#compiled.delete(key));
    }
    return pipeline;
  }
}

/** The variant with what the kernel includes before it, and the extensions that that needs. Pure. */
export function withParts(name: KernelName, variant: Variant = {}): Variant {
  const { enable = [], storage, subgroups, prelude = '' } = variant;
  const extensions = [...enable, ...(storage === 'f16' ? ['f16' as const] : []), ...(subgroups === true && usesLanes(name) ? ['subgroups' as const] : [])];
  const stand = typeof subgroups === 'string' && usesLanes(name) ? subgroups : '';
  return { ...variant, prelude: preludeOf(name, storage, uses(variant, name)) + stand + prelude, enable: extensions };
}

function uses({ subgroups = false }: Variant, name: KernelName): boolean {
  return subgroups !== false && usesLanes(name);
}

/** The same for the same variant, however its constants and extensions are ordered. Pure. */
export function variantKey(name: string, { constants = {}, enable = [], storage = 'f32', subgroups = false, prelude = '' }: Variant): string {
  const sorted = Object.entries(constants).sort(([a], [b]) => (a < b ? -1 : 1));
  return JSON.stringify([name, sorted, [...new Set(enable)].sort(), storage, subgroups, prelude]);
}

/**
 * Compiles a WGSL module with one compute entry point.
 * @param name of the kernel's file, without `.wgsl`
 * @throws BackendError: `encode.wgsl:12:7: unresolved value 'q'` and the line, for every message;
 *   lines count in the kernel's file, whatever stands before it
 */
export async function compile(device: Device, name: string, code: string, variant: Variant = {}): Promise<GPUComputePipeline> {
  const before = head(variant);
  const { result: module, valid } = device.scoped(`${name}.wgsl`, () => device.gpu.createShaderModule({ label: name, code: before + code }));
  const { messages } = await device.guard(module.getCompilationInfo());
  const errors = messages.filter(({ type }) => type === 'error');
  if (errors.length > 0) throw refusal(name, variant, errors.map((error) => excerpt(name, before, code, error)));
  await valid;
  try {
    const constants = variant.constants === undefined ? {} : { constants: { ...variant.constants } };
    return await device.guard(device.gpu.createComputePipelineAsync({ label: name, layout: 'auto', compute: { module, ...constants } }));
  } catch (cause) {
    if (!(cause instanceof BackendError)) throw cause;
    // Loss and disposal are the device's own errors; the kernel has no part in them.
    device.check();
    throw refusal(name, variant, [message(cause)], cause);
  }
}

function head({ enable = [], prelude = '' }: Variant): string {
  const directives = [...new Set(enable)].sort().map((extension) => `enable ${extension};\n`);
  return directives.join('') + (prelude === '' ? '' : `${prelude}\n`);
}

/** A message with its place and the source there, with a mark below the column. */
function excerpt(name: string, before: string, code: string, { lineNum, linePos, message: text }: GPUCompilationMessage): string {
  const linesBefore = before.split('\n').length - 1;
  const own = lineNum > linesBefore;
  const line = own ? lineNum - linesBefore : lineNum;
  const source = (own ? code : before).split('\n')[line - 1] ?? '';
  const place = `${name}.wgsl${own ? '' : ' (prelude)'}:${line}:${linePos}`;
  if (source.trim() === '') return `${place}: ${text}`;
  const mark = ' '.repeat(Math.max(0, Math.min(linePos - 1, source.length)));
  return `${place}: ${text}\n    ${source}\n    ${mark}^`;
}

function refusal(name: string, variant: Variant, texts: readonly string[], cause?: unknown): BackendError {
  const { constants = {}, enable = [] } = variant;
  const parts = [...Object.entries(constants).map(([constant, value]) => `${constant} = ${value}`), ...enable.map((extension) => `enable ${extension}`)];
  const built = parts.length === 0 ? '' : ` (${parts.join(', ')})`;
  return new BackendError(`WebGPU: the device's WGSL compiler refuses ${name}.wgsl${built}\n${texts.join('\n')}`, {
    hint: 'Please report this with the output of `saekit doctor`; --backend wasm works without.',
    cause,
  });
}
