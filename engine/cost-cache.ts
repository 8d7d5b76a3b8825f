/**
 * Where a calibration is kept: a file in the user's cache folder (Node, Deno),
 * IndexedDB in pages and workers. It is a convenience: a place that cannot be
 * read or written, or holds something else, means measuring again.
 */
import { isCalibration, type Calibration } from './cost-model.js';

type Host = typeof globalThis & { Deno?: unknown; process?: { versions?: { node?: string } } };

const isServer = (): boolean => {
  const { Deno, process } = globalThis as Host;
  return Deno !== undefined || process?.versions?.node !== undefined;
};

/** Names this machine as far as the runtime tells: a cache folder may be shared by several. */
export async function machineName(): Promise<string> {
  if (isServer()) return (await import('./cost-cache-node.js')).machineName();
  const { userAgent = '', hardwareConcurrency = 0 } = globalThis.navigator ?? {};
  return `${userAgent}, ${hardwareConcurrency} cores${(globalThis as { crossOriginIsolated?: boolean }).crossOriginIsolated === true ? ', isolated' : ''}`;
}

/** The calibration of this key, or null; never throws. */
export async function loadCalibration(key: string): Promise<Calibration | null> {
  try {
    const value: unknown = isServer() ? await (await import('./cost-cache-node.js')).read(key) : await request('readonly', (store) => store.get(key));
    return isCalibration(value, key) ? value : null;
  } catch {
    return null;
  }
}

/** Keeps a calibration. @returns whether that was possible; never throws */
export async function saveCalibration(calibration: Calibration): Promise<boolean> {
  try {
    if (isServer()) await (await import('./cost-cache-node.js')).write(calibration);
    else await request('readwrite', (store) => store.put(calibration, calibration.key));
    return true;
  } catch {
    return false;
  }
}

const STORE = 'calibrations';

/** One request to IndexedDB, which pages and workers both have. @throws where the page may not store anything */
async function request<T>(mode: IDBTransactionMode, ask: (store: IDBObjectStore) => IDBRequest<T>): Promise<T> {
  const opening = indexedDB.open('saekit', 1);
  opening.onupgradeneeded = () => void opening.result.createObjectStore(STORE);
  const database = await settled(opening);
  try {
    return await settled(ask(database.transaction(STORE, mode).objectStore(STORE)));
  } finally {
    database.close();
  }
}

function settled<T>(asked: IDBRequest<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    asked.onsuccess = () => resolve(asked.result);
    asked.onerror = () => reject(asked.error ?? new Error('IndexedDB refused'));
  });
}
