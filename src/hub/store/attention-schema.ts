/**
 * The hub's tables for attention: their SQL and their types.
 *
 * Invariants: a session has at most one open wait (`until` null); `usage` holds the newest report of each session and machine; what an operator prefers and which
 * browsers they subscribed goes with the operator.
 */
import type { Generated, Selectable } from 'kysely';
import type { WaitEnd, WaitKind } from '../../protocol/attention.ts';

/** Open questions of sessions, by the daemon's own name for them. */
export interface DialogTable {
  machine_id: string;
  ref: string;
  session: string;
  approval_id: string;
  /** hello: gone when a hello does not name it · session: when its session ends. */
  bound_to: 'hello' | 'session';
  created_at: number;
}

export interface WaitTable {
  seq: Generated<number>;
  id: string;
  machine_id: string;
  project: string;
  session: string;
  agent: string;
  kind: WaitKind;
  what: string;
  approval_id: string | null;
  since: number;
  until: number | null;
  end: WaitEnd | null;
  by: string | null;
}

/** `subject`: a session id, or `agent:<program>` for what a machine used in all. */
export interface UsageTable {
  machine_id: string;
  subject: string;
  /** protocol/attention SessionUsage or MachineUsage. */
  json: string;
  at: number;
}

export interface PreferencesTable {
  operator: string;
  /** protocol/attention Preferences. */
  json: string;
}

export interface PushSubscriptionTable {
  endpoint: string;
  operator: string;
  /** protocol/attention PushSubscription. */
  json: string;
  created_at: number;
}

export interface AttentionTables {
  dialogs: DialogTable;
  waits: WaitTable;
  usage: UsageTable;
  preferences: PreferencesTable;
  push_subscriptions: PushSubscriptionTable;
}

export type DialogRow = Selectable<DialogTable>;
export type WaitRow = Selectable<WaitTable>;
export type UsageRow = Selectable<UsageTable>;

export const ATTENTION_SCHEMA = `
CREATE TABLE dialogs (
  machine_id TEXT NOT NULL, ref TEXT NOT NULL, session TEXT NOT NULL, approval_id TEXT NOT NULL UNIQUE,
  bound_to TEXT NOT NULL, created_at INTEGER NOT NULL,
  PRIMARY KEY (machine_id, ref)
) STRICT, WITHOUT ROWID;
CREATE INDEX dialogs_of_session ON dialogs (machine_id, session, created_at);
ALTER TABLE approvals ADD COLUMN effect TEXT;
CREATE TABLE waits (
  seq INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, machine_id TEXT NOT NULL, project TEXT NOT NULL, session TEXT NOT NULL,
  agent TEXT NOT NULL, kind TEXT NOT NULL, what TEXT NOT NULL, approval_id TEXT, since INTEGER NOT NULL, until INTEGER, "end" TEXT, by TEXT
) STRICT;
CREATE UNIQUE INDEX waits_open ON waits (machine_id, session) WHERE until IS NULL;
CREATE INDEX waits_since ON waits (since);
CREATE INDEX waits_of_project ON waits (project, seq);
CREATE INDEX events_announcements ON events (seq) WHERE type = 'announcement';
CREATE TABLE usage (
  machine_id TEXT NOT NULL REFERENCES machines (id) ON DELETE CASCADE, subject TEXT NOT NULL, json TEXT NOT NULL, at INTEGER NOT NULL,
  PRIMARY KEY (machine_id, subject)
) STRICT, WITHOUT ROWID;
CREATE INDEX usage_at ON usage (at);
CREATE TABLE preferences (operator TEXT PRIMARY KEY, json TEXT NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE push_subscriptions (
  endpoint TEXT PRIMARY KEY, operator TEXT NOT NULL, json TEXT NOT NULL, created_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX push_subscriptions_of ON push_subscriptions (operator);
`;
