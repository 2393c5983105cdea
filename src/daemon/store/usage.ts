/**
 * What the agents of this machine used: how far their records were read, each request once, and sums by hour and by session.
 *
 * Invariants: a cursor and what was read up to it are one transaction, so that nothing is lost or counted twice wherever the daemon ends. A request counts once, with the figures of its last line,
 * in however many files it stands; it belongs to the session of the oldest of them. Nothing older than KEPT_MS is counted or kept.
 */
import { sql, type Kysely, type Selectable } from 'kysely';
import type { Database } from '../../platform/store/database.ts';
import type { Cursor } from '../usage/appended.ts';
import { HOUR_MS, hourOf, type HourUse } from '../usage/spans.ts';
import { Tally, type Counted } from '../usage/tally.ts';
import type { Counts, Use } from '../usage/use.ts';
import type { DaemonSchema } from './schema.ts';

/** Claude Code itself deletes transcripts after thirty days; no span of ours is longer than a week. */
export const KEPT_MS = 35 * 24 * 3_600_000;

export interface FileRecord {
  readonly cursor: Cursor;
  readonly memory: string | undefined;
}

export interface FileLook {
  /** Up to where it was read; a line that had only begun is behind the offset. */
  readonly size: number;
  readonly offset: number;
  /** Milliseconds. */
  readonly at: number;
}

export interface UsageBatch {
  readonly agent: string;
  readonly path: string;
  /** Up to where it was read: all of it, or up to the end of a part. */
  readonly size: number;
  readonly born: number;
  readonly cursor: Cursor;
  readonly memory: string | undefined;
  readonly uses: readonly Use[];
}

export interface SessionSum {
  readonly session: string;
  readonly agent: string;
  readonly model: string | undefined;
  readonly context: number | undefined;
  readonly window: number | undefined;
  readonly input: number;
  readonly output: number;
  readonly cacheRead: number;
  readonly cacheWrite: number;
  /** Undefined: the price of a part is not known. */
  readonly costUsd: number | undefined;
  readonly changedAt: number;
}

export class UsageStore {
  readonly #database: Database<DaemonSchema>;

  constructor(database: Database<DaemonSchema>) {
    this.#database = database;
  }

  async file(path: string): Promise<FileRecord | undefined> {
    const row = await this.#database.read((db) =>
      db.selectFrom('usage_files').selectAll().where('path', '=', path).executeTakeFirst(),
    );
    return row === undefined ? undefined : fileOf(row);
  }

  /** How every file of an agent was when it was looked at last. */
  async looks(agent: string): Promise<Map<string, FileLook>> {
    const rows = await this.#database.read((db) =>
      db
        .selectFrom('usage_files')
        .select(['path', 'size', 'offset', 'changed_at'])
        .where('agent', '=', agent)
        .execute(),
    );
    return new Map(rows.map(({ path, size, offset, changed_at: at }) => [path, { size, offset, at }]));
  }

  /** Durable when it resolves. Returns the sessions whose sums or context changed. */
  async add(batch: UsageBatch, now: number): Promise<readonly string[]> {
    return this.#database.write(async ({ db }) => {
      const file = await putFile(db, batch, now);
      const uses = batch.uses.filter(({ at }) => at >= now - KEPT_MS);
      if (uses.length === 0) return [];
      const tally = new Tally({ id: file, born: batch.born }, await counted(db, batch.agent, uses));
      for (const use of uses) tally.take(requestKey(batch.agent, use), use);
      await putRequests(db, tally);
      await putHours(db, batch.agent, tally);
      await putSessions(db, batch.agent, tally, now);
      await putContexts(db, uses);
      return [...new Set([...tally.sessions.keys(), ...uses.map(({ session }) => session)])];
    });
  }

  /** What the agent itself says of the window of a session. */
  async tellWindow(agent: string, session: string, window: number, now: number): Promise<void> {
    await this.#database.write(async ({ db }) => {
      await db
        .insertInto('usage_sessions')
        .values({ ...NO_SUMS, session, agent, told_window: window, changed_at: now })
        .onConflict((conflict) => conflict.column('session').doUpdateSet({ told_window: window }))
        .execute();
    });
  }

  async session(session: string): Promise<SessionSum | undefined> {
    const row = await this.#database.read((db) =>
      db.selectFrom('usage_sessions').selectAll().where('session', '=', session).executeTakeFirst(),
    );
    return row === undefined ? undefined : sumOf(row);
  }

  /** The hours in which something was used, oldest first. */
  async hours(agent: string): Promise<HourUse[]> {
    const rows = await this.#database.read((db) =>
      db.selectFrom('usage_hours').selectAll().where('agent', '=', agent).orderBy('hour').execute(),
    );
    return rows.map(({ hour, cost, unpriced, ...row }) => ({
      hour,
      costUsd: Math.max(0, cost),
      unpriced,
      ...countsOf(row),
    }));
  }

  /** Retention. The requests of a file outlive it: a copy of them may stand in another. */
  async prune(now: number): Promise<void> {
    const edge = now - KEPT_MS;
    await this.#database.write(async ({ db }) => {
      await db.deleteFrom('usage_requests').where('hour', '<', hourOf(edge)).execute();
      await db.deleteFrom('usage_hours').where('hour', '<', hourOf(edge)).execute();
      await db.deleteFrom('usage_sessions').where('changed_at', '<', edge).execute();
      await db.deleteFrom('usage_files').where('changed_at', '<', edge).execute();
    });
  }
}

