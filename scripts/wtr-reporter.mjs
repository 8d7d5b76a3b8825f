/** A web-test-runner reporter that prints failures as they come and writes the counts for scripts/test.mjs. */
import { writeFileSync } from 'node:fs';

/** @param {string | undefined} file where to write {passed, failed, skipped} */
export function reporter(file) {
  return {
    stop({ sessions }) {
      const count = { passed: 0, failed: 0, skipped: 0 };
      const walk = (suite, trail) => {
        for (const test of suite.tests ?? []) {
          const name = [...trail, test.name].join(' > ');
          if (test.skipped) count.skipped++;
          else if (test.passed) count.passed++;
          else {
            count.failed++;
            process.stdout.write(`not ok ${name}\n${indent(test.error?.message)}\n${indent(test.error?.stack)}\n${diff(test.error)}`);
          }
          if (test.passed) process.stdout.write(`ok ${name}${test.duration > 2000 ? ` (${(test.duration / 1000).toFixed(1)} s)` : ''}\n`);
        }
        for (const child of suite.suites ?? []) walk(child, [...trail, child.name]);
      };
      for (const session of sessions) {
        const where = session.testFile.replace(process.cwd(), '').replace(/^\//, '');
        process.stdout.write(`# ${where}\n`);
        // A file that does not load, or whose page breaks, has no failing test of its own: count it.
        for (const error of session.errors ?? []) {
          count.failed++;
          process.stdout.write(`not ok ${where}: ${error.message}\n${indent(error.stack)}\n`);
        }
        for (const request of session.request404s ?? []) process.stdout.write(`  404: ${request}\n`);
        if (session.testResults) walk(session.testResults, []);
        if (!session.passed || (session.errors?.length ?? 0) > 0) {
          for (const log of session.logs ?? []) process.stdout.write(`  log: ${log.map(String).join(' ')}\n`);
        }
      }
      if (file) writeFileSync(file, JSON.stringify(count));
      process.stdout.write(`browser: ${count.passed} passed, ${count.failed} failed, ${count.skipped} skipped\n`);
    },
  };
}

const indent = (text) => (text ?? '').split('\n').map((line) => `    ${line}`).join('\n');
const diff = (error) => (error?.actual === undefined ? '' : `    expected: ${error.expected}\n    actual:   ${error.actual}\n`);
