/**
 * The hub's tables: their SQL and their types for the query builder.
 *
 * Invariants:
 * - Times are milliseconds since 1970; ids and addresses are their canonical texts; `json` columns hold one wire object.
 * - `seq` columns are orders of arrival and never used twice.
 * - A message's state changes only together with its `version`, a row in `message_steps` and a row in `events`.
 * - Every query on a hot path or a first page is answered by an index whose size does not change its cost.
 * - A migration that was released is never edited; the next change is a new entry of HUB_MIGRATIONS.
 */
import type { ColumnType, Generated, Insertable, Selectable } from 'kysely';
import type { Migration } from '../../platform/store/migrations.ts';
import type { MessageState } from '../../protocol/message-life.ts';
import type {
  ApprovalKind,
  ApprovalState,
  GrantScope,
  MessageKind,
  PolicyLevel,
  Priority,
  Role,
  SystemNotice,
} from '../../protocol/model.ts';
import { ATTENTION_SCHEMA, type AttentionTables } from './attention-schema.ts';
import { MISSION_NOTIFY, MISSION_SCHEMA, type MissionTables } from './mission-schema.ts';
import { TELEGRAM_SCHEMA, type TelegramTables } from './telegram-schema.ts';

export interface MachineTable {
  id: string;
  display_name: string;
  description: string;
  /** 1: an operator gave this name (description); what the daemon says no longer changes it. */
  name_given: ColumnType<number, number | undefined, number>;
  description_given: ColumnType<number, number | undefined, number>;
  /** The daemon's base URL. */
  daemon_url: string;
  version: string;
  /** The secret that the machine signs with. Empty once revoked. */
  secret: string;
  /** During a rotation: valid beside `secret` until the machine first signs with it. */
  next_secret: string | null;
  /** The daemon's own start; heartbeats of another one are answered by `resync`. */
  epoch: string | null;
  last_seen: number | null;
  clock_offset_ms: number | null;
  /** Items that wait in the daemon's outbox. */
  outbox: ColumnType<number, number | undefined, number>;
  joined_at: number;
  revoked_at: number | null;
  /** It said goodbye. Back with the next hello. */
  left_at: number | null;
}

export interface ProjectTable {
  machine_id: string;
  id: string;
  /** protocol/model Project. */
  json: string;
}

export interface SessionTable {
  machine_id: string;
  id: string;
  project: string;
  /** protocol/model Session. */
  json: string;
  ended_at: number | null;
}

export interface ThreadTable {
  id: string;
  title: string;
  /** JSON array of addresses. */
  participants: string;
  message_count: number;
  created_at: number;
  last_at: number;
  /** messages.seq of the newest message: the order of the list of threads. */
  last_seq: number;
  last_text: string;
  last_from: string;
  held: number;
}

export interface MessageTable {
  seq: Generated<number>;
  id: string;
  thread_id: string;
  kind: MessageKind;
  /** Addresses as the hub stamped and resolved them, with the session where there is one. */
  sender: string;
  recipient: string;
  /** machine/project, or human…, of both sides. */
  sender_agent: string;
  recipient_agent: string;
  /** Absent: an operator, or the hub itself. */
  sender_machine: string | null;
  recipient_machine: string | null;
  /** preferred: any session of the project when this one is gone. */
  binding: 'exact' | 'preferred';
  body: string;
  priority: Priority;
  in_reply_to: string | null;
  idempotency_key: string | null;
  depth: number;
  state: MessageState;
  state_since: number;
  /** Raised by one with each step: what compare-and-set compares. */
  version: number;
  place: string;
  reason: string | null;
  proof: string | null;
  rule: string | null;
  /** What the recipient reads about how it was let pass. */
  passed_by: string | null;
  approval_id: string | null;
  approved_by: string | null;
  /** The session that got it, once a receipt says so. */
  got_by: string | null;
  /** Replies that were accepted. */
  replies: number;
  /** The first of them. */
  answer_id: string | null;
  /** It may not leave before this earlier message of the same pair and thread is decided. */
  waits_behind: string | null;
  created_at: number;
  expires_at: number;
  /** When to look whether an ask was left without an answer; null: no watch. */
  watch_at: number | null;
}

/** Other ids under which a sender knows a message (aliases.ts). */
export interface MessageAliasTable {
  id: string;
  message_id: string;
}

