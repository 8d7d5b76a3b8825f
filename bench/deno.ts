/** The benchmarks in Deno: bundled and started by bench/runtimes.ts with one argument, `{root, names, quick, out}` as JSON. */
import { writeFileSync } from 'node:fs';
import process from 'node:process';
import { nodeHost } from './host-node.js';
import type { Row } from './rows.js';
import { suites } from './suites/index.js';
import { adapterDescription } from './suites/webgpu.js';

const { root, names, quick, out } = JSON.parse(process.argv[2] ?? '{}') as { root: string; names: string[]; quick: boolean; out: string };
const host = nodeHost(root, (line) => console.error(line));
const rows: Row[] = [];
for (const suite of suites) if (names.includes(suite.name)) rows.push(...(await suite.run(host, { quick })));
const adapter = names.includes('webgpu') ? (await adapterDescription()).name : null;
writeFileSync(out, JSON.stringify({ rows, description: host.description, adapter }));
// Threads of peers may hold the process.
process.exit(0);
