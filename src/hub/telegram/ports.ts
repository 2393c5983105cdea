/**
 * What the Telegram surface remembers, and the shape of its durable outbox.
 *
 * An item is one thing that people see in a chat: a mirrored message, a card, an answer to a command. It holds what should be seen
 * (`content`) and what is (`sent`); it is *due* while they differ. So a burst of changes becomes one call, a restart goes on where it
 * was, and a call whose answer was lost is made again.
 */
import type { Draft } from './question-draft.ts';

export interface PressButton {
  readonly text: string;
  /** At most 64 bytes; comes back when it is pressed. */
  readonly data: string;
  readonly style?: 'success' | 'danger' | 'primary';
}

/** Opens a page; nothing comes back. */
export interface LinkButton {
  readonly text: string;
  readonly url: string;
}

export type CardButton = PressButton | LinkButton;

export interface AttachedText {
  readonly name: string;
  readonly text: string;
  /** HTML, at most 1,024 units. */
  readonly caption: string;
}

/** What people should see. */
export interface Content {
  /** HTML, one per Telegram message. */
  readonly parts: readonly string[];
  /** Under the last part. */
  readonly buttons?: readonly (readonly CardButton[])[];
  readonly document?: AttachedText;
  /** No sound on the phone. */
  readonly silent: boolean;
  /** A reaction on `replyTo` instead of a text of our own. */
  readonly reaction?: string;
  /** Opens a reply to this message at whoever is named in it, with these words in the empty field. Such a message cannot be edited. */
  readonly ask?: string;
  /** What was answered so far, of a card with questions. Not sent. */
  readonly draft?: Draft;
}

export interface SentPart {
  readonly messageId: number;
  /** Hash of what was sent or last edited. */
  readonly hash: string;
}

/** 0: a person waits for it · 1: messages · 2: a changed state of what is there already. */
export type Lane = 0 | 1 | 2;

export interface Item {
  /**
   * `a:<approval>`, `o:…` (an older card of it), `k:<approval>:…` (asks for a text), `m:<message>`, `w:<mission>`, `r:<mission>:<run>` (its result), `s:<notice>`,
   * `t:session:<machine>/<session>` (its live notice), `t:digest`, `n:<note>`.
   */
  readonly key: string;
  readonly chatId: number;
  /** The conversation whose topic it belongs into; absent: General, or `topicId`. */
  readonly threadId: string | undefined;
  /** A topic given by its number, for answers where somebody wrote. */
  readonly topicId: number | undefined;
  readonly replyTo: number | undefined;
  /** The message of the mesh that it shows, for replies to it. */
  readonly messageId: string | undefined;
  /** The full hash of the approval as it is shown here. */
  readonly shownHash: string | undefined;
  /** Buttons are (to be) on it. */
  readonly open: boolean;
  /** Tell the hub once it was shown: it is addressed to a person. */
  readonly confirm: boolean;
  readonly content: Content;
  readonly sent: readonly SentPart[];
  readonly documentSent: boolean;
  readonly lane: Lane;
  readonly due: boolean;
  /** Raised by each `put`, so that a change during a call is not lost. */
  readonly version: number;
  /** Failures in a row that are not the network's. */
  readonly attempts: number;
  readonly updatedAt: number;
}

export type ItemDraft = Pick<Item, 'key' | 'chatId' | 'content' | 'lane'> &
  Partial<Pick<Item, 'threadId' | 'topicId' | 'replyTo' | 'messageId' | 'shownHash' | 'open' | 'confirm'>>;

export interface Topic {
  readonly threadId: string;
  readonly name: string;
  /** Absent until it was made. */
  readonly topicId: number | undefined;
  /** How often it was made; a topic that people delete is made again once. */
  readonly made: number;
}

/** What the presser of a button reads; `alert` must be closed by them. */
export interface PressAnswer {
  readonly text: string;
  readonly alert: boolean;
}

/** One method is one transaction. */
export interface TelegramStore {
  getMeta(key: string): Promise<string | undefined>;
  setMeta(key: string, value: string): Promise<void>;

  /** Remembers the name for a thread's topic if the thread is new. */
  ensureTopic(chatId: number, threadId: string, name: string): Promise<void>;
  topic(chatId: number, threadId: string): Promise<Topic | undefined>;
  threadOfTopic(chatId: number, topicId: number): Promise<string | undefined>;
  topicMade(chatId: number, threadId: string, topicId: number): Promise<void>;
  topicGone(chatId: number, threadId: string): Promise<void>;
  /** Topics in the order of their threads' ids, behind this one. */
  topicsAfter(chatId: number, threadId: string, limit: number): Promise<Topic[]>;
  /** The conversation is over for good. False: something of it still has to be shown or decided; the topic stays. */
  forgetTopic(chatId: number, threadId: string): Promise<boolean>;

  item(key: string): Promise<Item | undefined>;
  itemByMessage(chatId: number, telegramMessageId: number): Promise<Item | undefined>;
  /** The mission card of a conversation: one that is open, else the newest. */
  missionCardOf(chatId: number, threadId: string): Promise<Item | undefined>;
  /** Makes or changes what should be seen and marks it due; what was sent, and the place in the queue, stay. */
  put(draft: ItemDraft, now: number): Promise<void>;
  /** A message that a person wrote into the chat, as part of an item; never due. */
  adopt(draft: ItemDraft, telegramMessageId: number, now: number): Promise<void>;
  /** Items whose cards may still have buttons. */
  openItems(limit: number): Promise<Item[]>;

  /** Chats with due items. */
  dueChats(now: number): Promise<number[]>;
  /** The next due item of a chat: by lane, then by age. */
  nextDue(chatId: number, now: number): Promise<Item | undefined>;
  /** When the next postponed item comes, if any. */
  nextDueAt(now: number): Promise<number | undefined>;
  dueCount(): Promise<number>;
  partSent(key: string, index: number, part: SentPart, now: number): Promise<void>;
  /** Nothing, if the message became part of another item meanwhile. */
  partEdited(key: string, index: number, part: SentPart, now: number): Promise<void>;
  documentSent(key: string, telegramMessageId: number): Promise<void>;
  /** Parts are gone from the chat: forget them, so that they are sent again. */
  forgetSent(key: string): Promise<void>;
  /** Everything is shown, unless it was changed meanwhile (`version` is another): then false. */
  settle(key: string, version: number): Promise<boolean>;
  postpone(key: string, until: number): Promise<number>;
  /** Given up: no longer due. */
  drop(key: string): Promise<void>;
  remove(key: string): Promise<void>;
  /** What was sent of an item becomes an item of its own with these words; the item itself is as if nothing of it was sent. */
  retire(key: string, as: ItemDraft, now: number): Promise<void>;
  /** The group became a supergroup with another id. */
  moveChat(from: number, to: number): Promise<void>;
  /** Forgets what was shown before `before` and is not due or open. */
  prune(before: number): Promise<number>;
}
