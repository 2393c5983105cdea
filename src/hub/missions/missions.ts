/**
 * Missions: pieces of work given to agents, as the surfaces and the machine API use them. Every method is one transaction (or one read); the
 * flows are in the files beside this one.
 *
 * Invariants: see protocol/mission.ts, mission-life.ts and design §7; a viewer that is a machine sees only what its agents asked for or what it
 * runs, and is told no more than "unknown" about the rest.
 */
import { RateLimit } from '../../platform/rate-limit.ts';
import { Waiters } from '../../platform/waiters.ts';
import { agentOf, formatAddress, type Address } from '../../protocol/address.ts';
import { IntercomError } from '../../protocol/errors.ts';
import { isId } from '../../protocol/ids.ts';
import type { HelloRequest, MessageStatus, StartMission } from '../../protocol/machine-api.ts';
import type { MissionState } from '../../protocol/mission-life.ts';
import { missionIsOver } from '../../protocol/mission-life.ts';
import type { Inspection, Mission, MissionLogPage, MissionNews } from '../../protocol/mission.ts';
import type { OperatorMission, OperatorSubmit } from '../../protocol/operator-api.ts';
import type { Actor, MissionNewsResult, Missions, MissionsQuery, Terminals, Viewer } from '../services.ts';
import type { HubDb, HubTransaction } from '../store/hub-store.ts';
import { sessionById } from '../store/machines.ts';
import type { MissionRow } from '../store/mission-schema.ts';
import {
  flagsOf,
  limitsOf,
  logEntries,
  missionById,
  missionByKey,
  missionCounts,
  missionPage,
  missionsByPrefix,
  toMission,
} from '../store/missions.ts';
import { Answers } from './answers.ts';
import type { MissionAftermath, MissionParts } from './context.ts';
import { conversationOf, GO_ON, MissionLife } from './life.ts';
import { LogFeed } from './log-feed.ts';
import { applyNews } from './news.ts';
import { MissionItems } from './outbox-items.ts';
import { missionsOfGone, reconcileMissions } from './reconcile.ts';
import { MissionRequests, type MissionDraft, type MissionPlan } from './requests.ts';
import { MissionUnit } from './unit.ts';

/** Requests of agents in a minute: of one, of all together. */
const PACE = { perCaller: 30, total: 600 };
const PAGE_MAX = 200;
const LOG_PAGE_MAX = 500;
const LIST_HINT = '`intercom missions` lists them.';

/** Who speaks into a running mission, and who looks at its screen. */
export interface MissionWays {
  say(actor: Actor, message: OperatorSubmit): Promise<MessageStatus>;
  readonly terminals: Pick<Terminals, 'inspect'>;
}

export class HubMissions implements Missions {
  readonly #parts: MissionParts;
  readonly #ways: MissionWays;
  readonly #aftermath: MissionAftermath;
  readonly #feed: LogFeed;
  readonly #requests: MissionRequests;
  readonly #life: MissionLife;
  readonly #pace: RateLimit;
  /** What messaging carries for missions. */
  readonly items: MissionItems;
  /** What questions ask of missions. */
  readonly answers: Answers;

  constructor(parts: MissionParts, ways: MissionWays) {
    this.#parts = parts;
    this.#ways = ways;
    this.#feed = new LogFeed(parts);
    this.#aftermath = { moved: new Waiters<true>(parts.clock), logGrew: (id) => this.#feed.grew(id) };
    this.#requests = new MissionRequests(parts);
    this.#life = new MissionLife(parts);
    this.#pace = new RateLimit({ clock: parts.clock, ...PACE, what: 'requests for missions' });
    this.items = new MissionItems(parts, this.#aftermath);
    this.answers = new Answers(parts, this.#aftermath, this.#requests, this.#life);
    parts.approvals.register(['launch'], {
      onDecided: (transaction, approval, decision) => this.#life.decided(this.#unit(transaction), approval, decision),
      onExpired: (transaction, approval) => this.#life.undecided(this.#unit(transaction), approval),
    });
  }

  /** Tells what a crash left untold. */
  start(): Promise<void> {
    return this.#feed.start();
  }

  stop(): Promise<void> {
    return this.#feed.stop();
  }

  async startFromMachine(machineId: string, start: StartMission): Promise<Mission> {
    // Also what policy denies at once is stored, so it must not come without end.
    this.#pace.take(`${machineId}/${start.fromProject}`);
    const { fromProject, fromSession, machine, idempotencyKey, requireApproval, notify, ...spec } = start;
    const session = fromSession === undefined ? {} : { session: fromSession };
    const from: Address = { kind: 'agent', machine: machineId, project: fromProject, ...session };
    return this.#begin({ from, machine, spec, idempotencyKey, requireApproval, notify });
  }

  async startFromOperator(actor: Actor, start: OperatorMission): Promise<Mission> {
    mustBeOperator(actor, 'start missions');
    const { machine, idempotencyKey, ...spec } = start;
    return this.#begin({ from: addressOf(actor), machine, spec, idempotencyKey, requireApproval: 'auto' });
  }

  applyNews(machineId: string, news: readonly MissionNews[]): Promise<MissionNewsResult[]> {
    return this.#write(async (unit) => {
      const results: MissionNewsResult[] = [];
      for (const item of news) results.push(await applyNews(unit, machineId, item));
      return results;
    });
  }

