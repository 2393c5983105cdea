/** The store as a whole: its schema, its epoch, its file. */
import { copyFile, mkdtemp, rename, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { HubStore } from '../../../src/hub/store/hub-store.ts';
import { silentLog } from '../../../src/platform/log.ts';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'hub-store-'));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

const open = (): Promise<HubStore> => HubStore.open({ file: join(folder, 'hub.db'), log: silentLog() });

describe('the hub store', () => {
  it('keeps its epoch over restarts, and is readable by its owner only', async () => {
    const first = await open();
    const { epoch } = first;
    await first.close();
    const second = await open();
    expect(second.epoch).toBe(epoch);
    expect((await stat(join(folder, 'hub.db'))).mode & 0o077).toBe(0);
    await second.close();
  });

  it('has another epoch after a backup was put in its place', async () => {
    const first = await open();
    const { epoch } = first;
    await first.close();
    await copyFile(join(folder, 'hub.db'), join(folder, 'backup.db'));
    await rename(join(folder, 'backup.db'), join(folder, 'hub.db'));
    const second = await open();
    expect(second.epoch).not.toBe(epoch);
    await second.close();
  });
});
