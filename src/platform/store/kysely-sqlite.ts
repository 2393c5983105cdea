/**
 * Kysely on one better-sqlite3 connection, with its prepared statements kept. Transactions are not Kysely's here: database.ts groups them.
 * A statement that the driver throws on rejects; everything else is as fast as the synchronous driver.
 */
import type SqliteDatabase from 'better-sqlite3';
import {
  type CompiledQuery,
  Kysely,
  SqliteAdapter,
  SqliteIntrospector,
  SqliteQueryCompiler,
  type DatabaseConnection,
  type Dialect,
  type Driver,
  type QueryResult,
} from 'kysely';

/** Distinct statements kept prepared; the repositories have far fewer. */
const STATEMENTS_MAX = 500;

class Connection implements DatabaseConnection {
  readonly #database: SqliteDatabase.Database;
  readonly #statements = new Map<string, SqliteDatabase.Statement>();

  constructor(database: SqliteDatabase.Database) {
    this.#database = database;
  }

  async executeQuery<R>(query: CompiledQuery): Promise<QueryResult<R>> {
    const statement = this.#prepared(query.sql);
    if (statement.reader) return { rows: rowsOf<R>(statement, query.parameters) };
    const { changes, lastInsertRowid } = statement.run(...query.parameters);
    return { rows: [], numAffectedRows: BigInt(changes), insertId: BigInt(lastInsertRowid) };
  }

  async *streamQuery<R>(): AsyncIterableIterator<QueryResult<R>> {
    throw new Error('Streaming is not used; page instead.');
  }

  #prepared(sql: string): SqliteDatabase.Statement {
    const kept = this.#statements.get(sql);
    if (kept !== undefined) return kept;
    const statement = this.#database.prepare(sql);
    if (this.#statements.size >= STATEMENTS_MAX) {
      const oldest = this.#statements.keys().next().value;
      if (oldest !== undefined) this.#statements.delete(oldest);
    }
    this.#statements.set(sql, statement);
    return statement;
  }
}

// The driver cannot know the shape of a row; the query builder does, and says so through R.
function rowsOf<R>(statement: SqliteDatabase.Statement, parameters: readonly unknown[]): R[] {
  const typed: SqliteDatabase.Statement<unknown[], R> = withRow<R>(statement);
  return typed.all(...parameters);
}

function withRow<R>(statement: SqliteDatabase.Statement): SqliteDatabase.Statement<unknown[], R>;
function withRow(statement: SqliteDatabase.Statement): SqliteDatabase.Statement {
  return statement;
}

function driverOn(database: SqliteDatabase.Database): Driver {
  const connection = new Connection(database);
  const grouped = async (): Promise<void> => {
    throw new Error('Transactions are grouped by Database.write.');
  };
  return {
    init: async () => undefined,
    acquireConnection: async () => connection,
    releaseConnection: async () => undefined,
    beginTransaction: grouped,
    commitTransaction: grouped,
    rollbackTransaction: grouped,
    destroy: async () => undefined,
  };
}

/** A query builder whose queries run at once on this connection. */
export function kyselyOn<Schema>(database: SqliteDatabase.Database): Kysely<Schema> {
  const dialect: Dialect = {
    createDriver: () => driverOn(database),
    createQueryCompiler: () => new SqliteQueryCompiler(),
    createAdapter: () => new SqliteAdapter(),
    createIntrospector: (db) => new SqliteIntrospector(db),
  };
  return new Kysely<Schema>({ dialect });
}
