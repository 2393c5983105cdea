/**
 * From the hub's events to what people should see. Reads events in order and remembers how far; doing one twice changes nothing.
 *
 * A card is made when the notifier says so (attention-posts.ts); events only change cards that are there. A message that waits for approval has one representation: its card, which later also shows what became of the message. Every other
 * message is mirrored. What an operator wrote in Telegram itself is not repeated; a reaction on it tells how it fares.
 */
import { parseAddress } from '../../protocol/address.ts';
import type { HubEvent } from '../../protocol/events.ts';
import { hasArrived, hasFailed } from '../../protocol/message-life.ts';
import type { Approval, Message } from '../../protocol/model.ts';
import type { Log } from '../../platform/log.ts';
import type { HubServices } from '../services.ts';
import type { CardFacts } from './card-bodies.ts';
import { cardContent } from './cards.ts';
import { isForPerson, messageContent, stateLine } from './mirror.ts';
import type { MissionPosts } from './mission-posts.ts';
import { addressOf } from './mission-cards.ts';
import type { NoticePosts } from './notice-posts.ts';
import type { Outbox } from './outbox.ts';
import type { Item, Lane, TelegramStore } from './ports.ts';
import type { Draft } from './question-draft.ts';
import { topicName } from './words.ts';

const ASKED_ANEW = '⤵️ <i>What was asked here has changed; it is asked anew.</i>';
const CURSOR = 'cursor';
const PAGE = 500;
/** More cards than this are never open: the hub lets no more decisions wait. */
const OPEN_MAX = 3_000;

/** A message is held at a terminal, or may be so no more. */
const HELD_OR_NOT: readonly Message['state'][] = [
  'held_at_terminal',
  'delivered',
  'denied',
  'expired',
  'failed',
  'cancelled',
];

export interface FeedOptions {
  readonly services: HubServices;
  readonly store: TelegramStore;
  readonly outbox: Outbox;
  readonly log: Log;
  readonly posts: NoticePosts;
  readonly missions: MissionPosts;
  readonly now: () => number;
  readonly home: () => number | undefined;
  /** A mirrored message was left out, because too much waits. */
  readonly onOverflow: () => void;
}

export const approvalKey = (id: string) => `a:${id}`;
/** The beginning of the keys of older cards of an approval. */
export const olderKey = (id: string) => `o:${id}:`;

/** How an approval is shown. */
export interface Showing {
  /** Saves looking it up. */
  readonly message?: Message | undefined;
  /** What was answered so far; else as it stands on the card, if that shows the same. */
  readonly draft?: Draft;
  /** It is to be told: a card is made if there is none; `again`: a new one in place of the one that is there. */
  readonly tell?: { readonly silent: boolean; readonly again: boolean };
}
export const messageKey = (id: string) => `m:${id}`;

export class Feed {
  readonly #options: FeedOptions;
  #seq = 0;

  constructor(options: FeedOptions) {
    this.#options = options;
  }

  /**
   * Reads what happened while this surface was away, and shows what became of every open card. `lastSeq` is the newest event at the moment of
   * subscribing; later ones come through `handle`.
   */
  async catchUp(lastSeq: number): Promise<void> {
    const { services, store, log } = this.#options;
    const { epoch } = services.events;
    const cursor = readCursor(await store.getMeta(CURSOR));
    this.#seq = cursor?.epoch === epoch ? cursor.seq : lastSeq;
    if (cursor !== undefined) {
      for (;;) {
        const page = await services.events.after(cursor.epoch, this.#seq, PAGE);
        if (page.gap) {
          log.info('events are gone from the log; Telegram goes on from now');
          this.#seq = lastSeq;
          break;
        }
        for (const event of page.events) await this.handle(event);
        if (page.events.length < PAGE) break;
      }
    }
    await this.saveCursor();
    await this.#reviewApprovals();
    await this.#options.missions.review();
  }

  /** Shows what an event changed. Events that were read already are skipped. */
  async handle(event: HubEvent): Promise<void> {
    if (event.seq <= this.#seq) return;
    try {
      await this.#show(event);
    } catch (error) {
      // One event that cannot be shown must not keep the others from being shown.
      this.#options.log.error(
        { err: error, seq: event.seq, type: event.type },
        'an event could not be shown in Telegram',
      );
    }
    this.#seq = event.seq;
  }

  /** Remembers how far it has read; called after a batch. */
  async saveCursor(): Promise<void> {
    await this.#options.store.setMeta(CURSOR, `${this.#options.services.events.epoch}:${this.#seq}`);
  }

  async #show(event: HubEvent): Promise<void> {
    // What waits for a person is told before what became of it.
    if (event.type === 'approval.changed')
      await this.showApproval(event.approval, event.approval.state === 'pending' ? 0 : 2);
    else if (event.type === 'message.changed') {
      await this.#showMessage(event.message, event.thread.title);
      if (HELD_OR_NOT.includes(event.message.state)) await this.#options.posts.held(event.message);
    } else if (event.type === 'system.notice') await this.#options.posts.notice(event.notice);
    else if (event.type === 'mission.changed') await this.#options.missions.changed(event.mission);
    else if (event.type === 'mission.log') this.#options.missions.grew(event.missionId);
  }

