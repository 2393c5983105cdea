/**
 * Waits: from when to when a session waited for a person, for what, and how that ended.
 *
 * Invariants: a wait begins and ends in the transaction of the change of its session, together with its event; a session has one open wait exactly as long as it is
 * said to wait and its machine is there; a session that does not wait costs no query. What a wait is about may be told more exactly in its first moment; later on
 * another thing is another wait.
 */
import type { Clock } from '../../platform/clock.ts';
import type { Wait, WaitEnd, WaitKind, WaitsPage } from '../../protocol/attention.ts';
import { newId } from '../../protocol/ids.ts';
import type { Approval, Session } from '../../protocol/model.ts';
import type { EventAppender } from '../events.ts';
import type { WaitsQuery } from '../services.ts';
import { approvalById, toApproval } from '../store/approvals.ts';
import type { WaitRow } from '../store/attention-schema.ts';
import { pendingInSession } from '../store/dialogs.ts';
import type { HubStore, HubTransaction } from '../store/hub-store.ts';
import { sessionsOf } from '../store/machines.ts';
import {
  endWait,
  insertWait,
  openWait,
  openWaits,
  restateWait,
  toWait,
  waitPage,
  waitSummary,
} from '../store/waits.ts';

/** The first witness of a dialog often knows only that there is one; the hook that knows what is asked follows. */
const SETTLE_MS = 1_500;
/** A session that goes on so soon after its question ran out was not answered. */
const RAN_OUT_MS = 10_000;
const DAY_MS = 24 * 3600_000;

export interface WaitParts {
  readonly store: HubStore;
  readonly events: EventAppender;
  readonly clock: Clock;
  readonly isAway: (machineId: string) => boolean;
}

type OpenWait = Omit<WaitRow, 'seq'>;
interface Ending {
  readonly end: WaitEnd;
  readonly by: string | null;
}
const GONE: Ending = { end: 'gone', by: null };

export class HubWaits {
  readonly #parts: WaitParts;

  constructor(parts: WaitParts) {
    this.#parts = parts;
  }