  list(query: MissionsQuery, viewer?: Viewer): Promise<{ missions: Mission[]; more: boolean }> {
    const limit = Math.max(1, Math.min(Math.floor(query.limit), PAGE_MAX));
    return this.#parts.store.read(async (db) => {
      const before = query.before === undefined ? undefined : await seen(db, query.before, viewer);
      const rows = await missionPage(db, {
        limit: limit + 1,
        beforeSeq: before?.seq,
        state: query.state,
        machine: viewer?.machineId,
      });
      return { missions: rows.slice(0, limit).map(toMission), more: rows.length > limit };
    });
  }

  get(idOrPrefix: string, viewer?: Viewer): Promise<Mission> {
    return this.#parts.store.read(async (db) => toMission(await seen(db, idOrPrefix, viewer)));
  }

  async wait(
    idOrPrefix: string,
    wait: { readonly unless: readonly MissionState[]; readonly waitMs: number; readonly signal: AbortSignal },
    viewer?: Viewer,
  ): Promise<Mission> {
    const { id, state } = await this.get(idOrPrefix, viewer);
    const unless = wait.unless.length === 0 ? [state] : wait.unless;
    const until = this.#parts.clock.monotonic() + wait.waitMs;
    for (;;) {
      // Listen first, look then: a move in between must not be missed.
      const done = new AbortController();
      const left = until - this.#parts.clock.monotonic();
      const moved = this.#aftermath.moved.next(id, left, AbortSignal.any([done.signal, wait.signal]));
      try {
        const mission = await this.get(id, viewer);
        if (left <= 0 || wait.signal.aborted || !unless.includes(mission.state)) return mission;
        if ((await moved) === undefined) return await this.get(id, viewer);
      } finally {
        done.abort();
      }
    }
  }

  log(
    idOrPrefix: string,
    page: { readonly after: number; readonly limit: number },
    viewer?: Viewer,
  ): Promise<MissionLogPage> {
    const limit = Math.max(1, Math.min(Math.floor(page.limit), LOG_PAGE_MAX));
    return this.#parts.store.read(async (db) => {
      const row = await seen(db, idOrPrefix, viewer);
      const found = await logEntries(db, row.id, page.after, limit + 1);
      const entries = found.slice(0, limit);
      const next = entries[0]?.seq ?? row.log_seq + 1;
      const missing = Math.max(0, next - page.after - 1);
      return { entries, missing, more: found.length > limit, state: row.state };
    });
  }

  async cancel(idOrPrefix: string, by: Actor | Viewer, reason: string | undefined): Promise<Mission> {
    if ('operator' in by) mustBeOperator(by, 'end missions');
    const viewer = 'operator' in by ? undefined : by;
    return this.#move(idOrPrefix, viewer, async (unit, row) => {
      if (viewer !== undefined && row.requester_machine !== viewer.machineId) {
        throw new IntercomError('forbidden', 'Your agents did not ask for this mission, so they cannot end it.', {
          next: 'Ask a person to end it.',
        });
      }
      if ('operator' in by) return this.#life.cancel(unit, row, by.operator.name, reason);
      // Who ends it knows.
      const quiet = row.notify === 1 ? await unit.touch(row, { notify: 0 }) : row;
      return this.#life.cancel(unit, quiet, row.requested_by, reason);
    });
  }

  async pause(actor: Actor, idOrPrefix: string, reason: string | undefined): Promise<Mission> {
    mustBeOperator(actor, 'pause missions');
    return this.#move(idOrPrefix, undefined, (unit, row) => this.#life.pause(unit, row, actor.operator.name, reason));
  }

  async resume(actor: Actor, idOrPrefix: string, text: string | undefined): Promise<Mission> {
    mustBeOperator(actor, 'resume missions');
    return this.#move(idOrPrefix, undefined, (unit, row) => {
      this.#mustBeMember(row.machine_id);
      return this.#life.resume(unit, row, actor.operator.name, text);
    });
  }

  async rerun(actor: Actor, idOrPrefix: string): Promise<Mission> {
    mustBeOperator(actor, 'start missions');
    const source = await this.#parts.store.read((db) => seen(db, idOrPrefix));
    return this.#begin({ ...again(source, actor), source });
  }

  async fork(actor: Actor, idOrPrefix: string, text: string | undefined): Promise<Mission> {
    mustBeOperator(actor, 'start missions');
    const source = await this.#parts.store.read((db) => seen(db, idOrPrefix));
    const resume = { session: conversationOf(source), text: text ?? GO_ON, fork: true };
    return this.#begin({ ...again(source, actor), source, resume });
  }

  async send(actor: Actor, idOrPrefix: string, text: string): Promise<MessageStatus> {
    mustBeOperator(actor, 'write messages');
    const row = await this.#parts.store.read((db) => reachable(db, idOrPrefix));
    const to = formatAddress({ kind: 'agent', machine: row.machine_id, project: row.project, session: row.session });
    return this.#ways.say(actor, { to, threadId: row.thread_id, kind: 'chat', body: text, priority: 'normal' });
  }

  async inspect(idOrPrefix: string, viewer?: Viewer): Promise<Inspection> {
    const row = await this.#parts.store.read((db) => reachable(db, idOrPrefix, viewer));
    return this.#ways.terminals.inspect(row.machine_id, row.session);
  }

  counts(): Promise<ReadonlyMap<MissionState, number>> {
    return this.#parts.store.read(missionCounts);
  }

  /** What its machine says it has; in the transaction of the hello. */
  hello(transaction: HubTransaction, machineId: string, hello: HelloRequest): Promise<void> {
    return reconcileMissions(this.#unit(transaction), machineId, hello);
  }

  /** A machine was put out. */
  async machineGone(machineId: string, reason: string): Promise<void> {
    await this.#write((unit) => missionsOfGone(this.#parts, unit, machineId, reason));
  }

  async #begin(draft: MissionDraft): Promise<Mission> {
    return this.#write(async (unit) => {
      const { from, idempotencyKey } = draft;
      const requester = formatAddress(from.kind === 'agent' ? agentOf(from) : from);
      const first = idempotencyKey === undefined ? undefined : await missionByKey(unit.db, requester, idempotencyKey);
      if (first !== undefined) return toMission(first);
      const plan: MissionPlan = await this.#requests.plan(unit.db, draft);
      return toMission(await this.#requests.store(unit, plan));
    });
  }

  #move(
    idOrPrefix: string,
    viewer: Viewer | undefined,
    move: (unit: MissionUnit, row: MissionRow) => Promise<MissionRow>,
  ): Promise<Mission> {
    return this.#write(async (unit) => toMission(await move(unit, await seen(unit.db, idOrPrefix, viewer))));
  }

  #mustBeMember(machine: string): void {
    if (this.#parts.directory.standing(machine) === 'member') return;
    throw new IntercomError('unknown_machine', `${machine} no longer belongs to this mesh.`, {
      next: 'Start a new mission on another machine.',
    });
  }

  #unit(transaction: HubTransaction): MissionUnit {
    return new MissionUnit(this.#parts, this.#aftermath, transaction);
  }

  #write<T>(job: (unit: MissionUnit) => Promise<T>): Promise<T> {
    return this.#parts.store.write((transaction) => job(this.#unit(transaction)));
  }
}

