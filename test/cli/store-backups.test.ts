/** `retention.backups`: the newest copies stay, nothing else is touched. */
import { mkdir, mkdtemp, readdir, symlink, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { keepNewestBackups } from '../../src/cli/store-backups.ts';

it('keeps the newest copies of this store, and everything that is not one', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'backups-'));
  const store = join(folder, 'hub.db');
  const copies = [2, 3, 4, 5].map((schema) => `hub.db.before-schema-${schema}-2026010${schema}101010.123.db`);
  const others = [
    'hub.db',
    'hub.db-wal',
    'hub.db.before-schema-9.mine.db',
    'daemon.db.before-schema-1-20200101101010.000.db',
    'my-hub.db.before-schema-1-20200101101010.000.db',
  ];
  for (const [index, name] of [...copies, ...others].entries()) {
    await writeFile(join(folder, name), 'x');
    await utimes(join(folder, name), 1_000 + index, 1_000 + index);
  }
  await symlink(join(folder, 'hub.db'), join(folder, 'hub.db.before-schema-1-link.db'));
  await mkdir(join(folder, 'hub.db.before-schema-1-folder.db'));
  const failures: unknown[] = [];
  const gone = await keepNewestBackups(store, 2, (error) => failures.push(error));
  expect(gone).toEqual([join(folder, copies[1] ?? ''), join(folder, copies[0] ?? '')]);
  expect((await readdir(folder)).sort()).toEqual(
    [...copies.slice(2), ...others, 'hub.db.before-schema-1-link.db', 'hub.db.before-schema-1-folder.db'].sort(),
  );
  expect(await keepNewestBackups(join(folder, 'nowhere', 'hub.db'), 2, (error) => failures.push(error))).toEqual([]);
  expect(failures).toEqual([]);
});