const NO_SUMS = { context_at: 0, input: 0, output: 0, cache_read: 0, cache_write: 0, cost: 0, unpriced: 0 };

function requestKey(agent: string, { key }: Use): string {
  return `${agent} ${key}`;
}

async function putFile(db: Kysely<DaemonSchema>, batch: UsageBatch, now: number): Promise<number> {
  const { cursor } = batch;
  const values = {
    agent: batch.agent,
    identity: cursor.identity,
    size: batch.size,
    offset: cursor.offset,
    mark: cursor.mark,
    passing: cursor.passing ? 1 : 0,
    passed: cursor.passed,
    born: batch.born,
    memory: batch.memory ?? null,
    changed_at: now,
  };
  const { id } = await db
    .insertInto('usage_files')
    .values({ path: batch.path, ...values })
    .onConflict((conflict) => conflict.column('path').doUpdateSet(values))
    .returning('id')
    .executeTakeFirstOrThrow();
  return id;
}

/** Those of the uses that were counted before: the lines of one answer may stand on both sides of a full hour. One statement, whatever their number. */
async function counted(
  db: Kysely<DaemonSchema>,
  agent: string,
  uses: readonly Use[],
): Promise<ReadonlyMap<string, Counted>> {
  const places = new Set<string>();
  for (const use of uses) {
    const hour = hourOf(use.at);
    for (const near of [hour - HOUR_MS, hour, hour + HOUR_MS])
      places.add(JSON.stringify([near, requestKey(agent, use)]));
  }
  const rows = await db
    .selectFrom('usage_requests as request')
    .leftJoin('usage_files as file', 'file.id', 'request.file')
    .selectAll('request')
    .select('file.born')
    .where(
      sql<boolean>`(request.hour, request.key) IN (SELECT value ->> 0, value ->> 1 FROM json_each(${`[${[...places].join()}]`}))`,
    )
    .execute();
  return new Map(
    rows.map((row) => [
      row.key,
      {
        ...countsOf(row),
        file: row.file,
        // A file that was forgotten is older than any that is read now.
        born: row.born ?? 0,
        session: row.session,
        at: row.at,
        costUsd: row.cost ?? undefined,
      },
    ]),
  );
}

async function putRequests(db: Kysely<DaemonSchema>, { changed }: Tally): Promise<void> {
  const rows = [...changed].map(([key, one]) => [
    hourOf(one.at),
    key,
    one.file,
    one.session,
    one.at,
    ...countsRow(one),
    one.costUsd ?? null,
  ]);
  await sql`
    INSERT OR REPLACE INTO usage_requests (hour, key, file, session, at, input, output, cache_read, cache_write, cost)
    SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4, value ->> 5, value ->> 6, value ->> 7, value ->> 8, value ->> 9
    FROM json_each(${JSON.stringify(rows)})`.execute(db);
}

