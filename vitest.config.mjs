// The suites: `unit` is what `npm test` runs; the others need a browser, the real agents, or minutes. Each has its own npm script.
import { availableParallelism } from 'node:os';
import { defineConfig } from 'vitest/config';

const SLOW = ['test/**/*.browser.test.ts', 'test/**/*.agents.test.ts', 'test/**/*.faults.test.ts'];

/** What a busy machine needs until something is so; a fault of ours stays one for longer. */
const PATIENCE = { poll: { timeout: 15_000 } };

/** Records the screens that the tests read; a test only by its runner. RECORD_SCREENS=all npx vitest run --project agents test/screens */
const NOT_A_TEST = process.env.RECORD_SCREENS === undefined ? ['test/screens/**'] : [];

function suite(name, minutes, retry = 0) {
  return {
    test: {
      name,
      include: [`test/**/*.${name}.test.ts`],
      exclude: ['**/node_modules/**', ...NOT_A_TEST],
      // Each test has machines, browsers or agents of its own; two at once only disturb each other.
      fileParallelism: false,
      retry,
      expect: PATIENCE,
      testTimeout: minutes * 60_000,
      hookTimeout: minutes * 60_000,
    },
  };
}

// Vitest reads its configuration from the default export.
export default defineConfig({
  test: {
    projects: [
      {
        test: {
          name: 'unit',
          include: ['test/**/*.test.ts'],
          exclude: ['**/node_modules/**', ...SLOW],
          // They mostly wait for processes and sockets: as many at once as there are cores, also where there are only two.
          maxWorkers: Math.max(2, availableParallelism() - 1),
          expect: PATIENCE,
          testTimeout: 30_000,
          hookTimeout: 30_000,
        },
      },
      // A real browser and real agents have their own moods; a fault of ours fails twice.
      suite('browser', 5, 1),
      suite('agents', 4, 1),
      suite('faults', 60),
    ],
  },
});
