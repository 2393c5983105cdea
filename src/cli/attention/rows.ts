/**
 * The rows of the attention table: what they hold and in which order they stand. Pure.
 *
 * Invariants: what waits for a person stands first, the one that has waited longest before the others; a row that works stands where it stood, however often its state changes;
 * each open card is a row of its own, so that several of one session are told apart.
 */
import type { SessionUsage } from '../../protocol/attention.ts';
import type { Approval, Session } from '../../protocol/model.ts';
import { toolLine } from '../../protocol/tool-line.ts';

/** In the order of the table. */
export const GROUPS = ['waiting', 'stalled', 'limited', 'working', 'idle'] as const;
export type Group = (typeof GROUPS)[number];

export interface Row {
  /** Stays the same as long as it is the same thing: the card, or the session. */
  readonly key: string;
  readonly group: Group;
  /** permission, question, plan, …; or what the session does. */
  readonly kind: string;
  /** What is asked, in one line; empty where nothing is. */
  readonly what: string;
  /** Milliseconds since 1970. */
  readonly since: number;
  /** When a limit ends. */
  readonly resetAt?: number;
  /** The agent address, with the session where it is known. */
  readonly address: string;
  readonly agent?: string;
  /** Percent of the context that is used. */
  readonly context?: number;
  readonly costUsd?: number;
  /** The card that answers it; without one it is answered at its terminal. */
  readonly approval?: Approval;
  /** Its machine is away: this is as of then. */
  readonly away: boolean;
}

/** A session at its place. */
export interface Seat {
  readonly machine: string;
  readonly session: Session;
  readonly away: boolean;
  readonly usage: SessionUsage | undefined;
}

export function rowsOf(seats: Iterable<Seat>, pending: Iterable<Approval>): Row[] {
  const byAddress = new Map<string, Seat>();
  for (const seat of seats) byAddress.set(addressOf(seat), seat);
  const rows: Row[] = [];
  const asked = new Set<string>();
  for (const approval of pending) {
    const from = askerOf(approval);
    asked.add(from);
    rows.push(cardRow(approval, byAddress.get(from)));
  }
  for (const [address, seat] of byAddress) {
    // What a session waits for stands there already as its card.
    if (seat.session.state === 'waiting' && asked.has(address) && groupOf(seat.session) === 'waiting') continue;
    rows.push(sessionRow(address, seat));
  }
  return rows.sort(inOrder);
}

export function addressOf({ machine, session }: Seat): string {
  return `${machine}/${session.project}#${session.id}`;
}

function askerOf({ subject }: Approval): string {
  return subject.kind === 'join' ? subject.machineId : subject.from;
}

/** What a card is about, in the words of the waits. */
export function kindOf({ subject }: Approval): string {
  if (subject.kind === 'tool') return subject.plan === true ? 'plan' : 'permission';
  return subject.kind;
}

function whatOf({ subject }: Approval): string {
  switch (subject.kind) {
    case 'tool':
      return subject.plan === true ? 'wants to go ahead with its plan' : toolLine(subject);
    case 'question':
      return subject.summary;
    case 'join':
      return `${subject.displayName} wants to join, code ${subject.code}`;
    case 'launch':
      return `start ${subject.agent} at ${subject.to}: ${subject.body}`;
    case 'message':
    case 'ask':
      return `to ${subject.to}: ${subject.body}`;
  }
}

function cardRow(approval: Approval, seat: Seat | undefined): Row {
  const { subject } = approval;
  return {
    key: approval.id,
    group: 'waiting',
    kind: kindOf(approval),
    what: whatOf(approval),
    since: Date.parse(approval.createdAt),
    address: askerOf(approval),
    approval,
    away: seat?.away ?? false,
    ...(subject.kind === 'tool' || subject.kind === 'question' ? { agent: subject.agent } : {}),
    ...(seat === undefined ? {} : usageOf(seat)),
  };
}

function sessionRow(address: string, seat: Seat): Row {
  const { session, away } = seat;
  const group = groupOf(session);
  const { waiting } = session;
  const since = group === 'stalled' ? (session.stalledSince ?? session.stateSince) : session.stateSince;
  return {
    key: address,
    group,
    kind: session.state === 'waiting' ? (waiting?.kind ?? 'dialog') : session.state,
    what: session.state === 'waiting' ? (waiting?.what ?? 'its person') : '',
    since: Date.parse(since),
    ...(waiting?.resetAt === undefined ? {} : { resetAt: Date.parse(waiting.resetAt) }),
    address,
    agent: session.agent,
    away,
    ...usageOf(seat),
  };
}

function groupOf(session: Session): Group {
  if (session.state === 'waiting') return session.waiting?.kind === 'rate_limit' ? 'limited' : 'waiting';
  if (session.stalledSince !== undefined) return 'stalled';
  return session.state === 'idle' || session.state === 'unknown' ? 'idle' : 'working';
}

function usageOf({ usage }: Seat): Pick<Row, 'context' | 'costUsd'> {
  const context = usage === undefined ? undefined : contextPercent(usage);
  return {
    ...(context === undefined ? {} : { context }),
    ...(usage?.costUsd === undefined ? {} : { costUsd: usage.costUsd }),
  };
}

/** How full its context is; undefined where its agent does not tell. */
export function contextPercent({ contextTokens, contextWindow }: SessionUsage): number | undefined {
  if (contextTokens === undefined || contextWindow === undefined || contextWindow === 0) return undefined;
  return Math.round((contextTokens / contextWindow) * 100);
}

function inOrder(a: Row, b: Row): number {
  const byGroup = GROUPS.indexOf(a.group) - GROUPS.indexOf(b.group);
  if (byGroup !== 0) return byGroup;
  const quiet = a.group === 'working' || a.group === 'idle';
  const byTime = quiet ? 0 : a.since - b.since;
  if (byTime !== 0) return byTime;
  return a.key < b.key ? -1 : a.key > b.key ? 1 : 0;
}