  /** What a crash or an older version left untrue is put right. */
  async start(): Promise<void> {
    await this.#parts.store.write(async (transaction) => {
      const live = await sessionsOf(transaction.db);
      const known = new Set<string>();
      for (const [machineId, sessions] of live) {
        if (this.#parts.isAway(machineId)) continue;
        await this.reconcile(transaction, machineId, sessions);
        known.add(machineId);
      }
      for (const wait of await openWaits(transaction.db)) {
        if (!known.has(wait.machine_id)) await this.#end(transaction, wait, GONE);
      }
    });
  }

  /** In the transaction that stores the session. */
  async sessionChanged(
    transaction: HubTransaction,
    machineId: string,
    session: Session,
    before: Session | undefined,
  ): Promise<void> {
    if (before?.state !== 'waiting' && session.state !== 'waiting') return;
    const open = await openWait(transaction.db, machineId, session.id);
    const asked = askedBy(session);
    if (open !== undefined && asked !== undefined) {
      if (open.kind === asked.kind && open.what === asked.what) return;
      if (await this.#isRestated(transaction, open, asked)) return this.#restate(transaction, open, asked);
    }
    if (open !== undefined) await this.#end(transaction, open, await this.#ending(transaction, open, session));
    if (asked !== undefined) await this.#open(transaction, machineId, session, Date.parse(session.stateSince));
  }

  /** A dialog of the session can be answered from afar: the wait that it belongs to names it. */
  async raised(transaction: HubTransaction, machineId: string, session: string, approval: Approval): Promise<void> {
    const open = await openWait(transaction.db, machineId, session);
    if (open === undefined || open.approval_id !== null || !belongs(approval, open.kind)) return;
    await restateWait(transaction.db, open.id, { approval_id: approval.id });
    await this.#tell(transaction, { ...open, approval_id: approval.id });
  }

  /** The machine told all its live sessions, or is heard from again: every one that waits has its wait, and no other has. */
  async reconcile(transaction: HubTransaction, machineId: string, sessions: readonly Session[]): Promise<void> {
    const waiting = new Map(sessions.flatMap((one) => (one.state === 'waiting' ? [[one.id, one] as const] : [])));
    for (const wait of await openWaits(transaction.db, machineId)) {
      if (!waiting.delete(wait.session)) await this.#end(transaction, wait, GONE);
    }
    // Nobody saw whether it waited meanwhile.
    for (const session of waiting.values()) await this.#open(transaction, machineId, session, this.#now());
  }

  /** It is not heard from: nobody knows whether its sessions still wait. */
  async machineAway(transaction: HubTransaction, machineId: string): Promise<void> {
    for (const wait of await openWaits(transaction.db, machineId)) await this.#end(transaction, wait, GONE);
  }

  async machineBack(transaction: HubTransaction, machineId: string): Promise<void> {
    const sessions = (await sessionsOf(transaction.db, machineId)).get(machineId) ?? [];
    await this.reconcile(transaction, machineId, sessions);
  }

  list({ limit, before, project, days }: WaitsQuery): Promise<WaitsPage> {
    return this.#parts.store.read(async (db) => {
      const rows = await waitPage(db, { limit: limit + 1, before, project });
      return {
        waits: rows.slice(0, limit).map(toWait),
        more: rows.length > limit,
        summary: await waitSummary(db, this.#now() - days * DAY_MS, project),
      };
    });
  }

  /** Those that last. */
  open(): Promise<Wait[]> {
    return this.#parts.store.read(async (db) => (await openWaits(db)).map(toWait));
  }

  async #open(transaction: HubTransaction, machineId: string, session: Session, since: number): Promise<void> {
    const now = this.#now();
    const asked = askedBy(session);
    if (asked === undefined) return;
    const wait: OpenWait = {
      id: newId('wait', now),
      machine_id: machineId,
      project: session.project,
      session: session.id,
      agent: session.agent,
      kind: asked.kind,
      what: asked.what,
      approval_id: await this.#approvalFor(transaction, machineId, session.id, asked),
      since: Math.min(since, now),
      until: null,
      end: null,
      by: null,
    };
    await insertWait(transaction.db, wait);
    await this.#tell(transaction, wait);
  }

  async #restate(transaction: HubTransaction, open: OpenWait, asked: Asked): Promise<void> {
    const found = open.approval_id ?? (await this.#approvalFor(transaction, open.machine_id, open.session, asked));
    const change = { ...asked, ...(found === null ? {} : { approval_id: found }) };
    await restateWait(transaction.db, open.id, change);
    await this.#tell(transaction, { ...open, ...change });
  }

  async #end(transaction: HubTransaction, open: OpenWait, ending: Ending): Promise<void> {
    const over = { until: Math.max(this.#now(), open.since), ...ending };
    if (await endWait(transaction.db, open.id, over)) await this.#tell(transaction, { ...open, ...over });
  }

  async #tell(transaction: HubTransaction, wait: OpenWait): Promise<void> {
    await this.#parts.events.append(transaction, { type: 'wait.changed', wait: toWait(wait) });
  }

  /** It has just begun, nobody has answered it, and nothing that was said of it is taken back. */
  async #isRestated(transaction: HubTransaction, open: OpenWait, asked: Asked): Promise<boolean> {
    if (open.kind !== asked.kind && open.kind !== 'dialog') return false;
    if (this.#now() - open.since > SETTLE_MS) return false;
    if (open.approval_id === null) return true;
    return (await approvalById(transaction.db, open.approval_id))?.state === 'pending';
  }

  async #ending(transaction: HubTransaction, open: OpenWait, session: Session): Promise<Ending> {
    // Nobody answers a limit: it ends.
    if (session.state === 'ended' || open.kind === 'rate_limit') return GONE;
    const row = open.approval_id === null ? undefined : await approvalById(transaction.db, open.approval_id);
    return row === undefined ? { end: 'at_terminal', by: null } : endingOf(toApproval(row), this.#now());
  }

  async #approvalFor({ db }: HubTransaction, machineId: string, session: string, asked: Asked): Promise<string | null> {
    const rows = await pendingInSession(db, machineId, session);
    const fitting = rows.map(toApproval).filter((approval) => belongs(approval, asked.kind));
    const exact = fitting.find((approval) => asked.what.includes(summaryOf(approval)));
    return (exact ?? fitting[0])?.id ?? null;
  }

  #now(): number {
    return this.#parts.clock.now();
  }
}

interface Asked {
  readonly kind: WaitKind;
  readonly what: string;
}

function askedBy({ state, waiting }: Session): Asked | undefined {
  if (state !== 'waiting') return undefined;
  return { kind: waiting?.kind ?? 'dialog', what: waiting?.what ?? '' };
}

/** How a wait ended that this approval was about, when its session goes on. */
export function endingOf({ state, decision, expiresAt }: Approval, now: number): Ending {
  switch (state) {
    case 'allowed':
    case 'denied':
      return decision?.via === 'policy' ? { end: 'policy', by: null } : { end: 'answered', by: decision?.by ?? null };
    case 'answered_elsewhere':
      return { end: 'at_terminal', by: decision?.by ?? null };
    case 'withdrawn':
      return GONE;
    case 'expired':
      return now - Date.parse(expiresAt) < RAN_OUT_MS ? GONE : { end: 'at_terminal', by: null };
    case 'pending':
      // Whoever answered it did so where it was asked; the word of that is on its way.
      return { end: 'at_terminal', by: null };
  }
}

/** Whether an approval is about what a session waits for. */
function belongs({ subject }: Approval, kind: WaitKind): boolean {
  if (subject.kind === 'tool') return kind === (subject.plan === true ? 'plan' : 'permission');
  return subject.kind === 'question' && kind !== 'permission' && kind !== 'rate_limit';
}

function summaryOf({ subject }: Approval): string {
  return subject.kind === 'tool' || subject.kind === 'question' ? subject.summary : '';
}
