/** Deno generates the rows that Node does. */
import { checkGolden, goldens } from '../shared/generate-golden.js';

declare const Deno: { test(name: string, run: () => void): void };

for (const golden of goldens) Deno.test(`${golden.spec.kind}: the rows are what they have always been`, () => checkGolden(golden));
