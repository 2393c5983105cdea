// Adds up the suites' JSON reports and the steps that failed, and prints the closing line. A suite without a report, or whose report
// holds no test, counts as failed: nothing may be skipped silently.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

const SUITES = ['unit', 'browser', 'agents', 'kill', 'newest-node'];
const [, , directory, ...failedSteps] = process.argv;
let passed = 0;
let failed = 0;
let skipped = 0;
for (const suite of SUITES) {
  try {
    const report = JSON.parse(readFileSync(join(directory, `${suite}.json`), 'utf8'));
    passed += report.numPassedTests;
    failed += report.numFailedTests;
    skipped += report.numPendingTests + report.numTodoTests;
    if (report.numPassedTests === 0) throw new Error('no test ran');
    console.log(
      `${suite}: ${report.numPassedTests} passed, ${report.numFailedTests} failed, ${report.numPendingTests} skipped`,
    );
  } catch (error) {
    failed += 1;
    console.log(`${suite}: did not run (${error.message})`);
  }
}
if (skipped > 0) {
  failed += 1;
  console.log(`${skipped} tests were skipped; CI runs all of them`);
}
for (const step of failedSteps) {
  failed += 1;
  console.log(`step failed: ${step}`);
}
console.log(`\n${passed} passed, ${failed} failed`);
process.exit(failed === 0 ? 0 : 1);
