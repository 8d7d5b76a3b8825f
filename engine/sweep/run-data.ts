/** The rows that a run is trained on, from the `data` of a sweep: a generator's spec, or files with the names of `saekit train`'s flags. */
import { UsageError } from '../errors.js';
import { resolveGenerator } from '../generate/generators.js';
import type { TrainData, Truth } from '../train/data.js';
import { openTrainData, type TrainDataOptions } from '../train/open-data.js';
import type { Json, JsonObject } from './config.js';

const isText = (value: Json): boolean => typeof value === 'string' && value !== '';
const isWhole = (value: Json): boolean => Number.isSafeInteger(value) && (value as number) >= 0;
const isWholeList = (value: Json): boolean => Array.isArray(value) && value.every((item) => isWhole(item as Json));

/** By key: what it is to openTrainData, what it must be, and in words. */
const FILES: Readonly<Record<string, readonly [name: keyof TrainDataOptions, fits: (value: Json) => boolean, expected: string]>> = {
  acts: ['acts', isText, 'a file, for example x.npy'],
  model: ['model', isText, 'an ONNX file'],
  tokens: ['tokens', isText, 'a file, for example tokens.npy'],
  hook: ['hook', isText, "the name of a model's output"],
  context_size: ['contextSize', isWhole, 'a whole number'],
  ignore_tokens: ['ignoreTokens', isWholeList, 'a list of whole numbers'],
  ignore_positions: ['ignorePositions', isWholeList, 'a list of whole numbers'],
};

const isGenerator = (data: JsonObject): boolean => data['kind'] !== undefined;

/** The data's description, complete. @throws UsageError naming what is wrong */
export function checkData(data: JsonObject): JsonObject {
  if (isGenerator(data)) return resolveGenerator(data) as unknown as JsonObject;
  for (const [key, value] of Object.entries(data)) {
    const known = Object.hasOwn(FILES, key) ? FILES[key] : undefined;
    if (known === undefined) throw new UsageError(`data.${key}: there is no such key`, { hint: `A generator has kind; otherwise there are ${Object.keys(FILES).join(', ')}.` });
    if (!known[1](value)) throw new UsageError(`data.${key} is ${JSON.stringify(value)}, expected ${known[2]}`);
  }
  return data;
}

/** As `openTrainData` and `train` take it. */
export function trainDataOptions(data: JsonObject): Omit<TrainDataOptions, 'seed'> {
  if (isGenerator(data)) return { generate: data };
  return Object.fromEntries(Object.entries(data).map(([key, value]) => [FILES[key]?.[0] ?? key, value]));
}

/** @param seed of the order of rows; a generator has its own */
export async function openRunData(data: JsonObject, seed: number, signal?: AbortSignal): Promise<{ readonly data: TrainData; readonly truth: Truth | null }> {
  const opened = await openTrainData({ ...trainDataOptions(data), seed, signal });
  return { data: opened, truth: (opened as TrainData & { readonly truth?: Truth | null }).truth ?? null };
}
