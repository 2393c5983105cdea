/**
 * Whether an operator is told of something, by which channels, and when. Pure.
 *
 * Invariants: who looks is not rung; what is muted is never made up for; what comes in quiet hours, and what is not urgent where somebody wants it gathered, is told later
 * and together; nothing rings in quiet hours.
 */
import { DEFAULT_CHANNELS, type NoticeChannel, type NoticeKind, type Preferences } from '../../protocol/attention.ts';
import { parseAddress } from '../../protocol/address.ts';
import { globMatchesAddress, parseGlob } from '../approvals/policy-glob.ts';
import type { Notice } from '../services.ts';
import { isQuiet, quietUntil } from './quiet-hours.ts';

export type Telling =
  | { readonly tell: 'now'; readonly channels: readonly NoticeChannel[] }
  | { readonly tell: 'later'; readonly at: number }
  | { readonly tell: 'never' };

export interface Moment {
  readonly now: number;
  readonly looking: boolean;
  /** It has been held back until now. */
  readonly gathered?: boolean;
}

/** What stops an agent in the middle of its work: never gathered. */
const URGENT: ReadonlySet<NoticeKind> = new Set(['permission', 'question', 'plan', 'text', 'trust', 'login', 'dialog']);
const MINUTE = 60_000;

export function isUrgent(kind: NoticeKind): boolean {
  return URGENT.has(kind);
}

export function tellingOf(notice: Pick<Notice, 'kind' | 'about'>, preferences: Preferences, moment: Moment): Telling {
  const { now, looking, gathered = false } = moment;
  const channels = preferences.channels[notice.kind] ?? DEFAULT_CHANNELS[notice.kind];
  if (channels.length === 0 || looking || isMuted(notice.about, preferences, now)) return { tell: 'never' };
  const { quiet, digestMinutes } = preferences;
  if (quiet !== undefined && isQuiet(quiet, now)) return { tell: 'later', at: quietUntil(quiet, now) };
  if (!gathered && digestMinutes > 0 && !isUrgent(notice.kind)) {
    return { tell: 'later', at: now + digestMinutes * MINUTE };
  }
  return { tell: 'now', channels };
}

function isMuted(about: string | undefined, { muteUntil, mutes }: Preferences, now: number): boolean {
  if (muteUntil !== undefined && Date.parse(muteUntil) > now) return true;
  if (about === undefined) return false;
  const address = parseAddress(about);
  return mutes.some(({ pattern, until }) => {
    if (until !== undefined && Date.parse(until) <= now) return false;
    const read = parseGlob(pattern);
    return 'glob' in read && globMatchesAddress(read.glob, address);
  });
}
