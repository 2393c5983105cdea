/**
 * What the app knows about the mesh, and how an event changes it. Pure: no clock, no network, no DOM.
 *
 * Invariants: everything is replaced by id, never patched. `seq` only grows; an event at or below it changes nothing, so repeats are
 * harmless. A thing that was fetched over HTTP never replaces a newer one that came by event. Every collection has a bound.
 */
import { parseAddress } from '../../../src/protocol/address.ts';
import type { HubEvent } from '../../../src/protocol/events.ts';
import type {
  Agent,
  Approval,
  Grant,
  Machine,
  Message,
  Operator,
  Project,
  Session,
  SystemNotice,
  Thread,
} from '../../../src/protocol/model.ts';
import type { Snapshot } from '../../../src/protocol/operator-api.ts';
import { announcementInto, attentionOf, usageInto, waitInto, type AttentionState } from './attention-state.ts';
import { boundedMissions, entriesInto, withMission, type Logs, type Missions } from './mission-state.ts';

/** Decided approvals that stay in memory; older ones are the hub's to tell. */
export const DECIDED_MAX = 100;
/** Threads in the list. */
export const THREADS_MAX = 300;
/** Opened conversations whose messages stay in memory. */
export const OPENED_MAX = 12;

/** The messages of one opened thread. */
export interface OpenedThread {
  readonly messages: ReadonlyMap<string, Message>;
  /** The hub has older ones. */
  readonly more: boolean;
}

export interface Unlisted {
  readonly count: number;
  readonly after: string;
}

export interface MeshState {
  readonly epoch: string;
  readonly seq: number;
  /** Which snapshot this state stands on; a new one means that opened conversations have to be read again. */
  readonly base: string;
  readonly me: Operator;
  readonly machines: ReadonlyMap<string, Machine>;
  /** By address, `machine/project`. */
  readonly agents: ReadonlyMap<string, Agent>;
  readonly approvals: ReadonlyMap<string, Approval>;
  /** Pending approvals that the hub has and this state lacks: how many, and the one behind which they begin. */
  readonly unlisted: Unlisted | undefined;
  readonly threads: ReadonlyMap<string, Thread>;
  readonly grants: ReadonlyMap<string, Grant>;
  /** Live ones, by key. */
  readonly notices: ReadonlyMap<string, SystemNotice>;
  /** In the order of opening, newest last. */
  readonly opened: ReadonlyMap<string, OpenedThread>;
  readonly missions: Missions;
  /** The logs of opened missions, newest opened last. */
  readonly logs: Logs;
  readonly attention: AttentionState;
}

/** The state that a snapshot describes. Opened conversations of the state before stay; their screens refetch them. */
export function fromSnapshot(snapshot: Snapshot, before?: MeshState): MeshState {
  return {
    epoch: snapshot.epoch,
    seq: snapshot.seq,
    base: `${snapshot.epoch}:${snapshot.seq}`,
    me: snapshot.me,
    machines: byKey(snapshot.machines, (machine) => machine.id),
    agents: byKey(snapshot.agents, (agent) => agent.address),
    approvals: boundedApprovals(byKey(snapshot.approvals, (approval) => approval.id)),
    unlisted: unlistedOf(snapshot),
    threads: boundedThreads(byKey(snapshot.threads, (thread) => thread.id)),
    grants: byKey(snapshot.grants, (grant) => grant.id),
    notices: byKey(
      snapshot.notices.filter((notice) => notice.clearedAt === undefined),
      (notice) => notice.key,
    ),
    opened: before?.opened ?? new Map<string, OpenedThread>(),
    missions: boundedMissions(byKey(snapshot.missions, (mission) => mission.id)),
    logs: before?.logs ?? new Map(),
    attention: attentionOf(snapshot),
  };
}

/** What an event is to this state: the next one, one that is already in it, or one after a hole (then a snapshot is needed). */
export function placeOf(state: MeshState, seq: number): 'next' | 'known' | 'hole' {
  if (seq <= state.seq) return 'known';
  return seq === state.seq + 1 ? 'next' : 'hole';
}

