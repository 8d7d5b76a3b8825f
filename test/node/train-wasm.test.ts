/** Training on WASM against float64. */
import test from 'node:test';
import { createWasmTrainBackend } from '../../engine/wasm/train/backend.js';
import { trainSuite } from '../shared/train-suite.js';

trainSuite(() => createWasmTrainBackend(), (name, body) => void test(name, body));
