/** Attention put together: waits, usage, announcements, presence and preferences, as surfaces and machines use them. */
import type { Clock } from '../../platform/clock.ts';
import type {
  Announced,
  Announcement,
  Preferences,
  PreferencesPatch,
  Presence,
  UsageReport,
  WaitsPage,
} from '../../protocol/attention.ts';
import type { AnnounceRequest } from '../../protocol/machine-api.ts';
import type { Snapshot } from '../../protocol/operator-api.ts';
import type { EventAppender } from '../events.ts';
import type { Attention, WaitsQuery } from '../services.ts';
import type { HubStore } from '../store/hub-store.ts';
import { HubAnnouncements } from './announcements.ts';
import { OperatorPreferences } from './preferences.ts';
import { Lookers } from './presence.ts';
import { HubUsage } from './usage.ts';
import { HubWaits } from './waits.ts';

export interface AttentionParts {
  readonly store: HubStore;
  readonly events: EventAppender;
  readonly clock: Clock;
  readonly isAway: (machineId: string) => boolean;
}

export class HubAttention implements Attention {
  readonly waitsOf: HubWaits;
  readonly lookers: Lookers;
  readonly preferred: OperatorPreferences;
  readonly #usage: HubUsage;
  readonly #announcements: HubAnnouncements;

  constructor({ store, events, clock, isAway }: AttentionParts) {
    this.waitsOf = new HubWaits({ store, events, clock, isAway });
    this.lookers = new Lookers(clock);
    this.preferred = new OperatorPreferences(store, clock);
    this.#usage = new HubUsage(store, events);
    this.#announcements = new HubAnnouncements({ store, events, clock, listeners: () => this.lookers.count });
  }

  async start(): Promise<void> {
    await this.preferred.start();
    await this.waitsOf.start();
  }

  waits(query: WaitsQuery): Promise<WaitsPage> {
    return this.waitsOf.list(query);
  }

  announce(machineId: string, request: AnnounceRequest): Promise<Announced> {
    return this.#announcements.announce(machineId, request);
  }

  announcements(limit: number): Promise<Announcement[]> {
    return this.#announcements.newest(limit);
  }

  usageChanged(machineId: string, report: UsageReport): Promise<void> {
    return this.#usage.changed(machineId, report);
  }

  usage(): Promise<Snapshot['usage']> {
    return this.#usage.shown();
  }

  presence(): Presence {
    return this.lookers.presence();
  }

  page(operator: string): { looking(looking: boolean): void; close(): void } {
    return this.lookers.page(operator);
  }

  async preferences(operator: string): Promise<Preferences> {
    return this.preferred.of(operator);
  }

  changePreferences(operator: string, patch: PreferencesPatch): Promise<Preferences> {
    return this.preferred.change(operator, patch);
  }
}
