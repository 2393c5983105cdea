/**
 * The hub's tables for missions: their SQL and their types.
 *
 * Invariants: a mission's state changes only together with its `version` and a row in `events`; `run` says whose news count; a number of
 * `mission_log` is never used twice in one mission, and what is missing before the first one that is kept was dropped by the caps.
 */
import type { Generated, Selectable } from 'kysely';
import type { MissionState } from '../../protocol/mission-life.ts';
import type { MissionRuntime } from '../../protocol/mission.ts';

export interface MissionTable {
  seq: Generated<number>;
  id: string;
  /** The machine that is to run it. */
  machine_id: string;
  project: string;
  thread_id: string;
  agent: string;
  runtime: MissionRuntime;
  text: string;
  /** JSON: array of strings. */
  flags: string;
  isolation: 'none' | 'worktree';
  /** JSON: protocol/mission MissionLimits. */
  limits: string;
  /** Who asked for it, as the hub stamped it, and the same without the session. */
  requested_by: string;
  requester_agent: string;
  /** Absent: an operator. */
  requester_machine: string | null;
  idempotency_key: string | null;
  parent: string | null;
  depth: number;
  /** The question that it answers. */
  answers: string | null;
  /** 1: who asked is told by a notice when it is over. */
  notify: number;
  from_id: string | null;
  state: MissionState;
  state_since: number;
  /** Raised by one with each change: what compare-and-set compares. */
  version: number;
  reason: string | null;
  place: string;
  run: number;
  /** The number of the newest report of this run that was applied. */
  report_number: number;
  position: number | null;
  reset_at: number | null;
  session: string | null;
  path: string | null;
  approval_id: string | null;
  approved_by: string | null;
  rule: string | null;
  /** For the agent's frame: how it was let pass. */
  passed_by: string;
  latest: string | null;
  log_seq: number;
  /** The log's last number that was told as an event. */
  told_seq: number;
  log_bytes: number;
  log_count: number;
  /** JSON {session, text, fork}: what this run goes on with. */
  resume: string | null;
  /** When its machine acknowledged this run. */
  placed_at: number | null;
  created_at: number;
  started_at: number | null;
  ended_at: number | null;
  /** JSON: protocol/mission MissionResult. */
  result: string | null;
}

export interface MissionLogTable {
  mission_id: string;
  seq: number;
  run: number;
  at: number;
  kind: string;
  label: string;
  detail: string | null;
  ok: number | null;
  bytes: number;
}

/** What each machine said it can start. */
export interface OfferTable {
  machine_id: string;
  /** JSON: array of protocol/mission AgentOffer. */
  json: string;
}

export interface MissionTables {
  missions: MissionTable;
  mission_log: MissionLogTable;
  offers: OfferTable;
}

export type MissionRow = Selectable<MissionTable>;
export type MissionLogRow = Selectable<MissionLogTable>;

export const MISSION_SCHEMA = `
CREATE TABLE missions (
  seq INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, machine_id TEXT NOT NULL, project TEXT NOT NULL, thread_id TEXT NOT NULL,
  agent TEXT NOT NULL, runtime TEXT NOT NULL, text TEXT NOT NULL, flags TEXT NOT NULL, isolation TEXT NOT NULL, limits TEXT NOT NULL,
  requested_by TEXT NOT NULL, requester_agent TEXT NOT NULL, requester_machine TEXT, idempotency_key TEXT, parent TEXT,
  depth INTEGER NOT NULL, answers TEXT, from_id TEXT,
  state TEXT NOT NULL, state_since INTEGER NOT NULL, version INTEGER NOT NULL, reason TEXT, place TEXT NOT NULL, run INTEGER NOT NULL,
  report_number INTEGER NOT NULL, position INTEGER, reset_at INTEGER, session TEXT, path TEXT, approval_id TEXT, approved_by TEXT, rule TEXT, passed_by TEXT NOT NULL,
  latest TEXT, log_seq INTEGER NOT NULL, told_seq INTEGER NOT NULL, log_bytes INTEGER NOT NULL, log_count INTEGER NOT NULL,
  resume TEXT, placed_at INTEGER, created_at INTEGER NOT NULL, started_at INTEGER, ended_at INTEGER, result TEXT
) STRICT;
CREATE INDEX missions_on_machine ON missions (machine_id, seq);
CREATE INDEX missions_of_requester ON missions (requester_machine, seq);
CREATE UNIQUE INDEX missions_idempotency ON missions (requester_agent, idempotency_key) WHERE idempotency_key IS NOT NULL;
CREATE UNIQUE INDEX missions_answering ON missions (answers) WHERE answers IS NOT NULL;
CREATE INDEX missions_in_session ON missions (machine_id, session, seq) WHERE session IS NOT NULL;
CREATE INDEX missions_by_approval ON missions (approval_id) WHERE approval_id IS NOT NULL;
CREATE INDEX missions_live ON missions (machine_id, requester_agent)
  WHERE state NOT IN ('completed', 'failed', 'cancelled', 'timed_out', 'denied', 'lost');
CREATE INDEX missions_untold ON missions (id) WHERE told_seq < log_seq;
CREATE INDEX missions_ended ON missions (ended_at) WHERE ended_at IS NOT NULL;
CREATE TABLE mission_log (
  mission_id TEXT NOT NULL REFERENCES missions (id) ON DELETE CASCADE, seq INTEGER NOT NULL, run INTEGER NOT NULL, at INTEGER NOT NULL,
  kind TEXT NOT NULL, label TEXT NOT NULL, detail TEXT, ok INTEGER, bytes INTEGER NOT NULL
) STRICT;
CREATE UNIQUE INDEX mission_log_by_number ON mission_log (mission_id, seq);
CREATE TABLE offers (
  machine_id TEXT PRIMARY KEY REFERENCES machines (id) ON DELETE CASCADE, json TEXT NOT NULL
) STRICT, WITHOUT ROWID;
ALTER TABLE grants ADD COLUMN tool TEXT;
`;

export const MISSION_NOTIFY = 'ALTER TABLE missions ADD COLUMN notify INTEGER NOT NULL DEFAULT 0;';
