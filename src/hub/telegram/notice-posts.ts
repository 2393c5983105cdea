/**
 * What a person must know about the mesh itself, in General: system notices (warnings and errors), and messages that wait at a terminal.
 *
 * Invariants: one post per notice while it lasts, edited when its words change and when it is over; one that comes back soon is the same post
 * again and rings no second time; notices about Telegram itself are not told there; information is not posted. A post is an item of the outbox
 * like all others, so it survives a restart and obeys the pace.
 */
import type { Clock } from '../../platform/clock.ts';
import { agentOf, formatAddress, parseAddress } from '../../protocol/address.ts';
import type { Message, SystemNotice } from '../../protocol/model.ts';
import { escapeHtml, oneLine } from './html.ts';
import type { Outbox } from './outbox.ts';
import type { Content, TelegramStore } from './ports.ts';

/** A notice that is back within this time edits its post instead of ringing again. */
const SAME_MS = 15 * 60_000;
const OVER = '✓ ';

export const noticeKey = (key: string) => `s:${key}`;

export interface NoticePostsOptions {
  readonly store: TelegramStore;
  readonly outbox: Pick<Outbox, 'put' | 'isFull'>;
  readonly clock: Clock;
  readonly home: () => number | undefined;
}

export class NoticePosts {
  readonly #options: NoticePostsOptions;

  constructor(options: NoticePostsOptions) {
    this.#options = options;
  }

  /** A notice was raised, changed or cleared. */
  async notice(notice: SystemNotice): Promise<void> {
    if (notice.key.startsWith('telegram.')) return;
    const key = noticeKey(notice.key);
    if (notice.clearedAt !== undefined) await this.#over(key, `<i>over: ${escapeHtml(oneLine(notice.text, 600))}</i>`);
    else if (notice.level !== 'info') await this.#live(key, noticeHtml(notice), undefined);
  }

  /** A message is held at the terminal of its recipient, or is so no more. One post per agent, about the newest one. */
  async held(message: Message): Promise<void> {
    const to = parseAddress(message.to);
    if (to.kind === 'human') return;
    const agent = formatAddress(agentOf(to));
    const key = noticeKey(`held.${agent}`);
    if (message.state === 'held_at_terminal') {
      const html = `✋ A message to <b>${escapeHtml(agent)}</b> waits at its terminal: the agent asks its person first.\nAnswer there.`;
      await this.#live(key, html, message.id);
      return;
    }
    const known = await this.#options.store.item(key);
    if (known?.messageId !== message.id) return;
    await this.#over(key, `<i>over: a message to <b>${escapeHtml(agent)}</b> waited at its terminal</i>`);
  }

  async #live(key: string, html: string, messageId: string | undefined): Promise<void> {
    const { store, outbox, clock } = this.#options;
    const home = this.#options.home();
    if (home === undefined) return;
    const known = await store.item(key);
    const wasOver = known?.content.parts[0]?.startsWith(OVER) === true;
    // What was over for a while is told anew, at the end of the chat.
    if (known !== undefined && wasOver && clock.now() - known.updatedAt > SAME_MS) await store.remove(key);
    else if (known === undefined && (await outbox.isFull())) return;
    await outbox.put({
      ...{ key, chatId: home, lane: 0, content: contentOf(html, false) },
      ...(messageId === undefined ? {} : { messageId }),
    });
  }

  async #over(key: string, html: string): Promise<void> {
    const { store, outbox } = this.#options;
    const known = await store.item(key);
    if (known === undefined || known.content.parts[0]?.startsWith(OVER) === true) return;
    // Nobody saw it, so nobody needs to hear that it is over.
    if (known.sent.length === 0) await store.remove(key);
    else await outbox.put({ key, chatId: known.chatId, lane: 2, content: contentOf(`${OVER}${html}`, true) });
  }
}

/** One notice as Telegram shows it. */
export function noticeHtml(notice: Pick<SystemNotice, 'level' | 'text' | 'next'>): string {
  const mark = notice.level === 'error' ? '🔴' : '🟠';
  const next = notice.next === undefined ? '' : `\n<i>${escapeHtml(oneLine(notice.next, 500))}</i>`;
  return `${mark} ${escapeHtml(oneLine(notice.text, 1_000))}${next}`;
}

function contentOf(html: string, silent: boolean): Content {
  return { parts: [html], silent };
}
