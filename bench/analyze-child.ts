/** `saekit` as a child process that leaves its peak memory, in KiB, in the file that SAEKIT_BENCH_RSS names. */
import { writeFileSync } from 'node:fs';
import process from 'node:process';

process.on('exit', () => writeFileSync(process.env.SAEKIT_BENCH_RSS ?? '', String(process.resourceUsage().maxRSS)));
await import('../cli/main.js');