export interface MessageStepTable {
  message_seq: number;
  /** The message's version that this step made. */
  n: number;
  state: MessageState;
  at: number;
  place: string;
  proof: string | null;
  rule: string | null;
  by: string | null;
  reason: string | null;
}

export interface ApprovalTable {
  id: string;
  seq: Generated<number>;
  kind: ApprovalKind;
  state: ApprovalState;
  /** protocol/model ApprovalSubject. */
  subject: string;
  shown_hash: string;
  rule: string;
  /** The policy level that asked: an Allow of `mission` or `session` makes that grant. */
  level: PolicyLevel | null;
  /** JSON array of GrantScope. */
  scopes: string;
  message_id: string | null;
  created_at: number;
  expires_at: number;
  /** protocol/model Decision. */
  decision: string | null;
  /** protocol/model Approval.effect. */
  effect: string | null;
}

export interface GrantTable {
  id: string;
  covers: ApprovalKind;
  scope: GrantScope;
  /** Agent addresses (machine/project or human…), without sessions. */
  sender: string;
  recipient: string;
  bound_to: string | null;
  by: string;
  created_at: number;
  expires_at: number | null;
  approval_id: string | null;
  revoked_at: number | null;
  uses: number;
  /** The one tool that it covers (grants of kind `tool`). */
  tool: ColumnType<string | null, string | null | undefined, string | null>;
}

export interface EventTable {
  seq: Generated<number>;
  at: number;
  type: string;
  /** For message.changed and mission.changed: the long texts are not repeated here but read from `messages` and `missions`. */
  message_id: string | null;
  json: string;
}

export interface OutboxTable {
  seq: Generated<number>;
  machine_id: string;
  /** What goes is built from the message when it goes, so that news is never stale. */
  item: 'message' | 'status' | 'cancel' | 'mission' | 'mission_stop' | 'decision';
  /** What it is about: a message; a mission (mission, mission_stop); an approval (decision). */
  message_id: string;
  /** cancel: why · mission: the run · mission_stop: JSON of the word · decision: the daemon's `ref`. */
  reason: string | null;
}

export interface FeedbackTable {
  id: string;
  machine_id: string;
  sender: string;
  type: string;
  description: string;
  context: string;
  at: number;
}

export interface NoticeTable {
  key: string;
  level: SystemNotice['level'];
  text: string;
  next: string | null;
  since: number;
  cleared_at: number | null;
}

export interface OperatorTable {
  name: string;
  role: Role;
  telegram_user_id: number | null;
  created_at: number;
}

/** Web sessions and terminal tokens; only hashes. */
export interface TokenTable {
  hash: string;
  kind: 'web' | 'terminal';
  operator: string;
  created_at: number;
  expires_at: number;
  last_used_at: number;
}

export interface SignInCodeTable {
  hash: string;
  operator: string;
  created_at: number;
  expires_at: number;
  spent_at: number | null;
}

export interface JoinTable {
  id: string;
  machine_id: string;
  display_name: string;
  daemon_url: string;
  ip: string;
  public_key: string;
  claim_hash: string;
  code: string;
  state: 'pending' | 'approved' | 'denied' | 'expired' | 'claimed';
  approval_id: string | null;
  decided_by: string | null;
  reason: string | null;
  /** The sealed secret until it is claimed, as JSON {hubPublicKey, nonce, sealed}. */
  sealed: string | null;
  created_at: number;
  expires_at: number;
}

export interface KvTable {
  key: string;
  value: string;
}

export interface HubSchema extends TelegramTables, MissionTables, AttentionTables {
  machines: MachineTable;
  projects: ProjectTable;
  sessions: SessionTable;
  threads: ThreadTable;
  messages: MessageTable;
  message_aliases: MessageAliasTable;
  message_steps: MessageStepTable;
  approvals: ApprovalTable;
  grants: GrantTable;
  events: EventTable;
  outbox: OutboxTable;
  feedback: FeedbackTable;
  notices: NoticeTable;
  operators: OperatorTable;
  tokens: TokenTable;
  sign_in_codes: SignInCodeTable;
  joins: JoinTable;
  kv: KvTable;
}

export type MachineRow = Selectable<MachineTable>;
export type ThreadRow = Selectable<ThreadTable>;
export type MessageRow = Selectable<MessageTable>;
export type NewMessageRow = Insertable<MessageTable>;
export type MessageStepRow = Selectable<MessageStepTable>;
export type ApprovalRow = Selectable<ApprovalTable>;
export type GrantRow = Selectable<GrantTable>;
export type EventRow = Selectable<EventTable>;
export type OutboxRow = Selectable<OutboxTable>;
export type NoticeRow = Selectable<NoticeTable>;