async function putHours(db: Kysely<DaemonSchema>, agent: string, { hours }: Tally): Promise<void> {
  const rows = [...hours].map(([hour, sum]) => [hour, ...countsRow(sum), sum.costUsd, sum.unpriced]);
  await sql`
    INSERT INTO usage_hours (agent, hour, input, output, cache_read, cache_write, cost, unpriced)
    SELECT ${agent}, value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4, value ->> 5, value ->> 6
    FROM json_each(${JSON.stringify(rows)}) WHERE true
    ON CONFLICT (agent, hour) DO UPDATE SET ${ADDED}`.execute(db);
}

async function putSessions(db: Kysely<DaemonSchema>, agent: string, { sessions }: Tally, now: number): Promise<void> {
  const rows = [...sessions].map(([session, sum]) => [session, ...countsRow(sum), sum.costUsd, sum.unpriced]);
  await sql`
    INSERT INTO usage_sessions (session, agent, changed_at, input, output, cache_read, cache_write, cost, unpriced)
    SELECT value ->> 0, ${agent}, ${now}, value ->> 1, value ->> 2, value ->> 3, value ->> 4, value ->> 5, value ->> 6
    FROM json_each(${JSON.stringify(rows)}) WHERE true
    ON CONFLICT (session) DO UPDATE SET changed_at = excluded.changed_at, ${ADDED}`.execute(db);
}

/** What stands in a row and what comes are added. */
const ADDED = sql`input = input + excluded.input, output = output + excluded.output, cache_read = cache_read + excluded.cache_read,
  cache_write = cache_write + excluded.cache_write, cost = cost + excluded.cost, unpriced = unpriced + excluded.unpriced`;

/**
 * The context that each session has now: of its newest request. Another model has another window, and what was said of the one before counts no more; the same model keeps the
 * largest window that it was seen to have.
 */
async function putContexts(db: Kysely<DaemonSchema>, uses: readonly Use[]): Promise<void> {
  const newest = new Map<string, Use>();
  for (const use of uses) {
    const before = newest.get(use.session);
    if (use.context !== undefined && (before === undefined || use.at >= before.at)) newest.set(use.session, use);
  }
  const rows = [...newest.values()].map(({ session, at, model, context }) => [
    session,
    at,
    model ?? null,
    context?.tokens ?? null,
    context?.window ?? null,
  ]);
  await sql`
    UPDATE usage_sessions SET
      context_at = value ->> 1,
      context = value ->> 3,
      window = CASE WHEN model IS value ->> 2 AND window > coalesce(value ->> 4, 0) THEN window ELSE value ->> 4 END,
      told_window = CASE WHEN model IS NULL OR model IS value ->> 2 THEN told_window END,
      model = value ->> 2
    FROM json_each(${JSON.stringify(rows)})
    WHERE session = value ->> 0 AND context_at <= value ->> 1`.execute(db);
}

interface CountsRow {
  readonly input: number;
  readonly output: number;
  readonly cache_read: number;
  readonly cache_write: number;
}

function countsOf({ input, output, cache_read: cacheRead, cache_write: cacheWrite }: CountsRow): Counts {
  return { input, output, cacheRead, cacheWrite };
}

function countsRow({ input, output, cacheRead, cacheWrite }: Counts): number[] {
  return [input, output, cacheRead, cacheWrite];
}

function fileOf(row: Selectable<DaemonSchema['usage_files']>): FileRecord {
  const { identity, offset, mark, passed } = row;
  return {
    cursor: { identity, offset, mark, passing: row.passing === 1, passed },
    memory: row.memory ?? undefined,
  };
}

function sumOf(row: Selectable<DaemonSchema['usage_sessions']>): SessionSum {
  return {
    ...countsOf(row),
    session: row.session,
    agent: row.agent,
    model: row.model ?? undefined,
    context: row.context ?? undefined,
    window: row.told_window ?? row.window ?? undefined,
    // What was taken back may leave a trace of rounding.
    costUsd: row.unpriced > 0 ? undefined : Math.max(0, row.cost),
    changedAt: row.changed_at,
  };
}
