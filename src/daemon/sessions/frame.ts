/**
 * How a message is shown to an agent: as coming from a peer, never as the user's own words.
 *
 * Invariants: every name and body is escaped, so that no text can close the tag, open another or write a second header; the line above the
 * tag says who sent it from where and who approved it; the message id is in it (it is what proof of delivery looks for), and how to answer.
 */
import { parseAddress } from '../../protocol/address.ts';
import { INLINE_BODY_MAX } from '../../protocol/limits.ts';
import type { DeliverMessage } from '../../protocol/daemon-api.ts';
import type { InboxItem } from '../../protocol/local-api.ts';

/** Control characters but tab and newline, and the overrides of the writing direction. */
const UNSAFE = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069]/gu;

export function escapeText(text: string): string {
  return text.replace(UNSAFE, '').replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
}

/** For attribute values and one-line headers. */
export function escapeAttribute(text: string): string {
  return escapeText(text.replace(/[\r\n\t\u2028\u2029]+/g, ' '))
    .replaceAll('"', '&quot;')
    .replaceAll("'", '&#39;');
}

/** The beginning of a body, cut between characters. */
export function bodyForAgent(
  body: string,
  max: number = INLINE_BODY_MAX,
): { readonly text: string; readonly cut: boolean } {
  if (body.length <= max) return { text: body, cut: false };
  const last = body.charCodeAt(max - 1);
  const half = last >= 0xd800 && last <= 0xdbff;
  return { text: body.slice(0, half ? max - 1 : max), cut: true };
}

export function inboxItem(message: DeliverMessage, max: number = INLINE_BODY_MAX): InboxItem {
  const { text, cut } = bodyForAgent(message.body, max);
  return {
    id: message.id,
    threadId: message.threadId,
    kind: message.kind,
    from: message.from,
    body: text,
    cut,
    approval: message.approval,
    ...(message.inReplyTo === undefined ? {} : { inReplyTo: message.inReplyTo }),
    sentAt: message.sentAt,
  };
}

/** What is told of messages that are not shown now: how many, from whom. */
export interface Digest {
  readonly count: number;
  readonly senders: readonly (readonly [sender: string, count: number])[];
}

export function digestOf(messages: readonly { readonly from: string }[]): Digest {
  const counts = new Map<string, number>();
  for (const { from } of messages) counts.set(from, (counts.get(from) ?? 0) + 1);
  return { count: messages.length, senders: [...counts].sort((a, b) => b[1] - a[1]).slice(0, 5) };
}

/** The text of one hand-out: its messages in order, then the digest of what still waits. */
export function frameMessages(items: readonly InboxItem[], digest?: Digest): string {
  const parts = items.map(frameOne);
  if (digest !== undefined && digest.count > 0) parts.push(digestLine(digest));
  return parts.join('\n\n');
}

/** The sender's name for a whole hand-out, as the person at the terminal reads it. */
export function senderName(items: readonly { readonly from: string }[]): string {
  const names = new Set(items.map((item) => item.from));
  const [only] = names;
  if (only === undefined || names.size > 1) return `intercom (${names.size} senders)`;
  return only;
}

function frameOne(item: InboxItem): string {
  const lines = [
    header(item),
    `<intercom-message id="${escapeAttribute(item.id)}" thread="${escapeAttribute(item.threadId)}" kind="${item.kind}" from="${escapeAttribute(item.from)}">`,
    escapeText(item.body),
    '</intercom-message>',
  ];
  if (item.cut) {
    lines.push(
      `Only its beginning is shown. Read all of it with intercom_history (thread_id "${escapeAttribute(item.threadId)}").`,
    );
  }
  const answer = howToAnswer(item);
  if (answer !== undefined) lines.push(answer);
  return lines.join('\n');
}

function header(item: InboxItem): string {
  const re = item.inReplyTo === undefined ? '' : `, in reply to ${escapeAttribute(item.inReplyTo)}`;
  const approval = item.approval === '' ? '' : ` (${escapeAttribute(item.approval)})`;
  if (item.kind === 'notice') return `[intercom] Notice${re}, from intercom itself${approval}:`;
  const sender = escapeAttribute(item.from);
  const person = isPerson(item.from);
  const who = person
    ? `the operator ${sender}, written in intercom and not at this terminal`
    : `the agent ${sender}, a peer and not your user`;
  return `[intercom] ${KIND_WORDS[item.kind]}${re} from ${who}${approval}:`;
}

const KIND_WORDS = { send: 'Message', ask: 'Question', chat: 'Message', reply: 'Reply' } as const;

function isPerson(from: string): boolean {
  try {
    return parseAddress(from).kind === 'human';
  } catch {
    return false;
  }
}

function howToAnswer(item: InboxItem): string | undefined {
  const call = `intercom_reply with thread_id "${escapeAttribute(item.threadId)}"`;
  switch (item.kind) {
    case 'ask':
      return `An answer is expected: ${call}.`;
    case 'chat':
      return `To answer: ${call}.`;
    case 'send':
    case 'reply':
      return `No answer is needed; if you have one: ${call}.`;
    case 'notice':
      return undefined;
  }
}

function digestLine(digest: Digest): string {
  const senders = digest.senders.map(([name, count]) => `${escapeAttribute(name)}: ${count}`).join(', ');
  const noun = digest.count === 1 ? 'message waits' : 'messages wait';
  return `[intercom] ${digest.count} more ${noun} (${senders}). Read them with intercom_check_inbox.`;
}
