/** Calibrations in a page and in a worker: IndexedDB, which both have. */
import { expect } from '@esm-bundle/chai';
import { calibrate } from '../../engine/calibrate.js';
import { loadCalibration, machineName, saveCalibration } from '../../engine/cost-cache.js';
import { chooseByCost } from '../../engine/cost-model.js';
import { createWasmBackend } from '../../engine/wasm/backend.js';

describe('cost model in a page', () => {
  it('is measured, kept and read again', async () => {
    const backend = await createWasmBackend();
    const calibration = await calibrate([backend], { machine: await machineName(), budget: 1 });
    await backend.dispose();
    expect(await loadCalibration(calibration.key)).to.equal(null);
    expect(await saveCalibration(calibration)).to.equal(true);
    expect(await loadCalibration(calibration.key)).to.deep.equal(calibration);
    expect(await loadCalibration('another key')).to.equal(null);
    expect(chooseByCost({ rows: 256, d_in: 768, d_sae: 6144, rule: 'topk' }, calibration)?.backend).to.equal('wasm');
  });

  it('a page that may not store anything measures again', async () => {
    const own = Object.getOwnPropertyDescriptor(globalThis, 'indexedDB')!;
    // As in a sandboxed frame: touching it throws.
    Object.defineProperty(globalThis, 'indexedDB', { configurable: true, get: () => { throw new DOMException('denied', 'SecurityError'); } });
    try {
      expect(await saveCalibration({ format: 1, key: 'k', seconds: 1, backends: [] })).to.equal(false);
      expect(await loadCalibration('k')).to.equal(null);
    } finally {
      Object.defineProperty(globalThis, 'indexedDB', own);
    }
  });
});