/** The state after an event. Known events return the same object. */
export function applyEvent(state: MeshState, event: HubEvent): MeshState {
  if (event.seq <= state.seq) return state;
  return { ...state, ...changesOf(state, event), seq: event.seq };
}

/** The state after an event that this version of the app does not understand: only its number counts. */
export function skipEvent(state: MeshState, seq: number): MeshState {
  return seq <= state.seq ? state : { ...state, seq };
}

function changesOf(state: MeshState, event: HubEvent): Partial<MeshState> {
  switch (event.type) {
    case 'message.changed':
      return {
        threads: boundedThreads(withEntry(state.threads, event.thread.id, event.thread)),
        opened: messageInto(state.opened, event.message),
      };
    case 'approval.changed':
      return {
        approvals: boundedApprovals(withEntry(state.approvals, event.approval.id, event.approval)),
        unlisted: withoutDecided(state, event.approval),
      };
    case 'machine.changed':
      return machineInto(state, event.machine);
    case 'machine.removed':
      return {
        machines: without(state.machines, event.machineId),
        agents: filtered(state.agents, (agent) => agent.machine !== event.machineId),
      };
    case 'projects.changed':
      return { agents: projectsInto(state, event.machineId, event.projects) };
    case 'session.changed':
      return { agents: sessionInto(state, event.machineId, event.session) };
    case 'grant.changed':
      return { grants: withEntry(state.grants, event.grant.id, event.grant) };
    case 'policy.changed':
      return {};
    case 'mission.changed':
      return { missions: withMission(state.missions, event.mission) };
    case 'wait.changed':
      return { attention: waitInto(state.attention, event.wait) };
    case 'usage.changed':
      return { attention: usageInto(state.attention, event.machineId, event.usage) };
    case 'announcement':
      return { attention: announcementInto(state.attention, event.announcement) };
    case 'mission.log':
      return { logs: entriesInto(state.logs, event.missionId, event.entries) };
    case 'system.notice':
      return {
        notices:
          event.notice.clearedAt === undefined
            ? withEntry(state.notices, event.notice.key, event.notice)
            : without(state.notices, event.notice.key),
      };
  }
}

// ── machines, projects, sessions ─────────────────────────────────────────────────────────────────────────────────────────

function machineInto(state: MeshState, machine: Machine): Partial<MeshState> {
  const agents = mapped(state.agents, (agent) =>
    agent.machine === machine.id
      ? { ...agent, machineName: machine.displayName, machineStatus: machine.status }
      : agent,
  );
  return { machines: withEntry(state.machines, machine.id, machine), agents };
}

function agentFor(state: MeshState, machineId: string, project: Project, sessions: readonly Session[]): Agent {
  const machine = state.machines.get(machineId);
  return {
    address: `${machineId}/${project.id}`,
    machine: machineId,
    machineName: machine?.displayName ?? machineId,
    machineStatus: machine?.status ?? 'online',
    project,
    sessions: [...sessions],
  };
}

/** The list is the whole truth about a machine's projects; sessions of the ones that stay are kept. */
function projectsInto(state: MeshState, machineId: string, projects: readonly Project[]): ReadonlyMap<string, Agent> {
  const agents = new Map(filtered(state.agents, (agent) => agent.machine !== machineId));
  for (const project of projects) {
    const sessions = state.agents.get(`${machineId}/${project.id}`)?.sessions ?? [];
    const agent = agentFor(state, machineId, project, sessions);
    agents.set(agent.address, agent);
  }
  return agents;
}

function sessionInto(state: MeshState, machineId: string, session: Session): ReadonlyMap<string, Agent> {
  const agents = new Map(state.agents);
  for (const [address, agent] of state.agents) {
    if (agent.machine !== machineId || !agent.sessions.some((other) => other.id === session.id)) continue;
    agents.set(address, { ...agent, sessions: agent.sessions.filter((other) => other.id !== session.id) });
  }
  if (session.state === 'ended') return agents;
  const address = `${machineId}/${session.project}`;
  const agent = agents.get(address) ?? agentFor(state, machineId, projectOfSession(session), []);
  agents.set(address, { ...agent, sessions: [...agent.sessions, session].sort((a, b) => order(a.id, b.id)) });
  return agents;
}

