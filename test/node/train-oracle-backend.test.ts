/** The oracle as a backend, held to what every backend is held to: what it has of the contract besides arithmetic, and the suite itself. */
import test from 'node:test';
import { createOracleTrainBackend } from '../shared/train-oracle.js';
import { trainSuite } from '../shared/train-suite.js';

trainSuite(() => Promise.resolve(createOracleTrainBackend()), (name, body) => void test(name, body));
