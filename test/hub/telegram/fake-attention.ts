/** A notifier that tells what a test says, and what the surface reads and writes of attention. By itself it tells every open approval at once, with sound for all. */
import { Emitter } from '../../../src/platform/emitter.ts';
import { Preferences, type PreferencesPatch } from '../../../src/protocol/attention.ts';
import type { Approval } from '../../../src/protocol/model.ts';
import type { Snapshot } from '../../../src/protocol/operator-api.ts';
import type { Attention, Notice, Notifier, NoticeWord } from '../../../src/hub/services.ts';

const EVERYBODY = ['ann', 'bob', 'vera'];

function unused(): never {
  throw new Error('the Telegram surface does not use this');
}

export class FakeAttention {
  /** False: approvals are told only by the test. */
  tellsApprovals = true;
  /** Who is rung in Telegram. */
  ring: readonly string[] = EVERYBODY;
  used: Snapshot['usage'] = { sessions: [], machines: [] };
  readonly preferencesOf = new Map<string, Preferences>();
  readonly #words = new Emitter<NoticeWord>((error) => {
    throw error;
  });
  readonly #approvals: () => readonly Approval[];
  /** Approvals that were told. */
  readonly told = new Set<string>();

  constructor(approvals: () => readonly Approval[]) {
    this.#approvals = approvals;
  }

  // ── what tests do ──────────────────────────────────────────────────────────────────────────────────────────────────────

  show(notice: Notice, again = false): void {
    this.#words.emit({ word: 'show', notice, ring: { telegram: this.ring, push: [] }, again });
  }

  showApproval(approval: Approval, again = false): void {
    this.told.add(approval.id);
    this.show(noticeOf(approval), again);
  }

  withdraw(key: string, how: string): void {
    this.#words.emit({ word: 'withdraw', key, how });
  }

  digest(notices: readonly Notice[]): void {
    this.#words.emit({ word: 'digest', notices, ring: { telegram: this.ring, push: [] } });
  }

  changed(approval: Approval): void {
    if (approval.state !== 'pending' || !this.tellsApprovals || this.told.has(approval.id)) return;
    this.showApproval(approval);
  }

  // ── what the surface sees ──────────────────────────────────────────────────────────────────────────────────────────────

  /** What waits is told again to whoever comes later, as after a restart. */
  notifier(): Notifier {
    return {
      subscribe: (listener) => {
        const stop = this.#words.subscribe(listener);
        const waiting = this.tellsApprovals ? this.#approvals().filter(({ state }) => state === 'pending') : [];
        for (const approval of waiting) {
          this.told.add(approval.id);
          listener({ word: 'show', notice: noticeOf(approval), ring: { telegram: this.ring, push: [] }, again: false });
        }
        return stop;
      },
    };
  }

  services(): Attention {
    return {
      waits: unused,
      announce: unused,
      announcements: unused,
      usageChanged: unused,
      presence: unused,
      page: unused,
      usage: async () => this.used,
      preferences: async (operator) => this.#preferences(operator),
      changePreferences: async (operator, patch) => {
        const changed = applied(this.#preferences(operator), patch);
        this.preferencesOf.set(operator, changed);
        return changed;
      },
    };
  }

  #preferences(operator: string): Preferences {
    return this.preferencesOf.get(operator) ?? Preferences.parse({});
  }
}

function applied(now: Preferences, patch: PreferencesPatch): Preferences {
  const merged = Object.entries({ ...now, ...patch }).filter(([, value]) => value !== null);
  return Preferences.parse(Object.fromEntries(merged));
}

export function noticeOf(approval: Approval): Notice {
  const { kind, subject } = approval;
  return {
    key: approval.id,
    kind: kind === 'tool' ? 'permission' : kind,
    title: kind,
    text: 'summary' in subject ? subject.summary : kind,
    path: '#/approvals',
    approval,
  };
}
