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

/** The adapter itself, but the devices it gives are kept, and their buffers counted. */
export function observed(real: GPUAdapter): { adapter: GPUAdapter; devices: GPUDevice[]; live(): number } {
  const devices: GPUDevice[] = [];
  const buffers = new Set<GPUBuffer>();
  const adapter = {
    limits: real.limits,
    features: real.features,
    info: real.info,
    async requestDevice(descriptor: GPUDeviceDescriptor) {
      const device = await real.requestDevice(descriptor);
      const createBuffer = device.createBuffer.bind(device);
      device.createBuffer = (options) => {
        const buffer = createBuffer(options);
        const destroy = buffer.destroy.bind(buffer);
        buffers.add(buffer);
        buffer.destroy = () => {
          buffers.delete(buffer);
          return destroy();
        };
        return buffer;
      };
      devices.push(device);
      return device;
    },
  } as unknown as GPUAdapter;
  return { adapter, devices, live: () => buffers.size };
}
