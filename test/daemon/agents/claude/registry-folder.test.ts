/** The folder of live sessions, with real files: what a program writes there beside its records keeps nobody from seeing them. */
import { mkdtempSync, realpathSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { RegistryFolder, type RegistryLook } from '../../../../src/daemon/agents/claude/registry-folder.ts';
import { systemProcesses } from '../../../../src/daemon/agents/process-table.ts';
import { systemClock } from '../../../../src/platform/clock.ts';
import { silentLog } from '../../../../src/platform/log.ts';

let folder: string;
let registry: RegistryFolder;
let heard: (look: RegistryLook) => void;
beforeEach(async () => {
  folder = realpathSync(mkdtempSync(join(tmpdir(), 'registry-')));
  heard = () => undefined;
  registry = new RegistryFolder({
    ...{ folder, processes: systemProcesses, clock: systemClock, log: silentLog() },
    onLook: async (look) => heard(look),
  });
  await registry.start();
});
afterEach(async () => {
  await registry.stop();
  rmSync(folder, { recursive: true, force: true });
});

function until(fits: (look: RegistryLook) => boolean): Promise<RegistryLook> {
  return new Promise((resolve) => (heard = (look) => (fits(look) ? resolve(look) : undefined)));
}

it.each(['a.tmp', `${process.pid}.json.tmp`])(
  'a record that comes by way of %s is seen, and each change of it',
  async (name) => {
    const record = (status: string): void => {
      writeFileSync(
        join(folder, name),
        JSON.stringify({ pid: process.pid, sessionId: 'sess-0001', cwd: '/x', status }),
      );
      renameSync(join(folder, name), join(folder, `${process.pid}.json`));
    };
    for (const status of ['busy', 'waiting', 'idle']) {
      const seen = until(({ live }) => live.some((one) => one.record.status === status));
      record(status);
      expect((await seen).live).toHaveLength(1);
    }
  },
);

it('a record that is gone is missed by the look at all', async () => {
  const file = join(folder, `${process.pid}.json`);
  const seen = until(({ live }) => live.length === 1);
  writeFileSync(file, JSON.stringify({ pid: process.pid, sessionId: 'sess-0001', cwd: '/x' }));
  await seen;
  const missed = until(({ of, live, unreadable }) => of === undefined && live.length + unreadable.length === 0);
  rmSync(file);
  await missed;
});
