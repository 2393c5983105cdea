/**
 * Numbered, transactional migrations. `PRAGMA user_version` is the schema's number. Before a store that holds something is changed, a whole
 * copy is put beside it; a store of a newer version is refused in words.
 */
import type SqliteDatabase from 'better-sqlite3';
import { IntercomError } from '../../protocol/errors.ts';
import type { Log } from '../log.ts';

export interface Migration {
  /** What it does, for the log. */
  readonly name: string;
  /** SQL statements, run in one transaction with the number. */
  readonly sql: string;
}

/** Brings the store to the newest schema. The first migration makes number 1. */
export function migrate(
  database: SqliteDatabase.Database,
  migrations: readonly Migration[],
  file: string,
  log: Log,
): void {
  const current = Number(database.pragma('user_version', { simple: true }));
  const newest = migrations.length;
  if (current > newest) {
    throw new IntercomError(
      'storage_too_new',
      `${file} has schema ${current}; this version of intercom knows ${newest}.`,
      {
        next: 'Upgrade intercom on this machine, or restore the backup that was made before the upgrade.',
      },
    );
  }
  if (current === newest) return;
  if (current > 0) {
    const backup = `${file}.before-schema-${current + 1}`;
    database.prepare('VACUUM INTO ?').run(freeName(database, backup));
    log.info({ backup }, 'store backed up before its schema changes');
  }
  for (let number = current + 1; number <= newest; number += 1) {
    const migration = migrations[number - 1];
    if (migration === undefined) break;
    database.transaction(() => {
      database.exec(migration.sql);
      database.pragma(`user_version = ${number}`);
    })();
    log.info({ schema: number, migration: migration.name }, 'store schema changed');
  }
}

// VACUUM INTO refuses an existing file: a backup of an interrupted upgrade stays, the new one gets the time.
function freeName(database: SqliteDatabase.Database, wanted: string): string {
  const time = database.prepare<[], { t: string }>("SELECT strftime('%Y%m%d%H%M%f','now') AS t").get();
  return `${wanted}-${time?.t ?? 'copy'}.db`;
}
