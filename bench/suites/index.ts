/** All suites, in the order in which they run. */
import { codesSuite } from './codes.js';
import { decodeSuite } from './decode.js';
import { encodeSuite } from './encode.js';
import type { Suite } from './suite.js';
import { topkSuite } from './topk.js';
import { trainingSuite } from './training.js';
import { webgpuSuite } from './webgpu.js';

export const suites: readonly Suite[] = [encodeSuite, webgpuSuite, topkSuite, codesSuite, decodeSuite, trainingSuite];

/** Runs in Node only, by itself: it starts programs. */
export const ANALYZE = { name: 'analyze', title: 'saekit analyze end to end, as features and tokens grow', runtimes: ['node'] } as const;
