/**
 * Keeps the cards of missions true, at a pace that leaves the chat to people.
 *
 * Invariants:
 * - One card per mission, in the topic of its conversation; what waits for approval has the approval's card instead.
 * - A move of the mission is shown at once. Progress is edited in every few seconds at most, and the more missions work the more rarely each, so
 *   that all of them together take less than half of what may be written into a group; whatever comes meanwhile is one edit.
 * - Nothing here is remembered but the pace: after a restart every card is drawn anew from the missions themselves.
 */
import type { CancelTimer, Clock } from '../../platform/clock.ts';
import { missionIsOver } from '../../protocol/mission-life.ts';
import type { Mission } from '../../protocol/mission.ts';
import type { Log } from '../../platform/log.ts';
import type { HubServices } from '../services.ts';
import { addressOf, missionCard, missionKey, missionUrl, resultContent, resultKey } from './mission-cards.ts';
import type { Outbox } from './outbox.ts';
import type { Lane, TelegramStore } from './ports.ts';
import { topicName } from './words.ts';

/** Between two edits of one card, times the missions at work: with ten of them each card is edited at most every 80 s. */
const PROGRESS_MS = 8_000;
/** The time that it takes is told again this often, if nothing else is new. */
const TICK_MS = 60_000;
/** How long the question "really?" stands. */
const CONFIRM_MS = 30_000;
const OPEN_MAX = 3_000;
const PAGE = 100;
/** Missions whose cards are made when the surface starts; there are never so many at work. */
const REVIEW_MAX = 1_000;

export interface MissionPostsOptions {
  readonly services: Pick<HubServices, 'missions'>;
  readonly store: TelegramStore;
  readonly outbox: Pick<Outbox, 'put' | 'isFull'>;
  readonly clock: Clock;
  readonly log: Log;
  readonly home: () => number | undefined;
  /** Where the web page is for everybody; absent: cards have no Open. */
  readonly pageUrl: () => string | undefined;
  /** Runs this behind what is under way. */
  readonly enqueue: (work: () => Promise<void>) => void;
  readonly onOverflow: () => void;
}

interface Shown {
  readonly at: number;
  /** What is worth an edit at once when it changes. */
  readonly moved: string;
  readonly next: CancelTimer | undefined;
}

export class MissionPosts {
  readonly #options: MissionPostsOptions;
  /** Missions that are not over. */
  readonly #shown = new Map<string, Shown>();
  readonly #confirming = new Map<string, CancelTimer>();
  #tick: CancelTimer | undefined;

  constructor(options: MissionPostsOptions) {
    this.#options = options;
  }

  /** Cards for what is at work, and the end on those whose mission ended meanwhile. */
  async review(): Promise<void> {
    const { services, store, clock } = this.#options;
    for (let before: string | undefined, count = 0; count < REVIEW_MAX; count += PAGE) {
      const page = await services.missions.list({
        state: 'live',
        limit: PAGE,
        ...(before === undefined ? {} : { before }),
      });
      for (const mission of page.missions) await this.changed(mission);
      before = page.missions.at(-1)?.id;
      if (!page.more || before === undefined) break;
    }
    for (const item of await store.openItems(OPEN_MAX)) {
      const id = item.key.startsWith('w:') ? item.key.slice(2) : undefined;
      if (id === undefined || this.#shown.has(id)) continue;
      const mission = await services.missions.get(id).catch(() => undefined);
      if (mission !== undefined) await this.changed(mission);
    }
    this.#tick ??= clock.every(TICK_MS, () => {
      for (const id of this.#shown.keys()) this.#soon(id);
    });
  }

