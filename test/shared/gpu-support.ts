/** Assertions for any runner, and a look at what a device holds. */
import type { SparseCodes } from '../../engine/codes.js';

export function sameCodes(got: SparseCodes, expected: SparseCodes): void {
  sameNumbers(got.offsets, expected.offsets, 'offsets');
  sameNumbers(got.features, expected.features, 'features');
  sameNumbers(got.values, expected.values, 'values');
}

export function sameNumbers(got: ArrayLike<number>, expected: ArrayLike<number>, what: string): void {
  equal(got.length, expected.length, `number of ${what}`);
  for (let i = 0; i < got.length; i++) if (!Object.is(got[i], expected[i])) throw new Error(`${what} ${i}: ${got[i]}, expected ${expected[i]}`);
}

export function equal(got: unknown, expected: unknown, what: string): void {
  if (!Object.is(got, expected)) throw new Error(`${what}: ${String(got)}, expected ${String(expected)}`);
}

export function check(condition: boolean, what: string): void {
  if (!condition) throw new Error(`not so: ${what}`);
}

export async function rejects<E extends Error>(promise: Promise<unknown>, type: new (...args: never[]) => E): Promise<E> {
  try {
    await promise;
  } catch (error) {
    if (error instanceof type) return error;
    throw new Error(`rejected with ${String(error)}, expected ${type.name}`, { cause: error });
  }
  throw new Error(`did not reject, expected ${type.name}`);
}

/** What is known of the devices that were had through `observed` or `observedGpu`. */
export interface Observed {
  readonly devices: GPUDevice[];
  /** Buffers that were made and not destroyed, of all devices. */
  live(): number;
  /** Their bytes. */
  liveBytes(): number;
  /** The largest piece that was written to a buffer, and the most bytes between two waits for the queue. */
  readonly writes: { largest: number; unwaited: number; most: number; total: number };
  /** Ends the newest device as a driver does: `lost` settles, for a reason that is not ours, and nothing is told before. */
  lose(): void;
}

/** The adapter itself, but the devices it gives are kept, and what they hold and are sent is counted. */
export function observed(real: GPUAdapter, into: Observed & { watch(device: GPUDevice): void } = observations()): Observed & { adapter: GPUAdapter } {
  const adapter = {
    limits: real.limits,
    features: real.features,
    info: real.info,
    async requestDevice(descriptor: GPUDeviceDescriptor) {
      const device = await real.requestDevice(descriptor);
      into.watch(device);
      return device;
    },
  } as unknown as GPUAdapter;
  return Object.assign(into, { adapter });
}

/**
 * Makes a device say that it is out of memory for buffers of more than `most` bytes,
 * as a device says it: the buffer is there, and the error scope around it tells.
 */
export function limitMemory(device: GPUDevice, most: number): void {
  const scopes: { filter: GPUErrorFilter; failed: boolean }[] = [];
  const [push, pop, create] = [device.pushErrorScope.bind(device), device.popErrorScope.bind(device), device.createBuffer.bind(device)];
  device.pushErrorScope = (filter) => (scopes.push({ filter, failed: false }), push(filter));
  device.popErrorScope = () => {
    const scope = scopes.pop();
    const popped = pop();
    return scope?.failed === true ? popped.then(() => ({ message: 'made up' }) as GPUError) : popped;
  };
  device.createBuffer = (descriptor) => {
    const scope = scopes.filter(({ filter }) => filter === 'out-of-memory').pop();
    if (scope !== undefined && descriptor.size > most) scope.failed = true;
    return create(descriptor);
  };
}

/** A WebGPU whose adapters are observed; `refuse()` makes it find none any more, or none so many times. */
export function observedGpu(real: GPU): Observed & { gpu: GPU; refuse(times?: number): void } {
  const into = observations();
  let refusals = 0;
  const gpu = {
    wgslLanguageFeatures: real.wgslLanguageFeatures,
    async requestAdapter(options: GPURequestAdapterOptions) {
      const adapter = refusals-- > 0 ? null : await real.requestAdapter(options);
      return adapter && observed(adapter, into).adapter;
    },
  } as unknown as GPU;
  return Object.assign(into, { gpu, refuse: (times = Infinity) => void (refusals = times) });
}

function observations(): Observed & { watch(device: GPUDevice): void } {
  const devices: GPUDevice[] = [];
  const buffers = new Map<GPUBuffer, number>();
  const writes = { largest: 0, unwaited: 0, most: 0, total: 0 };
  let lose: (info: GPUDeviceLostInfo) => void = () => undefined;
  const watch = (device: GPUDevice): void => {
    devices.push(device);
    const createBuffer = device.createBuffer.bind(device);
    device.createBuffer = (options) => {
      const buffer = createBuffer(options);
      const destroy = buffer.destroy.bind(buffer);
      buffers.set(buffer, options.size);
      buffer.destroy = () => {
        buffers.delete(buffer);
        return destroy();
      };
      return buffer;
    };
    const { queue } = device;
    const writeBuffer = queue.writeBuffer.bind(queue) as (...args: unknown[]) => undefined;
    queue.writeBuffer = ((buffer: GPUBuffer, offset: number, data: ArrayBuffer, from?: number, size: number = data.byteLength) => {
      writes.largest = Math.max(writes.largest, size);
      writes.unwaited += size;
      writes.most = Math.max(writes.most, writes.unwaited);
      writes.total += size;
      return writeBuffer(buffer, offset, data, from, size);
    }) as GPUQueue['writeBuffer'];
    const done = queue.onSubmittedWorkDone.bind(queue);
    queue.onSubmittedWorkDone = () => done().finally(() => void (writes.unwaited = 0));
    const lost = Promise.race([device.lost, new Promise<GPUDeviceLostInfo>((resolve) => (lose = resolve))]);
    Object.defineProperty(device, 'lost', { value: lost });
  };
  return {
    devices,
    writes,
    watch,
    live: () => buffers.size,
    liveBytes: () => [...buffers.values()].reduce((sum, bytes) => sum + bytes, 0),
    lose: () => lose({ reason: 'unknown', message: 'the driver restarted' } as GPUDeviceLostInfo),
  };
}
