import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { silentLog } from '../../src/platform/log.ts';
import { Database } from '../../src/platform/store/database.ts';
import { IntercomError } from '../../src/protocol/errors.ts';

interface Schema {
  things: { id: number; name: string };
}
const migrations = [
  { name: 'things', sql: 'CREATE TABLE things (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE) STRICT' },
];

let directory: string;
let file: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'store-'));
  file = join(directory, 'x.db');
});
afterEach(() => rmSync(directory, { recursive: true, force: true }));

const open = (extra = migrations) => Database.open<Schema>({ file, migrations: extra, log: silentLog() });
const names = (database: Database<Schema>) =>
  database.read(async (db) =>
    (await db.selectFrom('things').select('name').orderBy('id').execute()).map((row) => row.name),
  );

describe('Database', () => {
  it('commits concurrent jobs, each alone: one that throws changes nothing and harms no other', async () => {
    const database = open();
    const jobs = ['a', 'b', 'boom', 'c'].map((name) =>
      database.write(async ({ db }) => {
        await db
          .insertInto('things')
          .values({ id: name.charCodeAt(0), name })
          .execute();
        if (name === 'boom') throw new IntercomError('conflict', 'no');
        return name;
      }),
    );
    const results = await Promise.allSettled(jobs);
    expect(results.map((result) => result.status)).toEqual(['fulfilled', 'fulfilled', 'rejected', 'fulfilled']);
    expect(await names(database)).toEqual(['a', 'b', 'c']);
    await database.close();
  });

  it('runs afterCommit tasks in order, after the data is readable, and not for a failed job', async () => {
    const database = open();
    const told: string[] = [];
    await Promise.allSettled([
      database.write(async (transaction) => {
        await transaction.db.insertInto('things').values({ id: 1, name: 'one' }).execute();
        transaction.afterCommit(() => told.push('one'));
      }),
      database.write(async (transaction) => {
        transaction.afterCommit(() => told.push('never'));
        throw new Error('no');
      }),
      database.write(async (transaction) => {
        transaction.afterCommit(() => told.push('three'));
      }),
    ]);
    expect(told).toEqual(['one', 'three']);
    await database.close();
  });

  it('refuses a store of a newer version in words', async () => {
    const newer = open([...migrations, { name: 'more', sql: 'CREATE TABLE more (id INTEGER) STRICT' }]);
    await newer.close();
    expect(() => open()).toThrow(expect.objectContaining({ code: 'storage_too_new' }));
  });

  it('says that a damaged store is damaged', () => {
    writeFileSync(
      file,
      'this is no database, only some text that is long enough to be looked at as a header'.repeat(20),
    );
    expect(() => open()).toThrow(expect.objectContaining({ code: 'storage_failed' }));
  });
});
