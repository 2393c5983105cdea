/**
 * Closes and forgets the topics of conversations that are over for good: their thread is forgotten, a machine of theirs was removed, or a
 * project of theirs is gone for a week.
 *
 * Invariants: a topic with something to show or to decide stays; it is closed, never deleted, so what people read there remains; a few at a time,
 * so that it costs the chat's pace nothing. What cannot be closed is forgotten all the same.
 */
import type { Log } from '../../platform/log.ts';
import type { Clock } from '../../platform/clock.ts';
import { parseAddress } from '../../protocol/address.ts';
import { IntercomError } from '../../protocol/errors.ts';
import type { Thread } from '../../protocol/model.ts';
import type { HubServices } from '../services.ts';
import type { BotApi } from './bot-api.ts';
import { missionOfKey } from './mission-cards.ts';
import type { TelegramStore } from './ports.ts';

/** Topics that are looked at in one round, and of those closed. */
const LOOKED_AT = 200;
const CLOSED = 10;
const PROJECT_GONE_MS = 7 * 86_400_000;

export interface TopicKeeperOptions {
  readonly services: Pick<HubServices, 'messaging' | 'registry' | 'missions'>;
  readonly store: TelegramStore;
  readonly api: Pick<BotApi, 'call'>;
  readonly clock: Clock;
  readonly log: Log;
  readonly home: () => number | undefined;
}

export class TopicKeeper {
  readonly #options: TopicKeeperOptions;
  #after = '';

  constructor(options: TopicKeeperOptions) {
    this.#options = options;
  }

  /** One round; the next goes on where it ended. */
  async round(): Promise<void> {
    const { services, store, log } = this.#options;
    const home = this.#options.home();
    if (home === undefined) return;
    const topics = await store.topicsAfter(home, this.#after, LOOKED_AT);
    if (topics.length === 0) {
      this.#after = '';
      return;
    }
    const machines = new Set((await services.registry.machines()).map((machine) => machine.id));
    const agents = new Set((await services.registry.agents('all')).map((agent) => agent.address));
    let closed = 0;
    for (const topic of topics) {
      if (closed === CLOSED) return;
      this.#after = topic.threadId;
      const thread = await this.#thread(topic.threadId);
      if (thread !== undefined && !this.#isOver(thread, machines, agents)) continue;
      if (thread === undefined && (await this.#isMission(home, topic.threadId, machines))) continue;
      if (!(await store.forgetTopic(home, topic.threadId))) continue;
      closed += 1;
      if (topic.topicId !== undefined) await this.#close(home, topic.topicId);
      log.info({ thread: topic.threadId }, 'the Telegram topic of a conversation that is over was closed');
    }
    if (topics.length < LOOKED_AT) this.#after = '';
  }

  /** Undefined: it is forgotten. */
  async #thread(id: string): Promise<Thread | undefined> {
    try {
      return (await this.#options.services.messaging.thread(id, { limit: 1 })).thread;
    } catch (error) {
      if (error instanceof IntercomError && error.code === 'unknown_thread') return undefined;
      throw error;
    }
  }

  /** A mission in which nobody said anything has no thread, but a card that people look at. */
  async #isMission(home: number, threadId: string, machines: ReadonlySet<string>): Promise<boolean> {
    const { services, store } = this.#options;
    const id = missionOfKey((await store.missionCardOf(home, threadId))?.key ?? '');
    if (id === undefined) return false;
    const mission = await services.missions.get(id).catch(() => undefined);
    return mission !== undefined && machines.has(mission.machine);
  }

  #isOver(thread: Thread, machines: ReadonlySet<string>, agents: ReadonlySet<string>): boolean {
    const quiet = this.#options.clock.now() - Date.parse(thread.lastMessageAt) > PROJECT_GONE_MS;
    return thread.participants.some((text) => {
      const address = parseAddress(text);
      if (address.kind === 'human') return false;
      if (!machines.has(address.machine)) return true;
      return quiet && !agents.has(`${address.machine}/${address.project}`);
    });
  }

  async #close(chatId: number, topicId: number): Promise<void> {
    const { api, log } = this.#options;
    try {
      await api.call('closeForumTopic', (raw) => raw.closeForumTopic({ chat_id: chatId, message_thread_id: topicId }));
    } catch (error) {
      log.info({ err: error, topic: topicId }, 'a Telegram topic could not be closed');
    }
  }
}