const CORE_SCHEMA = `
CREATE TABLE machines (
  id TEXT PRIMARY KEY, display_name TEXT NOT NULL, description TEXT NOT NULL, name_given INTEGER NOT NULL DEFAULT 0,
  description_given INTEGER NOT NULL DEFAULT 0, daemon_url TEXT NOT NULL, version TEXT NOT NULL,
  secret TEXT NOT NULL, next_secret TEXT, epoch TEXT, last_seen INTEGER, clock_offset_ms INTEGER, outbox INTEGER NOT NULL DEFAULT 0,
  joined_at INTEGER NOT NULL, revoked_at INTEGER, left_at INTEGER
) STRICT, WITHOUT ROWID;
CREATE TABLE projects (
  machine_id TEXT NOT NULL REFERENCES machines (id) ON DELETE CASCADE, id TEXT NOT NULL, json TEXT NOT NULL,
  PRIMARY KEY (machine_id, id)
) STRICT, WITHOUT ROWID;
CREATE TABLE sessions (
  machine_id TEXT NOT NULL REFERENCES machines (id) ON DELETE CASCADE, id TEXT NOT NULL, project TEXT NOT NULL, json TEXT NOT NULL,
  ended_at INTEGER,
  PRIMARY KEY (machine_id, id)
) STRICT, WITHOUT ROWID;
CREATE INDEX sessions_ended ON sessions (ended_at) WHERE ended_at IS NOT NULL;
CREATE TABLE threads (
  id TEXT PRIMARY KEY, title TEXT NOT NULL, participants TEXT NOT NULL, message_count INTEGER NOT NULL, created_at INTEGER NOT NULL,
  last_at INTEGER NOT NULL, last_seq INTEGER NOT NULL, last_text TEXT NOT NULL, last_from TEXT NOT NULL, held INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX threads_newest ON threads (last_seq);
CREATE TABLE messages (
  seq INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, thread_id TEXT NOT NULL REFERENCES threads (id), kind TEXT NOT NULL,
  sender TEXT NOT NULL, recipient TEXT NOT NULL, sender_agent TEXT NOT NULL, recipient_agent TEXT NOT NULL,
  sender_machine TEXT, recipient_machine TEXT, binding TEXT NOT NULL, body TEXT NOT NULL, priority TEXT NOT NULL,
  in_reply_to TEXT, idempotency_key TEXT, depth INTEGER NOT NULL,
  state TEXT NOT NULL, state_since INTEGER NOT NULL, version INTEGER NOT NULL, place TEXT NOT NULL, reason TEXT, proof TEXT, rule TEXT,
  passed_by TEXT, approval_id TEXT, approved_by TEXT, got_by TEXT, replies INTEGER NOT NULL, answer_id TEXT, waits_behind TEXT,
  created_at INTEGER NOT NULL, expires_at INTEGER NOT NULL, watch_at INTEGER
) STRICT;
CREATE INDEX messages_in_thread ON messages (thread_id, seq);
CREATE UNIQUE INDEX messages_idempotency ON messages (sender_agent, idempotency_key) WHERE idempotency_key IS NOT NULL;
CREATE INDEX messages_to_operators ON messages (seq) WHERE recipient_machine IS NULL;
CREATE INDEX messages_under_way ON messages (expires_at)
  WHERE state IN ('submitted', 'held', 'queued', 'dispatched', 'written', 'held_at_terminal');
CREATE INDEX messages_waiting ON messages (recipient_machine, seq) WHERE state IN ('submitted', 'held', 'queued');
CREATE INDEX messages_behind ON messages (waits_behind, seq) WHERE waits_behind IS NOT NULL;
CREATE INDEX messages_watched ON messages (watch_at) WHERE watch_at IS NOT NULL;
CREATE INDEX messages_unanswered ON messages (recipient_machine, got_by)
  WHERE kind = 'ask' AND answer_id IS NULL AND state IN ('delivered', 'seen');
CREATE TABLE message_steps (
  message_seq INTEGER NOT NULL REFERENCES messages (seq) ON DELETE CASCADE, n INTEGER NOT NULL, state TEXT NOT NULL,
  at INTEGER NOT NULL, place TEXT NOT NULL, proof TEXT, rule TEXT, by TEXT, reason TEXT,
  PRIMARY KEY (message_seq, n)
) STRICT, WITHOUT ROWID;
CREATE TABLE message_aliases (
  id TEXT PRIMARY KEY, message_id TEXT NOT NULL REFERENCES messages (id) ON DELETE CASCADE
) STRICT, WITHOUT ROWID;
CREATE INDEX message_aliases_of ON message_aliases (message_id);
CREATE TABLE approvals (
  seq INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, kind TEXT NOT NULL, state TEXT NOT NULL, subject TEXT NOT NULL,
  shown_hash TEXT NOT NULL, rule TEXT NOT NULL, level TEXT, scopes TEXT NOT NULL, message_id TEXT, created_at INTEGER NOT NULL,
  expires_at INTEGER NOT NULL, decision TEXT
) STRICT;
CREATE INDEX approvals_by_state ON approvals (state, seq);
CREATE INDEX approvals_by_expiry ON approvals (state, expires_at);
CREATE INDEX approvals_of_message ON approvals (message_id) WHERE message_id IS NOT NULL;
CREATE TABLE grants (
  id TEXT PRIMARY KEY, covers TEXT NOT NULL, scope TEXT NOT NULL, sender TEXT NOT NULL, recipient TEXT NOT NULL, bound_to TEXT,
  by TEXT NOT NULL, created_at INTEGER NOT NULL, expires_at INTEGER, approval_id TEXT, revoked_at INTEGER, uses INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX grants_live ON grants (sender, recipient) WHERE revoked_at IS NULL;
CREATE TABLE events (
  seq INTEGER PRIMARY KEY AUTOINCREMENT, at INTEGER NOT NULL, type TEXT NOT NULL, message_id TEXT, json TEXT NOT NULL
) STRICT;
CREATE TABLE outbox (
  seq INTEGER PRIMARY KEY AUTOINCREMENT, machine_id TEXT NOT NULL, item TEXT NOT NULL, message_id TEXT NOT NULL, reason TEXT
) STRICT;
CREATE INDEX outbox_of_machine ON outbox (machine_id, seq);
CREATE TABLE feedback (
  id TEXT PRIMARY KEY, machine_id TEXT NOT NULL, sender TEXT NOT NULL, type TEXT NOT NULL, description TEXT NOT NULL,
  context TEXT NOT NULL, at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE notices (
  key TEXT PRIMARY KEY, level TEXT NOT NULL, text TEXT NOT NULL, next TEXT, since INTEGER NOT NULL, cleared_at INTEGER
) STRICT, WITHOUT ROWID;
CREATE TABLE operators (
  name TEXT PRIMARY KEY, role TEXT NOT NULL, telegram_user_id INTEGER UNIQUE, created_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE tokens (
  hash TEXT PRIMARY KEY, kind TEXT NOT NULL, operator TEXT NOT NULL, created_at INTEGER NOT NULL, expires_at INTEGER NOT NULL,
  last_used_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX tokens_expiry ON tokens (expires_at);
CREATE TABLE sign_in_codes (
  hash TEXT PRIMARY KEY, operator TEXT NOT NULL, created_at INTEGER NOT NULL, expires_at INTEGER NOT NULL, spent_at INTEGER
) STRICT, WITHOUT ROWID;
CREATE INDEX sign_in_codes_expiry ON sign_in_codes (expires_at);
CREATE TABLE joins (
  id TEXT PRIMARY KEY, machine_id TEXT NOT NULL, display_name TEXT NOT NULL, daemon_url TEXT NOT NULL, ip TEXT NOT NULL,
  public_key TEXT NOT NULL, claim_hash TEXT NOT NULL, code TEXT NOT NULL, state TEXT NOT NULL, approval_id TEXT, decided_by TEXT,
  reason TEXT, sealed TEXT, created_at INTEGER NOT NULL, expires_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX joins_open ON joins (expires_at) WHERE state = 'pending';
CREATE INDEX joins_by_machine ON joins (machine_id);
CREATE TABLE kv (key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID;
`;

export const HUB_MIGRATIONS: readonly Migration[] = [
  { name: 'the tables of the hub', sql: `${CORE_SCHEMA}${TELEGRAM_SCHEMA}` },
  { name: 'missions, their logs, what machines can start', sql: MISSION_SCHEMA },
  { name: 'attention: dialogs, waits, usage, preferences, push', sql: ATTENTION_SCHEMA },
  { name: 'missions that tell who asked how they ended', sql: MISSION_NOTIFY },
];
