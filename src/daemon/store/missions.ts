/**
 * The runs of missions on this machine, and the news of them that the hub has still to take.
 *
 * Invariants: a run is stored once, whatever the hub repeats, for as long as its row lives. A change, the journal's number that it comes from,
 * and the news of it are one transaction, so that nothing is folded twice and nothing that was folded is untold. Log numbers are given out
 * without holes; what does not fit into the queue is counted, and a `gap` entry says so as soon as there is room.
 */
import type { Kysely, Selectable } from 'kysely';
import { isoTime, type Clock } from '../../platform/clock.ts';
import { Emitter } from '../../platform/emitter.ts';
import type { Log } from '../../platform/log.ts';
import type { Database } from '../../platform/store/database.ts';
import type { DeliverMission, DeliverMissionStop } from '../../protocol/daemon-api.ts';
import type { HelloRequest } from '../../protocol/machine-api.ts';
import { MissionReport, type MissionLogEntry } from '../../protocol/mission.ts';
import { missionCanMove, type MissionState } from '../../protocol/mission-life.ts';
import type { Unsubscribe } from '../ports.ts';
import { missionRow, MissionFacts, type MissionChange, type MissionRow, type NewLogEntry } from './mission-rows.ts';
import { oneLine } from './one-line.ts';
import type { DaemonSchema } from './schema.ts';

/** Log entries of one mission that may wait for the hub, and their size. */
const QUEUE_ENTRIES_MAX = 5_000;
const QUEUE_BYTES_MAX = 4 * 1024 * 1024;
/** One row of news: entries and bytes, so that it always fits into a request. */
const NEWS_ENTRIES_MAX = 200;
const NEWS_BYTES_MAX = 256 * 1024;
const DAY_MS = 24 * 3600 * 1000;
/** Longer than a hub repeats what it has not heard the end of. */
const KEPT_DAYS = 45;

type Row = Selectable<DaemonSchema['missions']>;

export class Missions {
  readonly #database: Database<DaemonSchema>;
  readonly #clock: Clock;
  readonly #stored: Emitter<readonly MissionRow[]>;
  #onNews: () => void = () => undefined;

  constructor(database: Database<DaemonSchema>, clock: Clock, log: Log) {
    this.#database = database;
    this.#clock = clock;
    this.#stored = new Emitter((error) => log.error({ err: error }, 'a listener of new missions failed'));
  }

  /** Called after new runs are on disk. */
  onStored(listener: (rows: readonly MissionRow[]) => void): Unsubscribe {
    return this.#stored.subscribe(listener);
  }

  /** Told after each commit that holds news for the hub. One listener. */
  onNews(listener: () => void): void {
    this.#onNews = listener;
  }

