/** Reading saved states: what comes from another shard or from disk is checked before it is added. */
import { ShapeError } from '../errors.js';
import type { StateValue } from '../run/accumulator.js';

/** An own property of a saved state. @throws ShapeError when there is none */
export function stateField(saved: StateValue, key: string): StateValue {
  if (typeof saved !== 'object' || saved === null || Array.isArray(saved) || ArrayBuffer.isView(saved) || !Object.hasOwn(saved, key)) {
    throw new ShapeError(`the saved state has no ${key}`, { hint: 'It is the state of another analysis, or of another version.' });
  }
  return (saved as Readonly<Record<string, StateValue>>)[key] as StateValue;
}

const wrong = (what: string, expected: string): ShapeError => new ShapeError(`the saved state's ${what} is not ${expected}`, { hint: 'It belongs to another SAE, or to other settings.' });

/** An Int32Array, Uint32Array, Uint16Array or Uint8Array, of a length when one is given. */
export function indexArray(value: StateValue, what: string, length?: number): Int32Array | Uint32Array | Uint16Array | Uint8Array {
  const fits = value instanceof Int32Array || value instanceof Uint32Array || value instanceof Uint16Array || value instanceof Uint8Array;
  if (!fits || (length !== undefined && value.length !== length)) throw wrong(what, `an array of ${length ?? 'some'} whole numbers`);
  return value;
}

/** A Float32Array or Float64Array, of a length when one is given. */
export function floatArray(value: StateValue, what: string, length?: number): Float32Array | Float64Array {
  const fits = value instanceof Float32Array || value instanceof Float64Array;
  if (!fits || (length !== undefined && value.length !== length)) throw wrong(what, `an array of ${length ?? 'some'} numbers`);
  return value;
}

/** A finite number. */
export function savedNumber(value: StateValue, what: string): number {
  if (typeof value !== 'number' || !Number.isFinite(value)) throw wrong(what, 'a finite number');
  return value;
}
