/** Windows as plain arrays, for the state of a shard: one entry a window, activations and tokens end to end. */
import { ShapeError } from '../../../engine/errors.js';
import type { StateValue } from '../../../engine/run/accumulator.js';
import { floatArray, indexArray, stateField } from '../../../engine/sketches/saved.js';
import { popcount, type WindowStore } from '../../../engine/sketches/window-store.js';

/** A window of the store and what it is kept for. */
export interface SavedWindow {
  readonly feature: number;
  readonly flags: number;
  readonly item: number;
}

export interface LoadedWindow {
  readonly feature: number;
  readonly flags: number;
  readonly context: number;
  readonly position: number;
  readonly value: number;
  readonly mask: number;
  readonly values: ArrayLike<number>;
  readonly tokens: Int32Array | null;
}

export function saveWindows(store: WindowStore, windows: readonly SavedWindow[]): StateValue {
  let activations = 0;
  let ids = 0;
  for (const { item } of windows) {
    activations += popcount(store.mask(item));
    ids += store.read(item).tokens.length;
  }
  const values = new Float32Array(activations);
  const tokens = new Int32Array(ids);
  let value = 0;
  let token = 0;
  for (const { item } of windows) {
    const view = store.read(item);
    values.set(view.values, value);
    tokens.set(view.tokens, token);
    value += view.values.length;
    token += view.tokens.length;
  }
  return {
    features: Uint32Array.from(windows, ({ feature }) => feature),
    flags: Uint8Array.from(windows, ({ flags }) => flags),
    contexts: Uint32Array.from(windows, ({ item }) => store.context(item)),
    positions: Uint32Array.from(windows, ({ item }) => store.position(item)),
    masks: Uint32Array.from(windows, ({ item }) => store.mask(item)),
    values,
    tokens,
  };
}

/** Reads the windows back. @throws ShapeError when they are of another SAE or stream */
export function* loadWindows(saved: StateValue, store: WindowStore, d_sae: number, hasTokens: boolean): Generator<LoadedWindow> {
  const features = indexArray(stateField(saved, 'features'), 'features');
  const list = (name: string) => indexArray(stateField(saved, name), name, features.length);
  const flags = list('flags');
  const contexts = list('contexts');
  const positions = list('positions');
  const masks = list('masks');
  const values = floatArray(stateField(saved, 'values'), 'values');
  const tokens = stateField(saved, 'tokens');
  if (!(tokens instanceof Int32Array)) throw new ShapeError("the saved state's tokens are no Int32Array");
  let value = 0;
  let token = 0;
  for (let i = 0; i < features.length; i++) {
    const feature = features[i] as number;
    const position = positions[i] as number;
    const mask = masks[i] as number;
    const [start, end] = store.bounds(position);
    const active = popcount(mask);
    const before = popcount(mask & ((1 << (position - start)) - 1));
    const length = hasTokens ? end - start : 0;
    if (feature >= d_sae || end <= position || ((mask >>> (position - start)) & 1) === 0 || value + active > values.length || token + length > tokens.length) {
      throw new ShapeError(`window ${i} of the saved state does not fit`, { hint: 'It belongs to another SAE, stream, or other settings.' });
    }
    yield {
      feature,
      flags: flags[i] as number,
      context: contexts[i] as number,
      position,
      value: values[value + before] as number,
      mask,
      values: values.subarray(value, value + active),
      tokens: hasTokens ? tokens.subarray(token, token + length) : null,
    };
    value += active;
    token += length;
  }
  if (token !== tokens.length) throw new ShapeError('the saved state has tokens of another stream');
}