  /** Stores runs in order; `known` for a repeat. They are on disk when this resolves. */
  async accept(items: readonly DeliverMission[]): Promise<('stored' | 'known')[]> {
    if (items.length === 0) return [];
    const now = this.#clock.now();
    return this.#database.write(async (transaction) => {
      const { db } = transaction;
      const rows: MissionRow[] = [];
      const results: ('stored' | 'known')[] = [];
      for (const item of items) {
        const before = await newest(db, item.missionId);
        // An older run that comes late is a repeat whose end the hub has seen.
        if (before !== undefined && before.run >= item.run) {
          results.push('known');
          continue;
        }
        const facts = JSON.stringify(MissionFacts.parse({}));
        const inserted = await db
          .insertInto('missions')
          .values({
            mission_id: item.missionId,
            run: item.run,
            item: JSON.stringify(item),
            state: 'queued',
            state_since: now,
            over: 0,
            journal_seq: 0,
            queued_entries: 0,
            queued_bytes: 0,
            left_out: 0,
            log_seq: Math.max(item.logSeq, before?.log_seq ?? 0),
            facts,
            changed_at: now,
          })
          .returningAll()
          .executeTakeFirstOrThrow();
        // What was paused goes on in the new run; nothing of the old one lives.
        await db
          .updateTable('missions')
          .set({ over: 1, changed_at: now })
          .where('mission_id', '=', item.missionId)
          .where('run', '<', item.run)
          .where('state', '=', 'paused')
          .execute();
        rows.push(missionRow(inserted));
        results.push('stored');
      }
      if (rows.length > 0) transaction.afterCommit(() => this.#stored.emit(rows));
      return results;
    });
  }

  /** Notes that a run is to be stopped. Undefined: it is not here, or over. */
  async wishStop(stop: DeliverMissionStop): Promise<MissionRow | undefined> {
    const { missionId, run, how, by, reason } = stop;
    const wish = JSON.stringify({ how, by, ...(reason === undefined ? {} : { reason }) });
    const row = await this.#database.write(async ({ db }) =>
      db
        .updateTable('missions')
        .set({ stop: wish, changed_at: this.#clock.now() })
        .where('mission_id', '=', missionId)
        .where('run', '=', run)
        .where('over', '=', 0)
        .returningAll()
        .executeTakeFirst(),
    );
    return row === undefined ? undefined : missionRow(row);
  }

  /** Runs that are not over, in order of arrival. */
  async open(): Promise<MissionRow[]> {
    const rows = await this.#database.read((db) =>
      db.selectFrom('missions').selectAll().where('over', '=', 0).orderBy('seq').execute(),
    );
    return rows.map(missionRow);
  }

  /** Runs that are over and whose terminal may still be open. */
  async recentlyOver(limit: number): Promise<MissionRow[]> {
    const rows = await this.#database.read((db) =>
      db
        .selectFrom('missions')
        .selectAll()
        .where('over', '=', 1)
        .where('runner', 'is not', null)
        .orderBy('changed_at', 'desc')
        .limit(limit)
        .execute(),
    );
    return rows.map(missionRow);
  }

  async get(id: string, run: number): Promise<MissionRow | undefined> {
    const row = await this.#database.read((db) =>
      db.selectFrom('missions').selectAll().where('mission_id', '=', id).where('run', '=', run).executeTakeFirst(),
    );
    return row === undefined ? undefined : missionRow(row);
  }

  /** The newest run of any mission that had this session: its directory is where the conversation lives. */
  async bySession(session: string): Promise<MissionRow | undefined> {
    const row = await this.#database.read((db) =>
      db
        .selectFrom('missions')
        .selectAll()
        .where('session', '=', session)
        .orderBy('seq', 'desc')
        .limit(1)
        .executeTakeFirst(),
    );
    return row === undefined ? undefined : missionRow(row);
  }

  /** Newest runs of missions that are not over, or of which the hub has not taken everything. */
  async forHello(): Promise<HelloRequest['missions']> {
    const rows = await this.#database.read((db) =>
      db
        .selectFrom('missions')
        .selectAll()
        .where((eb) =>
          eb.or([eb('over', '=', 0), eb('mission_id', 'in', eb.selectFrom('mission_news').select('mission_id'))]),
        )
        .orderBy('seq')
        .execute(),
    );
    const newestOf = new Map(rows.map((row) => [row.mission_id, missionRow(row)]));
    return [...newestOf.values()].slice(-2000).map(({ id, run, state }) => ({ id, run, state }));
  }

  /** Makes a change; undefined: it did not fit (`from`, `journal`, or the run is over), and nothing happened. */
  async change(id: string, run: number, change: MissionChange): Promise<MissionRow | undefined> {
    return this.#database.write(async (transaction) => {
      const { db } = transaction;
      const row = await db
        .selectFrom('missions')
        .selectAll()
        .where('mission_id', '=', id)
        .where('run', '=', run)
        .executeTakeFirst();
      if (row === undefined || !fits(row, change)) return undefined;
      const now = this.#clock.now();
      const told = change.to !== undefined || change.report !== undefined;
      const next = { ...applied(row, change, now), reports: row.reports + (told ? 1 : 0) };
      const moved = next.state !== row.state;
      const log = [...(change.log ?? []), ...(moved ? [stateEntry(next, now)] : [])];
      const owed = await this.#queue(db, next, log, now);
      if (told) await addReport(db, next, change, now);
      await db
        .updateTable('missions')
        .set({ ...owed })
        .where('seq', '=', row.seq)
        .execute();
      if (told || log.length > 0) transaction.afterCommit(() => this.#onNews());
      return missionRow(owed);
    });
  }

  /** The oldest news that the hub has not taken. */
  async news(limit: number): Promise<Selectable<DaemonSchema['mission_news']>[]> {
    return this.#database.read((db) => db.selectFrom('mission_news').selectAll().orderBy('seq').limit(limit).execute());
  }

  /** The hub has taken (or will never take) these; they are the oldest. */
  async taken(upTo: number): Promise<void> {
    await this.#database.write(async ({ db }) => {
      const gone = await db.deleteFrom('mission_news').where('seq', '<=', upTo).returningAll().execute();
      for (const news of gone) {
        if (news.entries === 0) continue;
        await db
          .updateTable('missions')
          .set((eb) => ({
            queued_entries: eb('queued_entries', '-', news.entries),
            queued_bytes: eb('queued_bytes', '-', news.bytes),
          }))
          .where('mission_id', '=', news.mission_id)
          .where('run', '=', news.run)
          .execute();
      }
    });
  }

  /** Retention. */
  async prune(): Promise<void> {
    const edge = this.#clock.now() - KEPT_DAYS * DAY_MS;
    await this.#database.write(async ({ db }) => {
      await db.deleteFrom('missions').where('over', '=', 1).where('changed_at', '<', edge).execute();
    });
  }

  /** Numbers the entries that there is room for and puts them into the queue; returns the row as it is then. */
  async #queue(db: Kysely<DaemonSchema>, row: Row, log: readonly NewLogEntry[], now: number): Promise<Row> {
    let { log_seq, queued_entries, queued_bytes, left_out } = row;
    const entries: MissionLogEntry[] = [];
    const put = (entry: NewLogEntry): void => {
      log_seq += 1;
      queued_entries += 1;
      const numbered = { ...entry, seq: log_seq, run: row.run };
      queued_bytes += sizeOf(numbered);
      entries.push(numbered);
    };
    for (const entry of log) {
      const full = queued_entries >= QUEUE_ENTRIES_MAX || queued_bytes + sizeOf(entry) > QUEUE_BYTES_MAX;
      // How it moved and ended is never left out; there is little of it.
      if (full && entry.kind !== 'state' && entry.kind !== 'result') {
        left_out += 1;
        continue;
      }
      if (left_out > 0) {
        put(gapEntry(left_out, now));
        left_out = 0;
      }
      put(entry);
    }
    for (const part of parted(entries)) {
      const news = JSON.stringify({ news: 'log', missionId: row.mission_id, entries: part });
      const bytes = part.reduce((sum, entry) => sum + sizeOf(entry), 0);
      await db
        .insertInto('mission_news')
        .values({ mission_id: row.mission_id, run: row.run, entries: part.length, bytes, news })
        .execute();
    }
    return { ...row, log_seq, queued_entries, queued_bytes, left_out };
  }
}