  /** Cards as things are now, also of what was decided meanwhile. Those that are missing are told by the notifier. */
  async #reviewApprovals(): Promise<void> {
    const { services, store } = this.#options;
    for (const item of await store.openItems(OPEN_MAX)) {
      if (!item.key.startsWith('a:')) continue;
      const approval = await services.approvals.get(item.key.slice(2)).catch(() => undefined);
      if (approval !== undefined) await this.showApproval(approval, 0);
    }
  }

  /** Shows an approval as it is now, on its card; only what is told makes a card. */
  async showApproval(approval: Approval, lane: Lane, how: Showing = {}): Promise<void> {
    const { store, outbox } = this.#options;
    const home = this.#options.home();
    if (home === undefined) return;
    const key = approvalKey(approval.id);
    const known = await store.item(key);
    const isOpen = approval.state === 'pending';
    if (known === undefined && (!isOpen || how.tell === undefined)) return;
    if (known !== undefined && !isOpen && this.#wasNeverSeen(approval, known)) {
      await store.remove(key);
      return;
    }
    if (how.tell?.again === true && known !== undefined) await this.#makeOlder(known, approval);
    const isNew = known === undefined || how.tell?.again === true;
    const draft = how.draft ?? (known?.shownHash === approval.shownHash ? known.content.draft : undefined);
    // What rings is said when a card is told; what is settled before it could be sent calls nobody.
    const silent = isNew ? how.tell?.silent === true : known.content.silent || (!isOpen && known.sent.length === 0);
    const place = await this.#placeOf(home, approval);
    const facts = {
      approval,
      ...(await this.#factsOf(approval, how.message)),
      ...(draft === undefined ? {} : { draft }),
    };
    await outbox.put({
      ...{ key, chatId: home, lane, shownHash: approval.shownHash, open: isOpen, ...place },
      content: cardContent(facts, silent),
    });
  }

  /** Nobody saw its card, and it says nothing that people must know afterwards. */
  #wasNeverSeen({ kind }: Approval, { key, sent, due }: Item): boolean {
    const isPassing = kind === 'tool' || kind === 'question';
    return isPassing && due && sent.length === 0 && !this.#options.outbox.isUnderWay(key);
  }

  async #makeOlder({ key, chatId, sent }: Item, { id }: Approval): Promise<void> {
    const first = sent[0]?.messageId;
    if (first === undefined) return;
    await this.#options.store.retire(
      key,
      { key: `${olderKey(id)}${first}`, chatId, lane: 2, content: { parts: [ASKED_ANEW], silent: true } },
      this.#options.now(),
    );
  }

  /** The conversation that a card stands in, and the message that it stands for. */
  async #placeOf(
    home: number,
    { subject, state }: Approval,
  ): Promise<Partial<Pick<Item, 'threadId' | 'messageId' | 'confirm'>>> {
    const { store } = this.#options;
    if (subject.kind === 'join') return {};
    if (subject.kind === 'tool' || subject.kind === 'question') {
      const threadId = await this.missionThread(subject.missionId);
      return threadId === undefined ? {} : { threadId };
    }
    const isLaunch = subject.kind === 'launch';
    const name = topicName(subject.from, subject.to, isLaunch ? subject.body : subject.threadTitle);
    await store.ensureTopic(home, subject.threadId, name);
    return {
      threadId: subject.threadId,
      ...(isLaunch ? {} : { messageId: subject.messageId }),
      confirm: state === 'allowed' && parseAddress(subject.to).kind === 'human',
    };
  }

  async #factsOf({ subject, state }: Approval, message: Message | undefined): Promise<Partial<CardFacts>> {
    const { services } = this.#options;
    if (subject.kind === 'join') return {};
    const fromMachine = await this.#machineName(subject.from);
    if (subject.kind === 'tool' || subject.kind === 'question') return { fromMachine };
    const toMachine = await this.#machineName(subject.to);
    if (subject.kind === 'launch') return { fromMachine, toMachine, message };
    const now =
      message ??
      (state === 'pending'
        ? undefined
        : await services.messaging.trace(subject.messageId).then(
            (trace) => trace.message,
            () => undefined,
          ));
    return { fromMachine, toMachine, message: now };
  }

  async #showMessage(message: Message, title: string): Promise<void> {
    const { services, store, outbox } = this.#options;
    const home = this.#options.home();
    if (home === undefined || message.state === 'submitted') return;
    // Notes of the hub to an agent repeat what the cards and state lines say here.
    if (message.kind === 'notice' && !isForPerson(message)) return;
    if (message.approvalId !== undefined) {
      const hasCard = (await store.item(approvalKey(message.approvalId))) !== undefined;
      if (hasCard) {
        const approval = await services.approvals.get(message.approvalId);
        await this.showApproval(approval, approval.state === 'pending' ? 0 : 2, { message });
        return;
      }
      // Its card comes when the notifier tells it.
      if (message.state === 'held') return;
    }
    const known = await store.item(messageKey(message.id));
    if (known?.content.reaction !== undefined) {
      await this.#react(message, known);
      return;
    }
    if (known === undefined && (await outbox.isFull())) {
      this.#options.onOverflow();
      return;
    }
    await store.ensureTopic(home, message.threadId, topicName(message.from, message.to, title));
    await outbox.put({
      key: messageKey(message.id),
      chatId: known?.chatId ?? home,
      threadId: message.threadId,
      messageId: message.id,
      confirm: isForPerson(message),
      lane: known === undefined ? 1 : 2,
      content: messageContent(message),
    });
  }

  /** How a message fares that an operator wrote in Telegram. */
  async #react(message: Message, known: Item): Promise<void> {
    const { outbox } = this.#options;
    const reaction = hasArrived(message.state) ? '👌' : hasFailed(message.state) ? '🤔' : '👀';
    const base = { chatId: known.chatId, topicId: known.topicId, replyTo: known.replyTo };
    await outbox.put({
      key: known.key,
      ...base,
      threadId: known.threadId,
      messageId: message.id,
      lane: 2,
      content: { parts: [], silent: true, reaction },
    });
    const state = hasFailed(message.state) || message.state === 'held_at_terminal' ? stateLine(message) : undefined;
    if (state === undefined) return;
    await outbox.put({
      key: `n:${message.id}:${message.state}`,
      ...base,
      lane: 0,
      content: { parts: [state], silent: false },
    });
  }

  /** The conversation of a mission: what its agent asks stands in the topic where it reports. */
  async missionThread(missionId: string | undefined): Promise<string | undefined> {
    const home = this.#options.home();
    if (missionId === undefined || home === undefined) return undefined;
    const { services, store } = this.#options;
    const mission = await services.missions.get(missionId).catch(() => undefined);
    if (mission === undefined) return undefined;
    await store.ensureTopic(home, mission.threadId, topicName(mission.requestedBy, addressOf(mission), mission.text));
    return mission.threadId;
  }

  async #machineName(address: string): Promise<string | undefined> {
    const parsed = parseAddress(address);
    if (parsed.kind === 'human') return undefined;
    return this.#options.services.registry.machine(parsed.machine).then(
      (machine) => machine.displayName,
      () => undefined,
    );
  }
}

function readCursor(text: string | undefined): { epoch: string; seq: number } | undefined {
  const at = text?.lastIndexOf(':') ?? -1;
  if (text === undefined || at < 0) return undefined;
  const seq = Number(text.slice(at + 1));
  return Number.isSafeInteger(seq) ? { epoch: text.slice(0, at), seq } : undefined;
}
