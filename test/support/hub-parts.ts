/** The parts of a hub on a real store in a folder of their own, with time that stands still. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { StoredApprovals } from '../../src/hub/approvals/approvals.ts';
import { BUILT_IN_RULES, evaluate } from '../../src/hub/approvals/policy.ts';
import { StoredEventLog } from '../../src/hub/events.ts';
import { StoredNotices } from '../../src/hub/notices/notices.ts';
import type { Actor } from '../../src/hub/services.ts';
import { HubStore } from '../../src/hub/store/hub-store.ts';
import { silentLog } from '../../src/platform/log.ts';
import type { HubEvent } from '../../src/protocol/events.ts';
import { ManualClock } from './manual-clock.ts';

export const OWNER: Actor = { operator: { name: 'ada', role: 'owner' }, via: 'web' };
export const OPERATOR: Actor = { operator: { name: 'bob', role: 'operator' }, via: 'telegram' };
export const VIEWER: Actor = { operator: { name: 'eve', role: 'viewer' }, via: 'web' };

export interface HubParts {
  readonly folder: string;
  readonly store: HubStore;
  readonly events: StoredEventLog;
  readonly approvals: StoredApprovals;
  readonly notices: StoredNotices;
  readonly clock: ManualClock;
  /** Every event since the start. */
  readonly heard: HubEvent[];
  /** Closes the store and opens it again, as a restart does. */
  restart(): Promise<HubParts>;
  close(): Promise<void>;
}

export async function hubParts(): Promise<HubParts> {
  return open(await mkdtemp(join(tmpdir(), 'hub-parts-')), new ManualClock());
}

async function open(folder: string, clock: ManualClock): Promise<HubParts> {
  const log = silentLog();
  const store = await HubStore.open({ file: join(folder, 'hub.db'), log });
  const events = await StoredEventLog.open(store, clock, log);
  const heard: HubEvent[] = [];
  events.subscribe((event) => void heard.push(event));
  const approvals = new StoredApprovals({
    store,
    events,
    evaluate: (question, grants, now) => evaluate(BUILT_IN_RULES, grants, question, now),
    clock,
    log,
  });
  await approvals.start();
  const end = async (): Promise<void> => {
    await approvals.stop();
    await store.close();
  };
  return {
    folder,
    store,
    events,
    approvals,
    notices: new StoredNotices(store, events, clock),
    clock,
    heard,
    restart: async () => {
      await end();
      return open(folder, clock);
    },
    close: async () => {
      await end();
      await rm(folder, { recursive: true, force: true });
    },
  };
}
