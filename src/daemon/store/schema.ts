/** The tables of a daemon's store (daemon.db), as the query builder sees them, and the migrations that make them. */
import type { Generated } from 'kysely';
import type { Migration } from '../../platform/store/migrations.ts';

export interface DaemonSchema {
  /** Messages for the sessions of this machine, in order of arrival. */
  inbox: {
    seq: Generated<number>;
    message_id: string;
    thread_id: string;
    in_reply_to: string | null;
    /** The DeliverMessage as JSON; its body is emptied some days after it is over. */
    message: string;
    state: string;
    state_since: string;
    session: string | null;
    rung: string | null;
    offer: string | null;
    attempts: number;
    /** 1 while something may still happen to it here. */
    open: number;
    /** Milliseconds: the last change, which retention counts from. */
    changed_at: number;
  };
  /** Every move of an inbox message, written in the transaction of the move. */
  inbox_steps: {
    seq: Generated<number>;
    message_id: string;
    state: string;
    at: string;
    session: string | null;
    rung: string | null;
    proof: string | null;
    reason: string | null;
  };
  /** What the hub has still to be told about inbox messages, in order. */
  receipts: { seq: Generated<number>; receipt: string };
  /** Messages of this machine's agents that the hub has not taken yet, in order. */
  outbox: {
    seq: Generated<number>;
    message_id: string;
    /** The SubmitItem as JSON. */
    item: string;
    /** The MessageStatus that its sender was told, as JSON. */
    status: string;
    /** 1 once it may have reached the hub. */
    tried: number;
    /** The sender took it back, with this reason (may be empty). */
    cancel: string | null;
    expires_at: number;
  };
  /** The newest known status of this machine's own messages. A cache: bounded, and the hub can be asked. */
  sent: {
    message_id: string;
    thread_id: string;
    project: string | null;
    session: string | null;
    /** The MessageStatus as JSON. */
    status: string;
    changed_at: number;
  };
  /** What agents and people said about projects while running, and projects known because a session ran there. */
  projects: {
    path: string;
    id: string;
    source: string;
    /** JSON: description, capabilities, tags, agent, as far as they were set. */
    details: string;
    /** 1: taken off the list by hand. */
    hidden: number;
    seen_at: number;
  };
  facts: { name: string; value: string };
  /** Runs of missions on this machine, in order of arrival. */
  missions: {
    seq: Generated<number>;
    mission_id: string;
    run: number;
    /** The DeliverMission as JSON. */
    item: string;
    state: string;
    /** Milliseconds. */
    state_since: number;
    reason: string | null;
    /** 1: nothing more happens to this run. */
    over: number;
    session: string | null;
    /** What was asked of it meanwhile (cancel, pause), as JSON, until it is done. */
    stop: string | null;
    /** The runner of the present attempt, and the last number of its journal that the state and the news hold. */
    runner: string | null;
    journal_seq: number;
    /** The last number of the mission's log that was given out. */
    log_seq: number;
    /** Reports of this run so far; each has its number. */
    reports: Generated<number>;
    /** Log entries that wait for the hub, their size, and how many were left out since the last `gap`. */
    queued_entries: number;
    queued_bytes: number;
    left_out: number;
    /** The rest as JSON (MissionFacts). */
    facts: string;
    changed_at: number;
  };
  /** What the hub has still to be told about missions, in order. */
  mission_news: {
    seq: Generated<number>;
    mission_id: string;
    run: number;
    /** Log entries in it. */
    entries: number;
    bytes: number;
    /** The MissionNews as JSON. */
    news: string;
  };
  /** How far each record of an agent was read (usage/appended.ts). */
  usage_files: {
    id: Generated<number>;
    path: string;
    agent: string;
    identity: string;
    size: number;
    offset: number;
    mark: string;
    passing: number;
    passed: number;
    /** Milliseconds: when the file was made. */
    born: number;
    /** What the reader of its lines has to remember. */
    memory: string | null;
    changed_at: number;
  };
  /** Requests to models that were counted, so that none counts twice. */
  usage_requests: {
    /** The hour of `at`: what is counted together lies together, or each commit would touch as many pages as it has requests. */
    hour: number;
    key: string;
    /** The file that it was read from. */
    file: number;
    session: string;
    at: number;
    input: number;
    output: number;
    cache_read: number;
    cache_write: number;
    /** US dollars; null: not known. */
    cost: number | null;
  };
  /** What an agent program used in an hour, all its sessions together. */
  usage_hours: {
    agent: string;
    /** Its beginning, milliseconds. */
    hour: number;
    input: number;
    output: number;
    cache_read: number;
    cache_write: number;
    cost: number;
    unpriced: number;
  };
  usage_sessions: {
    session: string;
    agent: string;
    model: string | null;
    context: number | null;
    /** By its model, and as the agent itself said. */
    window: number | null;
    told_window: number | null;
    /** When the request was made that context and model are of. */
    context_at: number;
    input: number;
    output: number;
    cache_read: number;
    cache_write: number;
    cost: number;
    unpriced: number;
    changed_at: number;
  };
}

