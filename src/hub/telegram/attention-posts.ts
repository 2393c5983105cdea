/**
 * What the notifier tells, in Telegram: cards of approvals, one live notice per session, digests.
 *
 * Invariants:
 * - A card or notice is made only when the notifier says so, with sound only where it names an operator who is on Telegram; what is told twice stands once.
 * - What is asked anew is a new message, because an edit calls nobody; the one that it replaces says so.
 * - What is dealt with is said by an edit of the notice, never by taking it away; what nobody saw yet is not told any more.
 * - Everything is an item of the outbox, so it obeys the pace and survives a restart; notices that ended while this surface was away are ended when it starts.
 */
import type { NoticeKind } from '../../protocol/attention.ts';
import type { Clock } from '../../platform/clock.ts';
import type { HubServices, Notice, NoticeWord } from '../services.ts';
import { approvalKey, type Feed } from './feed.ts';
import { clip, escapeHtml, oneLine, showHidden } from './html.ts';
import { linkOf } from './mission-desk.ts';
import type { Outbox } from './outbox.ts';
import { pageAddress } from './pages.ts';
import type { Content, Item, TelegramStore } from './ports.ts';
import { sessionOf } from './sessions.ts';

export interface AttentionPostsOptions {
  readonly services: Pick<HubServices, 'approvals' | 'registry'>;
  readonly store: TelegramStore;
  readonly outbox: Pick<Outbox, 'put' | 'isFull' | 'isUnderWay'>;
  readonly feed: Pick<Feed, 'showApproval' | 'missionThread'>;
  readonly clock: Clock;
  readonly home: () => number | undefined;
  readonly pageUrl: () => string | undefined;
  /** The operators who can be reached here. */
  readonly operators: () => readonly string[];
}

const OPEN_MAX = 3_000;
/** The notifier cuts longer ones, and says so. */
const TEXT_SHOWN = 2_500;
const DIGEST_SHOWN = 20;
const DIGEST = 't:digest';
export const noticeItemKey = (key: string) => `t:${key}`;

export const WAIT_ICONS: Readonly<Record<NoticeKind, string>> = {
  permission: '🔐',
  question: '❓',
  plan: '📋',
  text: '✍️',
  trust: '🛡',
  login: '🔑',
  rate_limit: '⏳',
  dialog: '💬',
  message: '✉️',
  ask: '❓',
  launch: '🚀',
  join: '🖥',
  stall: '🐌',
  done: '🏁',
};

/** What a person can do about a notice that has no buttons. */
const NEXT: Partial<Readonly<Record<NoticeKind, string>>> = {
  permission: 'Answer at its terminal.',
  question: 'Answer at its terminal.',
  plan: 'Answer at its terminal.',
  text: 'Answer at its terminal.',
  trust: 'Answer at its terminal.',
  login: 'Sign in at its terminal.',
  dialog: 'Answer at its terminal.',
  rate_limit: 'Only time helps; it goes on by itself.',
  stall: 'It may be stuck. Look at its terminal.',
};

export class AttentionPosts {
  readonly #options: AttentionPostsOptions;

  constructor(options: AttentionPostsOptions) {
    this.#options = options;
  }

  async told(word: NoticeWord): Promise<void> {
    switch (word.word) {
      case 'show':
        await this.#show(word);
        return;
      case 'withdraw':
        await this.#over(noticeItemKey(word.key), word.how);
        return;
      case 'digest':
        await this.#digest(word);
        return;
    }
  }

  /** Ends the notices of sessions that wait no more; the word of it may have come while this surface was away. */
  async review(): Promise<void> {
    const { services, store } = this.#options;
    const open = (await store.openItems(OPEN_MAX)).filter(({ key }) => key.startsWith('t:'));
    if (open.length === 0) return;
    const agents = await services.registry.agents('all');
    for (const { key } of open) {
      const session = sessionOf(agents, key.slice(2));
      const stands = session?.state === 'waiting' || session?.stalledSince !== undefined;
      if (!stands) await this.#over(key, 'It does not wait any more');
    }
  }

