/**
 * A machine's projects and sessions in the store.
 *
 * Invariants: the list of projects is replaced as a whole, so what was removed disappears; a session that is not named any more has ended; nothing is
 * written and no event is made where nothing changed.
 */
import { isoTime } from '../../platform/clock.ts';
import { IntercomError } from '../../protocol/errors.ts';
import type { Project, Session } from '../../protocol/model.ts';
import type { EventAppender } from '../events.ts';
import type { HubTransaction } from '../store/hub-store.ts';
import { projectsOf, replaceProjects, saveSession, sessionById, sessionsOf } from '../store/machines.ts';

/** Live sessions of one machine. */
const SESSIONS_MAX = 4_000;

export interface SessionParts {
  readonly transaction: HubTransaction;
  readonly machineId: string;
  readonly events: EventAppender;
  readonly now: number;
  readonly ended: (session: string) => Promise<void>;
  /** Told last, when all of the change is stored. */
  readonly changed: (session: Session, before: Session | undefined) => Promise<void>;
}

/** Makes this the list of the machine's projects. */
export async function setProjects(parts: SessionParts, projects: readonly Project[]): Promise<void> {
  const { transaction, machineId, events } = parts;
  const unique = [...new Map(projects.map((project) => [project.id, project])).values()];
  const sorted = unique.sort((a, b) => (a.id < b.id ? -1 : 1));
  const before = (await projectsOf(transaction.db, machineId)).get(machineId) ?? [];
  const byId = [...before].sort((a, b) => (a.id < b.id ? -1 : 1));
  if (JSON.stringify(byId) === JSON.stringify(sorted)) return;
  await replaceProjects(transaction.db, machineId, sorted);
  await events.append(transaction, { type: 'projects.changed', machineId, projects: sorted });
}

/** Stores those sessions that are not as they were. */
export async function saveChanged(parts: SessionParts, sessions: readonly Session[]): Promise<void> {
  const { transaction, machineId } = parts;
  for (const session of sessions) {
    const before = await sessionById(transaction.db, machineId, session.id);
    if (before !== undefined && JSON.stringify(before) === JSON.stringify(session)) continue;
    if (before === undefined) await checkRoom(parts);
    await store(parts, session, before);
  }
}

/** Ends the live sessions that are not in this list. */
export async function endMissing(parts: SessionParts, sessions: readonly Session[]): Promise<void> {
  const named = new Set(sessions.map((session) => session.id));
  const live = (await sessionsOf(parts.transaction.db, parts.machineId)).get(parts.machineId) ?? [];
  for (const session of live) {
    if (!named.has(session.id)) await endSession(parts, session);
  }
}

export async function endSession(parts: SessionParts, session: Session): Promise<void> {
  const at = isoTime(parts.now);
  await store(parts, { ...session, state: 'ended', stateSince: at, endedAt: at }, session);
}

async function store(parts: SessionParts, session: Session, before: Session | undefined): Promise<void> {
  const { transaction, machineId, events } = parts;
  const over = session.state === 'ended';
  const endedAt = session.endedAt === undefined ? parts.now : Date.parse(session.endedAt);
  await saveSession(transaction.db, machineId, session, over ? endedAt : null);
  await events.append(transaction, { type: 'session.changed', machineId, session });
  if (over) await parts.ended(session.id);
  await parts.changed(session, before);
}

async function checkRoom(parts: SessionParts): Promise<void> {
  const live = (await sessionsOf(parts.transaction.db, parts.machineId)).get(parts.machineId) ?? [];
  if (live.length < SESSIONS_MAX) return;
  throw new IntercomError('limit_reached', `${parts.machineId} has ${live.length} sessions already.`, {
    next: 'End some of them; a daemon says hello to correct its list.',
  });
}
