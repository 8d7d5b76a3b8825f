/** Loss, limits, memory and timings of a device in Chromium (Tint; SwiftShader or a real GPU). */
import { deviceSuite } from '../shared/device-suite.js';

describe('WebGPU devices in the browser', () => {
  for (const { name, run } of deviceSuite) it(name, () => run());
});