  async #show({ notice, ring, again }: Extract<NoticeWord, { word: 'show' }>): Promise<void> {
    const silent = !this.#rings(ring.telegram);
    if (notice.approval !== undefined) {
      // The word may be older than the decision.
      const approval = await this.#options.services.approvals.get(notice.approval.id).catch(() => undefined);
      if (approval !== undefined) await this.#options.feed.showApproval(approval, 0, { tell: { silent, again } });
      return;
    }
    const { store, outbox } = this.#options;
    const home = this.#options.home();
    if (home === undefined) return;
    const key = noticeItemKey(notice.key);
    const known = await store.item(key);
    if (known === undefined && (await outbox.isFull())) return;
    const isSeen = known?.open === true && known.sent.length > 0;
    if (known !== undefined && !known.open) await store.remove(key);
    else if (isSeen && again) await this.#makeOlder(known);
    const wasToRing = known?.open === true && !isSeen && !known.content.silent;
    const content = this.#content(notice, silent && !wasToRing);
    const threadId = await this.#threadOf(notice);
    await outbox.put({
      ...{ key, chatId: home, lane: 0, open: true, content },
      ...(threadId === undefined ? {} : { threadId }),
    });
  }

  #rings(names: readonly string[]): boolean {
    const here = this.#options.operators();
    return names.some((name) => here.includes(name));
  }

  async #threadOf({ key }: Notice): Promise<string | undefined> {
    const { services, feed } = this.#options;
    const session = sessionOf(await services.registry.agents('all'), key);
    return feed.missionThread(session?.mission);
  }

  #content(notice: Notice, silent: boolean): Content {
    const next = NEXT[notice.kind];
    const url = pageAddress(this.#options.pageUrl(), notice.path);
    const text = clip(showHidden(notice.text.trim()), TEXT_SHOWN);
    const html = [
      `${WAIT_ICONS[notice.kind]} <b>${escapeHtml(oneLine(notice.title, 200))}</b>`,
      ...(text === '' ? [] : [`<blockquote>${escapeHtml(text)}</blockquote>`]),
      ...(next === undefined ? [] : [`<i>${next}</i>`]),
    ].join('\n');
    return { parts: [html], ...(url === undefined ? {} : { buttons: [[{ text: '🔎 Open', url }]] }), silent };
  }

  async #makeOlder({ key, chatId, sent, content }: Item): Promise<void> {
    const { store, clock } = this.#options;
    const first = sent[0]?.messageId ?? 0;
    const words = { parts: [ended(content, 'It asks for something else now')], silent: true };
    await store.retire(key, { key: `${key}:${first}`, chatId, lane: 2, content: words }, clock.now());
  }

  async #over(key: string, how: string): Promise<void> {
    const { store, outbox } = this.#options;
    const known = await store.item(key);
    if (known?.open !== true) return;
    if (known.sent.length === 0 && !outbox.isUnderWay(key)) {
      await store.remove(key);
      return;
    }
    await outbox.put({
      ...{ key, chatId: known.chatId, lane: 2, open: false },
      ...(known.threadId === undefined ? {} : { threadId: known.threadId }),
      content: { parts: [ended(known.content, how)], silent: true },
    });
  }

  async #digest({ notices, ring }: Extract<NoticeWord, { word: 'digest' }>): Promise<void> {
    const { store, outbox } = this.#options;
    const home = this.#options.home();
    if (home === undefined || notices.length === 0) return;
    // The one before stays where it is in the chat, and is not edited any more.
    await store.remove(DIGEST);
    const lines = await Promise.all(notices.slice(0, DIGEST_SHOWN).map((notice) => this.#digestLine(notice)));
    const rest = notices.length - lines.length;
    const head = notices.length === 1 ? 'One thing came' : `${notices.length} things came`;
    const html = [
      `🔔 <b>${head} meanwhile</b>`,
      ...lines,
      ...(rest > 0 ? [`… and ${rest} more.`] : []),
      '/attention shows what waits now.',
    ].join('\n');
    await outbox.put({
      ...{ key: DIGEST, chatId: home, lane: 0 },
      content: { parts: [html], silent: !this.#rings(ring.telegram) },
    });
  }

  async #digestLine({ key, kind, title, text, approval }: Notice): Promise<string> {
    const { store } = this.#options;
    const item = await store.item(approval === undefined ? noticeItemKey(key) : approvalKey(approval.id));
    const words = escapeHtml(`${oneLine(title, 80)}: ${oneLine(text, 80)}`);
    const link = linkOf(item);
    return `${WAIT_ICONS[kind]} ${link === undefined ? words : `<a href="${link}">${words}</a>`}`;
  }
}

/** The notice as it stays in the chat: what it said, without its icon, and how it ended. */
function ended({ parts }: Content, how: string): string {
  const [first = ''] = (parts[0] ?? '').split('\n<i>');
  const words = first.slice(first.indexOf(' ') + 1).replace(/<\/?b>/g, '');
  return `✓ ${words}\n<i>${escapeHtml(oneLine(how, 200))}</i>`;
}
