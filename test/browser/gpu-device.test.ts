/** Loss, limits, memory and timings of a device in Chromium (Tint; SwiftShader or a real GPU). */
import { deviceMemorySuite } from '../shared/device-memory-suite.js';
import { deviceSuite } from '../shared/device-suite.js';

describe('WebGPU devices in the browser', () => {
  for (const { name, run } of [...deviceSuite, ...deviceMemorySuite]) it(name, () => run());
});
