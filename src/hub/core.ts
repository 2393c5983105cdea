/**
 * The hub's core, put together: event log, approvals, registry and messaging on one store.
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
import { HubRegistry } from './registry/registry.ts';
import { DEFAULT_RETENTION, Housekeeping, type Retention } from './store/housekeeping.ts';
import type { Notices } from './services.ts';
import type { HubStore } from './store/hub-store.ts';

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
  readonly retention?: Partial<Retention>;
  /** False for a name that no operator has. */
  readonly knowsOperator?: (name: string) => boolean;
}

export interface HubCore {
  readonly events: StoredEventLog;
  readonly approvals: StoredApprovals;
  readonly registry: HubRegistry;
  readonly messaging: HubMessaging;
  start(): Promise<void>;
  stop(): Promise<void>;
}

export async function createHubCore(options: HubCoreOptions): Promise<HubCore> {
  const { store, clock, log } = options;
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
      ...(options.knowsOperator === undefined ? {} : { knowsOperator: options.knowsOperator }),
    },
    (machineId) => registry.doorOf(machineId),
  );
  registry.connect(messaging);
  const housekeeping = new Housekeeping(store, clock, log, { ...DEFAULT_RETENTION, ...options.retention });
  return {
    events,
    approvals,
    registry,
    messaging,
    start: async () => {
      await registry.start();
      await approvals.start();
      await messaging.start();
      housekeeping.start();
    },
    stop: async () => {
      registry.stop();
      machineNotices?.stop();
      await housekeeping.stop();
      await approvals.stop();
      await messaging.stop();
    },
  };
}