/** The mission of this id or unambiguous prefix, if this viewer may see it. */
async function seen(db: HubDb, idOrPrefix: string, viewer?: Viewer): Promise<MissionRow> {
  const found = isId('mission', idOrPrefix)
    ? [await missionById(db, idOrPrefix)]
    : idOrPrefix.length < 5
      ? []
      : await missionsByPrefix(db, idOrPrefix);
  const [first, second] = found;
  const mine =
    viewer === undefined || first?.machine_id === viewer.machineId || first?.requester_machine === viewer.machineId;
  if (first === undefined || !mine) {
    throw new IntercomError('unknown_mission', `There is no mission "${idOrPrefix.slice(0, 64)}".`, {
      next: LIST_HINT,
    });
  }
  if (second !== undefined) {
    throw new IntercomError('ambiguous', `More than one mission begins with "${idOrPrefix.slice(0, 64)}".`, {
      next: `Give more of the id; ${LIST_HINT}`,
    });
  }
  return first;
}

/** A mission whose session can be spoken to now. */
async function reachable(
  db: HubDb,
  idOrPrefix: string,
  viewer?: Viewer,
): Promise<MissionRow & { readonly session: string }> {
  const row = await seen(db, idOrPrefix, viewer);
  const { session, state } = row;
  const live = session === null ? undefined : await sessionById(db, row.machine_id, session);
  if (session !== null && live !== undefined && live.state !== 'ended') return { ...row, session };
  throw new IntercomError('conflict', `Nothing can be said to it now: it is ${state}, and has no live session.`, {
    next:
      missionIsOver(state) || state === 'paused'
        ? `\`intercom missions resume ${row.id} "…"\` goes on with its conversation.`
        : 'Try again once it runs; `intercom missions show` says what it waits for.',
    details: { state },
  });
}

/** The same request, now by this person. */
function again(source: MissionRow, actor: Actor): MissionDraft {
  return {
    from: addressOf(actor),
    machine: source.machine_id,
    spec: {
      project: source.project,
      text: source.text,
      agent: source.agent,
      runtime: source.runtime,
      flags: flagsOf(source),
      isolation: source.isolation,
      limits: limitsOf(source),
    },
    idempotencyKey: undefined,
    requireApproval: 'auto',
  };
}

function addressOf(actor: Actor): Address {
  return { kind: 'human', name: actor.operator.name };
}

function mustBeOperator(actor: Actor, what: string): void {
  if (actor.operator.role !== 'viewer') return;
  throw new IntercomError('forbidden', `${actor.operator.name} is a viewer and cannot ${what}.`, {
    next: 'Ask an owner for the role of an operator.',
  });
}
