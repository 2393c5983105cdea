/** All that a first screen needs, and how the hub is. Both are read from the parts as they are; nothing here decides anything. */
import { isoTime, type Clock } from '../platform/clock.ts';
import type { Mission } from '../protocol/mission.ts';
import type { MissionState } from '../protocol/mission-life.ts';
import type { HubStatus, Snapshot } from '../protocol/operator-api.ts';
import type { SystemNotice } from '../protocol/model.ts';
import type { Actor, HubServices } from './services.ts';
import type { HubStore } from './store/hub-store.ts';
import { messageCounts } from './store/messages.ts';
import { pendingCount } from './store/approvals.ts';

const THREADS = 50;
/** Missions that are not over are all shown; they are capped where they are made. */
const MISSIONS_PAGE = 200;
const MISSIONS_OVER = 50;
const APPROVALS_PENDING = 200;
const APPROVALS_RECENT = 50;
const ANNOUNCEMENTS = 50;

/** The snapshot is at least as new as its number: what comes after it on the stream may be in it already, and only replaces it. */
export async function takeSnapshot(
  services: Omit<HubServices, 'snapshot'>,
  store: HubStore,
  clock: Clock,
  actor: Actor,
): Promise<Snapshot> {
  const { epoch, lastSeq } = services.events;
  const { attention } = services;
  const [machines, agents, pending, waiting, recent, threads, grants, notices, live, over, usage, announcements] =
    await Promise.all([
      services.registry.machines(),
      services.registry.agents('all'),
      services.approvals.list({ state: 'pending', order: 'oldest', limit: APPROVALS_PENDING }),
      store.read(pendingCount),
      services.approvals.list({ limit: APPROVALS_RECENT }),
      services.messaging.threads({ limit: THREADS }),
      services.policy.grants(),
      services.notices.live(),
      liveMissions(services),
      services.missions.list({ state: 'over', limit: MISSIONS_OVER }),
      attention.usage(),
      attention.announcements(ANNOUNCEMENTS),
    ]);
  const shown = new Set(pending.map((approval) => approval.id));
  return {
    epoch,
    seq: lastSeq,
    at: isoTime(clock.now()),
    me: actor.operator,
    machines,
    agents,
    // A young one that waits is counted in `pendingMore`: the page goes on behind the oldest ones.
    approvals: [...pending, ...recent.filter((approval) => approval.state !== 'pending' && !shown.has(approval.id))],
    pendingMore: Math.max(0, waiting - pending.length),
    threads: threads.threads,
    grants,
    notices,
    missions: [...live, ...over.missions],
    usage,
    announcements,
  };
}

export interface StatusParts {
  readonly services: HubServices;
  readonly store: HubStore;
  readonly version: string;
  readonly mode: HubStatus['mode'];
  readonly startedAt: number;
  readonly urls: () => readonly string[];
  readonly telegram: () => Promise<HubStatus['telegram']>;
  readonly storeFault: () => SystemNotice | undefined;
}

export async function hubStatus(parts: StatusParts): Promise<HubStatus> {
  const { services, store } = parts;
  const machines = await services.registry.machines();
  const count = (status: string): number => machines.filter((machine) => machine.status === status).length;
  const fault = parts.storeFault();
  const missions = await services.missions.counts();
  return {
    version: parts.version,
    mode: parts.mode,
    startedAt: isoTime(parts.startedAt),
    epoch: services.events.epoch,
    seq: services.events.lastSeq,
    urls: [...parts.urls()],
    machines: { online: count('online'), away: count('away'), revoked: count('revoked') },
    sessions: machines.reduce((sum, machine) => sum + machine.sessions, 0),
    approvalsPending: await store.read(pendingCount),
    missions: missionCounts(missions),
    messages: await store.read(messageCounts),
    telegram: await parts.telegram(),
    store: {
      path: store.database.file,
      bytes: store.database.bytes(),
      state: fault === undefined ? 'ok' : 'degraded',
      ...(fault === undefined ? {} : { problem: fault.text }),
    },
    notices: await services.notices.live(),
  };
}

async function liveMissions({ missions }: Pick<HubServices, 'missions'>): Promise<Mission[]> {
  const all: Mission[] = [];
  for (let before: string | undefined; ;) {
    const query = { state: 'live', limit: MISSIONS_PAGE } as const;
    const page = await missions.list(before === undefined ? query : { ...query, before });
    all.push(...page.missions);
    before = page.missions.at(-1)?.id;
    if (!page.more || before === undefined) return all;
  }
}

function missionCounts(counts: ReadonlyMap<MissionState, number>): NonNullable<HubStatus['missions']> {
  const all = [...counts.values()].reduce((sum, count) => sum + count, 0);
  const awaitingApproval = counts.get('awaiting_approval') ?? 0;
  const queued = counts.get('queued') ?? 0;
  return { awaitingApproval, queued, live: all - awaitingApproval - queued };
}