export const DAEMON_MIGRATIONS: readonly Migration[] = [
  {
    name: 'inbox, receipts, outbox, status cache, projects, facts',
    sql: `
      CREATE TABLE inbox (
        seq INTEGER PRIMARY KEY AUTOINCREMENT,
        message_id TEXT NOT NULL UNIQUE,
        thread_id TEXT NOT NULL,
        in_reply_to TEXT,
        message TEXT NOT NULL,
        state TEXT NOT NULL,
        state_since TEXT NOT NULL,
        session TEXT,
        rung TEXT,
        offer TEXT,
        attempts INTEGER NOT NULL DEFAULT 0,
        open INTEGER NOT NULL,
        changed_at INTEGER NOT NULL
      ) STRICT;
      CREATE INDEX inbox_open ON inbox (seq) WHERE open = 1;
      CREATE INDEX inbox_thread ON inbox (thread_id, seq);
      CREATE INDEX inbox_reply ON inbox (in_reply_to) WHERE in_reply_to IS NOT NULL;
      CREATE INDEX inbox_changed ON inbox (changed_at);
      CREATE TABLE inbox_steps (
        seq INTEGER PRIMARY KEY AUTOINCREMENT,
        message_id TEXT NOT NULL REFERENCES inbox (message_id) ON DELETE CASCADE,
        state TEXT NOT NULL,
        at TEXT NOT NULL,
        session TEXT,
        rung TEXT,
        proof TEXT,
        reason TEXT
      ) STRICT;
      CREATE INDEX inbox_steps_message ON inbox_steps (message_id, seq);
      CREATE TABLE receipts (seq INTEGER PRIMARY KEY AUTOINCREMENT, receipt TEXT NOT NULL) STRICT;
      CREATE TABLE outbox (
        seq INTEGER PRIMARY KEY AUTOINCREMENT,
        message_id TEXT NOT NULL UNIQUE,
        item TEXT NOT NULL,
        status TEXT NOT NULL,
        tried INTEGER NOT NULL,
        cancel TEXT,
        expires_at INTEGER NOT NULL
      ) STRICT;
      CREATE TABLE sent (
        message_id TEXT PRIMARY KEY,
        thread_id TEXT NOT NULL,
        project TEXT,
        session TEXT,
        status TEXT NOT NULL,
        changed_at INTEGER NOT NULL
      ) STRICT;
      CREATE INDEX sent_changed ON sent (changed_at);
      CREATE INDEX sent_thread ON sent (thread_id, changed_at);
      CREATE TABLE projects (
        path TEXT PRIMARY KEY,
        id TEXT NOT NULL UNIQUE,
        source TEXT NOT NULL,
        details TEXT NOT NULL,
        hidden INTEGER NOT NULL,
        seen_at INTEGER NOT NULL
      ) STRICT;
      CREATE TABLE facts (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT;
    `,
  },
  {
    name: 'missions and the news of them',
    sql: `
      CREATE TABLE missions (
        seq INTEGER PRIMARY KEY AUTOINCREMENT,
        mission_id TEXT NOT NULL,
        run INTEGER NOT NULL,
        item TEXT NOT NULL,
        state TEXT NOT NULL,
        state_since INTEGER NOT NULL,
        reason TEXT,
        over INTEGER NOT NULL,
        session TEXT,
        stop TEXT,
        runner TEXT,
        journal_seq INTEGER NOT NULL DEFAULT 0,
        log_seq INTEGER NOT NULL,
        reports INTEGER NOT NULL DEFAULT 0,
        queued_entries INTEGER NOT NULL DEFAULT 0,
        queued_bytes INTEGER NOT NULL DEFAULT 0,
        left_out INTEGER NOT NULL DEFAULT 0,
        facts TEXT NOT NULL,
        changed_at INTEGER NOT NULL,
        UNIQUE (mission_id, run)
      ) STRICT;
      CREATE INDEX missions_open ON missions (seq) WHERE over = 0;
      CREATE INDEX missions_changed ON missions (changed_at);
      CREATE TABLE mission_news (
        seq INTEGER PRIMARY KEY AUTOINCREMENT,
        mission_id TEXT NOT NULL,
        run INTEGER NOT NULL,
        entries INTEGER NOT NULL,
        bytes INTEGER NOT NULL,
        news TEXT NOT NULL
      ) STRICT;
      CREATE INDEX mission_news_mission ON mission_news (mission_id);
    `,
  },
  {
    name: 'usage: how far records were read, requests, hours, sessions',
    sql: `
      CREATE TABLE usage_files (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        path TEXT NOT NULL UNIQUE,
        agent TEXT NOT NULL,
        identity TEXT NOT NULL,
        size INTEGER NOT NULL,
        offset INTEGER NOT NULL,
        mark TEXT NOT NULL,
        passing INTEGER NOT NULL,
        passed INTEGER NOT NULL,
        born INTEGER NOT NULL,
        memory TEXT,
        changed_at INTEGER NOT NULL
      ) STRICT;
      CREATE TABLE usage_requests (
        hour INTEGER NOT NULL,
        key TEXT NOT NULL,
        file INTEGER NOT NULL,
        session TEXT NOT NULL,
        at INTEGER NOT NULL,
        input INTEGER NOT NULL,
        output INTEGER NOT NULL,
        cache_read INTEGER NOT NULL,
        cache_write INTEGER NOT NULL,
        cost REAL,
        PRIMARY KEY (hour, key)
      ) STRICT, WITHOUT ROWID;
      CREATE TABLE usage_hours (
        agent TEXT NOT NULL,
        hour INTEGER NOT NULL,
        input INTEGER NOT NULL,
        output INTEGER NOT NULL,
        cache_read INTEGER NOT NULL,
        cache_write INTEGER NOT NULL,
        cost REAL NOT NULL,
        unpriced INTEGER NOT NULL,
        PRIMARY KEY (agent, hour)
      ) STRICT, WITHOUT ROWID;
      CREATE TABLE usage_sessions (
        session TEXT PRIMARY KEY,
        agent TEXT NOT NULL,
        model TEXT,
        context INTEGER,
        window INTEGER,
        told_window INTEGER,
        context_at INTEGER NOT NULL DEFAULT 0,
        input INTEGER NOT NULL DEFAULT 0,
        output INTEGER NOT NULL DEFAULT 0,
        cache_read INTEGER NOT NULL DEFAULT 0,
        cache_write INTEGER NOT NULL DEFAULT 0,
        cost REAL NOT NULL DEFAULT 0,
        unpriced INTEGER NOT NULL DEFAULT 0,
        changed_at INTEGER NOT NULL
      ) STRICT, WITHOUT ROWID;
      CREATE INDEX usage_sessions_changed ON usage_sessions (changed_at);
    `,
  },
];
