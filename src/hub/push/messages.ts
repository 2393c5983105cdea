/** Notices as the service worker gets them, and how urgently they are sent. Pure. Invariant: a message fits into one push (4 KB encrypted), whatever the language. */
import { createHash } from 'node:crypto';
import type { PushMessage } from '../../protocol/attention.ts';
import { isUrgent } from '../attention/telling.ts';
import type { Notice } from '../services.ts';

/** UTF-16 units; three bytes each at most, with room for the rest of the message. */
const TITLE_MAX = 150;
const BODY_MAX = 700;
const DIGEST_TAG = 'digest';
const DIGEST_LINES = 8;
const DAY = 24 * 3600;
const HOUR = 3600;

/** What goes to the push service beside the message. */
export interface Delivery {
  readonly message: PushMessage;
  /** Seconds that the service keeps it for a phone that is off. */
  readonly ttl: number;
  readonly urgency: 'high' | 'normal' | 'low';
}

export function showMessage(notice: Notice, again: boolean, now: number): Delivery {
  const { approval } = notice;
  const isPlain = approval?.subject.kind === 'tool' && approval.subject.plan !== true && !approval.subject.cut;
  return {
    message: {
      do: 'show',
      tag: notice.key,
      title: cut(notice.title, TITLE_MAX),
      body: cut(notice.text, BODY_MAX),
      path: notice.path,
      ...(isPlain ? { approval: { id: approval.id, shownHash: approval.shownHash } } : {}),
      renotify: again,
    },
    ttl: approval === undefined ? HOUR : Math.min(DAY, Math.max(60, secondsTo(approval.expiresAt, now))),
    urgency: notice.kind === 'done' ? 'low' : isUrgent(notice.kind) ? 'high' : 'normal',
  };
}

export function closeMessage(tag: string): Delivery {
  return { message: { do: 'close', tag }, ttl: DAY, urgency: 'normal' };
}

export function digestMessage(notices: readonly Notice[]): Delivery {
  const [first] = notices;
  const lines = notices.slice(0, DIGEST_LINES).map(({ title }) => title);
  if (notices.length > lines.length) lines.push(`and ${notices.length - lines.length} more`);
  const title = notices.length === 1 && first !== undefined ? first.title : `${notices.length} things wait for you`;
  const body = notices.length === 1 && first !== undefined ? first.text : lines.join('\n');
  return {
    message: {
      do: 'show',
      tag: DIGEST_TAG,
      title: cut(title, TITLE_MAX),
      body: cut(body, BODY_MAX),
      path: notices.length === 1 && first !== undefined ? first.path : '/#/approvals',
      renotify: true,
    },
    ttl: HOUR,
    urgency: 'normal',
  };
}

/** Under which one message replaces another that waits at the push service: at most 32 letters. */
export function topicOf(tag: string): string {
  return createHash('sha256').update(tag).digest('base64url').slice(0, 32);
}

function secondsTo(time: string, now: number): number {
  return Math.round((Date.parse(time) - now) / 1000);
}

function cut(text: string, max: number): string {
  return text.length <= max ? text : `${text.slice(0, max - 1).replace(/[\ud800-\udbff]$/, '')}…`;
}
