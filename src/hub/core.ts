/**
 * The hub's core, put together: event log, approvals, registry, messaging and missions on one store.
 *
 * Order: `start` makes true what ran out while the hub was away, then sends; `stop` ends timers and requests first, the store last (by its owner).
 */
import type { Clock } from '../platform/clock.ts';
import type { Log } from '../platform/log.ts';
import { StoredApprovals } from './approvals/approvals.ts';
import { StoredEventLog } from './events.ts';
import { DEFAULT_LIMITS, type MessagingLimits, type PolicyPort } from './messaging/context.ts';
import { HubMessaging } from './messaging/messaging.ts';
import { MachineNotices } from './notices/machine-notices.ts';
import { HubRegistry, type RegistryHooks } from './registry/registry.ts';
import type { MissionLimitsOfHub } from './missions/context.ts';
import { DEFAULT_MISSION_LIMITS } from './missions/context.ts';
import { HubAttention } from './attention/attention.ts';
import { HubDialogs } from './attention/dialogs.ts';
import { HubNotifier } from './attention/notifier.ts';
import { HubMissions } from './missions/missions.ts';
import { DEFAULT_RETENTION, Housekeeping, type Retention } from './store/housekeeping.ts';
import type { Notices } from './services.ts';
import type { HubStore } from './store/hub-store.ts';
import { sessionsOf } from './store/machines.ts';
import { noteStop } from './store/sign-of-life.ts';
import { HubTerminals } from './terminals/terminals.ts';

export interface HubCoreOptions {
  readonly store: HubStore;
  /** The open log, where its owner has one already. */
  readonly events?: StoredEventLog;
  readonly policy: PolicyPort;
  readonly clock: Clock;
  readonly log: Log;
  readonly hubVersion: string;
  /** Where what a person should know about machines is told. */
  readonly notices?: Pick<Notices, 'raise' | 'clear'>;
  readonly limits?: Partial<MessagingLimits>;
  readonly missionLimits?: Partial<MissionLimitsOfHub>;
  readonly retention?: Partial<Retention>;
  /** The names of the operators; where they are not told, every name is one. */
  readonly operators?: () => readonly string[];
  /** Until when the run before this one was at work; undefined: there was none. */
  readonly lastSign?: number | undefined;
}

export interface HubCore {
  readonly events: StoredEventLog;
  readonly approvals: StoredApprovals;
  readonly registry: HubRegistry;
  readonly messaging: HubMessaging;
  readonly missions: HubMissions;
  readonly terminals: HubTerminals;
  readonly dialogs: HubDialogs;
  readonly attention: HubAttention;
  readonly notifier: HubNotifier;
  start(): Promise<void>;
  stop(): Promise<void>;
}

export async function createHubCore(options: HubCoreOptions): Promise<HubCore> {
  const { store, clock, log, operators } = options;
  const events = options.events ?? (await StoredEventLog.open(store, clock, log));
  const machineNotices = options.notices === undefined ? undefined : new MachineNotices(options.notices, clock, log);
  const registry = await HubRegistry.open({
    store,
    events,
    clock,
    log,
    hubVersion: options.hubVersion,
    ...(machineNotices === undefined ? {} : { news: machineNotices }),
  });
  const { policy } = options;
  const approvals = new StoredApprovals({
    store,
    events,
    evaluate: (question, grants, now) => policy.evaluate(question, grants, now),
    clock,
    log,
  });
  const built: { missions?: HubMissions } = {};
  const messaging = new HubMessaging(
    {
      store,
      events,
      approvals,
      policy,
      directory: registry,
      clock,
      log,
      limits: { ...DEFAULT_LIMITS, ...options.limits },
      launches: () => built.missions?.answers,
      ...(operators === undefined ? {} : { knowsOperator: (name) => operators().includes(name) }),
    },
    (machineId) => registry.doorOf(machineId),
  );
  const terminals = new HubTerminals({ store, directory: registry, doorOf: (id) => registry.doorOf(id), clock });
  const missions = new HubMissions(
    {
      store,
      events,
      approvals,
      policy,
      directory: registry,
      clock,
      log,
      limits: missionLimits(options),
      mail: messaging,
    },
    { say: (actor, message) => messaging.submitFromOperator(actor, message, true), terminals },
  );
  built.missions = missions;
  messaging.carry(missions.items);
  const attention = new HubAttention({ store, events, clock, isAway: (id) => registry.isAway(id) });
  const dialogs = new HubDialogs({
    ...{ store, approvals, policy, clock },
    kick: (id) => messaging.kick(id),
    waits: (...raised) => attention.waitsOf.raised(...raised),
  });
  registry.connect(hooksOf({ messaging, missions, dialogs, attention }));
  const notifier = new HubNotifier({
    ...{ events, approvals, clock, log },
    lastSign: options.lastSign,
    sessions: () => store.read(sessionsOf),
    waits: () => attention.waitsOf.open(),
    operators: operators ?? (() => []),
    preferences: (operator) => attention.preferred.of(operator),
    isLooking: (operator) => attention.lookers.isLooking(operator),
    isAway: (id) => registry.isAway(id),
  });
  const housekeeping = new Housekeeping(store, clock, log, { ...DEFAULT_RETENTION, ...options.retention });
  return {
    events,
    approvals,
    registry,
    messaging,
    missions,
    terminals,
    dialogs,
    attention,
    notifier,
    start: async () => {
      await registry.start();
      await attention.start();
      await approvals.start();
      await missions.start();
      await messaging.start();
      await notifier.start();
      housekeeping.start();
    },
    stop: async () => {
      notifier.stop();
      registry.stop();
      machineNotices?.stop();
      await housekeeping.stop();
      await approvals.stop();
      await messaging.stop();
      await missions.stop();
      await store
        .write(({ db }) => noteStop(db, clock.now()))
        .catch((error: unknown) => log.debug({ err: error }, 'the time of the stop could not be noted'));
    },
  };
}

function missionLimits({ limits, missionLimits: given }: HubCoreOptions): MissionLimitsOfHub {
  const { approvalExpirySeconds } = { ...DEFAULT_LIMITS, ...limits };
  return { ...DEFAULT_MISSION_LIMITS, approvalExpirySeconds, ...given };
}

/** What the registry tells of machines and sessions, to everybody whom it concerns. */
function hooksOf(parts: Pick<HubCore, 'messaging' | 'missions' | 'dialogs' | 'attention'>): RegistryHooks {
  const { messaging, missions, dialogs } = parts;
  const waits = parts.attention.waitsOf;
  return {
    kick: (machineId) => messaging.kick(machineId),
    sessionEnded: async (transaction, machineId, session) => {
      await messaging.sessionEnded(transaction, machineId, session);
      await dialogs.sessionEnded(transaction, machineId, session);
    },
    hello: async (transaction, machineId, hello, anew) => {
      await missions.hello(transaction, machineId, hello);
      // Hooks that wait find a daemon that started anew within seconds; until then it does not know of their dialogs.
      if (!anew) await dialogs.hello(transaction, machineId, hello.dialogs);
      await waits.machineBack(transaction, machineId);
    },
    sessionChanged: (transaction, machineId, session, before) =>
      waits.sessionChanged(transaction, machineId, session, before),
    machineAway: (transaction, machineId) => waits.machineAway(transaction, machineId),
    machineBack: (transaction, machineId) => waits.machineBack(transaction, machineId),
    machineGone: async (machineId, reason) => {
      await messaging.machineGone(machineId, reason);
      await missions.machineGone(machineId, reason);
      await dialogs.machineGone(machineId);
    },
  };
}
