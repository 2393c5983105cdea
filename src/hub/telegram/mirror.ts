/** Messages of a conversation as Telegram shows them. Pure. */
import { parseAddress } from '../../protocol/address.ts';
import type { Message, MessageKind } from '../../protocol/model.ts';
import { escapeHtml, oneLine, parseMarkdown, runsToHtml, showHidden, visibleText } from './html.ts';
import type { Content } from './ports.ts';
import { splitRuns, TEXT_MAX } from './split.ts';
import { partyHtml } from './words.ts';

/** Units kept free in each part for the first line (two addresses) and the state line (a reason). */
const RESERVED = 1_000;
/** More parts than this go as one part and a file. */
export const PARTS_MAX = 4;

export function messageContent(message: Message): Content {
  return textContent({
    text: message.body,
    head: `${iconOf(message.kind)} ${partyHtml(message.from)} → ${partyHtml(message.to)}`,
    tail: asList(stateLine(message)),
    file: { name: `${message.id}.txt`, caption: 'The whole message.' },
    // Between agents nobody needs to be called; what is for a person, rings.
    silent: !isForPerson(message),
  });
}

/** A text of any length between a first and some last lines (HTML, at most RESERVED units together); very long ones go as a file. */
export function textContent(what: {
  readonly text: string;
  readonly head: string;
  readonly tail: readonly string[];
  readonly file: { readonly name: string; readonly caption: string };
  readonly silent: boolean;
}): Content {
  const runs = parseMarkdown(showHidden(what.text));
  // Parts of nothing but white space would be refused.
  const parts = splitRuns(runs, TEXT_MAX - RESERVED).filter((part) => visibleText(part).trim() !== '');
  const isLong = parts.length > PARTS_MAX;
  const shown = (isLong ? parts.slice(0, 1) : parts).map((part) => runsToHtml(part));
  const lines = shown.length === 0 ? ['<i>(blank)</i>'] : shown;
  const tail = [
    ...(isLong
      ? [`✂️ <i>The beginning of ${what.text.length.toLocaleString('en-US')} characters; the file has all.</i>`]
      : []),
    ...what.tail,
  ];
  const html = lines.map((part, index) => {
    const first = index === 0 ? `${what.head}\n` : '';
    const last = index === lines.length - 1 && tail.length > 0 ? `\n${tail.join('\n')}` : '';
    return `${first}${part}${last}`;
  });
  return {
    parts: html,
    ...(isLong ? { document: { ...what.file, text: what.text } } : {}),
    silent: what.silent,
  };
}

function asList(text: string | undefined): string[] {
  return text === undefined ? [] : [text];
}

function iconOf(kind: MessageKind): string {
  switch (kind) {
    case 'ask':
      return '❓';
    case 'reply':
      return '↩️';
    case 'notice':
      return 'ℹ️';
    case 'chat':
      return '💬';
    case 'send':
      return '✉️';
  }
}

/**
 * Where the message is, as its last line. States on the way share one wording, so that passing through them edits nothing. For a message
 * to a person there is none: it is there.
 */
export function stateLine(message: Message): string | undefined {
  const why = message.reason === undefined ? '' : `: ${escapeHtml(oneLine(message.reason, 200))}`;
  switch (message.state) {
    case 'denied':
      return `⛔ <i>denied${why}</i>`;
    case 'expired':
      return `⌛ <i>expired, not delivered${why}</i>`;
    case 'cancelled':
      return `🚫 <i>cancelled${why}</i>`;
    case 'failed':
      return `❌ <i>not delivered${why}</i>`;
    case 'held':
      return `⏸ <i>held${why}</i>`;
    case 'held_at_terminal':
      return `✋ <i>held at the terminal of ${escapeHtml(oneLine(message.place, 64))}: the agent asks its person first</i>`;
    case 'answered':
      return isForPerson(message) ? undefined : '✓ <i>answered</i>';
    case 'delivered':
    case 'seen':
      return isForPerson(message) ? undefined : '✓ <i>delivered</i>';
    case 'submitted':
    case 'queued':
    case 'dispatched':
    case 'written':
      return isForPerson(message) ? undefined : '⏳ <i>on its way</i>';
  }
}

export function isForPerson(message: Message): boolean {
  return parseAddress(message.to).kind === 'human';
}
