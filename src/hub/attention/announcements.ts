/**
 * What agents say to whoever listens. Kept in the event log alone, as long as that reaches.
 *
 * Invariants: who speaks is stamped by the hub; a session speaks so often in a minute and no oftener; texts are plain.
 */
import { isoTime, type Clock } from '../../platform/clock.ts';
import { RateLimit } from '../../platform/rate-limit.ts';
import { formatAddress } from '../../protocol/address.ts';
import type { Announced, Announcement } from '../../protocol/attention.ts';
import { IntercomError } from '../../protocol/errors.ts';
import { newId } from '../../protocol/ids.ts';
import type { AnnounceRequest } from '../../protocol/machine-api.ts';
import { normalizeNewlines, textFault } from '../../protocol/text.ts';
import type { EventAppender } from '../events.ts';
import { newestAnnouncements } from '../store/announcements.ts';
import type { HubDb, HubStore } from '../store/hub-store.ts';
import { hasProject, sessionById } from '../store/machines.ts';

const PER_SESSION = 20;
const PER_MINUTE = 600;
const LIST_MAX = 200;

export interface AnnouncementParts {
  readonly store: HubStore;
  readonly events: EventAppender;
  readonly clock: Clock;
  /** Pages that are looked at now. */
  readonly listeners: () => number;
}

export class HubAnnouncements {
  readonly #parts: AnnouncementParts;
  readonly #limit: RateLimit;

  constructor(parts: AnnouncementParts) {
    this.#parts = parts;
    this.#limit = new RateLimit({
      clock: parts.clock,
      perCaller: PER_SESSION,
      total: PER_MINUTE,
      what: 'announcements',
    });
  }

  async announce(machineId: string, request: AnnounceRequest): Promise<Announced> {
    const { store, events, clock, listeners } = this.#parts;
    const text = plain(request.text);
    this.#limit.take(`${machineId}/${request.fromSession ?? request.fromProject}`);
    const now = clock.now();
    const id = newId('announcement', now);
    await store.write(async (transaction) => {
      const from = await speaker(transaction.db, machineId, request);
      const { category, priority } = request;
      const announcement: Announcement = { id, from, text, category, priority, at: isoTime(now) };
      await events.append(transaction, { type: 'announcement', announcement });
    });
    return { id, listeners: listeners() };
  }

  /** Newest first. */
  newest(limit: number): Promise<Announcement[]> {
    return this.#parts.store.read((db) => newestAnnouncements(db, Math.max(1, Math.min(limit, LIST_MAX))));
  }
}

async function speaker(
  db: HubDb,
  machine: string,
  { fromProject: project, fromSession: id }: AnnounceRequest,
): Promise<string> {
  if (id === undefined) {
    if (await hasProject(db, machine, project)) return formatAddress({ kind: 'agent', machine, project });
    throw new IntercomError('unknown_project', `${machine} has no project "${project}".`, {
      field: 'fromProject',
      next: 'Announce from a session, or from a project that the machine told of.',
    });
  }
  const session = await sessionById(db, machine, id);
  if (session !== undefined) return formatAddress({ kind: 'agent', machine, project: session.project, session: id });
  throw new IntercomError('unknown_session', `The session ${id} is not one of ${machine}.`, {
    field: 'fromSession',
    next: 'Tell of the session first.',
  });
}

function plain(given: string): string {
  const text = normalizeNewlines(given).trim();
  const fault = text === '' ? 'it is empty' : textFault(text);
  if (fault === undefined) return text;
  throw new IntercomError('invalid_request', `The announcement cannot be passed on: ${fault}.`, {
    field: 'text',
    next: 'Write it as plain text.',
  });
}