/** A session can be told before its project is. */
function projectOfSession(session: Session): Project {
  return {
    id: session.project,
    description: '',
    capabilities: [],
    tags: [],
    path: session.cwd,
    agent: session.agent,
    source: 'session',
  };
}

// ── approvals, threads, messages ─────────────────────────────────────────────────────────────────────────────────────────

/** An approval that an HTTP answer brought: a decided one is never set back to pending by an answer that was slower than its event. */
export function mergeApproval(state: MeshState, approval: Approval): MeshState {
  const known = state.approvals.get(approval.id);
  if (known !== undefined && known.state !== 'pending') return state;
  return { ...state, approvals: boundedApprovals(withEntry(state.approvals, approval.id, approval)) };
}

/** The next pending approvals, oldest first, as they were asked for behind `unlisted.after`. */
export function mergePending(
  state: MeshState,
  page: { readonly approvals: readonly Approval[]; readonly more: boolean },
): MeshState {
  const { unlisted } = state;
  const last = page.approvals.at(-1);
  const fresh = page.approvals.filter((approval) => !state.approvals.has(approval.id)).length;
  const merged = page.approvals.reduce(mergeApproval, state);
  if (unlisted === undefined || last === undefined || !page.more) return { ...merged, unlisted: undefined };
  return { ...merged, unlisted: { count: Math.max(1, unlisted.count - fresh), after: last.id } };
}

function unlistedOf(snapshot: Snapshot): Unlisted | undefined {
  const last = snapshot.approvals.findLast((approval) => approval.state === 'pending');
  if (snapshot.pendingMore === 0 || last === undefined) return undefined;
  return { count: snapshot.pendingMore, after: last.id };
}

/** An approval that this state does not know and that is decided was one of the unlisted ones. */
function withoutDecided({ approvals, unlisted }: MeshState, approval: Approval): Unlisted | undefined {
  if (unlisted === undefined || approval.state === 'pending' || approvals.has(approval.id)) return unlisted;
  return unlisted.count > 1 ? { ...unlisted, count: unlisted.count - 1 } : undefined;
}

/** A machine that an HTTP answer brought; the event that follows has the last word. */
export function mergeMachine(state: MeshState, machine: Machine): MeshState {
  return state.machines.has(machine.id) ? { ...state, ...machineInto(state, machine) } : state;
}

/** A page of a conversation. `older` says that it was asked for as the page before what is there. */
export function mergeThreadPage(
  state: MeshState,
  page: { readonly thread: Thread; readonly messages: readonly Message[]; readonly more: boolean },
  older: boolean,
): MeshState {
  const known = state.opened.get(page.thread.id);
  const messages = new Map(known?.messages);
  for (const message of page.messages) {
    const newer = newerMessage(messages.get(message.id), message);
    messages.set(message.id, newer);
  }
  const more = older || known === undefined ? page.more : known.more;
  const opened = new Map(state.opened);
  opened.delete(page.thread.id);
  opened.set(page.thread.id, { messages, more });
  while (opened.size > OPENED_MAX) {
    const oldest = opened.keys().next();
    if (oldest.done === true) break;
    opened.delete(oldest.value);
  }
  const thread = state.threads.get(page.thread.id);
  const threads =
    thread !== undefined && thread.lastMessageAt >= page.thread.lastMessageAt
      ? state.threads
      : boundedThreads(withEntry(state.threads, page.thread.id, page.thread));
  return { ...state, opened, threads };
}

/** Older threads of the list; what is known already is at least as new. */
export function mergeThreads(state: MeshState, threads: readonly Thread[]): MeshState {
  const merged = new Map(threads.map((thread) => [thread.id, thread]));
  for (const [id, thread] of state.threads) merged.set(id, thread);
  return { ...state, threads: boundedThreads(merged) };
}