function newest(db: Kysely<DaemonSchema>, id: string): Promise<Row | undefined> {
  return db
    .selectFrom('missions')
    .selectAll()
    .where('mission_id', '=', id)
    .orderBy('run', 'desc')
    .limit(1)
    .executeTakeFirst();
}

function fits(row: Row, change: MissionChange): boolean {
  if (change.from !== undefined && !change.from.some((state) => state === row.state)) return false;
  const { journal } = change;
  if (journal !== undefined && (journal.runner !== row.runner || journal.seq <= row.journal_seq)) return false;
  // Over is over: only what it still costs to clean up may be noted.
  return row.over === 0 || change.to === undefined;
}

function applied(row: Row, change: MissionChange, now: number): Row {
  const from = missionRow(row);
  const moves = change.to !== undefined && change.to !== from.state && missionCanMove(from.state, change.to);
  const state: MissionState = moves ? change.to : from.state;
  const held = moves && (from.state === 'waiting_human' || from.state === 'rate_limited') ? now - from.stateSince : 0;
  const facts = MissionFacts.parse({
    ...from.facts,
    heldMs: from.facts.heldMs + Math.max(0, held),
    ...change.facts,
  });
  return {
    ...row,
    state,
    state_since: moves ? now : row.state_since,
    reason: change.to === undefined ? row.reason : (change.reason ?? null),
    over: change.over === true ? 1 : row.over,
    session: change.session ?? row.session,
    stop: change.stopDone === true ? null : row.stop,
    runner: change.runner ?? row.runner,
    journal_seq: change.runner === undefined ? (change.journal?.seq ?? row.journal_seq) : 0,
    facts: JSON.stringify(facts),
    changed_at: now,
  };
}

