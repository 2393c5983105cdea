// The suites: `unit` is what `npm test` runs; the others need a browser, the real agents, or minutes. Each has its own npm script.
import { defineConfig } from 'vitest/config';

const SLOW = ['test/**/*.browser.test.ts', 'test/**/*.agents.test.ts', 'test/**/*.faults.test.ts'];

function suite(name, minutes) {
  return {
    test: {
      name,
      include: [`test/**/*.${name}.test.ts`],
      exclude: ['**/node_modules/**'],
      // Each test has machines, browsers or agents of its own; two at once only disturb each other.
      fileParallelism: false,
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
          testTimeout: 30_000,
          hookTimeout: 30_000,
        },
      },
      suite('browser', 5),
      suite('agents', 10),
      suite('faults', 60),
    ],
  },
});
