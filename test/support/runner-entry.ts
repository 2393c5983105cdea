/** A runner as a program: `node bundle runner <directory>`, for tests of the launcher. */
import { runRunner } from '../../src/daemon/runner/main.ts';

const directory = process.argv[3];
if (process.argv[2] !== 'runner' || directory === undefined) throw new Error('usage: runner <directory>');
await runRunner(directory);
