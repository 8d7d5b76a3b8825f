/**
 * What a device can do, negotiated: of every limit and feature the least of what
 * the adapter has, what the kernels can use, and what a caller allows. Asking for
 * more than is used would only make the device harder to get.
 *
 * The ceilings exist so that every path for lesser devices can be run on a better
 * one: a feature that is left out is not asked of the adapter at all, so that a
 * kernel that uses it nevertheless does not compile.
 */
import type { PlanLimits } from './decide.js';

/** f16: `shader-f16`. packedDot: WGSL's dot4I8Packed and friends. */
export type Feature = 'f16' | 'subgroups' | 'timestamps' | 'packedDot';

/** Limits that sizes and variants of kernels depend on, as WebGPU names them. */
export interface DeviceLimits extends PlanLimits {
  readonly maxComputeWorkgroupStorageSize: number;
  readonly maxComputeInvocationsPerWorkgroup: number;
  readonly maxStorageBuffersPerShaderStage: number;
}

export interface Capabilities {
  readonly f16: boolean;
  /**
   * The sizes that a subgroup may have; null where there are none. An adapter that
   * does not tell its sizes (Safari) gets those that WebGPU allows, 4 to 128: a
   * kernel must be right for any of them.
   */
  readonly subgroups: { readonly min: number; readonly max: number } | null;
  readonly timestamps: boolean;
  readonly packedDot: boolean;
  readonly limits: DeviceLimits;
}

/** Less than the adapter has: for tests, and to leave room for others. */
export interface Ceilings {
  readonly limits?: Partial<DeviceLimits> | undefined;
  readonly without?: readonly Feature[] | undefined;
}

/** What the kernels can use. More bytes than these are never asked for: larger weights are cut into blocks. */
const WANTED: DeviceLimits = {
  maxStorageBufferBindingSize: 2 ** 30,
  maxBufferSize: 2 ** 30,
  maxComputeWorkgroupsPerDimension: 65_535,
  maxComputeWorkgroupStorageSize: 32_768,
  maxComputeInvocationsPerWorkgroup: 256,
  maxStorageBuffersPerShaderStage: 10,
};
const LIMITS = Object.keys(WANTED) as readonly (keyof DeviceLimits)[];
const FEATURES = { f16: 'shader-f16', subgroups: 'subgroups', timestamps: 'timestamp-query' } as const;
/** WebGPU's bounds, for adapters that support subgroups and keep their sizes to themselves. */
const SUBGROUP_SIZES = { min: 4, max: 128 };

/** What to ask of an adapter. Pure. */
export function deviceRequest(adapter: Pick<GPUAdapter, 'features' | 'limits'>, { without = [] }: Ceilings = {}): { requiredFeatures: GPUFeatureName[]; requiredLimits: Record<string, number> } {
  const requiredFeatures = (Object.keys(FEATURES) as (keyof typeof FEATURES)[])
    .filter((name) => !without.includes(name))
    .map((name) => FEATURES[name] as GPUFeatureName)
    .filter((feature) => adapter.features.has(feature));
  const requiredLimits: Record<string, number> = {};
  for (const name of LIMITS) {
    const limit: number | undefined = adapter.limits[name];
    if (limit !== undefined) requiredLimits[name] = Math.min(limit, WANTED[name]);
  }
  return { requiredFeatures, requiredLimits };
}

/**
 * What a device that was asked for so has, and may be used. Pure.
 *
 * @param info of the adapter; may be missing or incomplete
 * @param language WGSL's optional features in this runtime (`GPU.wgslLanguageFeatures`), which belong to no adapter
 */
export function capabilitiesOf(device: Pick<GPUDevice, 'features' | 'limits'>, info: Partial<GPUAdapterInfo> | undefined, language: ReadonlySet<string> | undefined, ceilings: Ceilings = {}): Capabilities {
  const { limits = {}, without = [] } = ceilings;
  const may = (feature: Feature): boolean => !without.includes(feature);
  const has = (feature: keyof typeof FEATURES): boolean => may(feature) && device.features.has(FEATURES[feature]);
  const least = (name: keyof DeviceLimits): number => Math.min(device.limits[name] ?? WANTED[name], limits[name] ?? Infinity);
  return {
    f16: has('f16'),
    subgroups: has('subgroups') ? subgroupSizes(info) : null,
    timestamps: has('timestamps'),
    packedDot: may('packedDot') && language?.has('packed_4x8_integer_dot_product') === true,
    limits: Object.fromEntries(LIMITS.map((name) => [name, least(name)])) as unknown as DeviceLimits,
  };
}

function subgroupSizes(info: Partial<GPUAdapterInfo> | undefined): { min: number; max: number } {
  const { subgroupMinSize: min, subgroupMaxSize: max } = info ?? {};
  const told = typeof min === 'number' && typeof max === 'number' && min >= SUBGROUP_SIZES.min && max >= min;
  return told ? { min, max } : SUBGROUP_SIZES;
}
