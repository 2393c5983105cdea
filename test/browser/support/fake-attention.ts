/** The fake hub's side of attention: figures, announcements, waits, how the operator wants to be told, push subscriptions. */
import {
  Preferences,
  PreferencesPatch,
  PushSubscription,
  WaitKind,
  type Announcement,
  type Wait,
} from '../../../src/protocol/attention.ts';
import { IntercomError, parseWith } from '../../../src/protocol/errors.ts';
import type { NewHubEvent } from '../../../src/protocol/events.ts';
import type { Session } from '../../../src/protocol/model.ts';
import { PushEndpoint } from '../../../src/protocol/operator-api.ts';
import type { Scene } from './scene.ts';

/** A P-256 point, as the real hub has one. */
const KEY = 'BEl62iUYgUivxIkv69yViEuiBIa-Ib9-SkvMeAtA3LFgDzkrxZJjSgSnfckjBJuBkr3qBUYIHBQFLXYp5Nksh8U';
const PAGE = 50;

interface Parts {
  readonly scene: () => Scene;
  readonly emit: (event: NewHubEvent) => void;
}

export class FakeAttention {
  preferences: Preferences = Preferences.parse({});
  readonly subscriptions: PushSubscription[] = [];
  readonly #parts: Parts;

  constructor(parts: Parts) {
    this.#parts = parts;
  }

  snapshot(): Pick<Scene, 'usage' | 'announcements'> {
    const { usage, announcements } = this.#parts.scene();
    return { usage, announcements };
  }

  announce(announcement: Announcement): void {
    this.#parts.scene().announcements.unshift(announcement);
    this.#parts.emit({ type: 'announcement', announcement });
  }

  /** A wait began or ended. */
  wait(wait: Wait): void {
    const { waits } = this.#parts.scene();
    const at = waits.findIndex(({ id }) => id === wait.id);
    if (at < 0) waits.unshift(wait);
    else waits[at] = wait;
    this.#parts.emit({ type: 'wait.changed', wait });
  }

  /** A session as its machine tells it now. */
  session(machineId: string, session: Session): void {
    for (const agent of this.#parts.scene().agents) {
      if (agent.machine !== machineId || agent.project.id !== session.project) continue;
      const others = agent.sessions.filter(({ id }) => id !== session.id);
      agent.sessions.splice(0, agent.sessions.length, ...others, ...(session.state === 'ended' ? [] : [session]));
    }
    this.#parts.emit({ type: 'session.changed', machineId, session });
  }

  route(method: string, parts: readonly string[], body: unknown, before: string | undefined): unknown {
    const path = parts.join('/');
    if (path === 'attention/waits') return this.#waits(before);
    if (path === 'preferences') return method === 'PATCH' ? this.#change(body) : this.preferences;
    if (path === 'push') return { publicKey: KEY };
    if (path === 'push/subscriptions') {
      const subscription = parseWith(PushSubscription, body);
      const others = this.subscriptions.filter(({ endpoint }) => endpoint !== subscription.endpoint);
      this.subscriptions.splice(0, this.subscriptions.length, ...others, subscription);
      return { ok: true };
    }
    if (path === 'push/subscriptions/remove') {
      const { endpoint } = parseWith(PushEndpoint, body);
      const others = this.subscriptions.filter((one) => one.endpoint !== endpoint);
      this.subscriptions.splice(0, this.subscriptions.length, ...others);
      return { ok: true };
    }
    throw new IntercomError('not_found', 'No such route.');
  }

  #change(body: unknown): Preferences {
    const { muteUntil, quiet, channels, ...rest } = parseWith(PreferencesPatch, body);
    const next = { ...this.preferences, ...rest, channels: { ...this.preferences.channels, ...channels } };
    this.preferences = Preferences.parse({
      ...next,
      muteUntil: muteUntil === undefined ? next.muteUntil : (muteUntil ?? undefined),
      quiet: quiet === undefined ? next.quiet : (quiet ?? undefined),
    });
    return this.preferences;
  }

  #waits(before: string | undefined) {
    const { waits } = this.#parts.scene();
    const from = before === undefined ? 0 : waits.findIndex(({ id }) => id === before) + 1;
    const summary = WaitKind.options.flatMap((kind) => {
      const all = waits.filter((wait) => wait.kind === kind);
      if (all.length === 0) return [];
      const spans = all
        .flatMap(({ since, until }) => (until === undefined ? [] : [Date.parse(until) - Date.parse(since)]))
        .sort((a, b) => a - b);
      const totalMs = spans.reduce((sum, ms) => sum + ms, 0);
      const medianMs = spans[Math.floor(spans.length / 2)] ?? 0;
      return [
        { kind, count: all.length, open: all.length - spans.length, totalMs, medianMs, longestMs: spans.at(-1) ?? 0 },
      ];
    });
    return { waits: waits.slice(from, from + PAGE), more: waits.length > from + PAGE, summary };
  }
}