function messageInto(opened: ReadonlyMap<string, OpenedThread>, message: Message): ReadonlyMap<string, OpenedThread> {
  const thread = opened.get(message.threadId);
  if (thread === undefined) return opened;
  const changed = new Map(opened);
  changed.set(message.threadId, { ...thread, messages: withEntry(thread.messages, message.id, message) });
  return changed;
}

/** Of two tellings of one message the one whose state is younger; at the same time, the one that is already there (it came by event). */
function newerMessage(known: Message | undefined, fetched: Message): Message {
  return known !== undefined && known.stateSince >= fetched.stateSince ? known : fetched;
}

function boundedApprovals(approvals: ReadonlyMap<string, Approval>): ReadonlyMap<string, Approval> {
  const decided = [...approvals.values()].filter((approval) => approval.state !== 'pending');
  if (decided.length <= DECIDED_MAX) return approvals;
  const drop = new Set(
    decided
      .sort((a, b) => order(endedAt(b), endedAt(a)) || order(b.id, a.id))
      .slice(DECIDED_MAX)
      .map((approval) => approval.id),
  );
  return filtered(approvals, (approval) => !drop.has(approval.id));
}

function boundedThreads(threads: ReadonlyMap<string, Thread>): ReadonlyMap<string, Thread> {
  if (threads.size <= THREADS_MAX) return threads;
  return byKey(sortedThreads(threads).slice(0, THREADS_MAX), (thread) => thread.id);
}

// ── what the screens ask ─────────────────────────────────────────────────────────────────────────────────────────────────

/** When an approval was over, as far as it says. */
export function endedAt(approval: Approval): string {
  return approval.decision?.at ?? (approval.state === 'expired' ? approval.expiresAt : approval.createdAt);
}

/** Pending ones, oldest first: a new card comes last and moves nothing that a finger is about to touch. */
export function pendingApprovals(state: MeshState): Approval[] {
  return [...state.approvals.values()]
    .filter((approval) => approval.state === 'pending')
    .sort((a, b) => order(a.createdAt, b.createdAt) || order(a.id, b.id));
}

/** Decided ones, newest decision first. */
export function decidedApprovals(state: MeshState): Approval[] {
  return [...state.approvals.values()]
    .filter((approval) => approval.state !== 'pending')
    .sort((a, b) => order(endedAt(b), endedAt(a)) || order(b.id, a.id));
}

/** Newest message first. */
export function sortedThreads(threads: ReadonlyMap<string, Thread>): Thread[] {
  return [...threads.values()].sort((a, b) => order(b.lastMessageAt, a.lastMessageAt) || order(b.id, a.id));
}

/** A conversation in the order of writing. */
export function sortedMessages(thread: OpenedThread): Message[] {
  return [...thread.messages.values()].sort((a, b) => order(a.createdAt, b.createdAt) || order(a.id, b.id));
}

/** The name that people gave a machine, or its id. */
export function machineName(state: MeshState, id: string): string {
  return state.machines.get(id)?.displayName ?? id;
}

/** True for an address of a person. */
export function isHuman(address: string): boolean {
  try {
    return parseAddress(address).kind === 'human';
  } catch {
    return false;
  }
}

// ── small tools ──────────────────────────────────────────────────────────────────────────────────────────────────────────

function order(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

function byKey<T>(items: readonly T[], key: (item: T) => string): ReadonlyMap<string, T> {
  return new Map(items.map((item) => [key(item), item]));
}

function withEntry<T>(map: ReadonlyMap<string, T>, key: string, value: T): ReadonlyMap<string, T> {
  return new Map(map).set(key, value);
}

function without<T>(map: ReadonlyMap<string, T>, key: string): ReadonlyMap<string, T> {
  return filtered(map, (_value, other) => other !== key);
}

function filtered<T>(map: ReadonlyMap<string, T>, keep: (value: T, key: string) => boolean): ReadonlyMap<string, T> {
  return new Map([...map].filter(([key, value]) => keep(value, key)));
}

function mapped<T>(map: ReadonlyMap<string, T>, change: (value: T) => T): ReadonlyMap<string, T> {
  return new Map([...map].map(([key, value]) => [key, change(value)]));
}
