/** A runner as a program, for tests that kill it: node <this> <folder>. */
import { runRunner } from '../../src/daemon/runner/main.ts';

await runRunner(process.argv[2] ?? '');
