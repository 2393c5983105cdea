import { mkdirSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { Lookout } from '../../../src/daemon/discovery/lookout.ts';
import { systemClock } from '../../../src/platform/clock.ts';
import { silentLog } from '../../../src/platform/log.ts';

let root: string;
beforeEach(() => {
  root = realpathSync(mkdtempSync(join(tmpdir(), 'lookout-')));
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

function make(name: string): void {
  mkdirSync(join(root, name));
  writeFileSync(join(root, name, 'CLAUDE.md'), '');
}

it('finds also what comes between its look and its watch', async () => {
  make('early');
  let heard: () => void = () => undefined;
  const late = new Promise<void>((resolve) => (heard = resolve));
  let looks = 0;
  const lookout = new Lookout({
    discovery: {
      scanPaths: [root],
      detectBy: ['CLAUDE.md'],
      exclude: [],
      depth: 2,
      enabled: true,
      rescanSeconds: 3600,
    },
    clock: systemClock,
    log: silentLog(),
    take: ({ found }) => {
      if ((looks += 1) === 1) make('late');
      if (found.includes(join(root, 'late'))) heard();
      return Promise.resolve();
    },
  });
  await lookout.start();
  await late;
  await lookout.stop();
  expect(looks).toBe(2);
});