  stop(): void {
    this.#tick?.();
    for (const { next } of this.#shown.values()) next?.();
    for (const cancel of this.#confirming.values()) cancel();
    this.#shown.clear();
    this.#confirming.clear();
  }

  /** A mission moved, or more is known of it. */
  async changed(mission: Mission): Promise<void> {
    // Until it was let pass its card is the approval's.
    if (mission.run === 0) return;
    const shown = this.#shown.get(mission.id);
    if (shown?.moved === movedWords(mission)) this.#soon(mission.id);
    else await this.#show(mission, 1);
    if (missionIsOver(mission.state)) await this.#result(mission);
  }

  /** Its log has new lines. */
  grew(id: string): void {
    if (this.#shown.has(id)) this.#soon(id);
  }

  /** Draws the card anew, at once: somebody looks at it. */
  async refresh(id: string): Promise<void> {
    await this.#show(await this.#options.services.missions.get(id), 0);
  }

  /** Asks "really?" on the card, for a while. */
  async confirm(id: string): Promise<void> {
    const { clock, enqueue, log } = this.#options;
    this.#confirming.get(id)?.();
    const over = () => {
      enqueue(async () => {
        if (!this.#confirming.delete(id)) return;
        await this.refresh(id).catch((error: unknown) => log.info({ err: error }, 'a mission card was not redrawn'));
      });
    };
    this.#confirming.set(id, clock.after(CONFIRM_MS, over));
    await this.refresh(id);
  }

  unconfirm(id: string): void {
    this.#confirming.get(id)?.();
    this.#confirming.delete(id);
  }

  #soon(id: string): void {
    const { clock, enqueue, services } = this.#options;
    const shown = this.#shown.get(id);
    if (shown === undefined || shown.next !== undefined) return;
    const gap = this.#shown.size * PROGRESS_MS;
    const work = () => {
      enqueue(async () => {
        const now = this.#shown.get(id);
        if (now === undefined) return;
        this.#shown.set(id, { ...now, next: undefined });
        await this.#show(await services.missions.get(id), 2);
      });
    };
    const wait = Math.max(0, shown.at + gap - clock.monotonic());
    this.#shown.set(id, { ...shown, next: clock.after(wait, work) });
  }

  async #show(mission: Mission, lane: Lane): Promise<void> {
    const { store, outbox, clock, pageUrl } = this.#options;
    const home = this.#options.home();
    if (home === undefined) return;
    const key = missionKey(mission.id);
    if ((await store.item(key)) === undefined && (await outbox.isFull())) {
      this.#options.onOverflow();
      return;
    }
    const isOver = missionIsOver(mission.state);
    this.#shown.get(mission.id)?.next?.();
    if (isOver) {
      this.#shown.delete(mission.id);
      this.unconfirm(mission.id);
    } else this.#shown.set(mission.id, { at: clock.monotonic(), moved: movedWords(mission), next: undefined });
    await this.#ensureTopic(home, mission);
    await outbox.put({
      key,
      chatId: home,
      threadId: mission.threadId,
      open: !isOver,
      lane,
      content: missionCard(mission, {
        now: clock.now(),
        url: missionUrl(pageUrl(), mission.id),
        confirming: this.#confirming.has(mission.id),
      }),
    });
  }

  /** A new message, because an edit calls nobody. */
  async #result(mission: Mission): Promise<void> {
    const { store, outbox } = this.#options;
    const home = this.#options.home();
    if (home === undefined) return;
    const card = await store.item(missionKey(mission.id));
    if (card === undefined) return;
    const answers = card.sent[0]?.messageId;
    const known = await store.item(resultKey(mission));
    const replyTo = known?.replyTo ?? answers;
    await outbox.put({
      key: resultKey(mission),
      chatId: home,
      threadId: mission.threadId,
      ...(replyTo === undefined ? {} : { replyTo }),
      lane: 1,
      content: resultContent(mission),
    });
  }

  #ensureTopic(home: number, mission: Mission): Promise<void> {
    const name = topicName(mission.requestedBy, addressOf(mission), mission.text);
    return this.#options.store.ensureTopic(home, mission.threadId, name);
  }
}

function movedWords({ state, run, reason, resetAt, position }: Mission): string {
  return JSON.stringify([state, run, reason, resetAt, position]);
}