async function addReport(db: Kysely<DaemonSchema>, row: Row, change: MissionChange, now: number): Promise<void> {
  const state = MissionReport.shape.state.unwrap().safeParse(row.state);
  const report = {
    news: 'report',
    missionId: row.mission_id,
    run: row.run,
    number: row.reports,
    at: isoTime(now),
    ...(change.to === undefined || !state.success ? {} : { state: state.data }),
    ...(change.to === undefined || row.reason === null ? {} : { reason: row.reason.slice(0, 1000) }),
    ...change.report,
  } satisfies MissionReport;
  const news = JSON.stringify(report);
  await db
    .insertInto('mission_news')
    .values({ mission_id: row.mission_id, run: row.run, entries: 0, bytes: 0, news })
    .execute();
}

const STATE_WORDS: Readonly<Record<MissionState, string>> = {
  queued: 'Waits for its turn',
  awaiting_approval: 'Waits for approval',
  starting: 'Starts',
  running: 'Works',
  waiting_human: 'Waits for a person',
  rate_limited: 'Waits for the model provider',
  paused: 'Paused',
  completed: 'Completed',
  failed: 'Failed',
  cancelled: 'Cancelled',
  timed_out: 'Timed out',
  denied: 'Denied',
  lost: 'Lost',
};

function stateEntry(row: Row, now: number): NewLogEntry {
  const { state, reason: why } = missionRow(row);
  const reason = why === undefined ? '' : `: ${why}`;
  const label = oneLine(`${STATE_WORDS[state]}${reason}`, 300);
  return { at: isoTime(now), kind: 'state', label, ...(reason.length > 250 ? { detail: why ?? '' } : {}) };
}

function gapEntry(count: number, now: number): NewLogEntry {
  const detail = `${count} entries are missing here: more waited for the hub than this machine keeps.`;
  return { at: isoTime(now), kind: 'gap', label: `${count} entries are missing`, detail };
}

function sizeOf(entry: NewLogEntry): number {
  return Buffer.byteLength(JSON.stringify(entry));
}

/** In order, each part small enough for one request. */
function parted(entries: readonly MissionLogEntry[]): MissionLogEntry[][] {
  const parts: MissionLogEntry[][] = [];
  let part: MissionLogEntry[] = [];
  let bytes = 0;
  for (const entry of entries) {
    const size = sizeOf(entry);
    if (part.length > 0 && (part.length >= NEWS_ENTRIES_MAX || bytes + size > NEWS_BYTES_MAX)) {
      parts.push(part);
      part = [];
      bytes = 0;
    }
    part.push(entry);
    bytes += size;
  }
  return part.length === 0 ? parts : [...parts, part];
}
